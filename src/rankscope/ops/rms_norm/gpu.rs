//! Host side of `rms_norm.wgsl`.

use crate::device::gpu::{Kernel, params};
use crate::error::Result;
use crate::ops::launch::{buffer, count, launch};
use crate::tensor::Tensor;

params! {
    struct Params { rows: u32, width: u32, epsilon: f32 }
}

pub(in crate::ops) static RMS_NORM: Kernel =
    Kernel { name: "rms_norm", source: include_str!("rms_norm.wgsl"), params: Params::FIELDS };

pub(super) fn rms_norm(x: &Tensor, gain: &Tensor, epsilon: f32) -> Result<Tensor> {
    let width = gain.shape().len();
    let rows = x.shape().len().checked_div(width).unwrap_or(0);
    let params = Params { rows: count(&RMS_NORM, rows)?, width: count(&RMS_NORM, width)?, epsilon };
    let inputs = [("x", buffer(&RMS_NORM, x)?), ("gain", buffer(&RMS_NORM, gain)?)];
    launch(&RMS_NORM, params, &inputs, x.shape().clone(), rows)
}
