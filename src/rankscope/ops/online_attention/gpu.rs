//! Host side of the online-softmax kernels.

use super::Sizes;
use super::cpu::Visible;
use crate::error::{Error, Result};
use crate::run::Run;
use crate::tensor::Tensor;

pub(super) fn online_attention(
    q: &Tensor,
    _k: &Tensor,
    _v: &Tensor,
    _factor: f32,
    sizes: &Sizes,
    _visible: &Visible<'_>,
    _run: &Run,
) -> Result<Tensor> {
    let (expected, got) = ("the CPU".to_owned(), format!("{} for {}", q.device(), sizes.context()));
    Err(Error::Placement { op: super::OP, argument: "q", expected, got })
}
