//! Host side of the WGSL beside it.

use crate::device::gpu::params;
use crate::error::Result;
use crate::ops::launch::{Quads, buffer, kernels, launch, quads};
use crate::tensor::Tensor;

params! {
    struct MomentumParams { quads: u32, share: f32 }
}

params! {
    struct DescendParams { quads: u32, keep: f32, rate: f32 }
}

kernels! {
    MOMENTUM: "momentum", MomentumParams, "momentum.wgsl";
    DESCEND: "descend", DescendParams, "descend.wgsl";
}

pub(super) fn momentum(m: &Tensor, gradient: &Tensor, share: f32, clip: &Tensor) -> Result<Tensor> {
    let (Quads { quads }, workgroups) = quads(&MOMENTUM, m)?;
    let on = |x| buffer(&MOMENTUM, x);
    let inputs = [("m", on(m)?), ("gradient", on(gradient)?), ("clip", on(clip)?)];
    launch(&MOMENTUM, MomentumParams { quads, share }, &inputs, m.shape().clone(), workgroups)
}

pub(super) fn descend(w: &Tensor, direction: &Tensor, keep: f32, rate: f32, clip: &Tensor) -> Result<Tensor> {
    let (Quads { quads }, workgroups) = quads(&DESCEND, w)?;
    let on = |x| buffer(&DESCEND, x);
    let inputs = [("w", on(w)?), ("direction", on(direction)?), ("clip", on(clip)?)];
    launch(&DESCEND, DescendParams { quads, keep, rate }, &inputs, w.shape().clone(), workgroups)
}
