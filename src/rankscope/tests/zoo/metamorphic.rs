//! What must hold whatever the weights are.

use rankscope::model::heads::head_reports;
use rankscope::model::{Input, MaskChoice, Model};
use rankscope::prelude::*;

use crate::support::{far, gpu, ids, rows, under, zoo};

const CLOSE: f32 = 1e-4;

#[test]
fn under_a_causal_mask_the_future_does_not_matter() {
    for entry in zoo() {
        let model = entry.model();
        let run = |length, mask: Mask| rows(&*model, &Input::new(ids(length)), &under(mask));
        let (long, short) = (run(9, Mask::causal()), run(5, Mask::causal()));
        assert!(far(&long[..5], &short) < CLOSE, "{}", entry.name);
        let (long, short) = (run(9, Mask::bidirectional()), run(5, Mask::bidirectional()));
        assert!(far(&long[..1], &short[..1]) > 1e-3, "{}: under a bidirectional mask it does", entry.name);
    }
}

#[test]
fn as_trained_a_decoder_does_not_see_the_future_and_an_encoder_does() {
    for entry in zoo() {
        let model = entry.model();
        let run = |length| rows(&*model, &Input::new(ids(length)), &MaskChoice::AsTrained);
        let (long, short) = (run(9), run(6));
        let is_decoder = model.cache(1).is_ok() || entry.name == "unilm"; // its prefix is over by then
        assert_eq!(far(&long[..6], &short) < CLOSE, is_decoder, "{}", entry.name);
    }
}

#[test]
fn padding_does_not_matter() {
    for entry in zoo() {
        let model = entry.model();
        let padded = [ids(6), vec![1; 3]].concat();
        let real = (0..9).map(|at| at < 6).collect();
        let padded = Input::new(padded).with_padding(Padding::new(real, 9).unwrap());
        let alone = rows(&*model, &Input::new(ids(6)), &MaskChoice::AsTrained);
        let padded = rows(&*model, &padded, &MaskChoice::AsTrained);
        assert!(far(&alone, &padded[..6]) < CLOSE, "{}", entry.name);
    }
}

#[test]
fn a_full_prefix_is_bidirectional_and_an_empty_one_causal() {
    for entry in zoo() {
        let model = entry.model();
        let with = |mask| rows(&*model, &Input::new(ids(7)), &under(mask));
        let (bidirectional, causal) = (with(Mask::bidirectional()), with(Mask::causal()));
        assert!(far(&with(Mask::prefix(7)), &bidirectional) < CLOSE, "{}", entry.name);
        assert!(far(&with(Mask::prefix(0)), &causal) < CLOSE, "{}", entry.name);
        assert!(far(&with(Mask::prefix(1)), &causal) < CLOSE, "{}", entry.name);
        assert!(far(&with(Mask::prefix(3)), &causal) > 1e-3, "{}", entry.name);
    }
}

#[test]
fn a_cached_pass_is_the_full_pass() {
    let (run, mut caching) = (Run::default(), 0);
    for entry in zoo() {
        let model = entry.model();
        let empty = match model.cache(2) {
            Ok(empty) => empty,
            Err(error) => {
                assert!(error.to_string().ends_with("expected one with a decoder, such as llama"), "{error}");
                continue;
            }
        };
        caching += 1;
        for mask in [MaskChoice::AsTrained, under(Mask::prefix(4)), under(Mask::window(2).unwrap())] {
            let sequences = [ids(9), ids(10)[1..].to_vec()];
            let input = |range: std::ops::Range<usize>| {
                Input::batch(sequences.iter().flat_map(|ids| ids[range.clone()].to_vec()).collect(), 2)
                    .unwrap()
            };
            let full = model.hidden(&input(0..9), &mask, &mut Unobserved, &run).unwrap();
            let mut cache = empty.clone();
            for range in [0..4, 4..7, 7..8, 8..9] {
                let hidden = model
                    .hidden_after(&mut cache, &input(range.clone()), &mask, &mut Unobserved, &run)
                    .unwrap();
                let expected = rankscope::ops::slice(&full, Axis::Query, range.clone()).unwrap();
                let far = far(&[hidden.to_vec().unwrap()], &[expected.to_vec().unwrap()]);
                assert!(far < 2e-5, "{}, {mask}, {range:?}: {far}", entry.name);
            }
        }
    }
    assert!(caching >= 7, "{caching} models with a cache");
}

/// Something else in place of a tensor. Not a shift, which softmax and layer norm would undo.
fn edited(name: &str, value: &Tensor) -> Result<Tensor> {
    let mut values = value.to_vec()?;
    if name.ends_with(".mask") {
        values.iter_mut().for_each(|value| *value = 1.0 - *value);
    } else {
        for (i, value) in values.iter_mut().enumerate() {
            *value = *value * 1.5 + 0.1 * ((i * i) as f32 * 0.7).sin();
        }
    }
    Tensor::new(value.shape().axes(), values)
}

#[test]
fn editing_any_intermediate_changes_the_logits() {
    for entry in zoo() {
        let model = entry.model();
        let logits = |probe: &mut dyn Probe| {
            let input = Input::new(ids(7));
            let output = model.forward(&input, &MaskChoice::AsTrained, probe, &Run::default()).unwrap();
            output.logits.unwrap().to_vec().unwrap()
        };
        let mut trace = Trace::all();
        let before = logits(&mut trace);
        let names: Vec<String> = trace.iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names.last().map(String::as_str), Some("logits"), "{}", entry.name);
        assert!(names.len() >= 24, "{}: {names:?}", entry.name);
        for name in names {
            let mut probe = Replace::new(&name, |value| edited(&name, &value));
            let after = logits(&mut probe);
            assert_eq!(probe.hits, 1, "{}: {name} is visited once", entry.name);
            assert_ne!(before, after, "{}: editing {name} did nothing", entry.name);
        }
    }
}

#[test]
fn directions_are_what_the_weights_say() {
    let weights = |name: &str, layer: usize| {
        let entry = zoo().into_iter().find(|entry| entry.name == name).unwrap();
        let mut trace = Trace::all();
        let model = entry.model();
        model.hidden(&Input::new(ids(6)), &MaskChoice::AsTrained, &mut trace, &Run::default()).unwrap();
        trace.get(&format!("encoder.{layer}.self_attention.weights")).unwrap().to_vec().unwrap()
    };
    // Head h of 4 of the 6 × 6 weights of the only sequence: does position 1 see 4, and 4 see 1?
    let sees = |weights: &[f32], head: usize| {
        [weights[head * 36 + 6 + 4], weights[head * 36 + 24 + 1]].map(|w| w > 0.0)
    };
    let mixed = weights("bert in mixed directions", 1);
    assert_eq!(
        [0, 1, 2, 3].map(|head| sees(&mixed, head)),
        [[false, true], [false, true], [true, false], [true, false]]
    );
    let (even, odd) =
        (weights("bert in alternating directions", 0), weights("bert in alternating directions", 1));
    assert!((0..4).all(|head| sees(&even, head) == [false, true] && sees(&odd, head) == [true, false]));
    let both = weights("bert", 1);
    assert!((0..4).all(|head| sees(&both, head) == [true, true]));
}

#[test]
fn both_devices_compute_the_same() {
    let Some(gpu) = gpu() else { return };
    for entry in zoo() {
        let input = Input::batch([ids(5), ids(6)[1..].to_vec()].concat(), 2).unwrap();
        let on = |model: &dyn Model| rows(model, &input, &MaskChoice::AsTrained);
        let far = far(&on(&*entry.model()), &on(&*entry.on(&gpu)));
        assert!(far < 2e-4, "{}: {far}", entry.name);
    }
}

#[test]
fn the_pooler_sees_the_first_token_on_both_devices() {
    let mut config = zoo().into_iter().find(|entry| entry.name == "bert").unwrap();
    config.config["architectures"] = serde_json::json!(["BertModel"]);
    let mut pooled = Vec::new();
    for device in [Some(Device::Cpu), gpu()].into_iter().flatten() {
        let model = config.on(&device);
        let input = Input::batch([ids(5), ids(6)[1..].to_vec()].concat(), 2).unwrap();
        let hidden = model.hidden(&input, &MaskChoice::AsTrained, &mut Unobserved, &Run::default()).unwrap();
        let mut trace = Trace::all();
        let got = model.pooled(&hidden, &mut trace).unwrap().expect("a pooler");
        assert_eq!(got.shape().to_string(), "[B=2, C=40]");
        assert!(trace.get("pooled").is_some() && model.logits(&hidden, &mut trace).unwrap().is_none());
        pooled.push(got.to_vec().unwrap());
        let (_, weight) = &model.record().tensors()[model.record().tensors().len() - 2];
        assert_eq!(weight.name(), "pooler.dense.weight");
        // tanh(W·h) of the second sequence's first token, by hand; the bias of a new model is 0.
        let (w, h) = (weight.to_f32().unwrap(), hidden.to_vec().unwrap());
        let first = &h[5 * 40..6 * 40];
        for (row, got) in w.chunks(40).zip(&pooled[0][40..]) {
            let sum: f32 = row.iter().zip(first).map(|(w, h)| w * h).sum();
            assert!((sum.tanh() - got).abs() < 1e-4);
        }
    }
    assert!(pooled.iter().all(|values| far(&pooled[..1], std::slice::from_ref(values)) < 1e-4));
}

#[test]
fn a_mask_decides_the_exact_rank_only_where_its_weights_are_positive() {
    let reports = |name: &str| {
        let entry = zoo().into_iter().find(|entry| entry.name == name).unwrap();
        let model = entry.model();
        let input = Input::new(ids(11));
        let reports = head_reports(&*model, &input, &MaskChoice::AsTrained, &Run::default()).unwrap();
        (model.has_positive_weights(), reports)
    };
    let (is_positive, with_softmax) = reports("gpt2");
    assert!(is_positive && with_softmax.iter().all(|head| head.report.exact_rank == Some(11)));
    // relu may make a feature 0, and then a 0 on the diagonal: no theorem promises full rank.
    let (is_positive, with_relu) = reports("gpt2 with linear attention");
    assert!(!is_positive && with_relu.iter().any(|head| head.report.exact_rank != Some(11)));
    let (is_positive, with_elu) = reports("bert with linear attention");
    assert!(is_positive && with_elu.iter().all(|head| head.report.exact_rank.is_none()));
    // Heads of 10: eleven positions are one more than a product of 10 features has rank.
    let reason = "no theorem: at most 10, as a product of so many features with scaled rows";
    assert!(with_elu.iter().all(|head| head.report.exact_rank_reason == reason));
    assert!(with_elu.iter().all(|head| head.report.numerical_rank_f32 <= 10));
}
