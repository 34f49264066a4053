//! Host side of `slice.wgsl`.

use crate::axis::Shape;
use crate::device::gpu::params;
use crate::error::Result;
use crate::ops::launch::{LANES, buffer, count, kernels, launch};
use crate::tensor::Tensor;

params! {
    struct Params { values: u32, x_stretch: u32, y_stretch: u32, offset: u32 }
}

kernels! { SLICE: "slice", Params, "slice.wgsl"; }

pub(super) fn slice(x: &Tensor, stretches: [usize; 2], offset: usize, shape: Shape) -> Result<Tensor> {
    let count = |size| count(&SLICE, size);
    let [x_stretch, y_stretch] = stretches;
    let params = Params {
        values: count(shape.len())?,
        x_stretch: count(x_stretch)?,
        y_stretch: count(y_stretch)?,
        offset: count(offset)?,
    };
    let workgroups = shape.len().div_ceil(LANES);
    launch(&SLICE, params, &[("x", buffer(&SLICE, x)?)], shape, workgroups)
}
