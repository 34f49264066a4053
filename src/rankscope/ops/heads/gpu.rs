//! Host side.
use crate::axis::Shape;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
fn no<T>() -> Result<T> {
    Err(Error::NoAdapter("not built".into()))
}
pub(super) fn permute(_x: &Tensor, _sizes: [usize; 4], _s: Shape) -> Result<Tensor> {
    no()
}
