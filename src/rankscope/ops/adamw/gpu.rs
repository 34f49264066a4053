//! Host side of `adamw.wgsl`.

use super::{AdamStep, AdamTensor};
use crate::device::gpu::{Bind, params};
use crate::error::Result;
use crate::ops::launch::{Quads, alloc_result, buffer, kernels, quads};
use crate::tensor::Tensor;

params! {
    struct Params {
        quads: u32,
        rate: f32,
        beta1: f32,
        beta2: f32,
        epsilon: f32,
        decay: f32,
        mean_correction: f32,
        square_correction: f32,
    }
}

kernels! { ADAMW: "adamw", Params, "adamw.wgsl"; }

/// One step of every tensor, with one dispatch for each tensor.
pub(super) fn adamw(mut tensors: Vec<AdamTensor<'_>>, clip: &Tensor, step: AdamStep) -> Result<()> {
    let new = tensors.iter().map(|tensor| stepped(tensor, clip, step)).collect::<Result<Vec<_>>>()?;
    for (tensor, new) in tensors.iter_mut().zip(new) {
        tensor.state().into_iter().zip(new).for_each(|(old, new)| *old = new);
    }
    Ok(())
}

/// The new w, m and v.
fn stepped(tensor: &AdamTensor<'_>, clip: &Tensor, step: AdamStep) -> Result<[Tensor; 3]> {
    let AdamTensor { w, moments, gradient, decay } = tensor;
    let (shape, gpu) = (w.shape().clone(), buffer(&ADAMW, w)?.gpu());
    let (Quads { quads }, workgroups) = quads(&ADAMW, w)?;
    let [mean_correction, square_correction] = step.corrections();
    let AdamStep { rate, beta1, beta2, epsilon, .. } = step;
    let params =
        Params { quads, rate, beta1, beta2, epsilon, decay: *decay, mean_correction, square_correction };
    let result = || alloc_result(gpu, ADAMW.name, &shape);
    let [new_mean, new_square, y] = [result()?, result()?, result()?];
    if !shape.is_empty() {
        let binds = [
            ("params", Bind::Uniform(bytemuck::bytes_of(&params))),
            ("w", Bind::Buffer(buffer(&ADAMW, w)?)),
            ("mean", Bind::Buffer(buffer(&ADAMW, &moments.mean)?)),
            ("square", Bind::Buffer(buffer(&ADAMW, &moments.square)?)),
            ("gradient", Bind::Buffer(buffer(&ADAMW, gradient)?)),
            ("clip", Bind::Buffer(buffer(&ADAMW, clip)?)),
            ("new_mean", Bind::Buffer(&new_mean)),
            ("new_square", Bind::Buffer(&new_square)),
            ("y", Bind::Buffer(&y)),
        ];
        gpu.dispatch(&ADAMW, &binds, workgroups)?;
    }
    Ok([y, new_mean, new_square].map(|buffer| Tensor::on_gpu(shape.clone(), buffer)))
}
