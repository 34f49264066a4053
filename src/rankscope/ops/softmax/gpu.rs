//! Host side of `softmax.wgsl`.

use crate::device::gpu::{Kernel, params};
use crate::error::Result;
use crate::mask::Allowed;
use crate::ops::launch::{buffer, count, launch};
use crate::tensor::Tensor;

params! {
    struct Params { rows: u32, heads: u32, queries: u32, keys: u32, mask_batch: u32, mask_head: u32 }
}

pub(in crate::ops) static MASKED_SOFTMAX: Kernel =
    Kernel { name: "masked_softmax", source: include_str!("softmax.wgsl"), params: Params::FIELDS };

pub(super) fn masked_softmax(
    scores: &Tensor,
    [batch, heads, queries, keys]: [usize; 4],
    allowed: &Allowed,
) -> Result<Tensor> {
    let count = |size| count(&MASKED_SOFTMAX, size);
    let rows = batch * heads * queries;
    // Sequences that share the mask all start at the same word, and so do heads.
    let matrix = queries * allowed.row_words();
    let mask_batch = allowed.batch().map_or(0, |_| allowed.heads().unwrap_or(1) * matrix);
    let mask_head = allowed.heads().map_or(0, |_| matrix);
    let params = Params {
        rows: count(rows)?,
        heads: count(heads)?,
        queries: count(queries)?,
        keys: count(keys)?,
        mask_batch: count(mask_batch)?,
        mask_head: count(mask_head)?,
    };
    let scores_buffer = buffer(&MASKED_SOFTMAX, scores)?;
    let mask = scores_buffer.gpu().upload("mask", bytemuck::cast_slice(allowed.words()))?;
    let inputs = [("scores", scores_buffer), ("allowed", &mask)];
    launch(&MASKED_SOFTMAX, params, &inputs, scores.shape().clone(), rows)
}
