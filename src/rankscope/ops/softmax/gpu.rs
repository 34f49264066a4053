//! Host side of `softmax_*.wgsl`.

use crate::device::gpu::{Kernel, params};
use crate::error::Result;
use crate::mask::Allowed;
use crate::ops::ladder::{Extent, Ladder};
use crate::ops::launch::{Grid, buffer, count, launch};
use crate::ops::row_wise::{RULE, rungs};
use crate::tensor::Tensor;

params! {
    /// The parameters of the kernels that see rows of scores and rows of a mask.
    pub(in crate::ops) struct Params { rows: u32, heads: u32, queries: u32, keys: u32, mask_batch: u32, mask_head: u32, first_group: u32 }
}

pub(in crate::ops) static NAIVE: Kernel = Kernel {
    name: "masked_softmax_naive",
    source: include_str!("softmax_naive.wgsl"),
    params: Params::FIELDS,
};

pub(in crate::ops) static TILED: Kernel = Kernel {
    name: "masked_softmax_tiled",
    source: include_str!("softmax_tiled.wgsl"),
    params: Params::FIELDS,
};

pub(in crate::ops) static BLOCKED: Kernel = Kernel {
    name: "masked_softmax_blocked",
    source: include_str!("softmax_blocked.wgsl"),
    params: Params::FIELDS,
};

pub(in crate::ops) static SUBGROUPS: Kernel = Kernel {
    name: "masked_softmax_subgroups",
    source: include_str!("softmax_subgroups.wgsl"),
    params: Params::FIELDS,
};

pub(in crate::ops) static LADDER: Ladder = Ladder {
    op: "masked_softmax",
    variants: &rungs(
        [&NAIVE, &TILED, &BLOCKED, &SUBGROUPS],
        [
            "a workgroup a row, maxima and sums joined in workgroup memory: neighbours read neighbours",
            "vectors of four, and one walk over the row for maximum and sum",
            "maxima and sums joined in registers across a subgroup: two barriers in place of seven",
        ],
    ),
    rule: RULE,
};

pub(super) fn masked_softmax(scores: &Tensor, sizes: [usize; 4], allowed: &Allowed) -> Result<Tensor> {
    // An exponential is worth about ten multiply-adds.
    launch_rows(&LADDER, scores, sizes, allowed, 20)
}

/// Runs a rung of `ladder` whose parameters are [`Params`]: scores and mask in, weights out, at about `work`
/// multiply-adds a score.
pub(in crate::ops) fn launch_rows(
    ladder: &'static Ladder,
    scores: &Tensor,
    [batch, heads, queries, keys]: [usize; 4],
    allowed: &Allowed,
    work: u64,
) -> Result<Tensor> {
    let rows = batch * heads * queries;
    let extent = Extent { batch: 1, rows, columns: keys, inner: keys };
    let scores_buffer = buffer(ladder.variants[0].kernel(), scores)?;
    let variant = ladder.choose(scores_buffer.gpu(), extent)?;
    let kernel = variant.kernel();
    let count = |size| count(kernel, size);
    let [mask_batch, mask_head] = allowed.steps();
    let params = Params {
        rows: count(rows)?,
        heads: count(heads)?,
        queries: count(queries)?,
        keys: count(keys)?,
        mask_batch: count(mask_batch)?,
        mask_head: count(mask_head)?,
        first_group: 0,
    };
    let mask = scores_buffer.gpu().constant("mask", bytemuck::cast_slice(allowed.words()))?;
    let inputs = [("scores", scores_buffer), ("allowed", &mask)];
    let grid = Grid { workgroups: variant.workgroups(extent), work: work * (rows * keys) as u64 };
    launch(kernel, params, &inputs, scores.shape().clone(), grid)
}
