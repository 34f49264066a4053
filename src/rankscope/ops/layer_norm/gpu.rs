//! Host side of `layer_norm_*.wgsl`.

use crate::device::gpu::Kernel;
use crate::error::Result;
use crate::ops::ladder::Ladder;
use crate::ops::row_wise::{NORM_CHANGES, NormParams, RULE, norm, rungs};
use crate::tensor::Tensor;

pub(in crate::ops) static NAIVE: Kernel = Kernel {
    name: "layer_norm_naive",
    source: include_str!("layer_norm_naive.wgsl"),
    params: NormParams::FIELDS,
};

pub(in crate::ops) static TILED: Kernel = Kernel {
    name: "layer_norm_tiled",
    source: include_str!("layer_norm_tiled.wgsl"),
    params: NormParams::FIELDS,
};

pub(in crate::ops) static BLOCKED: Kernel = Kernel {
    name: "layer_norm_blocked",
    source: include_str!("layer_norm_blocked.wgsl"),
    params: NormParams::FIELDS,
};

pub(in crate::ops) static SUBGROUPS: Kernel = Kernel {
    name: "layer_norm_subgroups",
    source: include_str!("layer_norm_subgroups.wgsl"),
    params: NormParams::FIELDS,
};

pub(in crate::ops) static LADDER: Ladder = Ladder {
    op: "layer_norm",
    variants: &rungs([&NAIVE, &TILED, &BLOCKED, &SUBGROUPS], NORM_CHANGES),
    rule: RULE,
};

pub(super) fn layer_norm(x: &Tensor, gain: &Tensor, bias: &Tensor, epsilon: f32) -> Result<Tensor> {
    norm(&LADDER, x, &[("gain", gain), ("bias", bias)], epsilon)
}
