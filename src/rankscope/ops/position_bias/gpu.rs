//! Host side of `spread_by_distance.wgsl`.

use crate::axis::Shape;
use crate::device::gpu::{Kernel, params};
use crate::error::Result;
use crate::ops::launch::{LANES, buffer, count, launch};
use crate::tensor::Tensor;

params! {
    struct Params { values: u32, queries: u32, keys: u32 }
}

pub(in crate::ops) static SPREAD: Kernel = Kernel {
    name: "spread_by_distance",
    source: include_str!("spread_by_distance.wgsl"),
    params: Params::FIELDS,
};

pub(super) fn spread_by_distance(bias: &Tensor, queries: usize, keys: usize, shape: Shape) -> Result<Tensor> {
    let count = |size| count(&SPREAD, size);
    let params = Params { values: count(shape.len())?, queries: count(queries)?, keys: count(keys)? };
    let workgroups = shape.len().div_ceil(LANES);
    launch(&SPREAD, params, &[("bias", buffer(&SPREAD, bias)?)], shape, workgroups)
}
