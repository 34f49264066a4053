//! The hyperbolic tangent.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::error::Result;
use crate::tensor::Tensor;

/// The hyperbolic tangent, element by element: y = (e^x − e^(−x)) / (e^x + e^(−x)).
///
/// **Shapes**: any; the result as x.
///
/// # Errors
/// [`Error::Gpu`](crate::Error::Gpu) if the GPU fails.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::tanh};
/// let x = Tensor::new([(Axis::Width, 3)], vec![-200., 0., 200.])?;
/// assert_eq!(tanh(&x)?.to_vec()?, [-1., 0., 1.]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn tanh(x: &Tensor) -> Result<Tensor> {
    match x.as_slice() {
        Some(values) => {
            let mut y = values.to_vec();
            cpu::tanh(&mut y);
            Ok(Tensor::on_cpu(x.shape().clone(), y))
        }
        None => gpu::tanh(x),
    }
}
