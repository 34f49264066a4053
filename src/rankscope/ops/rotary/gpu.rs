//! Host side of `rotary.wgsl`.

use crate::device::gpu::params;
use crate::error::Result;
use crate::ops::launch::{LANES, buffer, count, kernels, launch};
use crate::tensor::Tensor;

params! {
    struct Params { pairs: u32, queries: u32, half: u32 }
}

kernels! { ROTARY: "rotary", Params, "rotary.wgsl"; }

pub(super) fn rotary(x: &Tensor, cos: &Tensor, sin: &Tensor, queries: usize, half: usize) -> Result<Tensor> {
    let count = |size| count(&ROTARY, size);
    let buffer = |x| buffer(&ROTARY, x);
    let pairs = x.shape().len() / 2;
    let params = Params { pairs: count(pairs)?, queries: count(queries)?, half: count(half)? };
    let inputs = [("x", buffer(x)?), ("cosines", buffer(cos)?), ("sines", buffer(sin)?)];
    launch(&ROTARY, params, &inputs, x.shape().clone(), pairs.div_ceil(LANES))
}
