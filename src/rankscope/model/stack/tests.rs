//! Stacks compared with explicit formulas, and the two arithmetics with each other.

use ndarray::{Array1, Array2, ArrayView1};

use super::*;
use crate::device::Device;
use crate::mask::Mask;
use crate::ops::{GeluForm, cpu};
use crate::probe::{Replace, Trace};
use crate::random::gaussian;
use crate::run::Run;
use crate::test_devices::devices;

const N: usize = 7;
const WIDTH: usize = 11;

fn pure(layers: usize) -> Architecture {
    Architecture::attention_only(layers, 3, 5, WIDTH)
}

/// Every combination of the switches.
fn architectures(layers: usize) -> Vec<Architecture> {
    let mut all = Vec::new();
    for norm in [NormPlace::None, NormPlace::After, NormPlace::Before] {
        for skip in [false, true] {
            for feed_forward in [None, Some(13)] {
                all.push(Architecture { skip, feed_forward, ..pure(layers).with_norm(norm) });
            }
        }
    }
    all
}

/// Each architecture without a sink and with one.
fn architectures_and_sinks() -> impl Iterator<Item = (Architecture, Option<f64>)> {
    architectures(2).into_iter().flat_map(|architecture| [(architecture, None), (architecture, Some(1.5))])
}

fn input(seed: u64) -> Array2<f64> {
    gaussian(N, WIDTH, seed, 1 << 32)
}

fn difference(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    assert_eq!(a.dim(), b.dim());
    (a - b).iter().fold(0.0, |largest: f64, x| largest.max(x.abs()))
}

fn normed(x: ArrayView1<f64>) -> Array1<f64> {
    let mean = x.mean().unwrap();
    let centred = x.mapv(|x| x - mean);
    let variance = centred.mapv(|x| x * x).mean().unwrap();
    centred / (variance + 1e-5).sqrt()
}

fn by_rows(x: &Array2<f64>, f: impl Fn(ArrayView1<f64>) -> Array1<f64>) -> Array2<f64> {
    let mut y = x.clone();
    y.rows_mut().into_iter().for_each(|mut row| {
        let new = f(row.view());
        row.assign(&new);
    });
    y
}

/// Attention from its definition, sum by sum.
fn attention(w: &LayerWeights, x: &Array2<f64>, mask: &Mask, sink: Option<f64>) -> Array2<f64> {
    let (heads, size) = (3, 5);
    let (q, k, v) = (x.dot(&w.query.t()), x.dot(&w.key.t()), x.dot(&w.value.t()));
    let mut context = Array2::<f64>::zeros((N, heads * size));
    for head in 0..heads {
        let at = head * size..(head + 1) * size;
        for t in 0..N {
            let keys: Vec<usize> = (0..N).filter(|&s| mask.may_attend(t, s)).collect();
            let score =
                |s: usize| at.clone().map(|d| q[[t, d]] * k[[s, d]]).sum::<f64>() / (size as f64).sqrt();
            let sum = keys.iter().map(|&s| score(s).exp()).sum::<f64>() + sink.map_or(0.0, f64::exp);
            for d in at.clone() {
                context[[t, d]] = keys.iter().map(|&s| score(s).exp() / sum * v[[s, d]]).sum();
            }
        }
    }
    context.dot(&w.output.t())
}

/// A layer from its definition.
fn layer(a: &Architecture, w: &LayerWeights, x: &Array2<f64>, mask: &Mask, sink: Option<f64>) -> Array2<f64> {
    let block = |x: &Array2<f64>, f: &dyn Fn(&Array2<f64>) -> Array2<f64>| {
        let inner = if a.norm == NormPlace::Before { by_rows(x, normed) } else { x.clone() };
        let sum = if a.skip { x + &f(&inner) } else { f(&inner) };
        if a.norm == NormPlace::After { by_rows(&sum, normed) } else { sum }
    };
    let x = block(x, &|x| attention(w, x, mask, sink));
    let Some(network) = &w.feed_forward else { return x };
    block(&x, &|x| {
        let hidden = x.dot(&network.up.t()).mapv(|x| {
            let mut unit = [x];
            cpu::gelu(&mut unit, GeluForm::Exact);
            unit[0]
        });
        hidden.dot(&network.down.t())
    })
}

#[test]
fn layers_are_what_their_formulas_say() {
    for (architecture, sink) in architectures_and_sinks() {
        for mask in [Mask::bidirectional(), Mask::causal(), Mask::prefix(3)] {
            let stack = Stack::new(architecture, 5).unwrap().with_sink(sink);
            let states = stack.hidden_states(&input(5), &mask, &Run::default()).unwrap();
            let mut x = input(5);
            assert_eq!(states[0], x);
            for (weights, state) in stack.layers().iter().zip(&states[1..]) {
                x = layer(&architecture, weights, &x, &mask, sink);
                assert!(difference(&x, state) < 1e-12, "{architecture:?} {sink:?} {mask}");
            }
            let last = stack.forward_f64(&input(5), &mask, &mut |_, _| (), &Run::default()).unwrap();
            let expected = if architecture.norm == NormPlace::Before { by_rows(&x, normed) } else { x };
            assert!(difference(&last, &expected) < 1e-12, "{architecture:?} {mask}");
        }
    }
}

#[test]
fn tensors_compute_the_same_on_every_device_under_the_same_names() {
    let devices = devices();
    for (device, mask) in devices.iter().flat_map(|d| [(d, Mask::causal()), (d, Mask::bidirectional())]) {
        for (architecture, sink) in architectures_and_sinks() {
            let stack = Stack::new(architecture, 8).unwrap().with_sink(sink);
            let inputs = [input(1), input(2)];
            let on_device = stack.to_device(device).unwrap();
            let states = on_device.hidden_states(&inputs, &mask, &Run::default()).unwrap();
            for (x, states) in inputs.iter().zip(&states) {
                let exact = stack.hidden_states(x, &mask, &Run::default()).unwrap();
                assert_eq!(states.len(), exact.len());
                for (state, exact) in states.iter().zip(&exact) {
                    assert!(difference(state, exact) < 2e-4, "{architecture:?} {sink:?} {mask} {device}");
                }
            }
        }
    }
}

#[test]
fn both_arithmetics_visit_the_same_points_in_the_same_order_and_each_point_is_real() {
    for architecture in architectures(2) {
        let stack = Stack::new(architecture, 8).unwrap();
        let mut exact = Vec::new();
        let mut watch = |name: &str, _: ndarray::ArrayViewD<'_, f64>| exact.push(name.to_owned());
        stack.forward_f64(&input(1), &Mask::causal(), &mut watch, &Run::default()).unwrap();
        let on_device = stack.to_device(&Device::Cpu).unwrap();
        let values = input(1).iter().map(|&x| x as f32).collect();
        let axes = [(crate::Axis::Batch, 1), (crate::Axis::Query, N), (crate::Axis::Width, WIDTH)];
        let x = crate::Tensor::new(axes, values).unwrap();
        let mut trace = Trace::all();
        let before = on_device.forward(&x, &Mask::causal(), &mut trace, &Run::default()).unwrap();
        let names: Vec<_> = trace.iter().map(|(name, _)| name.to_owned()).collect();
        let shared: Vec<_> = names.iter().filter(|name| exact.contains(name)).cloned().collect();
        assert_eq!(shared, exact, "{architecture:?}");
        for name in exact {
            let mut edit = Replace::new(&name, |value| {
                let edited = value.to_vec()?.into_iter().enumerate().map(|(i, x)| x * 1.5 + (i as f32).sin());
                crate::Tensor::new(value.shape().axes(), edited.collect())
            });
            let after = on_device.forward(&x, &Mask::causal(), &mut edit, &Run::default()).unwrap();
            assert_eq!(edit.hits, 1, "{name}");
            assert_ne!(before.to_vec().unwrap(), after.to_vec().unwrap(), "{name}");
        }
    }
}

#[test]
fn stacks_that_differ_by_a_switch_or_in_depth_share_their_weights() {
    let small = Stack::new(pure(1), 3).unwrap();
    let large = Stack::new(pure(2).with_skip().with_feed_forward(13), 3).unwrap();
    assert_eq!(small.layers()[0].value, large.layers()[0].value);
    assert_ne!(large.layers()[0].value, large.layers()[1].value);
    assert_ne!(small.layers()[0].query, small.layers()[0].key);
    assert_ne!(Stack::new(pure(1), 4).unwrap().layers()[0].query, small.layers()[0].query);
    // Variance 1 / (numbers that are summed).
    let wide = Stack::new(Architecture::attention_only(1, 2, 40, 300), 3).unwrap();
    let variance = |w: &Array2<f64>| w.mapv(|x| x * x).mean().unwrap();
    assert!((variance(&wide.layers()[0].query) * 300.0 - 1.0).abs() < 0.05);
    assert!((variance(&wide.layers()[0].output) * 80.0 - 1.0).abs() < 0.05);
}

#[test]
fn paths_add_up_and_are_as_many_as_combinatorics_says() {
    let choose = [1.0, 4.0, 6.0, 4.0, 1.0];
    for (architecture, mask) in [(pure(4).with_skip(), Mask::causal()), (pure(4), Mask::bidirectional())] {
        let stack = Stack::new(architecture, 2).unwrap();
        let paths = stack.paths(&input(2), &mask, &Run::default()).unwrap();
        for (k, (count, _)) in paths.by_length.iter().enumerate() {
            let expected = if architecture.skip { choose[k] * 3f64.powi(k as i32) } else { 0.0 };
            assert_eq!(*count, if k == 4 { 81.0 } else { expected });
        }
        let sum = paths.by_length.iter().fold(Array2::<f64>::zeros((N, WIDTH)), |sum, (_, z)| sum + z);
        assert!(difference(&sum, &paths.output) < 1e-12);
        let length_0 = if architecture.skip { input(2) } else { Array2::zeros((N, WIDTH)) };
        assert_eq!(paths.by_length[0].1, length_0);
    }
    let normed = Stack::new(pure(1).with_norm(NormPlace::After), 2).unwrap();
    let error = normed.paths(&input(2), &Mask::causal(), &Run::default()).unwrap_err();
    assert!(error.to_string().starts_with("stack to take apart is with norm"), "{error}");
}

#[test]
fn what_does_not_fit_is_named() {
    let zero = Stack::new(Architecture { heads: 0, ..pure(1) }, 0).unwrap_err();
    assert_eq!(zero.to_string(), "number of heads is 0, expected at least 1");
    let stack = Stack::new(pure(1), 0).unwrap();
    let wide = stack.hidden_states(&Array2::zeros((2, 9)), &Mask::causal(), &Run::default()).unwrap_err();
    assert_eq!(wide.to_string(), "width of the input is 9, expected C = 11");
    let run = Run::default();
    run.cancel_flag().cancel();
    assert!(stack.hidden_states(&input(0), &Mask::causal(), &run).is_err());
}
