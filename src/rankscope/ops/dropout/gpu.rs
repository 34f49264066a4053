//! Host side of `dropout.wgsl`.

use super::cpu::Rule;
use crate::device::gpu::params;
use crate::error::Result;
use crate::ops::launch::{Quads, buffer, kernels, launch, quads};
use crate::tensor::Tensor;

params! {
    struct Params { quads: u32, seed_low: u32, seed_high: u32, threshold: u32, factor: f32 }
}

kernels! { DROPOUT: "dropout", Params, "dropout.wgsl"; }

pub(super) fn dropout(x: &Tensor, rule: Rule) -> Result<Tensor> {
    let (Quads { quads }, workgroups) = quads(&DROPOUT, x)?;
    let Rule { key: [seed_low, seed_high], threshold, factor } = rule;
    let params = Params { quads, seed_low, seed_high, threshold, factor: factor as f32 };
    launch(&DROPOUT, params, &[("x", buffer(&DROPOUT, x)?)], x.shape().clone(), workgroups)
}
