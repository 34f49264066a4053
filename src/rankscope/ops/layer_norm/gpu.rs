//! Host side.
use crate::error::{Error, Result};
use crate::tensor::Tensor;
fn no<T>() -> Result<T> {
    Err(Error::NoAdapter("not built".into()))
}
pub(super) fn layer_norm(_x: &Tensor, _g: &Tensor, _b: &Tensor, _e: f32) -> Result<Tensor> {
    no()
}
