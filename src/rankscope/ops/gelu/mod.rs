//! The Gaussian error linear unit.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::error::Result;
use crate::tensor::Tensor;

/// Which formula computes GELU; they differ by at most 4.74·10⁻⁴.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeluForm {
    /// x · Φ(x), with Φ the normal distribution function, ½ (1 + erf(x/√2)): BERT.
    Exact,
    /// ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))): GPT-1, GPT-2, T5 1.1.
    Tanh,
}

/// The Gaussian error linear unit, element by element.
///
/// **Shapes**: any; the result as x.
///
/// # Errors
/// [`Error::Gpu`](crate::Error::Gpu) if the GPU fails.
///
/// **Source**: Hendrycks & Gimpel 2016 (arXiv 1606.08415), section 2.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::{GeluForm, gelu}};
/// let x = Tensor::new([(Axis::Width, 3)], vec![-20., 0., 20.])?;
/// assert_eq!(gelu(&x, GeluForm::Exact)?.to_vec()?, [0., 0., 20.]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn gelu(x: &Tensor, form: GeluForm) -> Result<Tensor> {
    match x.as_slice() {
        Some(values) => {
            let mut y = values.to_vec();
            cpu::gelu(&mut y, form);
            Ok(Tensor::on_cpu(x.shape().clone(), y))
        }
        None => gpu::gelu(x, form),
    }
}
