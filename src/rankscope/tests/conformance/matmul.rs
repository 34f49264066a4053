//! Batched products and linear layers.

use rankscope::ops::{self, cpu::Product, linear, matmul};
use rankscope::{Axis, Dtype, Tensor, Weight};

use crate::support::{B, C, D, G, H, S, T, assert_close, devices, every_way, noise, random, wide, wide_of};

/// Rounding of a sum of `length` products of values up to 1: in the worst case half a unit in the last place for each.
fn tolerance(length: usize) -> f64 {
    (length.max(1) as f64) * f64::from(f32::EPSILON)
}

/// Rows of `a` times rows of `b`.
fn of_rows(batch: usize, group: usize, [m, n, k]: [usize; 3]) -> Product {
    Product { batch, group, m, n, k, transpose_a: false, transpose_b: true }
}

/// The product in f64, by plain loops without strides or batches.
fn reference(p: &Product, factor: f64, a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut c = Vec::new();
    for i in 0..p.batch {
        let (a, b) = (&a[i * p.m * p.k..], &b[i / p.group * p.k * p.n..]);
        for m in 0..p.m {
            for n in 0..p.n {
                let a_at = |k| if p.transpose_a { a[k * p.m + m] } else { a[m * p.k + k] };
                let b_at = |k| if p.transpose_b { b[n * p.k + k] } else { b[k * p.n + n] };
                c.push(factor * (0..p.k).map(|k| a_at(k) * b_at(k)).sum::<f64>());
            }
        }
    }
    c
}

#[test]
fn any_size_and_any_orientation() {
    // Sizes near the tile of 64 x 64 and the step of 16, sizes of 1, and sizes that are no multiple of 4.
    let thin = [[1, 3, 2], [5, 1, 7], [3, 129, 1], [67, 2, 33]];
    let thick = [[63, 65, 17], [65, 63, 15], [64, 66, 16], [68, 132, 20]];
    for device in devices() {
        for [m, n, k] in thin.into_iter().chain(thick) {
            for (transpose_a, transpose_b) in [(false, false), (false, true), (true, false), (true, true)] {
                let (rows, columns, inner) = ((Axis::Row, m), (Axis::Column, n), (Axis::Width, k));
                let a = random(&if transpose_a { [inner, rows] } else { [rows, inner] }, 1);
                let b = random(&if transpose_b { [columns, inner] } else { [inner, columns] }, 2);
                let p = Product { batch: 1, group: 1, m, n, k, transpose_a, transpose_b };
                let want = reference(&p, -1.5, &wide_of(&a), &wide_of(&b));
                for (way, got) in every_way(&device, "matmul", [&a, &b], |[a, b]| matmul(a, b, C, -1.5)) {
                    assert_close(&format!("{way} {p:?}"), &device, &got, &want, 1.5 * tolerance(k));
                }
            }
        }
    }
}

#[test]
fn batches_and_grouped_queries() {
    let (batch, queries, keys, size) = (3, 5, 7, 6);
    for device in devices() {
        for (heads, kv_heads) in [(4, 2), (6, 1), (2, 2)] {
            let q = random(&[(B, batch), (H, heads), (T, queries), (D, size)], 3);
            let kv = if heads == kv_heads { H } else { G };
            let k = random(&[(B, batch), (kv, kv_heads), (S, keys), (D, size)], 4);
            let p = of_rows(batch * heads, heads / kv_heads, [queries, keys, size]);
            let want = reference(&p, 0.25, &wide_of(&q), &wide_of(&k));
            for (way, got) in every_way(&device, "matmul", [&q, &k], |[q, k]| matmul(q, k, D, 0.25)) {
                let case = format!("{way}, {heads} heads to {kv_heads}");
                assert_close(&case, &device, &got, &want, tolerance(size));
            }
        }
    }
}

#[test]
fn the_f64_path_agrees_with_the_loops() {
    let p = Product { batch: 4, group: 2, m: 5, n: 3, k: 11, transpose_a: true, transpose_b: false };
    let a = wide(&noise(p.batch * p.m * p.k, 5));
    let b = wide(&noise(p.batch / p.group * p.k * p.n, 6));
    let mut c = vec![0.0; p.batch * p.m * p.n];
    ops::cpu::matmul(&p, 0.5, &a, &b, &mut c);
    let want = reference(&p, 0.5, &a, &b);
    assert!(c.iter().zip(&want).all(|(c, want)| (c - want).abs() < 1e-14));
}

#[test]
fn a_sum_over_nothing_is_zero() {
    for device in devices() {
        let a = Tensor::zeros([(Axis::Row, 2), (Axis::Width, 0)]);
        let b = Tensor::zeros([(Axis::Column, 3), (Axis::Width, 0)]);
        for (way, got) in every_way(&device, "matmul", [&a, &b], |[a, b]| matmul(a, b, Axis::Width, 1.0)) {
            assert_eq!(got.to_vec().unwrap(), [0.0; 6], "{way} on {device}");
        }
    }
}

#[test]
fn linear_layers_in_every_dtype_and_odd_widths() {
    for device in devices() {
        for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
            for (batch, queries, inner, out) in
                [(2, 3, 5, 7), (1, 1, 17, 67), (3, 23, 64, 1), (1, 2, 1, 3), (2, 5, 12, 20)]
            {
                let x = random(&[(B, batch), (T, queries), (C, inner)], 7);
                let axes = [(Axis::FeedForward, out), (C, inner)];
                let w = Weight::new("w", axes, dtype, &noise(out * inner, 8)).unwrap();
                let p = of_rows(1, 1, [batch * queries, out, inner]);
                // The weight with its stored numbers, because rounding them is not an error of the operation.
                let want = reference(&p, 1.0, &wide_of(&x), &wide(&w.to_f32().unwrap()));
                let w = w.to_device(&device).unwrap();
                for (way, got) in every_way(&device, "matmul", [&x], |[x]| linear(x, &w)) {
                    assert_eq!(got.shape().to_string(), format!("[B={batch}, T={queries}, F={out}]"));
                    assert_close(&format!("{way} {dtype} {p:?}"), &device, &got, &want, tolerance(inner));
                }
            }
        }
    }
}

#[test]
fn half_precision_is_widened_exactly() {
    // The largest, the smallest normal and the smallest subnormal f16; bf16 rounds them.
    let values = [65504.0, -6.103_515_6e-5, 5.960_464_5e-8, -0.0, 1.0 / 3.0];
    for device in devices() {
        for dtype in [Dtype::F16, Dtype::Bf16] {
            let w = Weight::new("w", [(Axis::Column, 5), (Axis::Width, 1)], dtype, &values).unwrap();
            let stored = w.to_f32().unwrap();
            let w = w.to_device(&device).unwrap();
            let one = Tensor::new([(Axis::Row, 1), (Axis::Width, 1)], vec![1.0]).unwrap();
            for (way, got) in every_way(&device, "matmul", [&one], |[x]| linear(x, &w)) {
                assert_eq!(got.to_vec().unwrap(), stored, "{way} {dtype} on {device}");
            }
        }
    }
}
