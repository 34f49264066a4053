//! Checkpoints as people save them: `field/heads` of the fixtures, against what transformers computes; and what is
//! said of heads that are not computed.

use std::fs;
use std::path::{Path, PathBuf};

use rankscope::model::{self, Config, Input, MaskChoice, Model, generate, loss};
use rankscope::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use tempfile::TempDir;

use crate::support::{Golden, devices, difference, fixtures, magnitude};

fn folder(name: &str) -> PathBuf {
    fixtures().join("field/heads").join(name)
}

fn input(golden: &Golden) -> Input {
    let input = Input::new(golden.ids("input_ids"));
    match golden.has("decoder_input_ids") {
        true => input.with_decoder(golden.ids("decoder_input_ids")),
        false => input,
    }
}

/// The golden's name for the attentions that are called so in a trace.
fn kind(name: &str, is_pair: bool) -> &'static str {
    match name {
        _ if !is_pair => "attentions",
        _ if name.starts_with("encoder") => "encoder_attentions",
        _ if name.contains("cross") => "cross_attentions",
        _ => "decoder_attentions",
    }
}

#[test]
fn every_class_agrees_with_transformers_on_every_device() {
    let mut count = 0;
    for entry in fs::read_dir(fixtures().join("field/heads")).unwrap() {
        let path = entry.unwrap().path();
        for device in devices() {
            check(&path, &device);
            count += 1;
        }
    }
    assert!(count >= 18, "{count}");
}

fn check(path: &Path, device: &Device) {
    let what = format!("{} on {device}", path.display());
    let golden = Golden::open(&path.join("golden.safetensors"));
    let model = model::load(path, device).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut trace = Trace::all();
    let output = model.forward(&input(&golden), &MaskChoice::AsTrained, &mut trace, &Run::default()).unwrap();
    let is_pair = golden.has("decoder_input_ids");
    let mut layers = 0;
    for (name, weights) in trace.iter() {
        if let Some(path) = name.strip_suffix("attention.weights") {
            let layer = path.split('.').nth(1).unwrap();
            let expected = golden.get(&format!("{}.{layer}", kind(name, is_pair)));
            let error = difference(&what, weights, &expected);
            assert!(error < 1e-4, "{what}: {name} differs by {error:e}");
            layers += 1;
        }
    }
    assert_eq!(layers, if is_pair { 2 + 2 * 4 } else { 2 }, "{what}");
    assert_eq!(output.logits.is_some(), golden.has("logits"), "{what}: an output layer");
    let close = |name: &str, got: &Tensor, expected: &str| {
        let expected = golden.get(expected);
        let error = difference(&what, got, &expected);
        assert!(error < 5e-5 * magnitude(&expected).max(1.0), "{what}: {name} differs by {error:e}");
    };
    output.logits.iter().for_each(|logits| close("logits", logits, "logits"));
    let names = ["classifier", "score", "qa_outputs", "cls.seq_relationship", "multiple_choice_head"];
    let expected: Vec<_> = names.into_iter().filter(|name| golden.has(&format!("head.{name}"))).collect();
    let heads = model.record().heads();
    assert_eq!(heads.iter().map(|head| head.name()).collect::<Vec<_>>(), expected, "{what}");
    for (head, said) in heads.iter().zip(&output.heads) {
        close(head.name(), said, &format!("head.{}", head.name()));
        let traced = trace.get(&format!("{}.output", head.name())).unwrap();
        assert_eq!(traced.to_vec().unwrap(), said.to_vec().unwrap());
    }
    assert!(model.record().left_out().is_empty(), "{what}");
}

/// A copy of a folder with its tensors edited.
fn edited(name: &str, edit: impl Fn(&str) -> Vec<String>) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    let bytes = fs::read(folder(name).join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors();
    let views: Vec<(String, &TensorView<'_>)> = tensors
        .iter()
        .flat_map(|(name, view)| edit(name).into_iter().map(move |name| (name, view)))
        .collect();
    let whole = safetensors::serialize(views, None).unwrap();
    fs::write(copy.path().join("model.safetensors"), whole).unwrap();
    fs::copy(folder(name).join("config.json"), copy.path().join("config.json")).unwrap();
    copy
}

fn logits(folder: &Path, golden: &Golden) -> Vec<f32> {
    let model = model::load(folder, &Device::Cpu).unwrap_or_else(|error| panic!("{error}"));
    let output = model.forward(&input(golden), &MaskChoice::AsTrained, &mut Unobserved, &Run::default());
    output.unwrap().logits.unwrap().to_vec().unwrap()
}

#[test]
fn the_embedding_of_t5_is_one_matrix_under_any_of_its_names() {
    const NAMES: [&str; 3] = ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"];
    let tiny = fixtures().join("tiny");
    for name in ["t5-resaved", "../../tiny/t5"] {
        let golden = match name {
            "t5-resaved" => Golden::open(&folder(name).join("golden.safetensors")),
            _ => Golden::open(&tiny.join("t5/golden.safetensors")),
        };
        let plain = edited(name, |name| vec![name.to_owned()]);
        let expected = logits(plain.path(), &golden);
        let mut kept: Vec<Vec<&str>> = NAMES.iter().map(|&one| vec![one]).collect();
        kept.extend([NAMES.to_vec(), vec![NAMES[1], NAMES[2]]]);
        if name != "t5-resaved" {
            kept.extend([vec!["lm_head.weight"], vec![NAMES[2], "lm_head.weight"]]);
        }
        for kept in kept {
            let renamed = |name: &str| match name {
                "shared.weight" => kept.iter().map(|&name| name.to_owned()).collect(),
                _ => vec![name.to_owned()],
            };
            let copy = edited(name, renamed);
            assert_eq!(logits(copy.path(), &golden), expected, "{name} with {kept:?}");
        }
    }
    let differ = edited("t5-resaved", |name| match name {
        "lm_head.weight" => vec![name.to_owned(), "encoder.embed_tokens.weight".to_owned()],
        _ => vec![name.to_owned()],
    });
    let said = model::load(differ.path(), &Device::Cpu).map(drop).unwrap_err().to_string();
    let expected =
        "tensors shared.weight and encoder.embed_tokens.weight differ, expected the same numbers in both";
    assert!(said.ends_with(expected), "{said}");
}

#[test]
fn a_head_of_ones_own_is_named_and_left_out_and_the_body_is_not() {
    let copy = edited("bert-sequence", |name| match name.strip_prefix("classifier.") {
        Some(end) => vec![format!("my_ranker.dense.{end}")],
        None => vec![name.to_owned()],
    });
    let model = model::load(copy.path(), &Device::Cpu).unwrap();
    assert_eq!(model.record().left_out(), ["my_ranker.dense.bias", "my_ranker.dense.weight"]);
    assert_eq!(
        model.record().notes(),
        [
            "left out, no part of the body that is computed (numbers of tensors in brackets): my_ranker.dense (2)"
        ]
    );
    let whole = model::load(&folder("bert-sequence"), &Device::Cpu).unwrap();
    assert_eq!(
        whole.record().notes(),
        ["the head classifier gives 5 scores for the pooled state: classifier.output in a trace"]
    );
    let surplus = edited("bert-sequence", |name| match name {
        "bert.encoder.layer.1.output.dense.bias" => {
            vec![name.to_owned(), "bert.encoder.layer.2.output.dense.bias".to_owned()]
        }
        _ => vec![name.to_owned()],
    });
    let said = model::load(surplus.path(), &Device::Cpu).map(drop).unwrap_err().to_string();
    assert!(
        said.contains("tensor bert.encoder.layer.2.output.dense.bias is not part of this model"),
        "{said}"
    );
}

#[test]
fn a_model_without_an_output_layer_neither_writes_nor_has_a_loss() {
    let said = |name: &str| {
        let model: Box<dyn Model> = model::load(&folder(name), &Device::Cpu).unwrap();
        let settings = generate::Settings::default();
        let prompt = Input::new(vec![5, 3, 9]);
        let written = generate::generate(&*model, &prompt, &settings, &mut |_| Ok(()), &Run::default());
        let loss = loss::prefix_lm(&*model, &[5, 3, 9], 1, &MaskChoice::AsTrained, &Run::default());
        [written.map(drop).unwrap_err().to_string(), loss.map(drop).unwrap_err().to_string()]
    };
    for (name, kind) in
        [("gpt2-bare", "gpt2 (GPT2Model)"), ("gpt2-sequence", "gpt2 (GPT2ForSequenceClassification)")]
    {
        let got =
            format!("is {kind}, a body without an output layer, expected one that predicts the next token");
        let [written, loss] = said(name);
        assert!(written.starts_with(&format!("model that writes {got}")), "{written}");
        assert!(loss.starts_with(&format!("model with a prefix-LM loss {got}")), "{loss}");
    }
    let [written, loss] = said("t5-encoder");
    let got = "is t5 (T5EncoderModel), expected one that predicts the next token, such as llama";
    assert_eq!(written, format!("family of a model that writes {got}"));
    assert_eq!(loss, format!("family of a model with a prefix-LM loss {got}"));
}

#[test]
fn what_a_configuration_leaves_out_is_what_transformers_takes() {
    let golden = Golden::open(&folder("gpt2-scales").join("golden.safetensors"));
    let expected = logits(&folder("gpt2-scales"), &golden);
    let copy = edited("gpt2-scales", |name| vec![name.to_owned()]);
    let path = copy.path().join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let fields = config.as_object_mut().unwrap();
    for name in ["layer_norm_epsilon", "tie_word_embeddings", "architectures", "add_cross_attention"] {
        fields.remove(name).unwrap_or_else(|| panic!("{name} is stated"));
    }
    // Another name of the same field.
    let width = fields.remove("n_embd").unwrap();
    fields.insert("hidden_size".to_owned(), width);
    fs::write(&path, config.to_string()).unwrap();
    assert_eq!(logits(copy.path(), &golden), expected);
    config.as_object_mut().unwrap().remove("n_head");
    fs::write(&path, config.to_string()).unwrap();
    let model = model::load(copy.path(), &Device::Cpu).unwrap();
    assert_eq!((model.description().heads, model.description().head_size), (12, 1), "12 heads by default");
}

#[test]
fn a_new_model_of_a_class_has_its_heads() {
    let counted = |fields: serde_json::Value| {
        let config = Config::from_value("here", fields).unwrap();
        model::outline(&config).unwrap().description.parameters
    };
    // As the reference counts them; all sizes are the class's own.
    let labels = serde_json::json!({"0": "no", "1": "perhaps", "2": "yes"});
    let classes = ["BertForSequenceClassification"];
    let bert = serde_json::json!({"model_type": "bert", "architectures": classes, "id2label": labels});
    assert_eq!(counted(bert), 109_484_547);
    assert_eq!(
        counted(serde_json::json!({"model_type": "bert", "architectures": ["BertModel"]})),
        109_482_240
    );
    assert_eq!(counted(serde_json::json!({"model_type": "gpt2"})), 124_439_808);
    let encoder = serde_json::json!({"model_type": "t5", "architectures": ["T5EncoderModel"]});
    assert_eq!(counted(encoder), 35_330_816);
}
