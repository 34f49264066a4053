//! RedLLM and DecLLM: normalised heads, positions of the decoder after those of the encoder, one matrix for embedding
//! and output.

use rankscope::ops::unit_rms_norm;

use crate::compare::far;
use crate::support::*;

fn pair() -> [Entry; 2] {
    ["redllm", "decllm"].map(entry)
}

#[test]
fn no_score_exceeds_the_root_of_the_head_size() {
    for (entry, attentions) in pair().into_iter().zip([3 + 4 + 4, 3]) {
        let trace = trace(&*entry.model(), &entry.input(ids(5)));
        let scores: Vec<_> = trace.iter().filter(|(name, _)| name.ends_with("attention.scores")).collect();
        assert_eq!(scores.len(), attentions);
        for (name, scores) in scores {
            let largest = scores.to_vec().unwrap().iter().fold(0.0f32, |most, score| most.max(score.abs()));
            assert!(largest <= 10f32.sqrt() * 1.00001 && largest > 0.5, "{name}: {largest}");
        }
    }
}

#[test]
fn queries_keys_values_and_in_redllm_contexts_are_normalised() {
    for device in devices() {
        let [red, dec] = pair().map(|entry| trace(&*entry.on(&device), &entry.input(ids(5))));
        let parts = |path: &str, trace: &Trace, epsilon: f32, kinds: &[&str]| {
            for kind in kinds {
                let plain = trace.get(&format!("{path}.{kind}")).unwrap();
                let expected = unit_rms_norm(plain, epsilon).unwrap().to_vec().unwrap();
                let got = values(trace, &format!("{path}.{kind}_norm"));
                assert!(far(&expected, &got) < 1e-6, "{path}.{kind} on {device}");
                assert!(far(&plain.to_vec().unwrap(), &got) > 1e-2, "{path}.{kind}: it makes a difference");
            }
        };
        for path in ["encoder.1.self_attention", "decoder.2.self_attention", "decoder.1.cross_attention"] {
            parts(path, &red, 1e-6, &["query", "value", "context"]);
        }
        parts("decoder.2.self_attention", &dec, 1e-5, &["query", "key", "value"]);
        assert!(!dec.iter().any(|(name, _)| name.ends_with("context_norm")), "only RedLLM's");
        // The pass continues with the normalised context: heads side by side, then the output projection.
        let (normed, output) = ("encoder.0.self_attention.context_norm", "encoder.0.self_attention.output");
        let zero = |value: Tensor| Tensor::zeros(value.shape().axes()).to_device(&value.device());
        let (mut probe, mut seen) = (Replace::new(normed, zero), Trace::of([output]));
        let red = entry("redllm");
        pass(&*red.on(&device), &red.input(ids(5)), &mut Both(&mut probe, &mut seen));
        assert!(values(&seen, output).iter().all(|&value| value == 0.0));
    }
}

/// `[B, H or G, T, D]` with every row rotated by `positions`, as if its position were larger by that number.
fn turned(rows: &[f32], size: usize, positions: f64, base: f64) -> Vec<f32> {
    let half = size / 2;
    let turn = |row: &[f32], i: usize| {
        let angle = positions * base.powf(-2.0 * (i % half) as f64 / size as f64);
        let (a, b) = (f64::from(row[i % half]), f64::from(row[i % half + half]));
        (if i < half { a * angle.cos() - b * angle.sin() } else { b * angle.cos() + a * angle.sin() }) as f32
    };
    rows.chunks(size).flat_map(|row| (0..size).map(move |i| turn(row, i))).collect()
}

#[test]
fn positions_of_the_decoder_go_on_where_the_encoders_end() {
    let red = entry("redllm");
    for device in devices() {
        let model = red.on(&device);
        let of = |source: &[u32]| trace(&*model, &Input::new(source.to_vec()).with_decoder(ids(5)));
        let (six, four) = (of(&SOURCE), of(&SOURCE[..4]));
        // Before its first cross-attention the decoder knows only the length of the source.
        for name in ["decoder.0.self_attention.query", "decoder.0.self_attention.key"] {
            let (six, four) = (values(&six, name), values(&four, name));
            assert!(far(&six, &turned(&four, 10, 2.0, 500.0)) < 1e-5, "{name} on {device}: two positions on");
            assert!(far(&six, &four) > 1e-2, "{name} on {device}: not from 0 again");
        }
        // So the weights of its first self-attention do not depend on the first position.
        let name = "decoder.0.self_attention.weights";
        assert!(far(&values(&six, name), &values(&four, name)) < 1e-5, "{name} on {device}");
        // The encoder begins at position 0: its first query is not rotated.
        let normed = values(&four, "encoder.0.attention_norm");
        let plain = product(&red, "encoder.layers.0.self_attn.q_proj.weight", &normed);
        let query = values(&four, "encoder.0.self_attention.query"); // [1, H, 4, D]
        let unturned: Vec<f32> = query.chunks(4 * 10).flat_map(|head| head[..10].to_vec()).collect();
        assert!(far(&plain[..180], &unturned) < 1e-5, "{device}");
        // Cross-attention reads the encoder's last states: its values by the definition.
        let states = values(&four, "encoder.final_norm"); // [1, 4, C]
        let expected = product(&red, "decoder.layers.2.cross_attn.v_proj.weight", &states); // [4, GD]
        let value = values(&four, "decoder.2.cross_attention.value"); // [1, G, 4, D]
        let at = |t: usize| value.chunks(4 * 10).flat_map(move |head| head[t * 10..(t + 1) * 10].to_vec());
        assert!(far(&expected, &(0..4).flat_map(at).collect::<Vec<_>>()) < 1e-4, "{device}");
        let weights = values(&four, "decoder.1.cross_attention.weights");
        let is_all_seen = weights.iter().all(|&weight| weight > 0.0);
        assert!(weights.len() == 18 * 5 * 4 && is_all_seen, "all of it is seen");
    }
}

/// x·Wᵀ by hand, row by row, for the tensor whose name ends in `name`, and rows of 20 numbers.
fn product(entry: &Entry, name: &str, x: &[f32]) -> Vec<f32> {
    let model = entry.model();
    let mut tensors = model.record().tensors().iter();
    let (_, weight) = tensors.find(|(known, _)| known.ends_with(name)).unwrap();
    let weight = weight.to_f32().unwrap();
    let dot = |row: &[f32], x: &[f32]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
    x.chunks(20).flat_map(|x| weight.chunks(20).map(|row| dot(row, x)).collect::<Vec<_>>()).collect()
}

#[test]
fn one_matrix_is_both_embeddings_and_the_output() {
    for entry in pair() {
        let model = entry.model();
        let is_wide = |weight: &Weight| weight.shape().size(Axis::Vocab).is_some();
        let tensors = model.record().tensors().iter();
        let names: Vec<_> =
            tensors.filter(|(_, weight)| is_wide(weight)).map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["model.embed_tokens.weight"]);
    }
}

#[test]
fn small_models_have_as_many_numbers_as_the_formulas_say() {
    // C = 20, H = 18, G = 9, D = 10, F = 44, V = 67, and C = 32, H = 8, G = 4, D = 10, F = 41, V = 61.
    let layer = |c: usize, heads: usize, f: usize| [2 * c * 10 * heads, 3 * c * f + 2 * c];
    let parameters = |name: &str| entry(name).model().description().parameters;
    let [attention, rest] = layer(20, 27, 44);
    let decoder = 4 * (2 * attention + rest + 20);
    assert_eq!(parameters("redllm"), 3 * (attention + rest) + decoder + 2 * 20 + 67 * 20);
    let [attention, rest] = layer(32, 12, 41);
    assert_eq!(parameters("decllm"), 3 * (attention + rest) + 32 + 61 * 32);
}
