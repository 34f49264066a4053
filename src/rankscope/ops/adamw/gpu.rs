//! Host side of `adamw.wgsl`.

use super::AdamStep;
use crate::device::gpu::{Bind, Kernel, params};
use crate::error::Result;
use crate::ops::launch::{alloc_result, buffer, quads};
use crate::tensor::Tensor;

params! {
    struct Params {
        quads: u32,
        rate: f32,
        beta1: f32,
        beta2: f32,
        epsilon: f32,
        decay: f32,
        factor: f32,
        mean_correction: f32,
        square_correction: f32,
    }
}

pub(in crate::ops) static ADAMW: Kernel =
    Kernel { name: "adamw", source: include_str!("adamw.wgsl"), params: Params::FIELDS };

/// The new w, m and v.
pub(super) fn adamw(
    [w, mean, square]: [&Tensor; 3],
    gradient: &Tensor,
    step: AdamStep,
) -> Result<[Tensor; 3]> {
    let (shape, gpu) = (w.shape().clone(), buffer(&ADAMW, w)?.gpu());
    let (quads, workgroups) = quads(&ADAMW, w)?;
    let [mean_correction, square_correction] = step.corrections();
    let AdamStep { rate, beta1, beta2, epsilon, decay, factor, .. } = step;
    let quads = quads.quads;
    let params =
        Params { quads, rate, beta1, beta2, epsilon, decay, factor, mean_correction, square_correction };
    let result = || alloc_result(gpu, ADAMW.name, &shape);
    let [new_mean, new_square, y] = [result()?, result()?, result()?];
    if !shape.is_empty() {
        let binds = [
            ("params", Bind::Uniform(bytemuck::bytes_of(&params))),
            ("w", Bind::Buffer(buffer(&ADAMW, w)?)),
            ("mean", Bind::Buffer(buffer(&ADAMW, mean)?)),
            ("square", Bind::Buffer(buffer(&ADAMW, square)?)),
            ("gradient", Bind::Buffer(buffer(&ADAMW, gradient)?)),
            ("new_mean", Bind::Buffer(&new_mean)),
            ("new_square", Bind::Buffer(&new_square)),
            ("y", Bind::Buffer(&y)),
        ];
        gpu.dispatch(&ADAMW, &binds, workgroups)?;
    }
    Ok([y, new_mean, new_square].map(|buffer| Tensor::on_gpu(shape.clone(), buffer)))
}
