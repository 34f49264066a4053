//! Parity with Hugging Face transformers, inside the tolerances that `fixtures/README.md` states.
//!
//! The tests go through the folders, so a new checkpoint there is tested automatically; a family that is not
//! implemented yet is reported by name and counted.

use std::path::{Path, PathBuf};

use ndarray::{ArrayD, Ix3, IxDyn};
use rankscope::model::Output;
use rankscope::model::heads::{HeadReport, head_reports};
use safetensors::{Dtype as FileDtype, SafeTensors};

use crate::support::*;

/// A file with the outputs of `transformers`.
pub struct Golden(Vec<u8>);

impl Golden {
    pub fn open(path: &Path) -> Self {
        Golden(std::fs::read(path).expect("a golden file"))
    }

    /// The file in a folder of the fixtures.
    pub fn of(folder: &Path) -> Self {
        Golden::open(&folder.join("golden.safetensors"))
    }

    fn file(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.0).expect("a safetensors file")
    }

    pub fn has(&self, name: &str) -> bool {
        self.file().tensor(name).is_ok()
    }

    /// The tensor `name` in f64, for any stored dtype.
    pub fn get(&self, name: &str) -> ArrayD<f64> {
        let file = self.file();
        let view = file.tensor(name).unwrap_or_else(|_| panic!("{name} in the golden file"));
        let number: fn(&[u8]) -> f64 = match view.dtype() {
            FileDtype::F32 => |bytes| f32::from_le_bytes(bytes.try_into().unwrap()).into(),
            FileDtype::F64 => |bytes| f64::from_le_bytes(bytes.try_into().unwrap()),
            FileDtype::I64 => |bytes| i64::from_le_bytes(bytes.try_into().unwrap()) as f64,
            other => panic!("{name} is of dtype {other:?}"),
        };
        let size = if view.dtype() == FileDtype::F32 { 4 } else { 8 };
        let values = view.data().chunks_exact(size).map(number).collect();
        ArrayD::from_shape_vec(IxDyn(view.shape()), values).expect("the stored shape")
    }

    pub fn ids(&self, name: &str) -> Vec<u32> {
        self.get(name).iter().map(|&id| id as u32).collect()
    }

    /// Its ids, with those of a decoder, segments and padding where it has some.
    pub fn input(&self) -> Input {
        let ids = self.get("input_ids");
        let batch = if ids.ndim() == 2 { ids.shape()[0] } else { 1 };
        let mut input = Input::batch(self.ids("input_ids"), batch).unwrap();
        if self.has("attention_mask") {
            let real = self.get("attention_mask").iter().map(|&token| token == 1.0).collect();
            input = input.with_padding(Padding::new(real, ids.len() / batch).unwrap());
        }
        if self.has("token_type_ids") {
            input = input.with_token_types(self.ids("token_type_ids"));
        }
        match self.has("decoder_input_ids") {
            true => input.with_decoder(self.ids("decoder_input_ids")),
            false => input,
        }
    }

    /// Checks that a tensor is the stored one, with an error of less than `most`.
    #[track_caller]
    pub fn expect_within(&self, what: &str, got: &Tensor, name: &str, most: f64) {
        let error = difference(what, got, &self.get(name));
        assert!(error < most, "{what}: {name} differs by {error:e}");
    }

    /// As [`expect_within`](Self::expect_within), for a share of the largest entry, or of 1.
    #[track_caller]
    pub fn expect(&self, what: &str, got: &Tensor, name: &str, share: f64) {
        let magnitude = self.get(name).iter().fold(1.0, |largest: f64, value| largest.max(value.abs()));
        self.expect_within(what, got, name, share * magnitude);
    }
}

/// The largest absolute difference, after checking that the sizes agree.
pub fn difference(what: &str, got: &Tensor, expected: &ArrayD<f64>) -> f64 {
    let values = got.to_vec().expect("readback");
    assert_eq!(values.len(), expected.len(), "{what}: {} against {:?}", got.shape(), expected.shape());
    values.iter().zip(expected.iter()).fold(0.0, |largest: f64, (&got, &expected)| {
        let difference = (f64::from(got) - expected).abs();
        assert!(difference.is_finite(), "{what} is not finite");
        largest.max(difference)
    })
}

/// How a golden file calls the attention that a trace calls `name`.
fn kind(name: &str, is_pair: bool) -> &'static str {
    match is_pair {
        false => "",
        true if name.contains("cross_attention") => "cross_",
        true if name.starts_with("encoder") => "encoder_",
        true => "decoder_",
    }
}

/// Folders with a checkpoint and its golden file, here and under `$RANKSCOPE_FIXTURES`.
fn checkpoints() -> Vec<PathBuf> {
    let mut roots = vec![fixtures().join("tiny")];
    if let Some(more) = std::env::var_os("RANKSCOPE_FIXTURES") {
        roots.extend([PathBuf::from(&more), PathBuf::from(more).join("tiny")]);
    }
    let entries = roots.iter().flat_map(|root| std::fs::read_dir(root).into_iter().flatten().flatten());
    let mut folders: Vec<_> = entries.map(|entry| entry.path()).collect();
    folders.retain(|path| path.join("config.json").is_file() && path.join("golden.safetensors").is_file());
    folders.sort();
    folders
}

#[test]
fn tiny_checkpoints_agree_with_transformers_on_every_device() {
    let (mut strangers, mut checked) = (Vec::new(), 0);
    for folder in checkpoints() {
        let config = read_json(&folder.join("config.json"));
        let family = config["model_type"].as_str().expect("a model_type");
        if !FAMILIES.iter().any(|known| known.name == family) {
            strangers.push(family.to_owned());
            continue;
        }
        devices().iter().for_each(|device| check_checkpoint(&folder, device));
        checked += 1;
    }
    if !strangers.is_empty() {
        skipped(&format!("no such family yet: {}", strangers.join(", ")));
    }
    assert!(checked >= 12, "the fixtures are in the source tree");
}

/// The golden file of a checkpoint, the model, and a pass whose attention weights are the stored ones, with zeros at the
/// same places, and whose logits are too.
pub fn checked(what: &str, folder: &Path, device: &Device) -> (Golden, Box<dyn Model>, Trace, Output) {
    let golden = Golden::of(folder);
    let model = model::load(folder, device).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut trace = Trace::all();
    let output = pass(&*model, &golden.input(), &mut trace);
    let weights: Vec<_> = trace.iter().filter(|(name, _)| name.ends_with("attention.weights")).collect();
    let stored = golden.file().names().iter().filter(|name| name.contains("attentions.")).count();
    assert_eq!(weights.len(), stored, "{what}");
    for (name, weights) in weights {
        let (kind, layer) = (kind(name, golden.has("decoder_input_ids")), name.split('.').nth(1).unwrap());
        let name = format!("{kind}attentions.{layer}");
        golden.expect_within(what, weights, &name, 1e-4);
        let (got, expected) = (weights.to_vec().unwrap(), golden.get(&name));
        let mut masked = got.iter().zip(&expected).filter(|&(_, &expected)| expected == 0.0);
        assert!(masked.all(|(&got, _)| got == 0.0), "{what}: masked entries of {name}");
    }
    assert_eq!(output.logits.is_some(), golden.has("logits"), "{what}: an output layer");
    output.logits.iter().for_each(|logits| golden.expect(what, logits, "logits", 5e-5));
    (golden, model, trace, output)
}

fn check_checkpoint(folder: &Path, device: &Device) {
    let what = format!("{} on {device}", folder.display());
    let (golden, model, trace, output) = checked(&what, folder, device);
    assert!(output.logits.is_some(), "{what}: a head");
    let (description, get) = (model.description(), |name: &str| trace.get(name).expect("traced"));
    let one = if trace.get("encoder.0.output").is_some() { "encoder" } else { "decoder" };
    let layers = description.layers;
    let attentions = trace.iter().filter(|(name, _)| name.ends_with("attention.weights")).count();
    let expected = description.encoder.as_ref().map_or(layers, |encoder| encoder.layers + 2 * layers);
    assert_eq!(attentions, expected, "{what}");
    let stacks = match &description.encoder {
        None => vec![(one, "", layers)],
        Some(encoder) => vec![("encoder", "encoder.", encoder.layers), ("decoder", "decoder.", layers)],
    };
    for (stack, prefix, layers) in stacks {
        for state in 0..=layers {
            let last = format!("{prefix}final_norm");
            let name = match state {
                0 => format!("{prefix}embeddings"),
                state if state == layers && trace.get(&last).is_some() => last,
                _ => format!("{stack}.{}.output", state - 1),
            };
            let stored = format!("{}hidden_states.{state}", prefix.replace('.', "_"));
            golden.expect(&what, get(&name), &stored, 5e-5);
        }
    }
    for layer in (0..description.layers).filter(|layer| golden.has(&format!("router_logits.{layer}"))) {
        let got = get(&format!("decoder.{layer}.router.scores"));
        golden.expect(&what, got, &format!("router_logits.{layer}"), 5e-5);
    }
}

#[test]
fn glass_en_agrees_with_transformers_on_every_device() {
    check_real("glass-en", &glass_en());
}

/// The 91 MB of MiniLM are pulled and not shipped: the test runs if they are installed, which `cargo xtask test` does.
#[test]
fn minilm_agrees_with_transformers_on_every_device() {
    installed("minilm-l6").iter().for_each(|folder| check_real("minilm-l6", folder));
}

/// 270 MB; the README says how to get them.
#[test]
fn smollm2_agrees_with_transformers_on_every_device() {
    installed("smollm2-135m").iter().for_each(|folder| check_real("smollm2-135m", folder));
}

/// 156 MB; the README says how to get them.
#[test]
fn flan_t5_agrees_with_transformers_on_every_device() {
    installed("flan-t5-small-title").iter().for_each(|folder| check_real("flan-t5-small-title", folder));
}

fn check_real(name: &str, folder: &Path) {
    let about = read_json(&fixtures().join(format!("real/{name}.json")));
    let golden = Golden::open(&fixtures().join(format!("real/{name}.golden.safetensors")));
    let tokenizer = Tokenizer::load(folder).expect("the tokenizer loads");
    let ids = |value: &Value| -> Vec<u32> { serde_json::from_value(value.clone()).unwrap() };
    for device in devices() {
        let model = model::load(folder, &device).expect("the model loads");
        let is_pair = model.description().encoder.is_some();
        for (index, prompt) in about["prompts"].as_array().unwrap().iter().enumerate() {
            let what = format!("{name}, prompt {index} on {device}");
            let tokens = tokenizer.encode(prompt["text"].as_str().unwrap()).unwrap();
            assert_eq!(tokens.ids, ids(&prompt["ids"]), "{what}: token ids");
            let input = match is_pair {
                true => Input::new(tokens.ids).with_decoder(ids(&prompt["decoder_input_ids"])),
                false => Input::new(tokens.ids).with_token_types(tokens.token_types),
            };
            let mut trace = Trace::of(["attention.weights"]);
            let output = pass(&*model, &input, &mut trace);
            check_heads(&what, &about["heads"], index, &golden, &trace);
            let reports = head_reports(&*model, &input, &MaskChoice::AsTrained, &Run::default()).unwrap();
            let kinds: &[&str] = if is_pair { &["encoder_", "decoder_", "cross_"] } else { &[""] };
            let mut checked = 0;
            for name in kinds {
                let of_kind = reports.iter().filter(|report| kind(&report.name, is_pair) == *name);
                let expected = golden.get(&format!("p{index}.{}ranks", name.replace('_', ".")));
                checked += check_ranks(&what, &expected, of_kind, (!is_pair).then_some(input.len()));
            }
            assert_eq!(checked, reports.len(), "every head of every kind");
            match output.logits {
                Some(logits) => check_logits(&what, index, &golden, &logits, prompt),
                None => {
                    golden.expect_within(&what, &output.hidden, &format!("p{index}.last_hidden_state"), 1e-4);
                }
            }
        }
    }
}

fn check_heads(what: &str, heads: &Value, prompt: usize, golden: &Golden, trace: &Trace) {
    for head in heads.as_array().unwrap() {
        let head = head.as_array().unwrap();
        let at = |end: usize| head[head.len() - end].as_u64().unwrap() as usize;
        let (layer, index) = (at(2), at(1));
        let (kind, weights) = match head[0].as_str() {
            None => (String::new(), trace.iter().nth(layer).unwrap().1),
            Some(kind) => {
                let name = match kind {
                    "cross" => format!("decoder.{layer}.cross_attention.weights"),
                    stack => format!("{stack}.{layer}.self_attention.weights"),
                };
                (format!("{kind}."), trace.get(&name).unwrap())
            }
        };
        let got = weights.select(Axis::Batch, 0).and_then(|w| w.select(Axis::Head, index)).unwrap();
        golden.expect_within(what, &got, &format!("p{prompt}.{kind}attention.L{layer}.H{index}"), 1e-4);
    }
}

/// Checks ranks from a forward pass here: counts may differ by one, and effective and stable rank by 5·10⁻⁴, relative.
/// Returns how many heads were compared.
fn check_ranks<'a>(
    what: &str,
    expected: &ArrayD<f64>,
    reports: impl Iterator<Item = &'a HeadReport>,
    length: Option<usize>,
) -> usize {
    let expected = expected.view().into_dimensionality::<Ix3>().unwrap();
    let mut checked = 0;
    for report in reports {
        let row = expected.slice(ndarray::s![report.layer, report.head, ..]);
        let what = format!("{what}, {} head {}", report.name, report.head);
        let close = |got: f64, expected: f64, tolerance: f64| (got - expected).abs() <= tolerance * expected;
        let got = &report.report;
        assert!(close(got.effective_rank, row[0], 5e-4), "{what}: effective rank {}", got.effective_rank);
        assert!(close(got.stable_rank, row[1], 5e-4), "{what}: stable rank {}", got.stable_rank);
        assert!(got.numerical_rank_f32.abs_diff(row[2] as usize) <= 1, "{what}: numerical rank f32");
        assert!(got.numerical_rank_f64.abs_diff(row[3] as usize) <= 1, "{what}: numerical rank f64");
        assert!(close(got.sigma_max.unwrap(), row[4], 1e-4), "{what}: sigma_1");
        if let Some(length) = length {
            let sigma_min = (got.sigma_min.unwrap() - row[5]).abs();
            assert!(sigma_min <= length as f64 * 1e-4, "{what}: sigma_min is off by {sigma_min:e}");
        }
        checked += 1;
    }
    assert_eq!(checked, expected.len_of(ndarray::Axis(0)) * expected.len_of(ndarray::Axis(1)), "{what}");
    checked
}

fn check_logits(what: &str, index: usize, golden: &Golden, logits: &Tensor, prompt: &Value) {
    let logits = logits.select(Axis::Batch, 0).unwrap(); // [T, V]
    let length = logits.shape().size(Axis::Query).unwrap();
    let last = logits.select(Axis::Query, length - 1).unwrap();
    let has_labels = !prompt["labels"].is_null();
    let most = if has_labels { 1e-3 } else { 2e-4 };
    golden.expect_within(what, &last, &format!("p{index}.logits_last"), most);
    let row = |t: usize| logits.select(Axis::Query, t).unwrap().to_vec().unwrap();
    let argmax = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
    let got: Vec<usize> = (0..length).map(|t| argmax(&row(t))).collect();
    assert_eq!(Value::from(got), prompt["argmax_ids"], "{what}");
    if !has_labels {
        return;
    }
    let nll = |t: usize| {
        let (row, label) = (row(t), prompt["labels"][t].as_u64().unwrap() as usize);
        let largest = f64::from(row[argmax(&row)]);
        let sum: f64 = row.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
        largest + sum.ln() - f64::from(row[label])
    };
    let mean = (0..length).map(nll).sum::<f64>() / length as f64;
    assert!((mean - prompt["mean_nll"].as_f64().unwrap()).abs() < 1e-4, "{what}: mean NLL {mean}");
}
