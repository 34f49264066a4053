//! Checkpoints of the usual classes: `field/heads` of the fixtures, compared with transformers; and the notes about
//! heads that are not computed.

use std::path::{Path, PathBuf};

use rankscope::model::generate::{Settings, generate};
use rankscope::model::loss::prefix_lm;

use crate::edited::Edited;
use crate::golden::{Golden, checked};
use crate::support::*;

fn folder(name: &str) -> PathBuf {
    fixtures().join("field/heads").join(name)
}

#[test]
fn every_class_agrees_with_transformers_on_every_device() {
    let folders = folders_in(&fixtures().join("field/heads"));
    for path in &folders {
        devices().iter().for_each(|device| check(path, device));
    }
    assert!(folders.len() >= 18, "{}", folders.len());
}

fn check(path: &Path, device: &Device) {
    let what = format!("{} on {device}", path.display());
    let (golden, model, trace, output) = checked(&what, path, device);
    let layers = trace.iter().filter(|(name, _)| name.ends_with("attention.weights")).count();
    assert_eq!(layers, if golden.has("decoder_input_ids") { 2 + 2 * 4 } else { 2 }, "{what}");
    let names = ["classifier", "score", "qa_outputs", "cls.seq_relationship", "multiple_choice_head"];
    let expected: Vec<_> = names.into_iter().filter(|name| golden.has(&format!("head.{name}"))).collect();
    let heads = model.record().heads();
    assert_eq!(heads.iter().map(|head| head.name()).collect::<Vec<_>>(), expected, "{what}");
    for (head, said) in heads.iter().zip(&output.heads) {
        golden.expect(&what, said, &format!("head.{}", head.name()), 5e-5);
        let traced = trace.get(&format!("{}.output", head.name())).unwrap();
        assert_eq!(traced.to_vec().unwrap(), said.to_vec().unwrap());
    }
    assert!(model.record().left_out().is_empty(), "{what}");
}

fn logits(folder: &Path, golden: &Golden) -> Vec<f32> {
    let model = model::load(folder, &Device::Cpu).unwrap_or_else(|error| panic!("{error}"));
    pass(&*model, &golden.input(), &mut Unobserved).logits.unwrap().to_vec().unwrap()
}

/// A copy in which the tensor `old` has the names `new`.
fn renamed(path: &Path, old: &str, new: &[&str]) -> Edited {
    Edited::of(path).renamed(|name| match name == old {
        true => new.iter().map(|&new| new.to_owned()).collect(),
        false => vec![name.to_owned()],
    })
}

#[test]
fn the_embedding_of_t5_is_one_matrix_under_any_of_its_names() {
    const NAMES: [&str; 3] = ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"];
    let resaved = folder("t5-resaved");
    for path in [resaved.clone(), fixtures().join("tiny/t5")] {
        let golden = Golden::of(&path);
        let expected = logits(&path, &golden);
        let mut kept: Vec<Vec<&str>> = NAMES.iter().map(|&one| vec![one]).collect();
        kept.extend([NAMES.to_vec(), vec![NAMES[1], NAMES[2]]]);
        if path != resaved {
            kept.extend([vec!["lm_head.weight"], vec![NAMES[2], "lm_head.weight"]]);
        }
        for kept in kept {
            let copy = renamed(&path, "shared.weight", &kept);
            assert_eq!(logits(copy.path(), &golden), expected, "{} with {kept:?}", path.display());
        }
    }
    let said = renamed(&resaved, "lm_head.weight", &["lm_head.weight", NAMES[1]]).said();
    let expected =
        "tensors shared.weight and encoder.embed_tokens.weight differ, expected the same numbers in both";
    assert!(said.ends_with(expected), "{said}");
}

#[test]
fn a_head_of_ones_own_is_named_and_left_out_and_the_body_is_not() {
    let of = || Edited::of(folder("bert-sequence"));
    let copy = of().renamed(|name| match name.strip_prefix("classifier.") {
        Some(end) => vec![format!("my_ranker.dense.{end}")],
        None => vec![name.to_owned()],
    });
    let model = copy.model();
    assert_eq!(model.record().left_out(), ["my_ranker.dense.bias", "my_ranker.dense.weight"]);
    let left = "left out, no part of the body that is computed (numbers of tensors in brackets): my_ranker.dense (2)";
    assert_eq!(model.record().notes(), [left]);
    let computed = "the head classifier gives 5 scores for the pooled state: classifier.output in a trace";
    assert_eq!(of().model().record().notes(), [computed]);
    let (extra, what) = ("bert.encoder.layer.2.output.dense.bias", "is not part of this model");
    fails(of().added(extra, &[30]).load(), &format!("tensor {extra} {what}"));
}

#[test]
fn a_model_without_an_output_layer_neither_writes_nor_has_a_loss() {
    let said = |name: &str| {
        let model = model::load(&folder(name), &Device::Cpu).unwrap();
        let (settings, prompt, run) = (Settings::default(), Input::new(vec![5, 3, 9]), Run::default());
        let written = generate(&*model, &prompt, &settings, &mut |_| Ok(()), &run);
        let loss = prefix_lm(&*model, &[5, 3, 9], 1, &MaskChoice::AsTrained, &run);
        [said(written), said(loss)]
    };
    for (name, class) in [("gpt2-bare", "GPT2Model"), ("gpt2-sequence", "GPT2ForSequenceClassification")] {
        let got = "a body without an output layer, expected one that predicts the next token";
        let [written, loss] = said(name);
        assert!(written.starts_with(&format!("model that writes is gpt2 ({class}), {got}")), "{written}");
        assert!(loss.starts_with(&format!("model with a prefix-LM loss is gpt2 ({class}), {got}")), "{loss}");
    }
    let [written, loss] = said("t5-encoder");
    let got = "is t5 (T5EncoderModel), expected one that predicts the next token, such as llama";
    assert_eq!(written, format!("family of a model that writes {got}"));
    assert_eq!(loss, format!("family of a model with a prefix-LM loss {got}"));
}

#[test]
fn what_a_configuration_leaves_out_is_what_transformers_takes() {
    let path = folder("gpt2-scales");
    let golden = Golden::of(&path);
    let absent =
        ["layer_norm_epsilon", "tie_word_embeddings", "architectures", "add_cross_attention", "n_embd"];
    // The width under an alias of its field.
    let width = read_json(&path.join("config.json"))["n_embd"].clone();
    let copy = Edited::of(&path).without(&absent).with(&json!({"hidden_size": width}));
    assert_eq!(logits(copy.path(), &golden), logits(&path, &golden));
    let model = copy.without(&["n_head"]).model();
    assert_eq!((model.description().heads, model.description().head_size), (12, 1), "12 heads by default");
}

#[test]
fn a_new_model_of_a_class_has_its_heads() {
    let counted = |fields: Value| {
        let config = Config::from_value("here", fields).unwrap();
        model::outline(&config).unwrap().description.parameters
    };
    // The numbers of the reference; all sizes are defaults of the class.
    let labels = json!({"0": "no", "1": "perhaps", "2": "yes"});
    let class = "BertForSequenceClassification";
    let bert = json!({"model_type": "bert", "architectures": [class], "id2label": labels});
    assert_eq!(counted(bert), 109_484_547);
    assert_eq!(counted(json!({"model_type": "bert", "architectures": ["BertModel"]})), 109_482_240);
    assert_eq!(counted(json!({"model_type": "gpt2"})), 124_439_808);
    assert_eq!(counted(json!({"model_type": "t5", "architectures": ["T5EncoderModel"]})), 35_330_816);
}
