//! RedLLM and DecLLM: sizes, norms, positions.

use rankscope::model::{self, Config, Input, MaskChoice, Model, preset};
use rankscope::ops::unit_rms_norm;
use rankscope::prelude::*;
use serde_json::json;

use crate::support::{Both, SOURCE, TARGET, both_sides, dec, devices, far, hidden, red, seeded};

#[test]
fn the_published_sizes_have_their_exact_parameters() {
    let table = [
        ("150m", 167_789_568, 146_818_048),
        ("1b", 1_140_918_272, 1_124_149_248),
        ("4b", 3_724_692_480, 3_498_209_280),
        ("8b", 8_724_418_560, 8_590_229_504),
    ];
    for (size, decoder, both) in table {
        let parameters = |family: &str| {
            let config = preset::find(&format!("{family}-{size}")).unwrap().config().unwrap();
            model::outline(&config).unwrap().description.parameters
        };
        assert_eq!((parameters("decllm"), parameters("redllm")), (decoder, both), "{size}");
    }
}

#[test]
fn small_models_have_as_many_numbers_as_the_formulas_say() {
    // C = 20, H = 18, G = 9, D = 10, F = 44, V = 67.
    let (attention, network) = (2 * 20 * 10 * (18 + 9), 3 * 20 * 44);
    let layer = attention + network + 2 * 20;
    let parameters = |config| seeded(config, &Device::Cpu).description().parameters;
    assert_eq!(parameters(red()), 3 * layer + 4 * (layer + attention + 20) + 2 * 20 + 67 * 20);
    assert_eq!(parameters(dec()), 4 * layer + 20 + 67 * 20);
}

fn trace(model: &dyn Model, input: &Input) -> Trace {
    let mut trace = Trace::all();
    hidden(model, input, &MaskChoice::AsTrained, &mut trace);
    trace
}

fn values(trace: &Trace, name: &str) -> Vec<f32> {
    trace.get(name).unwrap_or_else(|| panic!("{name}")).to_vec().unwrap()
}

#[test]
fn no_score_exceeds_the_root_of_the_head_size() {
    let whole = Input::new([&SOURCE[..], &TARGET].concat());
    for (config, input, heads) in [(red(), both_sides(), 3 + 4 + 4), (dec(), whole, 4)] {
        let trace = trace(&*seeded(config, &Device::Cpu), &input);
        let scores: Vec<_> = trace.iter().filter(|(name, _)| name.ends_with("attention.scores")).collect();
        assert_eq!(scores.len(), heads);
        for (name, scores) in scores {
            let largest =
                scores.to_vec().unwrap().into_iter().fold(0.0f32, |most, score| most.max(score.abs()));
            assert!(largest <= 10f32.sqrt() * 1.00001 && largest > 0.5, "{name}: {largest}");
        }
    }
}

#[test]
fn queries_keys_values_and_in_redllm_contexts_are_normalised() {
    let whole = Input::new([&SOURCE[..], &TARGET].concat());
    for device in devices() {
        let red = trace(&*seeded(red(), &device), &both_sides());
        let dec = trace(&*seeded(dec(), &device), &whole);
        let parts = |path: &str, trace: &Trace, kinds: &[&str]| {
            for kind in kinds {
                let plain = trace.get(&format!("{path}.{kind}")).unwrap();
                let expected = unit_rms_norm(plain, 1e-6).unwrap().to_vec().unwrap();
                let got = values(trace, &format!("{path}.{kind}_norm"));
                assert!(far(&expected, &got) < 1e-6, "{path}.{kind} on {device}");
                assert!(far(&plain.to_vec().unwrap(), &got) > 1e-2, "{path}.{kind}: it makes a difference");
            }
        };
        for path in ["encoder.1.self_attention", "decoder.2.self_attention", "decoder.1.cross_attention"] {
            parts(path, &red, &["query", "value", "context"]);
        }
        parts("decoder.3.self_attention", &dec, &["query", "key", "value"]);
        assert!(!dec.iter().any(|(name, _)| name.ends_with("context_norm")), "only RedLLM's");
        // What goes on is the normalised context: heads side by side, then the output projection.
        let (normed, output) = ("encoder.0.self_attention.context_norm", "encoder.0.self_attention.output");
        let zero = |value: Tensor| Tensor::zeros(value.shape().axes()).to_device(&value.device());
        let mut probe = Replace::new(normed, zero);
        let mut seen = Trace::of([output]);
        let model = seeded(crate::support::red(), &device);
        let mut both = Both(&mut probe, &mut seen);
        model.hidden(&both_sides(), &MaskChoice::AsTrained, &mut both, &Run::default()).unwrap();
        assert!(values(&seen, output).iter().all(|&value| value == 0.0));
    }
}

/// `[B, H or G, T, D]` with every row turned by `positions`, as its place were so much farther.
fn turned(rows: &[f32], size: usize, positions: f64, base: f64) -> Vec<f32> {
    let half = size / 2;
    rows.chunks(size)
        .flat_map(|row| {
            (0..size).map(move |i| {
                let angle = positions * base.powf(-2.0 * (i % half) as f64 / size as f64);
                let (a, b) = (f64::from(row[i % half]), f64::from(row[i % half + half]));
                (if i < half { a * angle.cos() - b * angle.sin() } else { b * angle.cos() + a * angle.sin() })
                    as f32
            })
        })
        .collect()
}

#[test]
fn positions_of_the_decoder_go_on_where_the_encoders_end() {
    for device in devices() {
        let model = seeded(red(), &device);
        let of = |source: &[u32]| trace(&*model, &Input::new(source.to_vec()).with_decoder(TARGET.to_vec()));
        let (six, four) = (of(&SOURCE), of(&SOURCE[..4]));
        // Before the first attention the decoder has seen nothing of the source but its length.
        for name in ["decoder.0.self_attention.query", "decoder.0.self_attention.key"] {
            let (six, four) = (values(&six, name), values(&four, name));
            assert!(far(&six, &turned(&four, 10, 2.0, 500.0)) < 1e-5, "{name} on {device}: two positions on");
            assert!(far(&six, &four) > 1e-2, "{name} on {device}: not from 0 again");
        }
        // So the weights of its first self-attention are those of any other place.
        let name = "decoder.0.self_attention.weights";
        assert!(far(&values(&six, name), &values(&four, name)) < 1e-5, "{name} on {device}");
        // The encoder begins at 0: its first query is not turned.
        let normed = four.get("encoder.0.attention_norm").unwrap().to_device(&Device::Cpu).unwrap();
        let on_cpu = seeded(red(), &Device::Cpu);
        let is_query = |name: &str| name.ends_with("encoder.layers.0.self_attn.q_proj.weight");
        let weight = on_cpu.record().tensors().iter().find(|(name, _)| is_query(name));
        let weight = weight.unwrap().1.to_f32().unwrap(); // [HD, C]
        let first = &normed.as_slice().unwrap()[..20];
        let plain: Vec<f32> =
            weight.chunks(20).map(|row| row.iter().zip(first).map(|(w, x)| w * x).sum()).collect();
        let query = values(&four, "encoder.0.self_attention.query"); // [1, H, 4, D]
        let unturned: Vec<f32> = query.chunks(4 * 10).flat_map(|head| head[..10].to_vec()).collect();
        assert!(far(&plain, &unturned) < 1e-5, "{device}");
    }
}

#[test]
fn moving_a_text_as_a_whole_changes_nothing_in_a_decoder() {
    // Relative positions: what stands in front and is hidden by the mask does not move the rest.
    let model = seeded(dec(), &Device::Cpu);
    let alone = hidden(&*model, &Input::new(SOURCE.to_vec()), &MaskChoice::AsTrained, &mut Unobserved);
    let behind = Input::new([&TARGET[..], &SOURCE].concat());
    let mask = MaskChoice::Override(Mask::causal() & Mask::blocks(&[5, 6]).unwrap());
    let moved = hidden(&*model, &behind, &mask, &mut Unobserved);
    assert!(far(&alone, &moved[moved.len() - alone.len()..]) < 1e-4);
}

#[test]
fn decllm_with_bidirectional_input_is_the_prefix_mask() {
    let mut config = dec();
    config["prefix_length"] = 6.into();
    let (prefix, causal) = (seeded(config, &Device::Cpu), seeded(dec(), &Device::Cpu));
    assert_eq!(prefix.description().trained_mask, Mask::prefix(6));
    let input = Input::new([&SOURCE[..], &TARGET].concat());
    let run = |model: &dyn Model, mask| hidden(model, &input, &mask, &mut Unobserved);
    let trained = run(&*prefix, MaskChoice::AsTrained);
    assert_eq!(trained, run(&*causal, MaskChoice::Override(Mask::prefix(6))), "the same weights");
    assert!(far(&trained, &run(&*causal, MaskChoice::AsTrained)) > 1e-2);
    let full = run(&*causal, MaskChoice::Override(Mask::prefix(11)));
    assert_eq!(full, run(&*causal, MaskChoice::Override(Mask::bidirectional())));
}

#[test]
fn one_text_is_split_into_prefix_and_rest() {
    let model = seeded(red(), &Device::Cpu);
    let ids = [&SOURCE[..], &TARGET].concat();
    let split = Input::split(&ids, 6).unwrap();
    assert_eq!(split, both_sides());
    let run = |input: &Input| hidden(&*model, input, &MaskChoice::AsTrained, &mut Unobserved);
    assert_eq!(run(&split), run(&both_sides()));
    for prefix in [0, 11, 12] {
        let error = Input::split(&ids, prefix).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("length of the prefix is {prefix}, expected at least 1 and less than the 11 ids")
        );
    }
}

#[test]
fn one_matrix_is_both_embeddings_and_the_output() {
    for config in [red(), dec()] {
        let model = seeded(config.clone(), &Device::Cpu);
        let wide =
            model.record().tensors().iter().filter(|(_, weight)| weight.shape().size(Axis::Vocab).is_some());
        let names: Vec<_> = wide.map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["model.embed_tokens.weight"]);
        let mut untied = config;
        untied
            .as_object_mut()
            .unwrap()
            .extend(json!({"tie_word_embeddings": false}).as_object().unwrap().clone());
        let error = model::seeded(&Config::from_value("toy", untied).unwrap(), 7, &Device::Cpu);
        let error = error.map(drop).unwrap_err().to_string();
        assert!(error.starts_with("toy: tie_word_embeddings is false, expected true"), "{error}");
    }
}
