//! Host side.
use crate::error::{Error, Result};
use crate::tensor::Tensor;
fn no<T>() -> Result<T> {
    Err(Error::NoAdapter("not built".into()))
}
pub(super) fn rms_norm(_x: &Tensor, _g: &Tensor, _e: f32) -> Result<Tensor> {
    no()
}
