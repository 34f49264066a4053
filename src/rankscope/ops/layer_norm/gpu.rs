//! Host side of `layer_norm_*.wgsl`.

use crate::error::Result;
use crate::ops::ladder::Ladder;
use crate::ops::launch::kernels;
use crate::ops::row_wise::{NORM_CHANGES, NormParams, RULE, norm, rungs};
use crate::tensor::Tensor;

kernels! {
    NAIVE: "layer_norm_naive", NormParams, "layer_norm_naive.wgsl";
    TILED: "layer_norm_tiled", NormParams, "layer_norm_tiled.wgsl";
    BLOCKED: "layer_norm_blocked", NormParams, "layer_norm_blocked.wgsl";
    SUBGROUPS: "layer_norm_subgroups", NormParams, "layer_norm_subgroups.wgsl";
}

pub(in crate::ops) static LADDER: Ladder = Ladder {
    op: "layer_norm",
    variants: &rungs([&NAIVE, &TILED, &BLOCKED, &SUBGROUPS], NORM_CHANGES),
    rule: RULE,
};

pub(super) fn layer_norm(x: &Tensor, gain: &Tensor, bias: &Tensor, epsilon: f32) -> Result<Tensor> {
    norm(&LADDER, x, &[("gain", gain), ("bias", bias)], epsilon)
}
