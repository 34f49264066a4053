//! Properties of every model, for any weights.

use rankscope::model::heads::{HeadReport, head_reports};

use crate::compare;
use crate::support::*;

const CLOSE: f32 = 1e-4;

#[test]
fn under_a_causal_mask_the_future_does_not_matter() {
    for entry in all() {
        let run = |length, mask: Mask| entry.rows(ids(length), &entry.under(mask));
        let (long, short) = (run(9, Mask::causal()), run(5, Mask::causal()));
        assert!(far(&long[..5], &short) < CLOSE, "{}", entry.name);
        let (long, short) = (run(9, Mask::bidirectional()), run(5, Mask::bidirectional()));
        assert!(far(&long[..1], &short[..1]) > 1e-3, "{}: under a bidirectional mask it does", entry.name);
    }
}

#[test]
fn as_trained_a_decoder_does_not_see_the_future_and_an_encoder_does() {
    for entry in all() {
        let run = |length| entry.rows(ids(length), &MaskChoice::AsTrained);
        let (long, short) = (run(9), run(6));
        let is_decoder = entry.model().cache(1).is_ok() || entry.name == "unilm"; // its prefix has ended by then
        assert_eq!(far(&long[..6], &short) < CLOSE, is_decoder, "{}", entry.name);
        if !is_decoder {
            continue;
        }
        let mut changed = ids(6);
        changed[1] = 33;
        let changed = entry.rows(changed, &MaskChoice::AsTrained);
        assert!(far(&changed[1..3], &short[1..3]) > 1e-3, "{}: the past", entry.name);
    }
}

#[test]
fn a_decoder_sees_all_of_the_source() {
    for entry in all().into_iter().filter(Entry::is_pair) {
        let model = entry.model();
        let of = |source: [u32; 6]| {
            rows(&*model, &Input::new(source.to_vec()).with_decoder(ids(5)), &MaskChoice::AsTrained)
        };
        for at in [0, 3, 5] {
            let mut changed = SOURCE;
            changed[at] = 33;
            assert!(far(&of(SOURCE)[..3], &of(changed)[..3]) > 1e-3, "{}: position {at}", entry.name);
        }
    }
}

#[test]
fn padding_does_not_matter() {
    for entry in all() {
        let model = entry.model();
        let run = |input: &Input| rows(&*model, input, &MaskChoice::AsTrained);
        let alone = run(&entry.input(ids(6)));
        let input = entry.input([ids(6), vec![1; 3]].concat());
        let padded = match entry.is_pair() {
            true => input.with_decoder_padding(behind(6, 9)),
            false => input.with_padding(behind(6, 9)),
        };
        assert!(far(&alone, &run(&padded)[..6]) < CLOSE, "{}", entry.name);
        if entry.is_pair() {
            let source = Input::new([&SOURCE[..], &[1, 2]].concat());
            let padded = source.clone().with_padding(behind(6, 8)).with_decoder(ids(6));
            assert!(far(&alone, &run(&padded)) < CLOSE, "{}: of the source", entry.name);
            let unpadded = run(&source.with_decoder(ids(6)));
            assert!(far(&alone, &unpadded) > 1e-3, "{}: as tokens they do", entry.name);
        }
    }
}

#[test]
fn sequences_of_a_batch_do_not_see_each_other() {
    for entry in all() {
        let second = ids(6)[1..].to_vec();
        let both = entry.batch([ids(5), second.clone()].concat(), 2);
        let both = rows(&*entry.model(), &both, &MaskChoice::AsTrained);
        let alone = entry.rows(second, &MaskChoice::AsTrained);
        assert!(far(&both[5..], &alone) < CLOSE, "{}", entry.name);
    }
}

#[test]
fn a_full_prefix_is_bidirectional_and_an_empty_one_causal() {
    for entry in all() {
        let model = entry.model();
        type Choice = fn(Mask) -> MaskChoice;
        let stacks: &[(usize, Choice)] = match entry.is_pair() {
            true => &[(6, MaskChoice::Encoder), (7, MaskChoice::Decoder)],
            false => &[(7, MaskChoice::Override)],
        };
        // Linear attention sums in another order where the mask allows it.
        let close = if entry.name.contains("linear") { CLOSE } else { 0.0 };
        let run = |mask: MaskChoice| rows(&*model, &entry.input(ids(7)), &mask);
        for &(length, choice) in stacks {
            let with = |mask| run(choice(mask));
            let (bidirectional, causal) = (with(Mask::bidirectional()), with(Mask::causal()));
            assert!(far(&with(Mask::prefix(length)), &bidirectional) <= close, "{}", entry.name);
            assert!(far(&with(Mask::prefix(0)), &causal) <= close, "{}", entry.name);
            assert!(far(&with(Mask::prefix(1)), &causal) <= close, "{}", entry.name);
            assert!(far(&with(Mask::prefix(3)), &causal) > 1e-3, "{}", entry.name);
        }
        if entry.is_pair() {
            let trained = run(MaskChoice::AsTrained);
            assert_eq!(run(MaskChoice::Encoder(Mask::bidirectional())), trained, "{}", entry.name);
            assert_eq!(run(MaskChoice::Decoder(Mask::causal())), trained, "{}", entry.name);
            let encoder = run(MaskChoice::Encoder(Mask::causal()));
            assert_eq!(run(MaskChoice::Override(Mask::causal())), encoder, "{}: both stacks", entry.name);
        }
    }
}

/// Replaces a tensor by another one; not by a shifted one, since softmax and layer norm would undo a shift.
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
    for entry in all() {
        let (model, input) = (entry.model(), entry.input(ids(7)));
        let logits = |probe: &mut dyn Probe| pass(&*model, &input, probe).logits.unwrap().to_vec().unwrap();
        let mut trace = Trace::all();
        let before = logits(&mut trace);
        // Linear attention sums in another order if no probe watches its weights.
        let close = if entry.name.contains("linear") { CLOSE } else { 0.0 };
        let unwatched = compare::far(&before, &logits(&mut Unobserved));
        assert!(unwatched <= close, "{}: watching changes nothing", entry.name);
        let names: Vec<String> = trace.iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names.last().map(String::as_str), Some("logits"), "{}", entry.name);
        let of_a_layer = names.iter().filter(|name| name.contains(".0.")).count();
        assert!(of_a_layer >= 12 && names.len() >= 24, "{}: {names:?}", entry.name);
        for stack in ["encoder", "decoder"].into_iter().filter(|_| entry.is_pair()) {
            let parts = ["0.self_attention.weights", "final_norm"].map(|part| format!("{stack}.{part}"));
            let cross =
                ["cross_attention.weights", "after_cross_attention"].map(|part| format!("decoder.0.{part}"));
            assert!(parts.iter().chain(&cross).all(|part| names.contains(part)), "{}: {names:?}", entry.name);
            let has_bias = names.contains(&format!("{stack}.position_bias"));
            assert_eq!(has_bias, entry.name.contains("t5"), "{}", entry.name);
        }
        for name in names {
            let mut probe = Replace::new(&name, |value| edited(&name, &value));
            let after = logits(&mut probe);
            assert_eq!(probe.hits, 1, "{}: {name} is visited once", entry.name);
            assert_ne!(before, after, "{}: editing {name} did nothing", entry.name);
        }
    }
}

#[test]
fn errors_of_a_probe_and_of_a_cancelled_run_end_the_pass() {
    let model = entry("tiny/llama").model();
    let (input, run) = (Input::new(ids(3)), Run::default());
    let error = |probe: &mut dyn Probe| said(model.forward(&input, &MaskChoice::AsTrained, probe, &run));
    let mut probe = Replace::new("embeddings", |_| Err(Error::invalid("this probe", "unhappy", "happy")));
    assert_eq!(error(&mut probe), "this probe is unhappy, expected happy");
    run.cancel_flag().cancel();
    assert_eq!(error(&mut Unobserved), "cancelled");
    assert_eq!(said(model.hidden(&input, &MaskChoice::AsTrained, &mut Unobserved, &run)), "cancelled");
}

#[test]
fn directions_are_what_the_weights_say() {
    let weights = |name: &str, layer: usize| {
        let trace = trace(&*entry(name).model(), &Input::new(ids(6)));
        values(&trace, &format!("encoder.{layer}.self_attention.weights"))
    };
    // Head h of 4 of the 6 × 6 weights of the only sequence: does position 1 see 4, and 4 see 1?
    let sees = |weights: &[f32], head: usize| [6 + 4, 24 + 1].map(|at| weights[head * 36 + at] > 0.0);
    let mixed = weights("bert with mixed directions", 1);
    let (back, ahead) = ([false, true], [true, false]);
    assert_eq!([0, 1, 2, 3].map(|head| sees(&mixed, head)), [back, back, ahead, ahead]);
    let [even, odd] = [0, 1].map(|layer| weights("bert with alternating directions", layer));
    assert!((0..4).all(|head| sees(&even, head) == back && sees(&odd, head) == ahead));
    let both = weights("bert", 1);
    assert!((0..4).all(|head| sees(&both, head) == [true, true]));
}

#[test]
fn both_devices_compute_the_same() {
    let Some(gpu) = gpu() else { return };
    for entry in zoo() {
        let input = entry.batch([ids(5), ids(6)[1..].to_vec()].concat(), 2);
        let on = |model: &dyn Model| rows(model, &input, &MaskChoice::AsTrained);
        let far = far(&on(&*entry.model()), &on(&*entry.on(&gpu)));
        assert!(far < 2e-4, "{}: {far}", entry.name);
    }
}

#[test]
fn the_pooler_sees_the_first_token_on_both_devices() {
    let bert = entry("bert").with(json!({"architectures": ["BertModel"]}));
    let mut pooled = Vec::new();
    for device in devices() {
        let model = bert.on(&device);
        let input = bert.batch([ids(5), ids(6)[1..].to_vec()].concat(), 2);
        let hidden = states(&*model, &input, &MaskChoice::AsTrained).unwrap();
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
    assert!(pooled.iter().all(|values| compare::far(&pooled[0], values) < 1e-4));
}

#[test]
fn a_mask_decides_the_exact_rank_only_where_its_weights_are_positive() {
    let reports = |name: &str, mask: MaskChoice| {
        let entry = entry(name);
        let (model, input) = (entry.model(), entry.input(ids(11)));
        (model.has_positive_weights(), head_reports(&*model, &input, &mask, &Run::default()).unwrap())
    };
    let (is_positive, with_softmax) = reports("gpt2", MaskChoice::AsTrained);
    assert!(is_positive && with_softmax.iter().all(|head| head.report.exact_rank == Some(11)));
    // relu may make a feature 0, and then a 0 on the diagonal: no theorem promises full rank.
    let (is_positive, with_relu) = reports("gpt2 with linear attention", MaskChoice::AsTrained);
    assert!(!is_positive && with_relu.iter().any(|head| head.report.exact_rank != Some(11)));
    let (is_positive, with_elu) = reports("bert with linear attention", MaskChoice::AsTrained);
    assert!(is_positive && with_elu.iter().all(|head| head.report.exact_rank.is_none()));
    // Heads of size 10: with eleven positions, a product of 10 features has no full rank.
    let reason = "no theorem: at most 10, as a product of so many features with scaled rows";
    assert!(with_elu.iter().all(|head| head.report.exact_rank_reason == reason));
    assert!(with_elu.iter().all(|head| head.report.numerical_rank_f32 <= 10));
    // The three attentions of an encoder-decoder, each with its mask.
    let (_, of_pair) = reports("t5", MaskChoice::AsTrained);
    assert_eq!(of_pair.len(), (3 + 2 * 2) * 5);
    let exact = |name: &str, reports: &[HeadReport]| {
        reports.iter().find(|report| report.name == name).unwrap().report.exact_rank
    };
    assert_eq!(exact("decoder.1.self_attention.weights", &of_pair), Some(11), "triangular");
    assert_eq!(exact("encoder.1.self_attention.weights", &of_pair), None, "no theorem");
    assert_eq!(exact("decoder.1.cross_attention.weights", &of_pair), None, "no theorem");
    let (_, causal) = reports("t5", MaskChoice::Encoder(Mask::causal()));
    assert_eq!(exact("encoder.1.self_attention.weights", &causal), Some(6), "triangular now");
}

#[test]
fn moving_a_text_as_a_whole_changes_nothing_in_a_decoder() {
    // Relative positions: tokens in front that the mask hides do not change the others.
    let model = entry("decllm").model();
    let alone = hidden(&*model, &Input::new(ids(6)), &MaskChoice::AsTrained);
    let mask = MaskChoice::Override(Mask::causal() & Mask::blocks(&[5, 6]).unwrap());
    let moved = hidden(&*model, &Input::new([ids(5), ids(6)].concat()), &mask);
    assert!(compare::far(&alone, &moved[moved.len() - alone.len()..]) < 1e-4);
}

#[test]
fn one_bias_serves_all_blocks_of_a_stack_and_none_cross_attention() {
    let entry = entry("tiny/t5");
    let (model, input) = (entry.model(), entry.input(ids(5)));
    // A bias is the difference of the scores with and without it.
    let first = "encoder.0.self_attention.scores";
    let scores = |probe: &mut dyn Probe| {
        let mut trace = Trace::of([first]);
        pass(&*model, &input, &mut Both(probe, &mut trace));
        values(&trace, first)
    };
    let zero = |value: Tensor| Tensor::new(value.shape().axes(), vec![0.0; value.shape().len()]);
    let all = trace(&*model, &input);
    let bias = values(&all, "encoder.position_bias");
    let without = scores(&mut Replace::new("encoder.position_bias", zero));
    let added: Vec<f32> = scores(&mut Unobserved).iter().zip(&without).map(|(a, b)| a - b).collect();
    assert!(compare::far(&added, &bias) < 1e-5 && bias.iter().any(|bias| bias.abs() > 0.1));
    // Also in the last block, where not only the queries differ.
    let last = format!("decoder.{}.self_attention", model.description().layers - 1);
    for name in [last, "decoder.0.cross_attention".to_owned()] {
        let get = |part: &str| all.get(&format!("{name}.{part}")).unwrap();
        let products = rankscope::ops::matmul(get("query"), get("key"), Axis::HeadSize, 1.0).unwrap();
        let bias = all.get("decoder.position_bias").unwrap();
        let expected = match name.contains("cross") {
            true => products,
            false => rankscope::ops::add_position_bias(&products, bias).unwrap(),
        };
        let far = compare::far(&expected.to_vec().unwrap(), &get("scores").to_vec().unwrap());
        assert!(far < 1e-5, "{name}: {far:e}");
    }
}
