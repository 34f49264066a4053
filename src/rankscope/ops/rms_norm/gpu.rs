//! Host side of `rms_norm_*.wgsl`.

use crate::error::Result;
use crate::ops::ladder::Ladder;
use crate::ops::launch::kernels;
use crate::ops::row_wise::{NORM_CHANGES, NormParams, RULE, norm, rungs};
use crate::tensor::Tensor;

kernels! {
    NAIVE: "rms_norm_naive", NormParams, "rms_norm_naive.wgsl";
    TILED: "rms_norm_tiled", NormParams, "rms_norm_tiled.wgsl";
    BLOCKED: "rms_norm_blocked", NormParams, "rms_norm_blocked.wgsl";
    SUBGROUPS: "rms_norm_subgroups", NormParams, "rms_norm_subgroups.wgsl";
}

pub(in crate::ops) static LADDER: Ladder = Ladder {
    op: "rms_norm",
    variants: &rungs([&NAIVE, &TILED, &BLOCKED, &SUBGROUPS], NORM_CHANGES),
    rule: RULE,
};

pub(super) fn rms_norm(x: &Tensor, gain: &Tensor, epsilon: f32) -> Result<Tensor> {
    norm(&LADDER, x, &[("gain", gain)], epsilon)
}
