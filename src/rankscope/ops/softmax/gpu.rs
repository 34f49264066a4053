//! Host side.
use crate::error::{Error, Result};
use crate::tensor::Tensor;
fn no<T>() -> Result<T> {
    Err(Error::NoAdapter("not built".into()))
}
use crate::mask::Allowed;
pub(super) fn masked_softmax(_s: &Tensor, _sizes: [usize; 4], _a: &Allowed) -> Result<Tensor> {
    no()
}
