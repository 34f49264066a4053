//! Tied weights: one shared weight, counted once, whichever names a checkpoint stores.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::{Dtype as FileDtype, SafeTensors};
use serde_json::Value;
use tempfile::TempDir;

use super::Builder;
use crate::device::Device;
use crate::model::bert::{BERT, transformer};
use crate::model::llama::{LLAMA, build};
use crate::model::transformer::Transformer;
use crate::model::{Checkpoint, Config, Model};
use crate::weight::Weight;

const EMBEDDING: &str = "model.embed_tokens.weight";
const HEAD: &str = "lm_head.weight";
const WORDS: &str = "bert.embeddings.word_embeddings.weight";
const DECODER: &str = "cls.predictions.decoder.weight";

type Tensors = HashMap<String, (FileDtype, Vec<usize>, Vec<u8>)>;

/// A tiny model with `tie_word_embeddings` as given and its tensors edited.
fn model(family: &str, tie: Value, edit: impl FnOnce(&mut Tensors)) -> (TempDir, Config, Checkpoint) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny").join(family);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let mut config: Value = serde_json::from_slice(&fs::read(from.join("config.json")).unwrap()).unwrap();
    config["tie_word_embeddings"] = tie;
    fs::write(path("config.json"), config.to_string()).unwrap();
    let bytes = fs::read(from.join("model.safetensors")).unwrap();
    let whole = SafeTensors::deserialize(&bytes).unwrap();
    let own = |view: TensorView<'_>| (view.dtype(), view.shape().to_vec(), view.data().to_vec());
    let mut tensors: Tensors = whole.tensors().into_iter().map(|(name, view)| (name, own(view))).collect();
    edit(&mut tensors);
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    fs::write(path("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    let (config, checkpoint) =
        (Config::open(folder.path()).unwrap(), Checkpoint::open(folder.path()).unwrap());
    (folder, config, checkpoint)
}

fn copy(tensors: &mut Tensors, from: &str, to: &str) {
    let copy = tensors[from].clone();
    tensors.insert(to.to_owned(), copy);
}

fn build_llama(config: &Config, mut checkpoint: Checkpoint) -> crate::Result<Transformer> {
    build(&LLAMA, config, &mut Builder::new(config, &mut checkpoint, &Device::Cpu))
}

/// Whether the LLaMA's two matrices share memory, and its number of parameters.
fn llama(tie: Value, edit: impl FnOnce(&mut Tensors)) -> (bool, usize) {
    let (_folder, config, checkpoint) = model("llama", tie, edit);
    let llama = build_llama(&config, checkpoint).unwrap();
    (
        one(&llama.body.embeddings.words, &llama.body.head.as_ref().expect("an output layer").output.weight),
        llama.description().parameters,
    )
}

fn one(first: &Weight, second: &Weight) -> bool {
    first.bytes().unwrap().as_ptr_range() == second.bytes().unwrap().as_ptr_range()
}

/// V·C = 97·30 numbers are stored once or twice; 29430 in all with both, as `transformers` counts.
#[test]
fn a_tied_output_layer_is_the_embedding_itself() {
    let drop_head = |tensors: &mut Tensors| drop(tensors.remove(HEAD));
    let both_alike = |tensors: &mut Tensors| copy(tensors, EMBEDDING, HEAD);
    let embedding_lost = |tensors: &mut Tensors| drop(tensors.remove(EMBEDDING));
    assert_eq!(llama(true.into(), drop_head), (true, 26520));
    assert_eq!(llama(true.into(), both_alike), (true, 26520));
    assert_eq!(llama(true.into(), embedding_lost), (true, 26520));
}

#[test]
fn copies_that_differ_and_configurations_that_do_not_tie_stay_two() {
    let both_alike = |tensors: &mut Tensors| copy(tensors, EMBEDDING, HEAD);
    assert_eq!(llama(true.into(), |_| ()), (false, 29430));
    assert_eq!(llama(false.into(), both_alike), (false, 29430));
    assert_eq!(llama(Value::Null, both_alike), (false, 29430));
}

#[test]
fn what_is_not_tied_must_be_there() {
    let (_folder, config, checkpoint) = model("llama", false.into(), |tensors| drop(tensors.remove(HEAD)));
    let said = build_llama(&config, checkpoint).map(drop).unwrap_err().to_string();
    assert!(said.contains("tensor lm_head.weight is missing, expected [V=97, C=30]"), "{said}");
    let neither = |tensors: &mut Tensors| tensors.retain(|name, _| name != HEAD && name != EMBEDDING);
    let (_folder, config, checkpoint) = model("llama", true.into(), neither);
    let said = build_llama(&config, checkpoint).map(drop).unwrap_err().to_string();
    assert!(said.contains("tensor model.embed_tokens.weight is missing"), "{said}");
}

#[test]
fn the_decoder_of_bert_is_tied_by_default() {
    let stored = |tie: Value, edit: fn(&mut Tensors)| {
        let (_folder, config, mut checkpoint) = model("bert", tie, edit);
        let bert =
            transformer(&BERT, &config, &mut Builder::new(&config, &mut checkpoint, &Device::Cpu)).unwrap();
        let decoder = &bert.body.head.as_ref().expect("a head").output.weight;
        (one(&bert.body.embeddings.words, decoder), bert.description().parameters)
    };
    let (is_one, once) = stored(Value::Null, |_| ());
    assert!(is_one);
    let both_alike = |tensors: &mut Tensors| {
        copy(tensors, WORDS, DECODER);
        copy(tensors, "cls.predictions.bias", "cls.predictions.decoder.bias");
    };
    assert_eq!(stored(true.into(), both_alike), (true, once));
    assert_eq!(stored(false.into(), both_alike), (false, once + 101 * 30));
    let both_differ = |tensors: &mut Tensors| {
        copy(tensors, WORDS, DECODER);
        tensors.get_mut(DECODER).unwrap().2[5] ^= 1;
    };
    assert_eq!(stored(true.into(), both_differ), (false, once + 101 * 30));
}

#[test]
fn an_untied_decoder_of_bert_must_be_there() {
    let (folder, _, _) = model("bert", false.into(), |_| ());
    let said = crate::model::load(folder.path(), &Device::Cpu).map(drop).unwrap_err().to_string();
    assert!(said.contains("tensor cls.predictions.decoder.weight is missing"), "{said}");
}
