//! Sums, products and factors, element by element.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::buffer::any_values;
use crate::error::{Error, Result};
use crate::ops::blocks::{ADDITION, for_each_block, rewrite};
use crate::tensor::Tensor;

use gpu::Pairwise;

/// x + y, element by element: a residual connection.
///
/// **Shapes**: both the same; the result as x.
///
/// # Errors
/// [`Error::Axes`] if the shapes differ, [`Error::Placement`] if the devices differ.
pub fn add(x: impl Into<Tensor>, y: impl Into<Tensor>) -> Result<Tensor> {
    pairwise("add", x.into(), y.into(), Pairwise::Add)
}

/// x · y, element by element: a gate.
///
/// **Shapes**: both the same; the result as x.
///
/// # Errors
/// [`Error::Axes`] if the shapes differ, [`Error::Placement`] if the devices differ.
pub fn multiply(x: impl Into<Tensor>, y: impl Into<Tensor>) -> Result<Tensor> {
    pairwise("multiply", x.into(), y.into(), Pairwise::Multiply)
}

fn pairwise(op: &'static str, x: Tensor, y: Tensor, how: Pairwise) -> Result<Tensor> {
    if x.shape() != y.shape() {
        let (expected, got) = (x.shape().to_string(), y.shape().to_string());
        return Err(Error::Axes { op, argument: "y", expected, got });
    }
    y.expect_same_device(op, "y", &x.device())?;
    // The order makes no difference, so the one that nobody else holds becomes the result.
    let (x, y) = if x.is_shared() { (y, x) } else { (x, y) };
    let (Some(a), Some(b)) = (x.as_slice(), y.as_slice()) else { return gpu::pairwise(&x, &y, how) };
    if x.is_shared() {
        let block = match how {
            Pairwise::Add => cpu::sum_block,
            Pairwise::Multiply => cpu::product_block,
        };
        let mut result = any_values(a.len());
        for_each_block(&mut result, 1, ADDITION, |first, result| {
            let here = first..first + result.len();
            block(result, &a[here.clone()], &b[here]);
        });
        return Ok(Tensor::on_cpu(x.shape().clone(), result));
    }
    let block = match how {
        Pairwise::Add => cpu::add_block,
        Pairwise::Multiply => cpu::multiply_block,
    };
    Ok(rewrite(x, 1, ADDITION, |first, x| block(x, &b[first..first + x.len()])))
}

/// x + bias, with the bias repeated over all outer axes.
///
/// **Shapes**: x `[…, C]`, bias `[C]`; the result as x.
///
/// # Errors
/// [`Error::Axes`] or [`Error::Size`] if the shapes do not fit, [`Error::Placement`] if the devices differ.
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
    match bias.as_slice() {
        Some(bias) => Ok(rewrite(x, width, ADDITION, |_, x| cpu::bias_block(x, bias))),
        None => gpu::add_bias(&x, bias),
    }
}

/// factor · x.
///
/// **Shapes**: any; the result as x.
///
/// # Errors
/// [`Error::Gpu`] if the GPU fails.
pub fn scale(x: impl Into<Tensor>, factor: f32) -> Result<Tensor> {
    let x = x.into();
    match x.as_slice() {
        Some(_) => Ok(rewrite(x, 1, ADDITION, |_, x| cpu::scale_block(x, factor))),
        None => gpu::scale(&x, factor),
    }
}
