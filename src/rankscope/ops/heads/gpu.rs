//! Host side of `permute.wgsl`.

use crate::axis::Shape;
use crate::device::gpu::params;
use crate::error::Result;
use crate::ops::launch::{LANES, buffer, count, kernels, launch};
use crate::tensor::Tensor;

params! {
    struct Params { values: u32, j: u32, k: u32, d: u32 }
}

kernels! { PERMUTE: "permute", Params, "permute.wgsl"; }

/// Swaps the two middle axes of x, whose sizes are given, into a tensor of the given shape.
pub(super) fn permute(x: &Tensor, [_, j, k, d]: [usize; 4], shape: Shape) -> Result<Tensor> {
    let count = |size| count(&PERMUTE, size);
    let params = Params { values: count(shape.len())?, j: count(j)?, k: count(k)?, d: count(d)? };
    let workgroups = shape.len().div_ceil(LANES);
    launch(&PERMUTE, params, &[("x", buffer(&PERMUTE, x)?)], shape, workgroups)
}
