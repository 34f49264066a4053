//! Host side of `rms_norm_*.wgsl`.

use crate::device::gpu::Kernel;
use crate::error::Result;
use crate::ops::ladder::Ladder;
use crate::ops::row_wise::{NORM_CHANGES, NormParams, RULE, norm, rungs};
use crate::tensor::Tensor;

pub(in crate::ops) static NAIVE: Kernel = Kernel {
    name: "rms_norm_naive",
    source: include_str!("rms_norm_naive.wgsl"),
    params: NormParams::FIELDS,
};

pub(in crate::ops) static TILED: Kernel = Kernel {
    name: "rms_norm_tiled",
    source: include_str!("rms_norm_tiled.wgsl"),
    params: NormParams::FIELDS,
};

pub(in crate::ops) static BLOCKED: Kernel = Kernel {
    name: "rms_norm_blocked",
    source: include_str!("rms_norm_blocked.wgsl"),
    params: NormParams::FIELDS,
};

pub(in crate::ops) static SUBGROUPS: Kernel = Kernel {
    name: "rms_norm_subgroups",
    source: include_str!("rms_norm_subgroups.wgsl"),
    params: NormParams::FIELDS,
};

pub(in crate::ops) static LADDER: Ladder = Ladder {
    op: "rms_norm",
    variants: &rungs([&NAIVE, &TILED, &BLOCKED, &SUBGROUPS], NORM_CHANGES),
    rule: RULE,
};

pub(super) fn rms_norm(x: &Tensor, gain: &Tensor, epsilon: f32) -> Result<Tensor> {
    norm(&LADDER, x, &[("gain", gain)], epsilon)
}
