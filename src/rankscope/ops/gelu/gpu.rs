//! Host side of `gelu_exact.wgsl` and `gelu_tanh.wgsl`.

use super::GeluForm;
use crate::device::gpu::Kernel;
use crate::error::Result;
use crate::ops::launch::{Quads, buffer, launch, quads};
use crate::tensor::Tensor;

pub(in crate::ops) static GELU_EXACT: Kernel =
    Kernel { name: "gelu_exact", source: include_str!("gelu_exact.wgsl"), params: Quads::FIELDS };

pub(in crate::ops) static GELU_TANH: Kernel =
    Kernel { name: "gelu_tanh", source: include_str!("gelu_tanh.wgsl"), params: Quads::FIELDS };

pub(super) fn gelu(x: &Tensor, form: GeluForm) -> Result<Tensor> {
    let kernel = match form {
        GeluForm::Exact => &GELU_EXACT,
        GeluForm::Tanh => &GELU_TANH,
    };
    let (params, workgroups) = quads(kernel, x)?;
    launch(kernel, params, &[("x", buffer(kernel, x)?)], x.shape().clone(), workgroups)
}
