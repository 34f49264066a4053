//! Matrix products over a named axis.

mod backward;
pub(crate) mod cpu;
mod few_rows;
pub(super) mod gpu;

use crate::axis::{Axis, Shape};
use crate::buffer::any_values;
use crate::error::{Error, Result};
use crate::ops::expect_size;
use crate::tape;
use crate::tensor::Tensor;
use crate::weight::Weight;

use cpu::Product;

/// The product of two tensors, summed over one axis that both have.
///
/// c\[…, m, n\] = factor · Σₖ a\[…, m, k\] · b\[…, n, k\], where k runs over `over`.
///
/// **Shapes**: `a` and `b` have the same leading (batch) axes and two innermost axes, of which `over`
/// is one; the result has the batch axes, then the other axis of `a`, then the other axis of `b`:
/// `[B, H, T, D] × [B, H, S, D]` over D gives `[B, H, T, S]`; `[B, H, T, S] × [B, H, S, D]` over S
/// gives `[B, H, T, D]`. Which operand is transposed follows from the names.
/// Where the last batch axis is H in `a` and G in `b`, query head h uses key/value head ⌊h / (H/G)⌋
/// (grouped-query attention).
///
/// **Conventions**: accumulation in f32, order unspecified.
///
/// # Errors
/// [`Error::Axes`] or [`Error::Size`] if the shapes do not fit, [`Error::Placement`] if the devices differ.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::matmul};
/// let a = Tensor::new([(Axis::Query, 2), (Axis::HeadSize, 2)], vec![1., 2., 3., 4.])?;
/// let b = Tensor::new([(Axis::Key, 1), (Axis::HeadSize, 2)], vec![10., 1.])?;
/// assert_eq!(matmul(&a, &b, Axis::HeadSize, 0.5)?.to_vec()?, [6., 17.]); // [T, S]
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn matmul(a: &Tensor, b: &Tensor, over: Axis, factor: f32) -> Result<Tensor> {
    let (product, shape) = plan(a.shape(), b.shape(), over)?;
    b.expect_same_device("matmul", "b", &a.device())?;
    super::work::of_activations(product.batch * product.m * product.n * product.k);
    let (tape, [a, b]) = tape::begin("matmul", [a.clone(), b.clone()])?;
    let c = match (a.as_slice(), b.as_slice()) {
        (Some(a), Some(b)) => {
            let mut c = any_values(shape.len());
            cpu::matmul(&product, factor, a, b, &mut c);
            Tensor::on_cpu(shape, c)
        }
        _ => gpu::matmul(&product, factor, &a, &b, shape)?,
    };
    let wants = tape::wants(&tape);
    Ok(tape::record(tape, c, move |dc| backward::matmul(&product, factor, [&a, &b], dc, wants)))
}

/// A linear layer: y = x·Wᵀ, with the weight in its own dtype.
///
/// y\[…, o\] = Σᵢ x\[…, i\] · W\[o, i\]
///
/// **Shapes**: x `[…, in]`, W `[out, in]`, result `[…, out]`, where `in` and `out` are the weight's axes.
///
/// **Conventions**: f16 and bf16 weights are widened to f32 and accumulated in f32. A bias is added
/// with [`add_bias`](super::add_bias).
///
/// # Errors
/// [`Error::Axes`] or [`Error::Size`] if the shapes do not fit, [`Error::Placement`] if the devices differ.
///
/// ```
/// use rankscope::{Axis, Dtype, Tensor, Weight, ops::linear};
/// let x = Tensor::new([(Axis::Query, 1), (Axis::Width, 2)], vec![1., 2.])?;
/// let w = Weight::new("w", [(Axis::Vocab, 3), (Axis::Width, 2)], Dtype::F16, &[1., 0., 0., 1., 1., 1.])?;
/// assert_eq!(linear(&x, &w)?.to_vec()?, [1., 2., 3.]); // [T, V]
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn linear(x: &Tensor, w: &Weight) -> Result<Tensor> {
    let (axis, size) = super::innermost("linear", x)?;
    let [(out_axis, out_size), (in_axis, in_size)] = w.shape().axes() else {
        let (expected, got) = ("[out, in]".to_owned(), w.shape().letters());
        return Err(Error::Axes { op: "linear", argument: "w", expected, got });
    };
    if *in_axis != axis {
        let expected = format!("[…, {}]", in_axis.letter());
        return Err(Error::Axes { op: "linear", argument: "x", expected, got: x.shape().letters() });
    }
    expect_size("linear", "x", axis, *in_size, size)?;
    x.expect_same_device("linear", "x", &w.device())?;
    let rows = x.shape().outer().iter().map(|&(_, size)| size).product();
    super::work::with_weight(rows, w.shape().len());
    let shape = Shape::new([x.shape().outer(), &[(*out_axis, *out_size)]].concat());
    let tape = tape::recorder("linear", [x.place(), w.place()])?;
    let (x, w) = (x.detach(), w.detach());
    let y = match x.as_slice() {
        Some(x) => Tensor::on_cpu(shape, cpu::linear(x, rows, &w)),
        None => gpu::linear(&x, rows, &w, shape)?,
    };
    let wants = tape::wants(&tape);
    Ok(tape::record(tape, y, move |dy| backward::linear(&x, &w, dy, wants)))
}

/// Works out the sizes and the result's shape from the axes' names.
fn plan(a: &Shape, b: &Shape, over: Axis) -> Result<(Product, Shape)> {
    let (a_batch, a_free, a_size, transpose_a) = split("a", a, over, true)?;
    let (b_batch, b_free, b_size, transpose_b) = split("b", b, over, false)?;
    expect_size("matmul", "b", over, a_size, b_size)?;
    let group = group(a_batch, b_batch)?;
    let batch = a_batch.iter().map(|&(_, size)| size).product();
    let (m, n, k) = (a_free.1, b_free.1, a_size);
    let shape = Shape::new([a_batch, &[a_free, b_free]].concat());
    Ok((Product { batch, group, m, n, k, transpose_a, transpose_b }, shape))
}

type NamedSize = (Axis, usize);

/// Batch axes, the free axis, the size of `over`, and whether the operand has to be transposed to
/// `[m, k]` (for a) or `[k, n]` (for b).
fn split<'a>(
    argument: &'static str,
    shape: &'a Shape,
    over: Axis,
    is_left: bool,
) -> Result<(&'a [NamedSize], NamedSize, usize, bool)> {
    match shape.axes() {
        [batch @ .., free, last] if last.0 == over => Ok((batch, *free, last.1, !is_left)),
        [batch @ .., first, free] if first.0 == over => Ok((batch, *free, first.1, is_left)),
        _ => {
            let expected = format!("{} among its two innermost", over.letter());
            Err(Error::Axes { op: "matmul", argument, expected, got: shape.letters() })
        }
    }
}

/// How many matrices of `a` share one of `b`.
fn group(a: &[NamedSize], b: &[NamedSize]) -> Result<usize> {
    if a == b {
        return Ok(1);
    }
    if let ([a_outer @ .., (Axis::Head, heads)], [b_outer @ .., (Axis::KvHead, kv_heads)]) = (a, b)
        && a_outer == b_outer
    {
        if *kv_heads > 0 && heads.is_multiple_of(*kv_heads) {
            return Ok(heads / kv_heads);
        }
        let expected = format!("a divisor of H = {heads}");
        return Err(Error::invalid("matmul: b's G", kv_heads, expected));
    }
    let (expected, got) = (format!("the batch axes {} of a", Shape::new(a)), Shape::new(b).to_string());
    Err(Error::Axes { op: "matmul", argument: "b", expected, got })
}
