use super::*;
use crate::device::Device;
use crate::model::{self, FAMILIES};
use crate::train::Vocabulary;

#[test]
fn every_family_is_built_of_the_default_sizes() {
    let vocabulary = Vocabulary { symbols: 20 };
    for family in FAMILIES {
        let mut settings = Settings { family: family.name.into(), heads: 2, ..Settings::default() };
        settings.width = 12;
        let config = settings.model_config(vocabulary, 30).unwrap();
        let model = model::seeded(&config, 1, &Device::Cpu)
            .unwrap_or_else(|error| panic!("{}: {error}", family.name));
        let about = model.description();
        assert_eq!([about.layers, about.width, about.heads, about.head_size, about.vocab], [2, 12, 2, 6, 57]);
        assert!(about.context >= 28, "{}: {}", family.name, about.context);
    }
}

#[test]
fn two_stacks_share_the_layers_where_asked() {
    let layers = |layers_of| {
        let settings = Settings { family: "redllm".into(), layers: 5, layers_of, ..Settings::default() };
        let config = settings.model_config(Vocabulary { symbols: 20 }, 30).unwrap();
        let about = model::outline(&config).unwrap().description;
        [about.encoder.unwrap().layers, about.layers]
    };
    assert_eq!(layers(LayersOf::EachStack), [5, 5]);
    assert_eq!(layers(LayersOf::BothStacks), [3, 2]);
}

#[test]
fn a_run_is_named_by_what_differs() {
    let base = Settings::default();
    let mut settings = base.clone();
    settings.set_all("layers=4,rate=1e-2,positions=alibi,config.feature_map=relu,head_size = 5").unwrap();
    let expected = "layers=4 head_size=5 positions=alibi rate=0.01 config.feature_map=relu";
    assert_eq!(settings.name(&base), expected);
    settings.set("positions=null").unwrap();
    settings.set("data=7").unwrap();
    assert_eq!((settings.positions, settings.data.as_str()), (None, "7"));
}

#[test]
fn wrong_settings_are_named() {
    let wrong = |assignment: &str| Settings::default().set(assignment).unwrap_err().to_string();
    assert!(wrong("layer=4").starts_with("setting is \"layer\", expected one of family, layers,"));
    assert!(wrong("layer=4").ends_with("layers is near it"));
    assert!(wrong("layers").contains("key=value"), "{}", wrong("layers"));
    assert!(wrong("layers=many").starts_with("setting layers is \"many\", expected a whole number"));
    assert!(wrong("layers=-1").starts_with("setting layers is -1, expected a whole number"));
    assert!(wrong("layers_of=all").contains("each-stack"));
    let checked = |assignment: &str| {
        let mut settings = Settings::default();
        settings.set(assignment).unwrap();
        settings.check().unwrap_err().to_string()
    };
    assert_eq!(checked("batch=0"), "setting batch is 0, expected 1 or more");
    assert_eq!(checked("rate=-0.1"), "setting rate is -0.1, expected a number above 0");
    assert_eq!(checked("dropout=1"), "setting dropout is 1, expected from 0 up to, but not including, 1");
    assert!(Settings::default().check().is_ok());
}

#[test]
fn settings_are_read_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.json");
    let mut settings = Settings { width: 48, from: Some("elsewhere".into()), ..Settings::default() };
    settings.set("config.attention_sinks=true").unwrap();
    std::fs::write(&path, serde_json::to_string(&settings).unwrap()).unwrap();
    assert_eq!(Settings::open(&path).unwrap(), settings);
    std::fs::write(&path, "{\"widht\": 3}").unwrap();
    let error = Settings::open(&path).unwrap_err().to_string();
    assert!(error.contains("settings.json") && error.contains("width is near it"), "{error}");
}

#[test]
fn several_keys_are_set_at_once_and_commas_in_parentheses_part_nothing() {
    assert_eq!(at_commas("causal, heads(causal, anti-causal)"), ["causal", "heads(causal, anti-causal)"]);
    let mut settings = Settings::default();
    settings.set_all("data=recall(pairs=2,keys=3), evaluate_lengths=[8,16],layers=4").unwrap();
    let here = |key: &str| settings.value(key).unwrap();
    let expected = ["recall(pairs=2,keys=3)", "[8,16]", "4"];
    assert_eq!([here("data"), here("evaluate_lengths"), here("layers")], expected);
    settings.set_all("").unwrap();
    assert!(settings.set_all("layers=4,x=1").unwrap_err().to_string().contains("\"x\""));
    assert_eq!(settings.changes().keys().collect::<Vec<_>>(), ["data", "evaluate_lengths", "layers"]);
}
