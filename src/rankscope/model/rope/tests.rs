//! Rotary frequencies against `transformers` 5.24 and against the published three-case formula.

use serde_json::{Value, json};

use super::*;

/// A configuration of head size 12 and context 37, with `fields` on top.
fn config(fields: Value) -> Config {
    let mut whole = json!({"max_position_embeddings": 37});
    for (key, value) in fields.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), whole.to_string()).unwrap();
    Config::open(folder.path()).unwrap()
}

fn read(config: &Config, head_size: usize) -> Result<Rotation> {
    Rotation::read(config, head_size, config.size("max_position_embeddings")?)
}

fn expect(fields: Value, expected: [f64; 6]) {
    expect_in(1, fields, expected, 1.0);
}

/// The frequencies in a text of `length` tokens, and the factor of cosines and sines.
fn expect_in(length: usize, fields: Value, expected: [f64; 6], factor: f64) {
    let rotation = read(&config(fields.clone()), 12).unwrap();
    let got = rotation.frequencies(length);
    assert!((rotation.factor - factor).abs() < 1e-12, "{fields}: factor {}", rotation.factor);
    assert_eq!(got.len(), 6, "{fields}");
    for (got, expected) in got.iter().zip(expected) {
        let error = (got - expected).abs(); // transformers computes in f32
        assert!(error <= 5e-7 * expected, "{fields}: {got} instead of {expected}");
    }
}

const BASE_500: [f64; 6] = [1.0, 0.354953676, 0.125992104, 0.0447213612, 0.0158740096, 0.00563453929];

/// `LlamaRotaryEmbedding(config).inv_freq`, printed by transformers for these configurations.
#[test]
fn the_base_and_its_precedence_are_those_of_transformers() {
    let base_300 = [1.0, 0.386497289, 0.149380147, 0.0577350222, 0.0223144293, 0.00862446893];
    let base_10_000 = [1.0, 0.215443447, 0.046415884, 0.00999999978, 0.00215443433, 0.000464158948];
    let inside = |base: f64| json!({"rope_type": "default", "rope_theta": base});
    expect(json!({}), base_10_000);
    expect(json!({"rope_theta": 500.0}), BASE_500);
    expect(json!({"rope_theta": 500}), BASE_500);
    expect(json!({"rope_parameters": inside(500.0)}), BASE_500);
    expect(json!({"rope_theta": 500.0, "rope_parameters": inside(300.0)}), base_300);
    expect(json!({"rope_theta": 500.0, "rope_scaling": null, "rope_parameters": null}), BASE_500);
    // The old name is present, so the new one does not count at all, and neither does its base.
    let halved = [0.5, 0.177476838, 0.0629960522, 0.0223606806, 0.00793700479, 0.00281726965];
    let linear = json!({"rope_type": "linear", "factor": 2.0});
    expect(json!({"rope_theta": 500.0, "rope_scaling": linear, "rope_parameters": inside(300.0)}), halved);
}

#[test]
fn scaled_frequencies_are_those_of_transformers() {
    let linear = json!({"rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 2.5}});
    expect(linear, [0.400000006, 0.141981468, 0.050396841, 0.0178885441, 0.00634960365, 0.00225381576]);
    let llama3 =
        json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0});
    let in_37 = [1.0, 0.157238439, 0.0157490131, 0.00559017016, 0.0019842512, 0.000704317412];
    expect(json!({"rope_theta": 500.0, "rope_scaling": llama3}), in_37);
    let mut with_64 = llama3.clone();
    with_64["original_max_position_embeddings"] = 64.into();
    let in_64 = [1.0, 0.315150023, 0.026161287, 0.00559017016, 0.0019842512, 0.000704317412];
    expect(json!({"rope_theta": 500.0, "rope_parameters": with_64}), in_64);
    // The field beside the set overrides the field in the set.
    let in_640 = [1.0, 0.354953676, 0.125992104, 0.0447213612, 0.00484050997, 0.000704317412];
    let outside =
        json!({"rope_theta": 500.0, "original_max_position_embeddings": 640, "rope_scaling": with_64});
    expect(outside, in_640);
}

/// The three cases as Meta published them, by wavelength.
fn by_wavelength(frequency: f64, factor: f64, low: f64, high: f64, context: f64) -> f64 {
    let wavelength = 2.0 * PI / frequency;
    if wavelength < context / high {
        frequency
    } else if wavelength > context / low {
        frequency / factor
    } else {
        let smooth = (context / wavelength - low) / (high - low);
        (1.0 - smooth) * frequency / factor + smooth * frequency
    }
}

#[test]
fn llama_3_1_as_published() {
    let scaling = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 8192});
    let config = config(json!({"rope_theta": 500000.0, "rope_scaling": scaling}));
    let rotation = read(&config, 128).unwrap();
    let got = rotation.frequencies(1).into_owned();
    let plain: Vec<f64> = (0..64).map(|pair| (500_000f64).powf(-(pair as f64) / 64.0)).collect();
    let mut kinds = [0; 3]; // kept, between, stretched
    for (got, plain) in got.iter().zip(plain) {
        let expected = by_wavelength(plain, 8.0, 1.0, 4.0, 8192.0);
        assert!((got / expected - 1.0).abs() < 1e-12, "{got} instead of {expected}");
        let is_kept = expected == plain;
        kinds[if is_kept { 0 } else { 1 + usize::from(expected == plain / 8.0) }] += 1;
    }
    assert!(kinds.iter().all(|&count| count > 0), "every case occurs: {kinds:?}");
}

#[test]
fn what_is_not_implemented_or_wrong_is_named() {
    let refused = |fields: Value| read(&config(fields), 12).unwrap_err().to_string();
    for kind in ["su", "mrope", "axial"] {
        let said = refused(json!({"rope_scaling": {"rope_type": kind, "factor": 2.0}}));
        let expected = format!(
            "rope_scaling is of type {kind:?}, expected type \"default\", \"linear\", \"dynamic\", \"yarn\", \
             \"longrope\", \"llama3\" or \"proportional\""
        );
        assert!(said.ends_with(&expected), "{said}");
    }
    let parameters = |set: Value| json!({"rope_parameters": set});
    let scaling = |set: Value| json!({"rope_scaling": set});
    let llama3 =
        json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 4.0});
    let proportional = json!({"rope_type": "proportional", "partial_rotary_factor": 1.25});
    let short = json!({"type": "longrope", "short_factor": [1, 1, 1, 0, 1, 1]});
    let long = json!({"type": "longrope", "short_factor": vec![1.0; 6], "long_factor": vec![1.0; 5]});
    let cases = [
        (json!({"rope_theta": -1.0}), "rope_theta is -1, expected a positive number"),
        (json!({"rope_theta": "big"}), "rope_theta is \"big\", expected a number"),
        (
            parameters(json!({"rope_theta": 0.0})),
            "rope_parameters.rope_theta is 0, expected a positive number",
        ),
        (scaling(json!({"type": "linear"})), "rope_scaling.factor is missing, expected a positive number"),
        (
            scaling(json!({"type": "linear", "factor": "2"})),
            "rope_scaling.factor is \"2\", expected a number",
        ),
        (scaling(json!({"type": 3})), "rope_scaling.type is 3, expected a text"),
        (scaling(json!("linear")), "rope_scaling is \"linear\", expected an object"),
        (parameters(llama3), "rope_parameters.low_freq_factor is 4, expected less than high_freq_factor = 4"),
        (parameters(json!({"sliding": {"rope_theta": 5.0}})), "rope_parameters.sliding is an object"),
        (
            json!({"partial_rotary_factor": 0.5, "rope_scaling": {"type": "linear", "factor": 2.0}}),
            "partial_rotary_factor is 0.5, expected 1: the family turns whole heads",
        ),
        (parameters(proportional), "partial_rotary_factor is 1.25, expected a number from 0 to 1"),
        (scaling(json!({"type": "dynamic"})), "rope_scaling.factor is missing"),
        (
            scaling(json!({"type": "yarn", "factor": 2.0, "truncate": 1})),
            "rope_scaling.truncate is 1, expected true or false",
        ),
        (
            json!({"rope_theta": 1.0, "rope_scaling": {"type": "yarn", "factor": 2.0}}),
            "rope_scaling is of type \"yarn\", expected parameters that give finite numbers",
        ),
        (
            scaling(long),
            "rope_scaling.long_factor is a list of 5, 5 of them positive numbers, expected a list of 6 positive",
        ),
        (scaling(short), "rope_scaling.short_factor is a list of 6, 5 of them positive numbers"),
        (scaling(json!({"type": "longrope"})), "rope_scaling.short_factor is missing"),
    ];
    for (fields, expected) in cases {
        let said = refused(fields);
        assert!(said.contains(expected), "{said:?} should contain {expected:?}");
    }
    assert!(read(&config(json!({})), 7).unwrap_err().to_string().contains("head_dim is 7"));
    let two = read(&config(json!({"rope_scaling": {"type": "dynamic", "factor": 2.0}})), 2);
    assert!(two.unwrap_err().to_string().contains("head_dim is 2, expected at least 4"));
}

/// `default` ignores a share of rotated coordinates, as LLaMA's class does.
#[test]
fn a_share_of_the_coordinates_is_for_one_type_alone() {
    expect(json!({"rope_theta": 500.0, "partial_rotary_factor": 0.5}), BASE_500);
    let set = |share: f64, factor: f64| {
        json!({"rope_parameters": {"rope_type": "proportional", "rope_theta": 500.0, "factor": factor,
                                   "partial_rotary_factor": share}})
    };
    expect(set(0.5, 2.0), [0.5, 0.177476823, 0.0629960522, 0.0, 0.0, 0.0]);
    expect(set(0.4, 1.0), [1.0, 0.354953647, 0.0, 0.0, 0.0, 0.0]);
    expect(set(1.0, 1.0), BASE_500);
}

#[test]
fn a_dynamic_base_grows_with_texts_beyond_the_context() {
    let fields = json!({"rope_theta": 500.0, "rope_scaling": {"type": "dynamic", "factor": 4.0}});
    for length in [1, 36, 37] {
        expect_in(length, fields.clone(), BASE_500, 1.0);
    }
    let of_40 = [1.0, 0.335561991, 0.112601861, 0.0377849117, 0.0126791792, 0.00425465219];
    let of_100 = [1.0, 0.235305712, 0.0553687662, 0.0130285881, 0.00306570041, 0.00072137703];
    expect_in(40, fields.clone(), of_40, 1.0);
    expect_in(100, fields.clone(), of_100, 1.0);
    let rotation = read(&config(fields), 12).unwrap();
    assert_eq!(rotation.context(37), 4 * 37);
    assert!(rotation.table(30, 7, &Device::Cpu).is_ok(), "within the context all turn alike");
    let error = rotation.table(30, 8, &Device::Cpu).unwrap_err().to_string();
    assert!(error.starts_with("number of tokens with the cached ones is 38, expected at most"), "{error}");
    assert!(rotation.table(0, 38, &Device::Cpu).is_ok(), "in one pass all are turned together");
}

#[test]
fn yarn_is_that_of_transformers() {
    let stretched = 1.138629436111989;
    let of = |context: usize, set: Value| json!({"rope_theta": 500.0, "max_position_embeddings": context, "rope_scaling": set});
    let slow = [0.0314980261, 0.0111803403, 0.00396850239, 0.00140863482];
    let with = |second: f64, third: f64, fourth: f64| [1.0, second, third, fourth, slow[2], slow[3]];
    let plain = json!({"type": "yarn", "factor": 4.0});
    expect_in(9, of(37, plain), with(0.221846029, slow[0], slow[1]), stretched);
    let short = json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8});
    expect_in(9, of(37, short), with(0.0887384117, slow[0], slow[1]), stretched);
    let derived =
        json!({"type": "yarn", "factor": null, "original_max_position_embeddings": 10, "truncate": false});
    let of_10 = [1.0, 0.095933415, 0.0340519175, 0.0120868543, 0.00429027248, 0.00152284838];
    expect_in(9, of(37, derived), of_10, 1.130833281965018);
    let in_160 = |more: Value| {
        let mut set = json!({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 160});
        set.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        of(640, set)
    };
    let betas = json!({"beta_fast": 16, "beta_slow": 2});
    expect_in(9, in_160(betas), with(0.266215205, 0.0629960522, slow[1]), stretched);
    let scales = json!({"truncate": false, "mscale": 0.707, "mscale_all_dim": 1.2});
    expect_in(9, in_160(scales), with(0.26977849, 0.0655256361, 0.0125271715), 0.941403523749669);
    let stated = json!({"attention_factor": 1.3, "beta_fast": 0, "mscale": 2.0});
    expect_in(9, in_160(stated), with(0.288399845, 0.0787450671, 0.0195655953), 1.3);
    let shrunk = [1.0, 0.443692058, 0.188988149, 0.0782623813, 0.0317480192, 0.0112690786];
    expect_in(9, in_160(json!({"factor": 0.5})), shrunk, 1.0);
}

#[test]
fn longrope_has_a_list_for_short_texts_and_one_for_long_ones() {
    let of = |more: Value| {
        let mut set = json!({"type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5],
                             "long_factor": [1, 2, 3, 4, 5, 6], "original_max_position_embeddings": 20});
        set.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"rope_theta": 500.0, "rope_scaling": set})
    };
    let short = [1.0, 0.322685122, 0.10499341, 0.034401048, 0.0113385776, 0.00375635945];
    let long = [1.0, 0.177476823, 0.0419973694, 0.0111803403, 0.00317480182, 0.000939089863];
    expect_in(20, of(json!({})), short, 1.0978861558824395);
    expect_in(21, of(json!({})), long, 1.0978861558824395);
    expect_in(21, of(json!({"factor": 3.0})), long, 1.1690704817683513);
    expect_in(7, of(json!({"attention_factor": 1.25})), short, 1.25);
    let rotation = read(&config(of(json!({}))), 12).unwrap();
    assert!(rotation.table(19, 2, &Device::Cpu).is_err() && rotation.table(21, 2, &Device::Cpu).is_ok());
    assert_eq!(rotation.context(37), 37);
}
