//! The operations, one folder each: `mod.rs` says what is computed, checks the shapes and picks the
//! device; `cpu.rs` is the reference that GPU results are compared with, generic over f32 and f64; `gpu.rs` is the host
//! side of the WGSL beside it. Functions of one number (GELU, SiLU, …) share the folder `pointwise` and are rows of its
//! table.
//!
//! Online attention is in f32 alone; in f64, attention is a product, `masked_softmax` and another product.
//!
//! On the CPU, `blocks` cuts an operation's rows into tasks and works in place where no clone shares the argument;
//! `vectorised` compiles the loop over a block for each set of vector instructions; `real` has the exponentials and
//! sums.

mod adamw;
pub mod bench;
mod blocks;
mod clip;
mod concat;
mod cross_entropy;
mod descent;
mod dropout;
mod elementwise;
mod gather;
mod heads;
mod kernels;
pub mod ladder;
mod launch;
mod layer_norm;
mod linear_attention;
mod masked_normalise;
mod masked_sigmoid;
mod matmul;
mod online_attention;
mod pointwise;
mod position_bias;
mod real;
mod rms_norm;
mod rotary;
mod row_wise;
mod slice;
mod softmax;
mod state_space;
mod vectorised;
pub mod work;

pub use adamw::{AdamStep, AdamTensor, Moments, adamw};
pub use clip::clip;
pub use concat::{concat, concat_all};
pub use cross_entropy::cross_entropy;
pub use descent::{descend, momentum};
pub use dropout::dropout;
pub use elementwise::{add, add_bias, multiply, scale, sum_rows, weighted_difference};
pub use gather::{gather, gather_rows};
pub use heads::{merge_heads, split_heads, transpose};
pub use kernels::KERNELS;
pub use ladder::{LADDERS, with_variant};
pub use layer_norm::layer_norm;
pub(crate) use linear_attention::{expect_same_length, reach_of_heads};
pub use linear_attention::{linear_attention, linear_step, no_tokens};
pub use masked_normalise::masked_normalise;
pub use masked_sigmoid::masked_sigmoid;
pub use matmul::{linear, matmul};
pub use online_attention::online_attention;
pub use pointwise::{FeatureMap, GeluForm, Pointwise, feature_map, gelu, pointwise, silu, tanh};
pub use position_bias::{add_position_bias, spread_by_distance};
pub use real::Real;
pub use rms_norm::{rms_norm, unit_rms_norm};
pub use rotary::{RotaryTable, rotary};
pub use slice::slice;
pub use softmax::{masked_softmax, masked_softmax_with_sinks};
pub use state_space::{decayed_scores, decayed_walk, log_decays};

/// The CPU implementations, for callers with plain slices in f32 or f64.
pub mod cpu {
    pub use super::dropout::cpu::dropout;
    pub use super::elementwise::cpu::{add, weighted_difference};
    pub use super::heads::cpu::{merge_heads, split_heads};
    pub use super::layer_norm::cpu::layer_norm;
    pub use super::linear_attention::cpu::{LinearSums, Reachable, linear_attention, linear_step};
    pub use super::masked_normalise::cpu::masked_normalise;
    pub use super::masked_sigmoid::cpu::masked_sigmoid;
    pub use super::matmul::cpu::{Product, matmul};
    pub use super::online_attention::AttentionSizes;
    pub use super::pointwise::cpu::{derivative, feature_map, gelu, pointwise};
    pub use super::position_bias::cpu::spread_by_distance;
    pub use super::rms_norm::cpu::rms_norm;
    pub use super::rotary::cpu::rotary;
    pub use super::softmax::cpu::{masked_softmax, masked_softmax_with_sinks};
    pub use super::state_space::cpu::{decayed_scores, decayed_walk, log_decays};
}

use crate::axis::{Axis, Shape};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// An error unless `vector` has one axis, as long as the innermost axis of `x`.
fn expect_innermost(op: &'static str, argument: &'static str, x: &Tensor, vector: &Tensor) -> Result<usize> {
    let (axis, size) = innermost(op, x)?;
    let [got] = vector.shape().expect(op, argument, [axis])?;
    expect_size(op, argument, axis, size, got)?;
    vector.expect_same_device(op, argument, &x.device())?;
    Ok(size)
}

/// The innermost axis of `x`.
fn innermost(op: &'static str, x: &Tensor) -> Result<(Axis, usize)> {
    let no_axis = || {
        let (expected, got) = ("at least one axis".to_owned(), "[]".to_owned());
        Error::Axes { op, argument: "x", expected, got }
    };
    x.shape().last().ok_or_else(no_axis)
}

/// An error unless an axis has the size `expected`.
pub(crate) fn expect_size(
    op: &'static str,
    argument: &'static str,
    axis: Axis,
    expected: usize,
    got: usize,
) -> Result<()> {
    if got == expected { Ok(()) } else { Err(Error::Size { op, argument, axis, expected, got }) }
}

/// An error unless `x` has the shape `expected`.
fn expect_shape(op: &'static str, argument: &'static str, expected: &Shape, x: &Tensor) -> Result<()> {
    if x.shape() == expected {
        return Ok(());
    }
    let (expected, got) = (expected.to_string(), x.shape().to_string());
    Err(Error::Axes { op, argument, expected, got })
}

/// An error unless `y` has the shape and device of `x`.
fn expect_alike(op: &'static str, argument: &'static str, x: &Tensor, y: &Tensor) -> Result<()> {
    expect_shape(op, argument, x.shape(), y)?;
    y.expect_same_device(op, argument, &x.device())
}
