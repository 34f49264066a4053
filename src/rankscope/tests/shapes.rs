//! Shapes: named axes determine what a product means, and wrong axes are refused by name.

use proptest::prelude::*;
use rankscope::ops::{linear, matmul, merge_heads, split_heads};
use rankscope::{Axis, Dtype, Shape, Tensor, Weight};

/// Small whole numbers: sums of their products are exact in f32, in any order.
fn whole(axes: &[(Axis, usize)], seed: usize) -> Tensor {
    let count = axes.iter().map(|&(_, size)| size).product();
    Tensor::new(axes, (0..count).map(|i| ((i * 31 + seed * 17) % 11) as f32 - 5.0).collect()).unwrap()
}

/// Σ over `over` of a·b, by the definition, with an index for every axis, which is found by its
/// name.
fn by_definition(a: &Tensor, b: &Tensor, over: Axis, group: usize) -> Vec<f32> {
    let axes = |t: &Tensor| t.shape().axes().to_vec();
    let free = |t: &Tensor| {
        let axes = axes(t);
        axes[axes.len() - 2..].iter().copied().find(|&(axis, _)| axis != over).unwrap()
    };
    let batch: Vec<_> = axes(a)[..axes(a).len() - 2].to_vec();
    let at = |t: &Tensor, index: &dyn Fn(Axis) -> usize| {
        let place = axes(t).iter().fold(0, |place, &(axis, size)| place * size + index(axis));
        t.as_slice().unwrap()[place]
    };
    let sizes: Vec<_> = batch.iter().copied().chain([free(a), free(b)]).collect();
    let total: usize = sizes.iter().map(|&(_, size)| size).product();
    let element = |flat: usize| {
        let mut rest = flat;
        let mut known = Vec::new();
        for &(axis, size) in sizes.iter().rev() {
            known.push((axis, rest % size));
            rest /= size;
        }
        let find = |axis| known.iter().find(|&&(name, _)| name == axis).map(|&(_, index)| index);
        (0..a.shape().size(over).unwrap())
            .map(|k| {
                let index = |axis: Axis| match axis {
                    axis if axis == over => k,
                    Axis::KvHead if find(axis).is_none() => find(Axis::Head).unwrap() / group,
                    axis => find(axis).unwrap(),
                };
                at(a, &index) * at(b, &index)
            })
            .sum()
    };
    (0..total).map(element).collect()
}

proptest! {
    #[test]
    fn a_product_is_what_the_names_say(
        batch in 1..3usize, kv_heads in 1..4usize, group in 1..4usize,
        m in 1..7usize, n in 1..7usize, k in 1..7usize,
        a_first in any::<bool>(), b_first in any::<bool>(), grouped in any::<bool>()
    ) {
        let group = if grouped { group } else { 1 };
        let swap = |first: bool, free, over| if first { [over, free] } else { [free, over] };
        let (free_a, free_b, over) = ((Axis::Query, m), (Axis::Key, n), (Axis::HeadSize, k));
        let heads = (Axis::Head, kv_heads * group);
        let b_heads = if grouped { (Axis::KvHead, kv_heads) } else { heads };
        let a = whole(&[&[(Axis::Batch, batch), heads][..], &swap(a_first, free_a, over)].concat(), 1);
        let b = whole(&[&[(Axis::Batch, batch), b_heads][..], &swap(b_first, free_b, over)].concat(), 2);
        let product = matmul(&a, &b, Axis::HeadSize, 2.0).unwrap();
        let expected: Vec<f32> = by_definition(&a, &b, Axis::HeadSize, group).iter().map(|x| 2.0 * x).collect();
        prop_assert_eq!(product.shape().letters(), "[B, H, T, S]");
        prop_assert_eq!(product.to_vec().unwrap(), expected);
    }

    #[test]
    fn splitting_and_merging_heads_are_inverse(b in 1..4usize, t in 1..6usize, h in 1..5usize, d in 1..5usize) {
        let x = whole(&[(Axis::Batch, b), (Axis::Query, t), (Axis::HeadWidth, h * d)], 3);
        let split = split_heads(&x, h).unwrap();
        prop_assert_eq!(split.shape().sizes(), vec![b, h, t, d]);
        prop_assert_eq!(merge_heads(&split).unwrap().to_vec().unwrap(), x.to_vec().unwrap());
    }

    /// Whole numbers up to 256 are exact in f16 and bf16, so all three dtypes give the same bits.
    #[test]
    fn a_linear_layer_does_not_depend_on_the_weights_dtype(
        rows in 1..5usize, inner in 1..9usize, out in 1..140usize
    ) {
        let x = whole(&[(Axis::Query, rows), (Axis::Width, inner)], 4);
        let axes = [(Axis::FeedForward, out), (Axis::Width, inner)];
        let values = whole(&axes, 5).to_vec().unwrap();
        let y = |dtype| linear(&x, &Weight::new("w", axes, dtype, &values).unwrap()).unwrap().to_vec().unwrap();
        prop_assert_eq!(y(Dtype::F32), y(Dtype::F16));
        prop_assert_eq!(y(Dtype::F32), y(Dtype::Bf16));
        let w = Tensor::new([(Axis::Key, out), (Axis::Width, inner)], values.clone()).unwrap();
        prop_assert_eq!(y(Dtype::F32), matmul(&x, &w, Axis::Width, 1.0).unwrap().to_vec().unwrap());
    }

    #[test]
    fn selecting_is_cutting_the_outermost_axis(a in 1..5usize, b in 1..5usize, c in 1..5usize, pick in 0..5usize) {
        let x = whole(&[(Axis::Head, a), (Axis::Query, b), (Axis::Key, c)], 6);
        match x.select(Axis::Head, pick) {
            Ok(part) => {
                let whole = x.as_array().unwrap();
                prop_assert_eq!(part.as_array().unwrap(), whole.index_axis(ndarray::Axis(0), pick));
            }
            Err(error) => {
                prop_assert!(pick >= a);
                prop_assert_eq!(error.to_string(), format!("index into Head is {pick}, expected less than {a}"));
            }
        }
    }
}

#[test]
fn an_empty_sum_is_zero_and_no_rows_are_no_rows() {
    let layer = |rows, inner, dtype| {
        let x = whole(&[(Axis::Query, rows), (Axis::Width, inner)], 1);
        let w =
            Weight::new("w", [(Axis::Vocab, 5), (Axis::Width, inner)], dtype, &vec![1.0; 5 * inner]).unwrap();
        linear(&x, &w).unwrap().to_vec().unwrap()
    };
    for dtype in [Dtype::F32, Dtype::F16] {
        assert_eq!(layer(3, 0, dtype), [0.0; 15]);
        assert!(layer(0, 4, dtype).is_empty());
    }
}

#[test]
fn wrong_shapes_are_refused_by_name() {
    let t = |axes: &[(Axis, usize)]| whole(axes, 1);
    let product = |a: &Tensor, b: &Tensor| matmul(a, b, Axis::HeadSize, 1.0).unwrap_err().to_string();
    let q = t(&[(Axis::Head, 2), (Axis::Query, 3), (Axis::HeadSize, 4)]);
    let k = |heads, size| t(&[(Axis::Head, heads), (Axis::Key, 5), (Axis::HeadSize, size)]);
    assert_eq!(product(&q, &k(2, 6)), "matmul: b has HeadSize (D) = 6, expected 4");
    assert_eq!(product(&q, &k(3, 4)), "matmul: b has axes [H=3], expected the batch axes [H=2] of a");
    let rows = t(&[(Axis::Query, 3), (Axis::Width, 4)]);
    assert_eq!(product(&q, &rows), "matmul: b has axes [T, C], expected D among its two innermost");
    let w = Weight::new("w", [(Axis::Vocab, 2), (Axis::Width, 5)], Dtype::F32, &[0.0; 10]).unwrap();
    assert_eq!(linear(&rows, &w).unwrap_err().to_string(), "linear: x has Width (C) = 4, expected 5");
    assert_eq!(linear(&q, &w).unwrap_err().to_string(), "linear: x has axes [H, T, D], expected […, C]");
    let error = Tensor::new([(Axis::Row, 2)], vec![0.0; 3]).unwrap_err().to_string();
    assert_eq!(error, "tensor length is 3, expected 2 values for [N=2]");
    let error = rows.reshape([(Axis::Query, 5)]).unwrap_err().to_string();
    assert_eq!(error, "reshape is [T=5], expected 12 elements as in [T=3, C=4]");
    assert_eq!(Shape::new([(Axis::Batch, 2), (Axis::Layer, 3)]).letters(), "[B, L]");
}
