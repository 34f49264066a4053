//! Host side of `normalise_*.wgsl`.

use crate::device::gpu::Kernel;
use crate::error::Result;
use crate::mask::Allowed;
use crate::ops::ladder::{Ladder, Variant, any};
use crate::ops::row_wise::TILED_SLOWER;
use crate::ops::softmax::gpu::{Params, launch_rows};
use crate::tensor::Tensor;

pub(in crate::ops) static NAIVE: Kernel = Kernel {
    name: "masked_normalise_naive",
    source: include_str!("normalise_naive.wgsl"),
    params: Params::FIELDS,
};

pub(in crate::ops) static TILED: Kernel = Kernel {
    name: "masked_normalise_tiled",
    source: include_str!("normalise_tiled.wgsl"),
    params: Params::FIELDS,
};

pub(in crate::ops) static LADDER: Ladder = Ladder {
    op: "masked_normalise",
    variants: &[
        Variant {
            name: "naive",
            kernel: Some(&NAIVE),
            requires: wgpu::Features::empty(),
            changes: "the formula as it stands: one invocation a row",
            slower: "",
            tile: [64, 0],
            limits: "",
            applies: any,
            turns: |extent| 2 * extent.columns,
            suits: any,
        },
        Variant {
            name: "tiled",
            kernel: Some(&TILED),
            requires: wgpu::Features::empty(),
            changes: "a workgroup a row, its sum joined in workgroup memory: neighbours read neighbours",
            slower: TILED_SLOWER,
            tile: [1, 0],
            limits: "",
            applies: any,
            turns: |extent| extent.columns / 32 + 16,
            suits: |situation| !situation.is_software || situation.extent.rows < 64,
        },
    ],
    rule: "tiled; on a software adapter naive from 64 rows on, because barriers cost more than they save there",
};

pub(super) fn masked_normalise(scores: &Tensor, sizes: [usize; 4], allowed: &Allowed) -> Result<Tensor> {
    // A division and an addition.
    launch_rows(&LADDER, scores, sizes, allowed, &[], 2)
}
