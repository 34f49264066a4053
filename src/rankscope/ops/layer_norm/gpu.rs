//! Host side of `layer_norm.wgsl`.

use crate::device::gpu::{Kernel, params};
use crate::error::Result;
use crate::ops::launch::{buffer, count, launch};
use crate::tensor::Tensor;

params! {
    struct Params { rows: u32, width: u32, epsilon: f32 }
}

pub(in crate::ops) static LAYER_NORM: Kernel =
    Kernel { name: "layer_norm", source: include_str!("layer_norm.wgsl"), params: Params::FIELDS };

pub(super) fn layer_norm(x: &Tensor, gain: &Tensor, bias: &Tensor, epsilon: f32) -> Result<Tensor> {
    let buffer = |x| buffer(&LAYER_NORM, x);
    let width = gain.shape().len();
    let rows = x.shape().len().checked_div(width).unwrap_or(0);
    let params = Params { rows: count(&LAYER_NORM, rows)?, width: count(&LAYER_NORM, width)?, epsilon };
    let inputs = [("x", buffer(x)?), ("gain", buffer(gain)?), ("bias", buffer(bias)?)];
    launch(&LAYER_NORM, params, &inputs, x.shape().clone(), rows)
}
