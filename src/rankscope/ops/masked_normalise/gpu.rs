//! Host side of `normalise_*.wgsl`.

use crate::error::Result;
use crate::mask::Allowed;
use crate::ops::ladder::{Ladder, Variant};
use crate::ops::launch::kernels;
use crate::ops::row_wise::TILED_SLOWER;
use crate::ops::softmax::gpu::{Params, launch_rows};
use crate::tensor::Tensor;

kernels! {
    NAIVE: "masked_normalise_naive", Params, "normalise_naive.wgsl";
    TILED: "masked_normalise_tiled", Params, "normalise_tiled.wgsl";
}

pub(in crate::ops) static LADDER: Ladder = Ladder {
    op: "masked_normalise",
    variants: &[
        Variant {
            name: "naive",
            kernel: Some(&NAIVE),
            changes: "the formula as it stands: one invocation a row",
            tile: [64, 0],
            turns: |extent| 2 * extent.columns,
            ..Variant::PLAIN
        },
        Variant {
            name: "tiled",
            kernel: Some(&TILED),
            changes: "a workgroup a row, its sum joined in workgroup memory: neighbours read neighbours",
            slower: TILED_SLOWER,
            turns: |extent| extent.columns / 32 + 16,
            suits: |situation| !situation.is_software || situation.extent.rows < 64,
            ..Variant::PLAIN
        },
    ],
    rule: "tiled; on a software adapter naive from 64 rows on, because barriers cost more than they save there",
};

pub(super) fn masked_normalise(scores: &Tensor, sizes: [usize; 4], allowed: &Allowed) -> Result<Tensor> {
    // A division and an addition.
    launch_rows(&LADDER, scores, sizes, allowed, &[], 2)
}
