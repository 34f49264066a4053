//! Host side of the WGSL beside it.

use crate::axis::Shape;
use crate::device::gpu::{Kernel, params};
use crate::error::Result;
use crate::ops::launch::{LANES, buffer, count, kernels, launch};
use crate::tensor::Tensor;

params! {
    struct Params { values: u32, queries: u32, keys: u32 }
}

kernels! {
    SPREAD: "spread_by_distance", Params, "spread_by_distance.wgsl";
    GATHER: "gather_by_distance", Params, "gather_by_distance.wgsl";
}

/// Runs one of the kernels on its only input, given with its name.
pub(super) fn by_distance(
    kernel: &'static Kernel,
    (name, x): (&str, &Tensor),
    queries: usize,
    keys: usize,
    shape: Shape,
) -> Result<Tensor> {
    let count = |size| count(kernel, size);
    let params = Params { values: count(shape.len())?, queries: count(queries)?, keys: count(keys)? };
    let workgroups = shape.len().div_ceil(LANES);
    launch(kernel, params, &[(name, buffer(kernel, x)?)], shape, workgroups)
}
