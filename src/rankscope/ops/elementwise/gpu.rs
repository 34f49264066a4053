//! Host side of the WGSL beside it.

use crate::device::gpu::params;
use crate::error::Result;
use crate::ops::launch::{Quads, buffer, count, kernels, launch, quads};
use crate::tensor::Tensor;

params! {
    struct BiasParams { quads: u32, width: u32 }
}

params! {
    struct DifferenceParams { quads: u32, heads: u32, matrix: u32 }
}

params! {
    struct ScaleParams { quads: u32, factor: f32 }
}

kernels! {
    ADD: "add", Quads, "add.wgsl";
    MULTIPLY: "multiply", Quads, "multiply.wgsl";
    ADD_BIAS: "add_bias", BiasParams, "add_bias.wgsl";
    SCALE: "scale", ScaleParams, "scale.wgsl";
    DIFFERENCE: "weighted_difference", DifferenceParams, "weighted_difference.wgsl";
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pairwise {
    Add,
    Multiply,
}

pub(super) fn pairwise(x: &Tensor, y: &Tensor, how: Pairwise) -> Result<Tensor> {
    let kernel = match how {
        Pairwise::Add => &ADD,
        Pairwise::Multiply => &MULTIPLY,
    };
    let (params, workgroups) = quads(kernel, x)?;
    let inputs = [("a", buffer(kernel, x)?), ("b", buffer(kernel, y)?)];
    launch(kernel, params, &inputs, x.shape().clone(), workgroups)
}

pub(super) fn add_bias(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (Quads { quads }, workgroups) = quads(&ADD_BIAS, x)?;
    let params = BiasParams { quads, width: count(&ADD_BIAS, bias.shape().len())? };
    let inputs = [("x", buffer(&ADD_BIAS, x)?), ("bias", buffer(&ADD_BIAS, bias)?)];
    launch(&ADD_BIAS, params, &inputs, x.shape().clone(), workgroups)
}

pub(super) fn weighted_difference(
    x: &Tensor,
    y: &Tensor,
    factors: &Tensor,
    [_, heads, queries, keys]: [usize; 4],
) -> Result<Tensor> {
    let (count, on) = (|size| count(&DIFFERENCE, size), |x| buffer(&DIFFERENCE, x));
    let (Quads { quads }, workgroups) = quads(&DIFFERENCE, x)?;
    let params = DifferenceParams { quads, heads: count(heads)?, matrix: count(queries * keys)? };
    let inputs = [("x", on(x)?), ("z", on(y)?), ("factors", on(factors)?)];
    launch(&DIFFERENCE, params, &inputs, x.shape().clone(), workgroups)
}

pub(super) fn scale(x: &Tensor, factor: f32) -> Result<Tensor> {
    let (Quads { quads }, workgroups) = quads(&SCALE, x)?;
    let inputs = [("x", buffer(&SCALE, x)?)];
    launch(&SCALE, ScaleParams { quads, factor }, &inputs, x.shape().clone(), workgroups)
}
