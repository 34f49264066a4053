//! Sharded checkpoints: the same tensors as in one file, and every error that an index can have.

use std::collections::BTreeMap;
use std::fs;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::device::Device;
use crate::model::{Input, MaskChoice, load};
use crate::probe::Unobserved;
use crate::run::Run;

fn tiny(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny").join(family)
}

/// The tiny model of the family cut into `count` shards; the tensors go to the shards in turn.
fn sharded(family: &str, count: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(tiny(family).join("config.json"), folder.path().join("config.json")).unwrap();
    let bytes = fs::read(tiny(family).join(SINGLE)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let (mut names, mut map) = (tensors.names(), serde_json::Map::new());
    names.sort();
    for shard in 0..count {
        let file = shard_name(shard, count);
        let mine = names.iter().skip(shard).step_by(count);
        let views: Vec<_> = mine.map(|name| (*name, tensors.tensor(name).unwrap())).collect();
        map.extend(views.iter().map(|(name, _)| (name.to_string(), json!(file))));
        fs::write(folder.path().join(file), safetensors::serialize(views, None).unwrap()).unwrap();
    }
    write_index(folder.path(), &json!({"metadata": {"total_size": 0}, "weight_map": map}));
    folder
}

fn shard_name(shard: usize, count: usize) -> String {
    format!("model-{:05}-of-{count:05}.safetensors", shard + 1)
}

fn write_index(folder: &Path, index: &Value) {
    fs::write(folder.join(INDEX), index.to_string()).unwrap();
}

/// The tiny LLaMA in three shards, after a change.
fn changed(change: impl FnOnce(&Path, &mut Value)) -> TempDir {
    let folder = sharded("llama", 3);
    let mut index = serde_json::from_slice(&fs::read(folder.path().join(INDEX)).unwrap()).unwrap();
    change(folder.path(), &mut index);
    write_index(folder.path(), &index);
    folder
}

/// The error of opening it after a change.
fn said_after(change: impl FnOnce(&Path, &mut Value)) -> String {
    said(changed(change).path())
}

fn said(folder: &Path) -> String {
    let said = Checkpoint::open(folder).unwrap_err().to_string();
    assert!(!said.contains('\n'), "{said}");
    said
}

fn logits(folder: &Path) -> Vec<f32> {
    let model = load(folder, &Device::Cpu).unwrap();
    let input = Input::new(vec![7, 3, 60, 41, 2]);
    let output = model.forward(&input, &MaskChoice::AsTrained, &mut Unobserved, &Run::default()).unwrap();
    output.logits.unwrap().to_vec().unwrap()
}

#[test]
fn shards_hold_the_same_model_as_one_file() {
    for (family, count) in [("llama", 3), ("llama-mha", 2), ("bert", 5)] {
        let folder = sharded(family, count);
        assert_eq!(logits(folder.path()), logits(&tiny(family)), "{family}");
        let (parts, whole) =
            (Checkpoint::open(folder.path()).unwrap(), Checkpoint::open(&tiny(family)).unwrap());
        assert_eq!(parts.parameters(), whole.parameters());
        assert_eq!(parts.files().len(), count + 1);
        assert_eq!(parts.first_not_finite().unwrap(), None);
    }
}

#[test]
fn a_single_file_goes_before_an_index_that_is_not_even_read() {
    let folder = sharded("llama", 2);
    fs::write(folder.path().join(INDEX), "rubbish").unwrap();
    assert!(said(folder.path()).contains("not an index of shards"));
    fs::copy(tiny("llama").join(SINGLE), folder.path().join(SINGLE)).unwrap();
    assert_eq!(Checkpoint::open(folder.path()).unwrap().files(), [folder.path().join(SINGLE)]);
}

#[test]
fn a_missing_shard_is_named_with_a_tensor_that_it_should_hold() {
    let said = said_after(|folder, _| fs::remove_file(folder.join(shard_name(1, 3))).unwrap());
    assert!(said.contains("shard model-00002-of-00003.safetensors, with tensor model."), "{said}");
    let expected = "is not there: the download is incomplete, so fetch that file too";
    assert!(said.ends_with(expected) && said.contains(INDEX), "{said}");
}

#[test]
fn a_shard_cut_short_is_named() {
    let said = said_after(|folder, _| {
        let path = folder.join(shard_name(2, 3));
        let bytes = fs::read(&path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 3]).unwrap();
    });
    assert!(said.contains("model-00003-of-00003.safetensors: cut short: it has"), "{said}");
}

/// The logits of the tiny LLaMA in three shards, after a change.
fn after(change: impl FnOnce(&Path, &mut Value)) -> Vec<f32> {
    logits(changed(change).path())
}

#[test]
fn a_tensor_is_taken_from_the_shard_that_holds_it_whatever_the_index_says() {
    let whole = logits(&tiny("llama"));
    assert_eq!(after(|_, index| index["weight_map"]["lm_head.weight"] = shard_name(2, 3).into()), whole);
    let forgotten = |_: &Path, index: &mut Value| {
        drop(index["weight_map"].as_object_mut().unwrap().remove("lm_head.weight"))
    };
    assert_eq!(after(forgotten), whole);
    let buffer = "model.layers.0.self_attn.rotary_emb.inv_freq";
    assert_eq!(after(|_, index| index["weight_map"][buffer] = shard_name(0, 3).into()), whole);
    let nowhere = said_after(|_, index| index["weight_map"]["ghost.weight"] = shard_name(0, 3).into());
    let expected =
        "tensor ghost.weight is mapped to model-00001-of-00003.safetensors, which does not hold it";
    assert!(nowhere.contains(expected), "{nowhere}");
}

/// Puts the output layer of the first shard into the second as well, with its first number changed by `by`.
fn hold_twice(folder: &Path, by: f32) {
    let bytes = fs::read(folder.join(shard_name(0, 3))).unwrap();
    let first = SafeTensors::deserialize(&bytes).unwrap().tensor("lm_head.weight").unwrap();
    let mut data = first.data().to_vec();
    let number = f32::from_le_bytes(data[..4].try_into().unwrap()) + by;
    data[..4].copy_from_slice(&number.to_le_bytes());
    let other = fs::read(folder.join(shard_name(1, 3))).unwrap();
    let other = SafeTensors::deserialize(&other).unwrap();
    let mut views: BTreeMap<String, TensorView<'_>> = other.tensors().into_iter().collect();
    let shape = first.shape().to_vec();
    views.insert("lm_head.weight".to_owned(), TensorView::new(first.dtype(), shape, &data).unwrap());
    fs::write(folder.join(shard_name(1, 3)), safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn a_tensor_in_two_shards_is_one_if_the_numbers_are_the_same_and_named_otherwise() {
    assert_eq!(after(|folder, _| hold_twice(folder, 0.0)), logits(&tiny("llama")));
    let said = said_after(|folder, _| hold_twice(folder, 0.5));
    let expected = "tensor lm_head.weight is in model-00001-of-00003.safetensors and, with other numbers, in \
                    model-00002-of-00003.safetensors";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn an_index_cannot_leave_its_folder() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("x.safetensors");
    fs::copy(tiny("llama").join(SINGLE), &target).unwrap();
    let absolute = target.to_str().unwrap();
    let tricks = [
        "../x.safetensors",
        absolute,
        "a/x.safetensors",
        "..\\x.safetensors",
        "C:x.safetensors",
        "..",
        "",
        "./x.safetensors",
        "config.json",
        "x.safetensors\0",
    ];
    for trick in tricks {
        let said = said_after(|_, index| index["weight_map"]["lm_head.weight"] = trick.into());
        assert!(said.contains("tensor lm_head.weight is mapped to"), "{trick:?}: {said}");
        let expected = "expected the name of a .safetensors file beside the index";
        assert!(said.contains(expected), "{trick:?}: {said}");
    }
}

#[test]
fn an_index_of_another_kind_is_refused() {
    let cases = [
        (json!({}), "missing field `weight_map`"),
        (json!({"weight_map": {}}), "weight_map is empty"),
        (json!({"weight_map": {"a": 3}}), "not an index of shards"),
        (json!([1, 2]), "not an index of shards"),
    ];
    for (index, expected) in cases {
        let said = said_after(|_, whole| *whole = index);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_open_is_an_error_and_what_was_read_stays() {
    let folder = sharded("gpt2", 1);
    let path = folder.path().join(shard_name(0, 1));
    let (checkpoint, model) =
        (Checkpoint::open(folder.path()).unwrap(), load(folder.path(), &Device::Cpu).unwrap());
    let run = || {
        let input = Input::new(vec![7, 3, 60, 41, 2]);
        let output = model.forward(&input, &MaskChoice::AsTrained, &mut Unobserved, &Run::default());
        output.unwrap().logits.unwrap().to_vec().unwrap()
    };
    let (before, length) = (run(), fs::metadata(&path).unwrap().len());
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length / 2).unwrap();
    assert_eq!(run(), before);
    let last = checkpoint
        .names()
        .into_iter()
        .max_by_key(|name| checkpoint.find(name).unwrap().1.data_offsets)
        .unwrap();
    let sizes =
        checkpoint.find(&last).unwrap().1.shape.iter().map(|&size| (Axis::Row, size)).collect::<Vec<_>>();
    let failures = [
        checkpoint.weight(&last, sizes).map(drop),
        checkpoint.expect_finite_weights(),
        checkpoint.same(&last, &last).map(drop),
        model.record().save(&folder.path().join("again")),
    ];
    for failure in failures {
        let said = failure.unwrap_err().to_string();
        assert!(said.contains(&format!("shorter than the {length} bytes")), "{said}");
        assert!(said.contains("model-00001"), "{said}");
    }
}

#[test]
fn tensors_of_other_dtypes_are_refused_by_name_and_only_when_used() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [FileDtype::F64, FileDtype::I64, FileDtype::U8, FileDtype::BOOL];
    let data = [0u8; 48];
    let name = |dtype| format!("of.{dtype:?}");
    let views = cases.map(|dtype| {
        (name(dtype), TensorView::new(dtype, vec![2, 3], &data[..6 * dtype.bitsize() / 8]).unwrap())
    });
    let float = TensorView::new(FileDtype::F16, vec![3], &data[..6]).unwrap();
    let views = views.into_iter().chain([("plain".to_owned(), float)]);
    fs::write(folder.path().join(SINGLE), safetensors::serialize(views, None).unwrap()).unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let numbers = (checkpoint.parameters(), checkpoint.numbers("of.I64"), checkpoint.numbers("plain"));
    assert_eq!(numbers, (3, 0, 3));
    assert!(checkpoint.weight("plain", [(Axis::Width, 3)]).is_ok());
    for dtype in cases {
        let said =
            checkpoint.weight(&name(dtype), [(Axis::Row, 2), (Axis::Width, 3)]).unwrap_err().to_string();
        let expected = format!("tensor of.{dtype:?} is of dtype {dtype:?}, expected F32, F16 or BF16");
        assert!(said.contains(&expected), "{said}");
    }
}
