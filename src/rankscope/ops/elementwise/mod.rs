//! Sums, products and factors, element by element.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::axis::{Axis, Shape};
use crate::device::Device;
use crate::error::Result;
use crate::ops::blocks::{ADDITION, rewrite, rewrite_or_write};
use crate::ops::heads::transpose;
use crate::ops::matmul::matmul;
use crate::ops::{expect_alike, expect_size};
use crate::tape;
use crate::tensor::Tensor;

use gpu::Pairwise;

/// x + y, element by element: a residual connection.
///
/// **Shapes**: both the same; the result as x.
///
/// # Errors
/// [`Error::Axes`](crate::Error::Axes) if the shapes differ, [`Error::Placement`](crate::Error::Placement) if the
/// devices differ.
pub fn add(x: impl Into<Tensor>, y: impl Into<Tensor>) -> Result<Tensor> {
    pairwise("add", x.into(), y.into(), Pairwise::Add)
}

/// x · y, element by element: a gate.
///
/// **Shapes**: both the same; the result as x.
///
/// # Errors
/// As [`add`].
pub fn multiply(x: impl Into<Tensor>, y: impl Into<Tensor>) -> Result<Tensor> {
    pairwise("multiply", x.into(), y.into(), Pairwise::Multiply)
}

/// x − λ\[h\] · y, with a factor for each head: the weights of differential attention from two softmaxes.
///
/// **Shapes**: x and y `[B, H, T, S]`, factors λ `[H]`; the result as x.
///
/// # Errors
/// [`Error::Axes`](crate::Error::Axes) or [`Error::Size`](crate::Error::Size) if the shapes do not fit,
/// [`Error::Placement`](crate::Error::Placement) if the devices differ.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::weighted_difference};
/// let axes = [(Axis::Batch, 1), (Axis::Head, 2), (Axis::Query, 1), (Axis::Key, 1)];
/// let (x, y) = (Tensor::new(axes, vec![5., 5.])?, Tensor::new(axes, vec![2., 3.])?);
/// let factors = Tensor::new([(Axis::Head, 2)], vec![1., -1.])?;
/// assert_eq!(weighted_difference(&x, &y, &factors)?.to_vec()?, [3., 8.]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn weighted_difference(x: impl Into<Tensor>, y: &Tensor, factors: &Tensor) -> Result<Tensor> {
    const OP: &str = "weighted_difference";
    let x = x.into();
    let sizes = x.shape().expect(OP, "x", [Axis::Batch, Axis::Head, Axis::Query, Axis::Key])?;
    let [_, heads, queries, keys] = sizes;
    expect_alike(OP, "y", &x, y)?;
    let [got] = factors.shape().expect(OP, "factors", [Axis::Head])?;
    expect_size(OP, "factors", Axis::Head, heads, got)?;
    factors.expect_same_device(OP, "factors", &x.device())?;
    let (tape, [x, y, factors]) = tape::begin(OP, [x, y.clone(), factors.clone()])?;
    let difference = match (y.as_slice(), factors.as_slice()) {
        (Some(other), Some(factors)) => rewrite(x, keys, ADDITION, |first, rows| {
            cpu::difference_rows(rows, first, other, [heads, queries, keys], factors);
        }),
        _ => gpu::weighted_difference(&x, &y, &factors, sizes)?,
    };
    Ok(tape::record(tape, difference, move |dz| {
        let dy = weighted_difference(filled(dz, 0.0)?, dz, &factors)?; // −f · ∂z
        Ok([Some(dz.clone()), Some(dy), Some(scale(sum_by_head(&multiply(&y, dz)?)?, -1.0)?)])
    }))
}

fn pairwise(op: &'static str, x: Tensor, y: Tensor, how: Pairwise) -> Result<Tensor> {
    expect_alike(op, "y", &x, &y)?;
    let (tape, [x, y]) = tape::begin(op, [x, y])?;
    let factors = (tape.is_some() && how == Pairwise::Multiply).then(|| [y.clone(), x.clone()]);
    let result = computed(x, y, how)?;
    Ok(tape::record(tape, result, |dy| match factors {
        None => Ok([Some(dy.clone()), Some(dy.clone())]), // ∂(x + y) = ∂x + ∂y
        Some([y, x]) => Ok([Some(multiply(dy, y)?), Some(multiply(dy, x)?)]), // ∂(x y) = y ∂x + x ∂y
    }))
}

fn computed(x: Tensor, y: Tensor, how: Pairwise) -> Result<Tensor> {
    // The order makes no difference, so the argument that no clone shares is overwritten by the result.
    let (x, y) = if x.is_shared() { (y, x) } else { (x, y) };
    let Some(b) = y.as_slice() else { return gpu::pairwise(&x, &y, how) };
    let b = |first: usize, length: usize| &b[first..first + length];
    Ok(match how {
        Pairwise::Add => rewrite_or_write(
            x,
            1,
            ADDITION,
            |first, x| cpu::add_block(x, b(first, x.len())),
            |first, x, sum| cpu::sum_block(sum, x, b(first, x.len())),
        ),
        Pairwise::Multiply => rewrite_or_write(
            x,
            1,
            ADDITION,
            |first, x| cpu::multiply_block(x, b(first, x.len())),
            |first, x, product| cpu::product_block(product, x, b(first, x.len())),
        ),
    })
}

/// x + bias, with the bias repeated over all outer axes.
///
/// **Shapes**: x `[…, C]`, bias `[C]`; the result as x.
///
/// # Errors
/// [`Error::Axes`](crate::Error::Axes) or [`Error::Size`](crate::Error::Size) if the shapes do not fit,
/// [`Error::Placement`](crate::Error::Placement) if the devices differ.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::add_bias};
/// let x = Tensor::new([(Axis::Query, 2), (Axis::Width, 2)], vec![1., 2., 3., 4.])?;
/// let bias = Tensor::new([(Axis::Width, 2)], vec![10., 20.])?;
/// assert_eq!(add_bias(&x, &bias)?.to_vec()?, [11., 22., 13., 24.]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn add_bias(x: impl Into<Tensor>, bias: &Tensor) -> Result<Tensor> {
    let x = x.into();
    let width = super::expect_innermost("add_bias", "bias", &x, bias)?;
    let (tape, [x, bias]) = tape::begin("add_bias", [x, bias.clone()])?;
    let y = match bias.as_slice() {
        Some(bias) => rewrite(x, width, ADDITION, |_, x| cpu::bias_block(x, bias)),
        None => gpu::add_bias(&x, &bias)?,
    };
    Ok(tape::record(tape, y, |dy| Ok([Some(dy.clone()), Some(sum_rows(dy)?)])))
}

/// The sum over all outer axes, y\[c\] = Σₙ x\[n, c\]: the gradient of a bias that was added to every row.
///
/// **Shapes**: x `[…, C]`, result `[C]`.
///
/// # Errors
/// [`Error::Axes`](crate::Error::Axes) if x has no axis; errors of the device.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::sum_rows};
/// let x = Tensor::new([(Axis::Query, 2), (Axis::Width, 2)], vec![1., 2., 3., 4.])?;
/// assert_eq!(sum_rows(&x)?.to_vec()?, [4., 6.]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn sum_rows(x: &Tensor) -> Result<Tensor> {
    let (axis, width) = super::innermost("sum_rows", x)?;
    if let Some(values) = x.place().is_none().then(|| x.as_slice()).flatten() {
        return Ok(Tensor::on_cpu(Shape::new([(axis, width)]), cpu::sum_rows(values, width)));
    }
    let rows: usize = x.shape().outer().iter().map(|&(_, size)| size).product();
    let ones = constant([(Axis::Column, 1), (Axis::Row, rows)], 1.0, &x.device())?;
    let x = x.reshape([(Axis::Row, rows), (Axis::Width, width)])?;
    matmul(&ones, &x, Axis::Row, 1.0)?.reshape([(axis, width)])
}

/// The sums over all axes but the second, `[B, H, …]` to `[H]`.
pub(super) fn sum_by_head(x: &Tensor) -> Result<Tensor> {
    let [(_, batch), heads, ..] = *x.shape().axes() else { unreachable!("[B, H, …]") };
    let of_one = (Axis::Column, x.shape().len() / (batch * heads.1).max(1));
    let sequences = x.reshape([(Axis::Row, batch), (Axis::Width, heads.1 * of_one.1)])?;
    sum_rows(&transpose(&sum_rows(&sequences)?.reshape([heads, of_one])?)?)
}

/// A tensor with one number everywhere.
pub(super) fn constant(axes: impl Into<Vec<(Axis, usize)>>, value: f32, device: &Device) -> Result<Tensor> {
    Tensor::filled(Shape::new(axes), value).to_device_as_constant(device)
}

/// [`constant`] in the shape and on the device of `like`.
pub(super) fn filled(like: &Tensor, value: f32) -> Result<Tensor> {
    constant(like.shape().axes(), value, &like.device())
}

/// factor · x.
///
/// **Shapes**: any; the result as x.
///
/// # Errors
/// [`Error::Gpu`](crate::Error::Gpu) if the GPU fails.
pub fn scale(x: impl Into<Tensor>, factor: f32) -> Result<Tensor> {
    let (tape, [x]) = tape::begin("scale", [x.into()])?;
    let y = match x.as_slice() {
        Some(_) => rewrite_or_write(
            x,
            1,
            ADDITION,
            |_, x| cpu::scale_block(x, factor),
            |_, x, scaled| cpu::scaled_block(scaled, x, factor),
        ),
        None => gpu::scale(&x, factor)?,
    };
    Ok(tape::record(tape, y, move |dy| Ok([Some(scale(dy, factor)?)])))
}
