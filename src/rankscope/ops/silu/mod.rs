//! The sigmoid linear unit.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::error::Result;
use crate::tensor::Tensor;

/// The sigmoid linear unit, element by element: y = x · σ(x) = x / (1 + e^(−x)).
///
/// With [`multiply`](super::multiply) it makes SwiGLU: SiLU(x·W₁ᵀ) · (x·W₃ᵀ).
///
/// **Shapes**: any; the result as x.
///
/// # Errors
/// [`Error::Gpu`](crate::Error::Gpu) if the GPU fails.
///
/// **Source**: Elfwing, Uchibe & Doya 2017 (arXiv 1702.03118), equation 9.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::silu};
/// let x = Tensor::new([(Axis::Width, 3)], vec![-200., 0., 200.])?;
/// assert_eq!(silu(&x)?.to_vec()?, [0., 0., 200.]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn silu(x: &Tensor) -> Result<Tensor> {
    match x.as_slice() {
        Some(values) => {
            let mut y = values.to_vec();
            cpu::silu(&mut y);
            Ok(Tensor::on_cpu(x.shape().clone(), y))
        }
        None => gpu::silu(x),
    }
}
