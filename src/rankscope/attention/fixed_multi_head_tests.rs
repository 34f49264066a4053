//! Multi-head attention with a head size of its own, on the CPU and on a GPU.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::attention::{FixedMultiHead, MultiHead, Visibility};
use crate::prelude::*;
use crate::test_devices::gpu;

const BATCH: usize = 2;
const QUERIES: usize = 7;

fn hidden(width: usize) -> Tensor {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let axes = [(Axis::Batch, BATCH), (Axis::Query, QUERIES), (Axis::Width, width)];
    let values = (0..BATCH * QUERIES * width).map(|_| random.random_range(-2.0..2.0)).collect();
    Tensor::new(axes, values).unwrap()
}

fn forward(layer: &MultiHead, x: &Tensor, mask: &Mask) -> Vec<f32> {
    let visibility = Visibility { mask, at: Positions::suffix(QUERIES, QUERIES).unwrap(), padding: None };
    let out = layer.forward(x, x, None, visibility, &mut Unobserved, &Run::default()).unwrap();
    out.to_vec().unwrap()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().chain(b).all(|value| value.is_finite()));
    a.iter().zip(b).fold(0.0, |largest, (a, b)| f32::max(largest, (a - b).abs()))
}

/// The layer computed in f64 with plain loops.
fn by_hand(sizes: FixedMultiHead, layer: &MultiHead, x: &[f32], is_causal: bool) -> Vec<f32> {
    let (width, size, inner) = (sizes.width(), sizes.head_size(), sizes.heads() * sizes.head_size());
    let [q, k, v, o] = [&layer.query, &layer.key, &layer.value, &layer.output]
        .map(|linear| linear.weight.to_f32().unwrap().into_iter().map(f64::from).collect::<Vec<_>>());
    let mut out = vec![0.0f64; x.len()];
    let token = |at: usize| &x[at * width..(at + 1) * width];
    let project = |weight: &[f64], row: usize, at: usize| -> f64 {
        weight[row * width..(row + 1) * width].iter().zip(token(at)).map(|(w, x)| w * f64::from(*x)).sum()
    };
    for batch in 0..BATCH {
        for (head, query) in (0..sizes.heads()).flat_map(|head| (0..QUERIES).map(move |t| (head, t))) {
            let rows = head * size..(head + 1) * size;
            let keys = if is_causal { 0..query + 1 } else { 0..QUERIES };
            let first = batch * QUERIES;
            let score = |key: usize| -> f64 {
                let products =
                    rows.clone().map(|row| project(&q, row, first + query) * project(&k, row, first + key));
                products.sum::<f64>() / (size as f64).sqrt()
            };
            let weights: Vec<f64> = keys.clone().map(|key| score(key).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for row in rows.clone() {
                let context: f64 =
                    keys.clone().zip(&weights).map(|(key, w)| w / sum * project(&v, row, first + key)).sum();
                for column in 0..width {
                    out[(first + query) * width + column] += o[column * inner + row] * context;
                }
            }
        }
    }
    out.into_iter().map(|value| value as f32).collect()
}

#[test]
fn a_head_of_any_size_computes_its_formula_on_both_devices() {
    let device = gpu();
    for (width, heads, size) in [(6, 5, 4), (8, 3, 9), (10, 1, 3), (12, 3, 4)] {
        let sizes = FixedMultiHead::new(width, heads, size).unwrap();
        let (layer, x) = (sizes.seeded(3).unwrap(), hidden(width));
        for (mask, is_causal) in [(Mask::bidirectional(), false), (Mask::causal(), true)] {
            let expected = by_hand(sizes, &layer, x.as_slice().unwrap(), is_causal);
            assert!(largest_difference(&forward(&layer, &x, &mask), &expected) < 1e-5);
            if let Some(device) = &device {
                let (layer, x) = (layer.to_device(device).unwrap(), x.to_device(device).unwrap());
                assert!(largest_difference(&forward(&layer, &x, &mask), &expected) < 1e-4);
            }
        }
    }
}

#[test]
fn with_the_usual_size_it_is_the_usual_layer() {
    let (usual, fixed) = (FixedMultiHead::standard(12, 3).unwrap(), FixedMultiHead::new(12, 3, 4).unwrap());
    assert_eq!(usual, fixed);
    let layer = usual.seeded(5).unwrap();
    assert_eq!((layer.heads, layer.kv_heads, layer.parameter_count()), (3, 3, 4 * 12 * 12));
    let sizes =
        [&layer.query, &layer.key, &layer.value, &layer.output].map(|linear| linear.weight.shape().sizes());
    assert!(sizes.iter().all(|sizes| *sizes == [12, 12]));
}

#[test]
fn parameters_are_those_of_the_tensors() {
    for (width, heads, size) in [(6, 5, 4), (9, 2, 7), (1, 1, 1)] {
        let sizes = FixedMultiHead::new(width, heads, size).unwrap();
        assert_eq!(sizes.parameter_count(), 4 * width * heads * size);
        assert_eq!(sizes.seeded(0).unwrap().parameter_count(), sizes.parameter_count());
    }
}

#[test]
fn a_layer_lies_among_those_with_larger_heads() {
    let small = FixedMultiHead::new(6, 4, 3).unwrap().seeded(2).unwrap();
    let large = FixedMultiHead::new(6, 4, 5).unwrap().containing(&small).unwrap();
    assert_eq!(large.parameter_count(), 4 * 6 * 4 * 5);
    let (x, mask) = (hidden(6), Mask::causal());
    let (expected, got) = (forward(&small, &x, &mask), forward(&large, &x, &mask));
    assert!(largest_difference(&got, &expected) < 1e-5);
    assert!(expected.iter().any(|value| value.abs() > 0.1));
}

#[test]
fn sizes_that_cannot_be_are_named() {
    let message = |result: crate::Result<FixedMultiHead>| result.unwrap_err().to_string();
    assert!(message(FixedMultiHead::new(0, 1, 1)).starts_with("width is 0, expected 1 or more"));
    assert!(message(FixedMultiHead::new(4, 0, 1)).starts_with("heads is 0, expected 1 or more"));
    assert!(message(FixedMultiHead::new(4, 2, 0)).starts_with("head size is 0, expected 1 or more"));
    assert!(message(FixedMultiHead::new(1 << 20, 1 << 9, 4)).contains("at most 2^30 parameters"));
    assert_eq!(message(FixedMultiHead::standard(8, 3)), "heads is 3, expected a divisor of the width 8");
    assert_eq!(message(FixedMultiHead::standard(8, 0)), "heads is 0, expected a divisor of the width 8");
    let layer = FixedMultiHead::new(6, 4, 3).unwrap().seeded(2).unwrap();
    for (sizes, part) in [((6, 4, 2), "4 heads of 3"), ((6, 3, 4), "expected 3 heads"), ((8, 4, 3), "on 8")] {
        let larger = FixedMultiHead::new(sizes.0, sizes.1, sizes.2).unwrap();
        let error = larger.containing(&layer).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
