//! Sums, products and factors, element by element.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::error::{Error, Result};
use crate::tensor::Tensor;

use gpu::Pairwise;

/// x + y, element by element: a residual connection.
///
/// **Shapes**: both the same; the result as x.
///
/// # Errors
/// [`Error::Axes`] if the shapes differ, [`Error::Placement`] if the devices differ.
pub fn add(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    pairwise("add", x, y, Pairwise::Add)
}

/// x · y, element by element: a gate.
///
/// **Shapes**: both the same; the result as x.
///
/// # Errors
/// [`Error::Axes`] if the shapes differ, [`Error::Placement`] if the devices differ.
pub fn multiply(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    pairwise("multiply", x, y, Pairwise::Multiply)
}

fn pairwise(op: &'static str, x: &Tensor, y: &Tensor, how: Pairwise) -> Result<Tensor> {
    if x.shape() != y.shape() {
        let (expected, got) = (x.shape().to_string(), y.shape().to_string());
        return Err(Error::Axes { op, argument: "y", expected, got });
    }
    y.expect_same_device(op, "y", &x.device())?;
    let (Some(values), Some(others)) = (x.as_slice(), y.as_slice()) else {
        return gpu::pairwise(x, y, how);
    };
    let mut result = values.to_vec();
    match how {
        Pairwise::Add => cpu::add(&mut result, others),
        Pairwise::Multiply => cpu::multiply(&mut result, others),
    }
    Ok(Tensor::on_cpu(x.shape().clone(), result))
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
pub fn add_bias(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    super::expect_innermost("add_bias", "bias", x, bias)?;
    let (Some(values), Some(bias_values)) = (x.as_slice(), bias.as_slice()) else {
        return gpu::add_bias(x, bias);
    };
    let mut result = values.to_vec();
    cpu::add_bias(&mut result, bias_values);
    Ok(Tensor::on_cpu(x.shape().clone(), result))
}

/// factor · x.
///
/// **Shapes**: any; the result as x.
///
/// # Errors
/// [`Error::Gpu`] if the GPU fails.
pub fn scale(x: &Tensor, factor: f32) -> Result<Tensor> {
    match x.as_slice() {
        Some(values) => {
            let mut result = values.to_vec();
            cpu::scale(&mut result, factor);
            Ok(Tensor::on_cpu(x.shape().clone(), result))
        }
        None => gpu::scale(x, factor),
    }
}
