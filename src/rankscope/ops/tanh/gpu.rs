//! Host side of `tanh.wgsl`.

use crate::device::gpu::Kernel;
use crate::error::Result;
use crate::ops::launch::{Quads, buffer, launch, quads};
use crate::tensor::Tensor;

pub(in crate::ops) static TANH: Kernel =
    Kernel { name: "tanh", source: include_str!("tanh.wgsl"), params: Quads::FIELDS };

pub(super) fn tanh(x: &Tensor) -> Result<Tensor> {
    let (params, workgroups) = quads(&TANH, x)?;
    launch(&TANH, params, &[("x", buffer(&TANH, x)?)], x.shape().clone(), workgroups)
}
