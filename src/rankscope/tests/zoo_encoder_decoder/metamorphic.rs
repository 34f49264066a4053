//! What must hold for every encoder-decoder, whatever the weights are.

use rankscope::model::heads::head_reports;
use rankscope::model::{FAMILIES, Input, MaskChoice, Model};
use rankscope::prelude::*;

use crate::support::{Both, SOURCE, TARGET, both_sides, dec, devices, far, hidden, pairs, seeded, tiny};

const CLOSE: f32 = 1e-4;

fn states(model: &dyn Model, source: &[u32], target: &[u32], mask: &MaskChoice) -> Vec<f32> {
    let input = Input::new(source.to_vec()).with_decoder(target.to_vec());
    hidden(model, &input, mask, &mut Unobserved)
}

#[test]
fn the_decoder_sees_its_past_and_all_of_the_source() {
    let with = |ids: &[u32], at: usize| {
        let mut ids = ids.to_vec();
        ids[at] = 33;
        ids
    };
    for (name, model) in pairs(&Device::Cpu) {
        let first = 3 * model.description().width;
        let of = |source: &[u32], target: &[u32]| {
            states(&*model, source, target, &MaskChoice::AsTrained)[..first].to_vec()
        };
        let base = of(&SOURCE, &TARGET);
        assert!(far(&base, &of(&SOURCE, &with(&TARGET, 3))) < 1e-6, "{name}: not the future");
        assert!(far(&base, &of(&SOURCE, &with(&TARGET, 1))) > 1e-3, "{name}: the past");
        for at in [0, 3, 5] {
            assert!(
                far(&base, &of(&with(&SOURCE, at), &TARGET)) > 1e-3,
                "{name}: position {at} of the source"
            );
        }
        let all = MaskChoice::Decoder(Mask::bidirectional());
        let of = |target: &[u32]| states(&*model, &SOURCE, target, &all)[..first].to_vec();
        assert!(
            far(&of(&TARGET), &of(&with(&TARGET, 3))) > 1e-3,
            "{name}: the future, where the mask lets it"
        );
    }
}

#[test]
fn padding_of_either_side_does_not_matter() {
    for (name, model) in pairs(&Device::Cpu) {
        let alone = hidden(&*model, &both_sides(), &MaskChoice::AsTrained, &mut Unobserved);
        let padding =
            |length, real: usize| Padding::new((0..length).map(|at| at < real).collect(), length).unwrap();
        let source = Input::new([&SOURCE[..], &[1, 2]].concat()).with_padding(padding(8, 6));
        let padded = source.with_decoder([&TARGET[..], &[3, 4]].concat()).with_decoder_padding(padding(7, 5));
        let got = hidden(&*model, &padded, &MaskChoice::AsTrained, &mut Unobserved);
        assert!(far(&alone, &got[..alone.len()]) < CLOSE, "{name}");
        let unpadded = Input::new([&SOURCE[..], &[1, 2]].concat()).with_decoder(TARGET.to_vec());
        let got = hidden(&*model, &unpadded, &MaskChoice::AsTrained, &mut Unobserved);
        assert!(far(&alone, &got) > 1e-3, "{name}: as tokens they do");
    }
}

#[test]
fn sequences_of_a_batch_do_not_see_each_other() {
    for device in devices() {
        for (name, model) in pairs(&device) {
            let (other_source, other_target) = ([5, 9, 2, 41, 8, 19], [0, 31, 4, 4, 15]);
            let both = Input::batch([SOURCE, other_source].concat(), 2).unwrap();
            let both = both.with_decoder([TARGET, other_target].concat());
            let both = hidden(&*model, &both, &MaskChoice::AsTrained, &mut Unobserved);
            let alone = states(&*model, &other_source, &other_target, &MaskChoice::AsTrained);
            assert!(far(&both[both.len() / 2..], &alone) < CLOSE, "{name} on {device}");
        }
    }
}

#[test]
fn a_full_prefix_is_bidirectional_and_an_empty_one_causal_in_either_stack() {
    for (name, model) in pairs(&Device::Cpu) {
        type Choice = fn(Mask) -> MaskChoice;
        for (stack, length, choice) in
            [("encoder", 6, MaskChoice::Encoder as Choice), ("decoder", 5, MaskChoice::Decoder as Choice)]
        {
            let with = |mask| states(&*model, &SOURCE, &TARGET, &choice(mask));
            let (bidirectional, causal) = (with(Mask::bidirectional()), with(Mask::causal()));
            assert_eq!(with(Mask::prefix(length)), bidirectional, "{name}'s {stack}");
            assert_eq!(with(Mask::prefix(0)), causal, "{name}'s {stack}");
            assert_eq!(with(Mask::prefix(1)), causal, "{name}'s {stack}");
            assert!(far(&with(Mask::prefix(3)), &causal) > 1e-3, "{name}'s {stack}");
        }
        let of = |choice| states(&*model, &SOURCE, &TARGET, &choice);
        let (encoder, decoder) = (MaskChoice::Encoder, MaskChoice::Decoder);
        assert_eq!(of(encoder(Mask::bidirectional())), of(MaskChoice::AsTrained), "{name}");
        assert_eq!(of(decoder(Mask::causal())), of(MaskChoice::AsTrained), "{name}");
        assert_eq!(
            of(MaskChoice::Override(Mask::causal())),
            of(encoder(Mask::causal())),
            "{name}: both stacks"
        );
    }
}

#[test]
fn another_mask_is_said_stack_by_stack() {
    let model = tiny("t5", &Device::Cpu);
    let note = |text: &str| text.parse::<MaskChoice>().unwrap().note(model.description());
    assert_eq!(note("as-trained"), None);
    let encoder = "encoder mask causal: the weights were trained under another mask (bidirectional)";
    assert_eq!(note("causal").as_deref(), Some(encoder));
    assert_eq!(note("encoder:causal").as_deref(), Some(encoder));
    assert_eq!(note("decoder:causal"), None);
    let decoder = "decoder mask prefix(2): the weights were trained under another mask (causal)";
    assert_eq!(note("decoder:prefix(2)").as_deref(), Some(decoder));
    let both = format!("{}; {decoder}", encoder.replace("causal", "prefix(2)"));
    assert_eq!(note("prefix(2)"), Some(both));
    for text in ["encoder:causal", "decoder:prefix(2)", "as-trained"] {
        assert_eq!(text.parse::<MaskChoice>().unwrap().to_string(), text);
    }
    // Written otherwise, it is the same mask.
    assert_eq!(note("decoder:heads(causal)"), None);
    assert_eq!(note("decoder:heads(causal, causal)"), None);
    assert_eq!(note("encoder:heads(bidirectional)"), None);
    assert!(note("decoder:heads(causal, anti-causal)").is_some());
    // One stack has one self-attention.
    let one = seeded(dec(), &Device::Cpu);
    for choice in [MaskChoice::Encoder, MaskChoice::Decoder, MaskChoice::Override] {
        assert_eq!(choice(Mask::prefix(2)).resolve(one.description()), Mask::prefix(2));
    }
}

#[test]
fn without_decoder_ids_the_decoder_has_its_start_token() {
    for name in ["t5", "t5-gated"] {
        let model = tiny(name, &Device::Cpu);
        let start = Input::new(SOURCE.to_vec());
        let got = hidden(&*model, &start, &MaskChoice::AsTrained, &mut Unobserved);
        assert_eq!(got, states(&*model, &SOURCE, &[0], &MaskChoice::AsTrained), "{name}");
    }
}

/// Something else in place of a tensor. Not a shift, which softmax would undo.
fn edited(name: &str, value: &Tensor) -> Result<Tensor> {
    let mut values = value.to_vec()?;
    if name.ends_with(".mask") {
        values[0] = 1.0 - values[0];
    } else {
        for (i, value) in values.iter_mut().enumerate() {
            *value = *value * 1.5 + 0.1 * ((i * i) as f32 * 0.7).sin();
        }
    }
    Tensor::new(value.shape().axes(), values)
}

#[test]
fn editing_any_intermediate_changes_the_logits() {
    for (name, model) in pairs(&Device::Cpu) {
        let logits = |probe: &mut dyn Probe| {
            let output =
                model.forward(&both_sides(), &MaskChoice::AsTrained, probe, &Run::default()).unwrap();
            output.logits.unwrap().to_vec().unwrap()
        };
        let mut trace = Trace::all();
        let before = logits(&mut trace);
        assert_eq!(before, logits(&mut Unobserved), "{name}: watching changes nothing");
        let names: Vec<String> = trace.iter().map(|(name, _)| name.to_owned()).collect();
        for expected in [
            "encoder.0.self_attention.weights",
            "decoder.0.self_attention.weights",
            "decoder.0.cross_attention.weights",
            "encoder.final_norm",
            "decoder.0.after_cross_attention",
        ] {
            assert!(names.iter().any(|name| name == expected), "{name} has no {expected}: {names:?}");
        }
        assert_eq!(names.iter().any(|name| name.ends_with("position_bias")), name.starts_with("t5"));
        assert_eq!(names.last().map(String::as_str), Some("logits"));
        for point in names {
            let mut probe = Replace::new(&point, |value| edited(&point, &value));
            let after = logits(&mut probe);
            assert_eq!(probe.hits, 1, "{name}: {point} is visited once");
            assert_ne!(before, after, "{name}: editing {point} did nothing");
        }
    }
}

#[test]
fn one_bias_serves_all_blocks_of_a_stack_and_none_cross_attention() {
    let model = tiny("t5", &Device::Cpu);
    let scores = |probe: &mut dyn Probe, name: &str| {
        let mut trace = Trace::of([name]);
        let mut both = Both(probe, &mut trace);
        model.hidden(&both_sides(), &MaskChoice::AsTrained, &mut both, &Run::default()).unwrap();
        trace.get(name).unwrap().to_vec().unwrap()
    };
    // What a bias adds to a score is the difference of the scores with it and without.
    let zero = |value: Tensor| Tensor::new(value.shape().axes(), vec![0.0; value.shape().len()]);
    let mut seen = Trace::of(["encoder.position_bias"]);
    model.hidden(&both_sides(), &MaskChoice::AsTrained, &mut seen, &Run::default()).unwrap();
    let bias = seen.get("encoder.position_bias").unwrap().to_vec().unwrap();
    let first = "encoder.0.self_attention.scores";
    let with = scores(&mut Unobserved, first);
    let without = scores(&mut Replace::new("encoder.position_bias", zero), first);
    let added: Vec<f32> = with.iter().zip(&without).map(|(with, without)| with - without).collect();
    assert!(far(&added, &bias) < 1e-5 && bias.iter().any(|bias| bias.abs() > 0.1));
    // In the last block too: the difference of its scores is not that of its queries alone.
    let d = model.description();
    for name in [format!("decoder.{}.self_attention", d.layers - 1), "decoder.0.cross_attention".to_owned()] {
        let mut trace = Trace::of([format!("{name}.query"), format!("{name}.key"), format!("{name}.scores")]);
        trace_into(&*model, &mut trace);
        let mut bias = Trace::of(["decoder.position_bias"]);
        trace_into(&*model, &mut bias);
        let get = |part: &str| trace.get(&format!("{name}.{part}")).unwrap();
        let products = rankscope::ops::matmul(get("query"), get("key"), Axis::HeadSize, 1.0).unwrap();
        let bias = bias.get("decoder.position_bias").unwrap();
        let expected = match name.contains("cross") {
            true => products,
            false => rankscope::ops::add_position_bias(&products, bias).unwrap(),
        };
        let far = far(&expected.to_vec().unwrap(), &get("scores").to_vec().unwrap());
        assert!(far < 1e-5, "{name}: {far:e}");
    }
}

fn trace_into(model: &dyn Model, trace: &mut Trace) {
    model.hidden(&both_sides(), &MaskChoice::AsTrained, trace, &Run::default()).unwrap();
}

#[test]
fn heads_of_all_three_kinds_have_reports_with_the_theorem_of_their_mask() {
    let model = tiny("t5", &Device::Cpu);
    let (input, run) = (both_sides(), Run::default());
    let reports = head_reports(&*model, &input, &MaskChoice::AsTrained, &run).unwrap();
    let d = model.description();
    assert_eq!(reports.len(), (d.encoder.as_ref().unwrap().layers + 2 * d.layers) * d.heads);
    let exact = |reports: &[rankscope::model::heads::HeadReport], name: &str| {
        reports.iter().find(|report| report.name == name).unwrap().report.exact_rank
    };
    assert_eq!(exact(&reports, "decoder.1.self_attention.weights"), Some(5), "triangular");
    assert_eq!(exact(&reports, "encoder.1.self_attention.weights"), None, "no theorem");
    assert_eq!(exact(&reports, "decoder.1.cross_attention.weights"), None, "no theorem");
    let causal = MaskChoice::Encoder(Mask::causal());
    let reports = head_reports(&*model, &input, &causal, &run).unwrap();
    assert_eq!(exact(&reports, "encoder.1.self_attention.weights"), Some(6), "triangular now");
}

#[test]
fn what_was_saved_loads_and_computes_the_same() {
    for (name, model) in pairs(&Device::Cpu).into_iter().chain([("decllm", seeded(dec(), &Device::Cpu))]) {
        let folder = tempfile::tempdir().unwrap();
        model.record().save(folder.path()).unwrap();
        let again = rankscope::model::load(folder.path(), &Device::Cpu).unwrap();
        assert_eq!(again.description(), model.description(), "{name}");
        let input = if name == "decllm" { Input::new(SOURCE.to_vec()) } else { both_sides() };
        let run = |model: &dyn Model| hidden(model, &input, &MaskChoice::AsTrained, &mut Unobserved);
        assert_eq!(run(&*model), run(&*again), "{name}");
    }
}

#[test]
fn every_family_of_two_stacks_is_among_the_small_ones_and_says_what_it_is() {
    let small: Vec<_> = pairs(&Device::Cpu).into_iter().map(|(_, model)| model).collect();
    for family in FAMILIES.iter().filter(|family| family.is_pair) {
        let mut of_family = small.iter().filter(|model| model.description().family == family.name);
        let model = of_family.next().unwrap_or_else(|| panic!("no small {}", family.name));
        let error = model.description().expect_one_stack("toy").unwrap_err().to_string();
        let expected = format!("model is toy, an encoder-decoder of family {}, expected one", family.name);
        assert!(error.starts_with(&expected), "{error}");
    }
    let is_pair = |name: &str| FAMILIES.iter().find(|family| family.name == name).unwrap().is_pair;
    assert!(small.iter().all(|model| is_pair(model.description().family)));
    let one = seeded(dec(), &Device::Cpu);
    assert!(!is_pair("decllm") && one.description().expect_one_stack("toy").is_ok());
}
