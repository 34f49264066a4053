//! Host side of `silu.wgsl`.

use crate::device::gpu::Kernel;
use crate::error::Result;
use crate::ops::launch::{Quads, buffer, launch, quads};
use crate::tensor::Tensor;

pub(in crate::ops) static SILU: Kernel =
    Kernel { name: "silu", source: include_str!("silu.wgsl"), params: Quads::FIELDS };

pub(super) fn silu(x: &Tensor) -> Result<Tensor> {
    let (params, workgroups) = quads(&SILU, x)?;
    launch(&SILU, params, &[("x", buffer(&SILU, x)?)], x.shape().clone(), workgroups)
}
