//! Host side of `softmax_*.wgsl`.

use std::sync::Arc;

use crate::device::Gpu;
use crate::device::gpu::{GpuBuffer, Kernel, params};
use crate::error::Result;
use crate::mask::Allowed;
use crate::ops::ladder::{Extent, Ladder};
use crate::ops::launch::{Grid, buffer, count, kernels, launch};
use crate::ops::row_wise::{RULE, rungs};
use crate::tensor::Tensor;

params! {
    /// The parameters of the kernels that read rows of scores and rows of a mask.
    pub(in crate::ops) struct Params { rows: u32, heads: u32, queries: u32, keys: u32, mask_batch: u32, mask_head: u32, first_group: u32 }
}

kernels! {
    NAIVE: "masked_softmax_naive", Params, "softmax_naive.wgsl";
    TILED: "masked_softmax_tiled", Params, "softmax_tiled.wgsl";
    BLOCKED: "masked_softmax_blocked", Params, "softmax_blocked.wgsl";
    SUBGROUPS: "masked_softmax_subgroups", Params, "softmax_subgroups.wgsl";
}

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

pub(super) fn masked_softmax(
    scores: &Tensor,
    sizes: [usize; 4],
    allowed: &Allowed,
    sinks: Option<&Tensor>,
) -> Result<Tensor> {
    let sinks = sinks_or_none(&NAIVE, scores, sizes[1], sinks)?;
    // An exponential is worth about ten multiply-adds.
    launch_rows(&LADDER, scores, sizes, allowed, &[("sinks", &sinks)], 20)
}

/// The sinks `[H]` as kernels read them; without sinks −∞ for every head, whose exponential is 0.
pub(in crate::ops) fn sinks_or_none(
    kernel: &Kernel,
    x: &Tensor,
    heads: usize,
    sinks: Option<&Tensor>,
) -> Result<GpuBuffer> {
    match sinks {
        Some(sinks) => Ok(buffer(kernel, sinks)?.clone()),
        None => {
            let none = vec![f32::NEG_INFINITY; heads];
            buffer(kernel, x)?.gpu().constant("no sinks", bytemuck::cast_slice(&none))
        }
    }
}

/// Runs a rung of `ladder` whose parameters are [`Params`]: its inputs are scores, mask and `others`, its output the
/// weights, and it takes about `work` multiply-adds for each score.
pub(in crate::ops) fn launch_rows(
    ladder: &'static Ladder,
    scores: &Tensor,
    [batch, heads, queries, keys]: [usize; 4],
    allowed: &Allowed,
    others: &[(&str, &GpuBuffer)],
    work: u64,
) -> Result<Tensor> {
    let rows = batch * heads * queries;
    let extent = Extent { batch: 1, rows, columns: keys, inner: keys };
    let scores_buffer = buffer(ladder.variants[0].kernel(), scores)?;
    let variant = ladder.choose(scores_buffer.gpu(), extent)?;
    let kernel = variant.kernel();
    let (params, mask) = row_params(kernel, scores_buffer.gpu(), [batch, heads, queries, keys], allowed)?;
    let inputs = [&[("scores", scores_buffer), ("allowed", &mask)], others].concat();
    let grid = Grid { workgroups: variant.workgroups(extent), work: work * (rows * keys) as u64 };
    launch(kernel, params, &inputs, scores.shape().clone(), grid)
}

/// The parameters of a kernel that reads rows of a mask, and the mask's buffer.
pub(in crate::ops) fn row_params(
    kernel: &'static Kernel,
    gpu: &Arc<Gpu>,
    [batch, heads, queries, keys]: [usize; 4],
    allowed: &Allowed,
) -> Result<(Params, GpuBuffer)> {
    let count = |size| count(kernel, size);
    let [mask_batch, mask_head] = mask_steps(allowed);
    let params = Params {
        rows: count(batch * heads * queries)?,
        heads: count(heads)?,
        queries: count(queries)?,
        keys: count(keys)?,
        mask_batch: count(mask_batch)?,
        mask_head: count(mask_head)?,
        first_group: 0,
    };
    Ok((params, gpu.constant("mask", bytemuck::cast_slice(allowed.words()))?))
}

/// The distance in words from the mask of one sequence to that of the next, and the same for heads. Sequences that
/// share the mask all start at the same word, and so do heads.
pub(in crate::ops) fn mask_steps(allowed: &Allowed) -> [usize; 2] {
    let matrix = allowed.queries() * allowed.row_words();
    let of_sequence = allowed.batch().map_or(0, |_| allowed.heads().unwrap_or(1) * matrix);
    [of_sequence, allowed.heads().map_or(0, |_| matrix)]
}
