//! Host side of `masked_sigmoid.wgsl`.

use crate::device::gpu::params;
use crate::error::Result;
use crate::mask::Allowed;
use crate::ops::launch::{LANES, buffer, count, kernels, launch};
use crate::ops::softmax::gpu::mask_steps;
use crate::tensor::Tensor;

params! {
    struct Params { values: u32, heads: u32, queries: u32, keys: u32, mask_batch: u32, mask_head: u32, bias: f32 }
}

kernels! { SIGMOID: "masked_sigmoid", Params, "masked_sigmoid.wgsl"; }

pub(super) fn masked_sigmoid(
    scores: &Tensor,
    [_, heads, queries, keys]: [usize; 4],
    allowed: &Allowed,
    bias: f32,
) -> Result<Tensor> {
    let count = |size| count(&SIGMOID, size);
    let [mask_batch, mask_head] = mask_steps(allowed);
    let params = Params {
        values: count(scores.shape().len())?,
        heads: count(heads)?,
        queries: count(queries)?,
        keys: count(keys)?,
        mask_batch: count(mask_batch)?,
        mask_head: count(mask_head)?,
        bias,
    };
    let scores_buffer = buffer(&SIGMOID, scores)?;
    let mask = scores_buffer.gpu().constant("mask", bytemuck::cast_slice(allowed.words()))?;
    let inputs = [("scores", scores_buffer), ("allowed", &mask)];
    let workgroups = scores.shape().len().div_ceil(LANES);
    launch(&SIGMOID, params, &inputs, scores.shape().clone(), workgroups)
}
