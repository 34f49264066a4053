//! Parity of T5 with Hugging Face transformers, inside the tolerances that `fixtures/README.md` states.

use ndarray::Ix3;
use rankscope::model::heads::{HeadReport, head_reports};
use rankscope::model::{self, Input, MaskChoice, Model, Tokenizer};
use rankscope::prelude::*;
use serde_json::Value;

use crate::support::{Golden, devices, difference, fixtures, installed, magnitude, tiny};

#[test]
fn tiny_t5_agrees_with_transformers_on_every_device() {
    for device in devices() {
        for name in ["t5", "t5-gated"] {
            let golden = Golden::open(&fixtures().join("tiny").join(name).join("golden.safetensors"));
            let model = tiny(name, &device);
            let mut trace = Trace::all();
            let output = model.forward(&input(&golden), &MaskChoice::AsTrained, &mut trace, &Run::default());
            let output = output.unwrap();
            let what = format!("{name} on {device}");
            check_weights(&what, &*model, &golden, &trace);
            check_states(&what, &*model, &golden, &trace);
            let (logits, expected) = (output.logits.expect("a head"), golden.get("logits"));
            let error = difference(&what, &logits, &expected);
            assert!(error < 5e-5 * magnitude(&expected).max(1.0), "{what}: logits differ by {error:e}");
        }
    }
}

#[test]
fn the_published_sizes_are_built_with_their_exact_parameters() {
    let table = [
        ("t5-small", 60_506_624),
        ("t5-base", 222_903_552),
        ("t5-large", 737_668_096),
        ("t5-3b", 2_851_598_336),
        ("t5-11b", 11_307_321_344),
    ];
    for (name, parameters) in table {
        let config = model::preset::find(name).unwrap().config().unwrap();
        assert_eq!(model::outline(&config).unwrap().description.parameters, parameters, "{name}");
    }
}

fn input(golden: &Golden) -> Input {
    let ids = golden.get("input_ids");
    let (batch, length) = (ids.shape()[0], ids.shape()[1]);
    let real = golden.get("attention_mask").iter().map(|&token| token == 1.0).collect();
    Input::batch(golden.ids("input_ids"), batch)
        .unwrap()
        .with_padding(Padding::new(real, length).unwrap())
        .with_decoder(golden.ids("decoder_input_ids"))
}

fn layers(model: &dyn Model, stack: &str) -> usize {
    let description = model.description();
    if stack == "encoder" { description.encoder.as_ref().unwrap().layers } else { description.layers }
}

fn check_weights(what: &str, model: &dyn Model, golden: &Golden, trace: &Trace) {
    let kinds = [
        ("encoder", "encoder", "self_attention"),
        ("decoder", "decoder", "self_attention"),
        ("cross", "decoder", "cross_attention"),
    ];
    for (kind, stack, attention) in kinds {
        for layer in 0..layers(model, stack) {
            let expected = golden.get(&format!("{kind}_attentions.{layer}"));
            let got = trace.get(&format!("{stack}.{layer}.{attention}.weights")).unwrap();
            let error = difference(what, got, &expected);
            assert!(error < 1e-4, "{what}: {kind} attention {layer} differs by {error:e}");
            let zeros = got.to_vec().unwrap().into_iter().zip(&expected).filter(|&(_, &e)| e == 0.0);
            assert!(zeros.into_iter().all(|(got, _)| got == 0.0), "{what}: masked entries of {kind} {layer}");
        }
    }
}

fn check_states(what: &str, model: &dyn Model, golden: &Golden, trace: &Trace) {
    for stack in ["encoder", "decoder"] {
        let count = layers(model, stack);
        for state in 0..=count {
            let name = match state {
                0 => format!("{stack}.embeddings"),
                last if last == count => format!("{stack}.final_norm"),
                _ => format!("{stack}.{}.output", state - 1),
            };
            let expected = golden.get(&format!("{stack}_hidden_states.{state}"));
            let error = difference(&name, trace.get(&name).unwrap(), &expected);
            assert!(error < 5e-5 * magnitude(&expected).max(1.0), "{what}: {name} differs by {error:e}");
        }
    }
}

/// The 156 MB of this model are pulled, not shipped: the test runs where they are installed.
#[test]
fn flan_t5_agrees_with_transformers_on_every_device() {
    const NAME: &str = "flan-t5-small-title";
    let Some(folder) = installed(NAME) else { return };
    let about = std::fs::read(fixtures().join(format!("real/{NAME}.json"))).unwrap();
    let about: Value = serde_json::from_slice(&about).unwrap();
    let golden = Golden::open(&fixtures().join(format!("real/{NAME}.golden.safetensors")));
    let tokenizer = Tokenizer::load(&folder).expect("the tokenizer loads");
    for device in devices() {
        let model = model::load(&folder, &device).expect("the model loads");
        for (index, prompt) in about["prompts"].as_array().unwrap().iter().enumerate() {
            check_prompt(&*model, &tokenizer, index, prompt, &about["heads"], &golden);
        }
    }
}

fn check_prompt(
    model: &dyn Model,
    tokenizer: &Tokenizer,
    index: usize,
    prompt: &Value,
    heads: &Value,
    golden: &Golden,
) {
    let ids = |value: &Value| -> Vec<u32> { serde_json::from_value(value.clone()).unwrap() };
    let tokens = tokenizer.encode(prompt["text"].as_str().unwrap()).unwrap();
    assert_eq!(tokens.ids, ids(&prompt["ids"]), "token ids");
    let input = Input::new(tokens.ids).with_decoder(ids(&prompt["decoder_input_ids"]));
    let mut trace = Trace::of(["attention.weights"]);
    let output = model.forward(&input, &MaskChoice::AsTrained, &mut trace, &Run::default()).unwrap();
    check_heads(heads, index, golden, &trace);
    check_logits(index, golden, &output.logits.unwrap(), prompt);
    let reports = head_reports(model, &input, &MaskChoice::AsTrained, &Run::default()).unwrap();
    check_ranks(index, golden, &reports);
}

fn check_heads(heads: &Value, prompt: usize, golden: &Golden, trace: &Trace) {
    for triple in heads.as_array().unwrap() {
        let (kind, layer, head) = (triple[0].as_str().unwrap(), &triple[1], triple[2].as_u64().unwrap());
        let expected = golden.get(&format!("p{prompt}.{kind}.attention.L{layer}.H{head}"));
        let name = match kind {
            "cross" => format!("decoder.{layer}.cross_attention.weights"),
            stack => format!("{stack}.{layer}.self_attention.weights"),
        };
        let weights = trace.get(&name).unwrap().select(Axis::Batch, 0).unwrap();
        let error = difference(&name, &weights.select(Axis::Head, head as usize).unwrap(), &expected);
        assert!(error < 1e-4, "{name} head {head} differs by {error:e}");
    }
}

fn check_logits(index: usize, golden: &Golden, logits: &Tensor, prompt: &Value) {
    let logits = logits.select(Axis::Batch, 0).unwrap(); // [T, V]
    let length = logits.shape().size(Axis::Query).unwrap();
    let last = logits.select(Axis::Query, length - 1).unwrap();
    let error = difference("logits_last", &last, &golden.get(&format!("p{index}.logits_last")));
    assert!(error < 1e-3, "prompt {index}: logits_last differ by {error:e}");
    let row = |t: usize| logits.select(Axis::Query, t).unwrap().to_vec().unwrap();
    let argmax = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
    let got: Vec<usize> = (0..length).map(|t| argmax(&row(t))).collect();
    assert_eq!(Value::from(got), prompt["argmax_ids"], "prompt {index}");
    let nll = |t: usize| {
        let (row, label) = (row(t), prompt["labels"][t].as_u64().unwrap() as usize);
        let largest = f64::from(row[argmax(&row)]);
        let sum: f64 = row.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
        largest + sum.ln() - f64::from(row[label])
    };
    let mean = (0..length).map(nll).sum::<f64>() / length as f64;
    assert!((mean - prompt["mean_nll"].as_f64().unwrap()).abs() < 1e-4, "prompt {index}: mean NLL {mean}");
}

/// Ranks of every head of all three kinds, as in the tests of one-stack models.
fn check_ranks(prompt: usize, golden: &Golden, reports: &[HeadReport]) {
    let mut checked = 0;
    for (kind, part) in [("encoder", "encoder."), ("decoder", "self_attention"), ("cross", "cross_attention")]
    {
        let expected = golden.get(&format!("p{prompt}.{kind}.ranks")).into_dimensionality::<Ix3>().unwrap();
        let of_kind = |report: &&HeadReport| {
            report.name.contains(part) && (kind == "encoder") == report.name.starts_with("encoder")
        };
        for report in reports.iter().filter(of_kind) {
            let row = expected.slice(ndarray::s![report.layer, report.head, ..]);
            let what = format!("prompt {prompt}, {} head {}", report.name, report.head);
            let close =
                |got: f64, expected: f64, tolerance: f64| (got - expected).abs() <= tolerance * expected;
            let got = &report.report;
            assert!(close(got.effective_rank, row[0], 5e-4), "{what}: effective rank {}", got.effective_rank);
            assert!(close(got.stable_rank, row[1], 5e-4), "{what}: stable rank {}", got.stable_rank);
            assert!(got.numerical_rank_f32.abs_diff(row[2] as usize) <= 1, "{what}: numerical rank f32");
            assert!(got.numerical_rank_f64.abs_diff(row[3] as usize) <= 1, "{what}: numerical rank f64");
            assert!(close(got.sigma_max.unwrap(), row[4], 1e-4), "{what}: sigma_1");
            checked += 1;
        }
    }
    assert_eq!((checked, reports.len()), (3 * 8 * 6, 3 * 8 * 6), "every head of every kind");
}
