//! Host side of `squares.wgsl` and `clip.wgsl`.

use crate::axis::Shape;
use crate::device::gpu::{Bind, params};
use crate::error::Result;
use crate::ops::launch::{alloc_result, buffer, count, kernels, launch};
use crate::tensor::Tensor;

params! {
    struct SquaresParams { numbers: u32, first: u32 }
}

params! {
    struct ClipParams { tensors: u32, most: f32 }
}

kernels! {
    SQUARES: "squares", SquaresParams, "squares.wgsl";
    CLIP: "clip", ClipParams, "clip.wgsl";
}

/// The number of partial sums for each tensor, as in both shaders.
const PARTS: usize = 64;

/// \[f, ‖g‖, Σ g₀², …\], of the given shape.
pub(super) fn clip(gradients: &[&Tensor], most: f32, shape: Shape) -> Result<Tensor> {
    let gpu = buffer(&SQUARES, gradients[0])?.gpu();
    let parts = alloc_result(gpu, SQUARES.name, &Shape::new([(crate::Axis::Row, gradients.len() * PARTS)]))?;
    for (index, gradient) in gradients.iter().enumerate() {
        let numbers = gradient.shape().len();
        let params =
            SquaresParams { numbers: count(&SQUARES, numbers)?, first: count(&SQUARES, index * PARTS)? };
        let binds = [
            ("params", Bind::Uniform(bytemuck::bytes_of(&params))),
            ("x", Bind::Buffer(buffer(&SQUARES, gradient)?)),
            ("y", Bind::Buffer(&parts)),
        ];
        gpu.dispatch_work(&SQUARES, &binds, PARTS, numbers as u64)?;
    }
    let params = ClipParams { tensors: count(&CLIP, gradients.len())?, most };
    launch(&CLIP, params, &[("parts", &parts)], shape, 1)
}
