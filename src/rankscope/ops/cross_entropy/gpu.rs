//! Host side of `cross_entropy.wgsl` and `cross_entropy_backward.wgsl`.

use crate::axis::Shape;
use crate::device::gpu::{Kernel, params};
use crate::error::Result;
use crate::ops::launch::{Grid, buffer, count, kernels, launch};
use crate::tensor::Tensor;

params! {
    struct Params { rows: u32, width: u32, smoothing: f32 }
}

kernels! {
    FORWARD: "cross_entropy", Params, "cross_entropy.wgsl" + "../reductions.wgsl";
    BACKWARD: "cross_entropy_backward", Params, "cross_entropy_backward.wgsl" + "../reductions.wgsl";
}

/// The losses `[N]` of logits `[…, V]`.
pub(super) fn cross_entropies(x: &Tensor, ids: &[u32], smoothing: f32, shape: Shape) -> Result<Tensor> {
    run(&FORWARD, x, ids, smoothing, None, shape)
}

/// The gradients of logits `[…, V]`, given those of the losses `[N]`.
pub(super) fn backward(x: &Tensor, ids: &[u32], smoothing: f32, dy: &Tensor) -> Result<Tensor> {
    run(&BACKWARD, x, ids, smoothing, Some(dy), x.shape().clone())
}

fn run(
    kernel: &'static Kernel,
    x: &Tensor,
    ids: &[u32],
    smoothing: f32,
    dy: Option<&Tensor>,
    shape: Shape,
) -> Result<Tensor> {
    let (logits, width) = (buffer(kernel, x)?, x.shape().len() / ids.len().max(1));
    let targets = logits.gpu().upload("targets", bytemuck::cast_slice(ids))?;
    let params = Params { rows: count(kernel, ids.len())?, width: count(kernel, width)?, smoothing };
    let mut inputs = vec![("logits", logits), ("targets", &targets)];
    if let Some(dy) = dy {
        inputs.push(("dy", buffer(kernel, dy)?));
    }
    // An exponential is worth about ten multiply-adds.
    launch(kernel, params, &inputs, shape, Grid { workgroups: ids.len(), work: 20 * x.shape().len() as u64 })
}
