//! The matrix form and the recurrence, compared with the formula and with each other.

use rankscope::attention::{Inputs, StateSpace, StateSpaceState, Visibility};
use rankscope::mask::MASKS;
use rankscope::ops::{decayed_walk, log_decays, no_tokens};
use rankscope::prelude::*;

use super::{by_formula, forward, mechanism};
use crate::linear_state::rows;
use crate::support::{
    B, D, EPSILON, FROM_ZERO, G, H, S, Six, T, assert_close, devices, own, padding, peak_on, qkv, random,
    refused, said, scattered, whole, wide_of,
};

#[test]
fn every_form_is_the_formula_under_every_mask() {
    let sizes: [Six; 4] = [
        [2, 6, 3, 9, 13, 4],  // the recurrence, under a causal mask
        [3, 4, 2, 5, 11, 7],  // too few queries for the recurrence
        [2, 3, 1, 66, 70, 5], // more keys than bits of a word and invocations of a workgroup
        [1, 2, 2, 8, 8, 1],
    ];
    for sizes @ [batch, heads, kv_heads, queries, keys, size] in sizes {
        let (mechanism, inputs, padding) = (mechanism(kv_heads, size), qkv(sizes), scattered(batch, keys));
        for mask in MASKS.iter().map(|kind| (kind.example)(keys)) {
            let last = Positions::suffix(queries, keys).unwrap();
            for (at, padding) in [(last, None), (FROM_ZERO, Some(&padding))] {
                let (weights, context) = by_formula(&mechanism, &inputs, &mask, at, padding);
                let visibility = Visibility { mask: &mask, at, padding };
                for device in devices() {
                    let case = format!("{mask}, H = {heads}, T = {queries}, S = {keys}, D = {size}");
                    let tolerance = (keys + size) as f64 * EPSILON;
                    let alone = forward(&mechanism, &inputs, visibility, &mut Unobserved, &device);
                    assert_close(&format!("{case}, alone"), &device, &alone, &context, tolerance);
                    let mut trace = Trace::all();
                    let watched = forward(&mechanism, &inputs, visibility, &mut trace, &device);
                    assert_close(&format!("{case}, watched"), &device, &watched, &context, tolerance);
                    let got = trace.get("weights").unwrap();
                    assert_close(&format!("{case}, weights"), &device, got, &weights, 32.0 * EPSILON);
                    let names: Vec<_> = trace.iter().map(|(name, _)| name).collect();
                    assert_eq!(names, ["log_decays", "scores", "mask", "weights", "context"]);
                }
            }
        }
    }
}

fn causal(at: Positions) -> Visibility<'static> {
    static CAUSAL: std::sync::LazyLock<Mask> = std::sync::LazyLock::new(Mask::causal);
    Visibility { mask: &CAUSAL, at, padding: None }
}

#[test]
fn steps_of_any_length_equal_the_causal_form() {
    let sizes @ [batch, _, kv_heads, length, _, size] = [2, 6, 3, 137, 137, 5];
    let (mechanism, inputs) = (mechanism(kv_heads, size), qkv(sizes));
    let (_, want) = by_formula(&mechanism, &inputs, &Mask::causal(), FROM_ZERO, None);
    let want = Tensor::new(inputs[0].shape().axes(), want.into_iter().map(|x| x as f32).collect()).unwrap();
    for device in devices() {
        for lengths in [vec![length], vec![1; 9], vec![3, 65, 1, 68]] {
            let mut state = StateSpaceState::new(mechanism.to_device(&device).unwrap(), batch).unwrap();
            for steps in lengths {
                let range = state.tokens()..state.tokens() + steps;
                let [q, k, v] = inputs.each_ref().map(|x| rows(x, range.clone()).to_device(&device).unwrap());
                let got = state.step(&q, &k, &v, &Run::default()).unwrap();
                let want = wide_of(&rows(&want, range.clone()));
                assert_close(&format!("tokens {range:?}"), &device, &got, &want, 64.0 * EPSILON);
            }
        }
    }
}

#[test]
fn a_long_walk_takes_several_dispatches_and_is_the_same() {
    // 332 tokens in a dispatch of a software adapter: the first dispatch has no query, the third continues in the
    // middle.
    let inputs = qkv([1, 2, 1, 420, 900, 64]);
    let mechanism = StateSpace::retention(64, &[0.99]).unwrap();
    let at = Positions { first_query: 470 };
    let want = forward(&mechanism, &inputs, causal(at), &mut Trace::of(["weights"]), &Device::Cpu);
    for device in devices() {
        let got = forward(&mechanism, &inputs, causal(at), &mut Unobserved, &device);
        assert_close("from token 470 on", &device, &got, &wide_of(&want), 1e-5);
        // Also without queries there is a state.
        let [q, k, v] = inputs.each_ref().map(|x| x.to_device(&device).unwrap());
        let decays = mechanism.to_device(&device).unwrap();
        let decays = log_decays(&k, decays.weight(), decays.bias(), None).unwrap();
        let none = no_tokens(1, 1, 64, 64, &device).unwrap();
        let walk = |state: &Tensor, q: &Tensor, first_query| {
            let at = Positions { first_query };
            decayed_walk(state, q, &k, &v, &decays, at, None, &Run::default()).unwrap()
        };
        let q_of_none = Tensor::zeros([(B, 1), (H, 2), (T, 0), (D, 64)]);
        let (context, state) = walk(&none, &q_of_none.to_device(&device).unwrap(), 890);
        assert!(context.shape().is_empty());
        let (_, want) = walk(&none, &q, 470);
        assert_close("no queries", &device, &state, &wide_of(&want.to_device(&Device::Cpu).unwrap()), 1e-5);
    }
}

#[test]
fn the_last_queries_of_a_pass_are_the_queries_at_its_end() {
    let (mechanism, inputs) = (mechanism(2, 3), qkv([2, 4, 2, 11, 11, 3]));
    let full = forward(&mechanism, &inputs, causal(FROM_ZERO), &mut Unobserved, &Device::Cpu);
    let [q, k, v] = &inputs;
    // Computed as a recurrence from the first key on, and as rows of the matrix.
    for first_query in [7, 10] {
        let last = [rows(q, first_query..11), k.clone(), v.clone()];
        for device in devices() {
            let got = forward(&mechanism, &last, causal(Positions { first_query }), &mut Unobserved, &device);
            let want = wide_of(&rows(&full, first_query..11));
            assert_close(&format!("from {first_query} on"), &device, &got, &want, 64.0 * EPSILON);
        }
    }
}

#[test]
fn padding_is_as_if_it_were_not_there() {
    let sizes @ [batch, _, kv_heads, _, keys, size] = [2, 6, 3, 12, 12, 4];
    let (mechanism, inputs) = (mechanism(kv_heads, size), qkv(sizes));
    let is_real = |s: usize| ![0, 5, 6, 11].contains(&s);
    let padding = padding(batch, keys, |_, s| is_real(s));
    let places: Vec<usize> = (0..keys).filter(|&s| is_real(s)).collect();
    let without = |x: &Tensor| {
        let parts: Vec<Tensor> = places.iter().map(|&s| rows(x, s..s + 1)).collect();
        let axis = x.shape().axes()[2].0;
        rankscope::ops::concat_all(&parts.iter().collect::<Vec<_>>(), axis).unwrap()
    };
    let short = inputs.each_ref().map(without);
    for device in devices() {
        for mask in [Mask::causal(), Mask::bidirectional()] {
            let want = forward(&mechanism, &short, whole(&mask), &mut Unobserved, &device);
            let want = wide_of(&want.to_device(&Device::Cpu).unwrap());
            let visibility = Visibility { padding: Some(&padding), ..whole(&mask) };
            for probe in [&mut Unobserved as &mut dyn Probe, &mut Trace::of(["weights"])] {
                let got = forward(&mechanism, &inputs, visibility, probe, &device);
                let got = without(&got.to_device(&Device::Cpu).unwrap());
                assert_close(&format!("{mask}"), &device, &got, &want, 64.0 * EPSILON);
            }
        }
    }
}

#[test]
fn keys_of_as_many_heads_as_queries_may_call_them_so() {
    let [q, k, v] = qkv([2, 3, 3, 6, 6, 4]);
    let renamed = [&k, &v].map(|x| x.rename(G, H).unwrap());
    let (mechanism, [other_k, other_v]) = (mechanism(3, 4), renamed);
    let (one, other) = ([q.clone(), k, v], [q, other_k, other_v]);
    for device in devices() {
        for probe in [&mut Unobserved as &mut dyn Probe, &mut Trace::of(["weights"])] {
            let [one, other] = [&one, &other].map(|inputs| {
                forward(&mechanism, inputs, causal(FROM_ZERO), probe, &device).to_vec().unwrap()
            });
            assert_eq!(one, other, "{device}");
        }
    }
}

#[test]
fn the_future_does_not_matter() {
    let sizes @ [.., length, size] = [1, 2, 1, 70, 70, 4];
    let (mechanism, [q, k, v]) = (mechanism(1, size), qkv(sizes));
    let mut values = k.to_vec().unwrap();
    values[(length - 5) * size..].fill(3.0);
    let changed = [q.clone(), Tensor::new(k.shape().axes(), values).unwrap(), v.clone()];
    let inputs = [q, k, v];
    for device in devices() {
        let run = |inputs: &[Tensor; 3]| {
            let y = forward(&mechanism, inputs, causal(FROM_ZERO), &mut Unobserved, &device);
            y.to_device(&Device::Cpu).unwrap()
        };
        let (want, got) = (run(&inputs), run(&changed));
        let first = |x: &Tensor| rows(x, 0..length - 5).to_vec().unwrap();
        assert_eq!(first(&got), first(&want), "{device}");
        assert_ne!(got.to_vec().unwrap(), want.to_vec().unwrap());
    }
}

#[test]
fn a_state_is_a_value() {
    let inputs = qkv([1, 2, 1, 4, 4, 3]);
    for device in devices() {
        let token = |t: usize| inputs.each_ref().map(|x| rows(x, t..t + 1).to_device(&device).unwrap());
        let run = Run::default();
        let mut state = StateSpaceState::new(mechanism(1, 3).to_device(&device).unwrap(), 1).unwrap();
        let step = |state: &mut StateSpaceState, t| {
            let [q, k, v] = token(t);
            state.step(&q, &k, &v, &run).unwrap().to_vec().unwrap()
        };
        step(&mut state, 0);
        let kept = state.clone();
        let once = step(&mut state, 1);
        step(&mut state, 2);
        let mut again = kept.clone();
        assert_eq!(step(&mut again, 1), once, "{device}");
        assert_eq!((kept.tokens(), again.tokens(), state.tokens()), (1, 2, 3));
        assert_eq!(kept.sums().shape().to_string(), "[B=1, G=1, D=3, M=3]");
        // After an error the state is unchanged.
        let [q, k, v] = token(3);
        let two = inputs.each_ref().map(|x| rows(x, 0..2).to_device(&device).unwrap());
        let expected = "state-space attention: k has Key (S) = 2, expected 1";
        refused(again.step(&q, &two[1], &two[2], &run), expected);
        let wide = random(&[(B, 1), (G, 1), (S, 1), (D, 4)], 5);
        assert!(again.step(&q, &wide.to_device(&device).unwrap(), &v, &run).is_err());
        assert_eq!(again.tokens(), 2);
        assert_eq!(again.step(&q, &k, &v, &run).unwrap().shape(), q.shape());
    }
    let mut state = StateSpaceState::new(mechanism(1, 3), 2).unwrap();
    let [q, k, v] = &inputs;
    let expected = "decayed_walk: state has axes [B=2, G=1, D=3, M=3], expected [B=1, G=1, D=3, M=3]";
    refused(state.step(q, k, v, &Run::default()), expected);
}

#[test]
fn the_recurrence_makes_no_matrix_and_reads_nothing_back() {
    let Some((gpu, own)) = own() else { return };
    let [q, k, v] = qkv([1, 2, 1, 1500, 1501, 4]).map(|x| x.to_device(&own).unwrap());
    let mechanism = mechanism(1, 4).to_device(&own).unwrap();
    let visibility = causal(Positions { first_query: 1 });
    let beyond = peak_on(&gpu, || {
        mechanism.forward(&q, &k, &v, visibility, &mut Unobserved, &Run::default()).unwrap();
    });
    assert!(beyond < 1 << 20, "{beyond} bytes, where one matrix would take 9 million");
    assert_eq!(gpu.counts().readbacks, 0);
}

#[test]
fn what_does_not_fit_is_named() {
    let (mechanism, [q, k, v]) = (mechanism(3, 5), qkv([1, 6, 3, 6, 4, 5]));
    let run = Run::default();
    let under = |mask: Mask, bias: Option<&Tensor>| {
        let inputs = Inputs { q: &q, k: &k, v: &v, bias, visibility: whole(&mask) };
        mechanism.attend(inputs, &mut Unobserved, &run)
    };
    // Cross-attention to fewer keys than queries.
    let there = "position of the last query is 5, expected below the number of keys, 4: a query decays as the key at its own position";
    refused(under(Mask::bidirectional(), None), &format!("decayed_scores: {there}"));
    refused(under(Mask::causal(), None), &format!("decayed_walk: {there}"));
    let bias = Tensor::zeros([(H, 6), (T, 6), (S, 4)]);
    assert!(said(under(Mask::causal(), Some(&bias))).starts_with("position bias is given, expected none"));
    let weight = |heads, size| Tensor::zeros([(G, heads), (D, size)]);
    let bias = |heads| Tensor::zeros([(G, heads)]);
    let expected = "state-space attention: bias has KvHead (G) = 3, expected 2";
    refused(StateSpace::new(weight(2, 5), bias(3)), expected);
    let expected = "state-space attention: head size D is 0, expected at least 1";
    refused(StateSpace::new(weight(2, 0), bias(2)), expected);
    let of = |weight: Tensor| log_decays(&k, &weight, &bias(3), None);
    refused(of(weight(2, 5)), "log_decays: weight has KvHead (G) = 2, expected 3");
    refused(of(weight(3, 4)), "log_decays: weight has HeadSize (D) = 4, expected 5");
    let padding = padding(1, 3, |_, s| s != 1);
    let decays = log_decays(&k, mechanism.weight(), mechanism.bias(), Some(&padding));
    refused(decays, "padding S is 3, expected the number of keys, 4");
    for decay in [0.0, 1.0, -0.5, f64::NAN] {
        let expected = format!("state-space attention: decay is {decay}, expected above 0 and below 1");
        refused(StateSpace::retention(5, &[0.5, decay]), &expected);
    }
    let cancelled = Run::default();
    cancelled.cancel_flag().cancel();
    refused(mechanism.forward(&q, &k, &v, causal(FROM_ZERO), &mut Unobserved, &cancelled), "cancelled");
}
