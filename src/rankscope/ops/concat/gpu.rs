//! Host side of `concat.wgsl`.

use crate::axis::Shape;
use crate::device::gpu::params;
use crate::error::Result;
use crate::ops::launch::{LANES, buffer, count, kernels, launch};
use crate::tensor::Tensor;

params! {
    struct Params { values: u32, a_stretch: u32, y_stretch: u32 }
}

kernels! { CONCAT: "concat", Params, "concat.wgsl"; }

pub(super) fn concat(a: &Tensor, b: &Tensor, stretches: [usize; 2], shape: Shape) -> Result<Tensor> {
    let count = |size| count(&CONCAT, size);
    let [a_stretch, y_stretch] = stretches;
    let params =
        Params { values: count(shape.len())?, a_stretch: count(a_stretch)?, y_stretch: count(y_stretch)? };
    let inputs = [("a", buffer(&CONCAT, a)?), ("b", buffer(&CONCAT, b)?)];
    let workgroups = shape.len().div_ceil(LANES);
    launch(&CONCAT, params, &inputs, shape, workgroups)
}
