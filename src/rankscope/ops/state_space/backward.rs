//! The gradients of decays: those of the log decays, and those of the keys, weights and biases that they are computed
//! from.

use super::gpu::{DecayParams, launch_keys};
use crate::axis::{Axis, Shape};
use crate::device::gpu::params;
use crate::error::Result;
use crate::mask::{Padding, Positions};
use crate::ops::Real;
use crate::ops::blocks::{NORM, rewrite};
use crate::ops::elementwise::{constant, multiply, sum_by_head, sum_rows};
use crate::ops::launch::{Grid, LANES, buffer, count, kernels, launch};
use crate::ops::matmul::matmul;
use crate::tensor::Tensor;

params! {
    struct BeyondParams { rows: u32, queries: u32, keys: u32, first_query: u32, first_group: u32 }
}

kernels! {
    BEYOND: "decayed_scores_backward", BeyondParams, "decayed_scores_backward.wgsl";
    OF_DECAYS: "log_decays_backward", DecayParams, "log_decays_backward.wgsl";
}

/// ∂log a\[j\] = Σ w\[t, s\] · ∂w\[t, s\] over the pairs whose decay includes that of token j: s < j ≤ t and t < j ≤ s,
/// because w = e^E · x, and E = −|L\[t\] − L\[s\]| is the sum of the log decays between. Query heads that share a decay
/// add up.
///
/// **Shapes**: w and ∂w `[B, H, T, S]`, result `[B, G, S]`, given as `shape`.
pub(super) fn decays(weights: &Tensor, dy: &Tensor, shape: &Shape, at: Positions) -> Result<Tensor> {
    let [batch, heads, queries, keys] = weights.shape().sizes()[..] else { unreachable!("[B, H, T, S]") };
    if weights.shape().is_empty() {
        return Tensor::zeros(shape.axes()).to_device(&weights.device());
    }
    let products = multiply(weights, dy)?; // [B, H, T, S]
    let beyond = match products.as_slice() {
        Some(_) => rewrite(products, keys, NORM, |first, rows| {
            rows_beyond(rows, first, [queries, keys], at.first_query);
        }),
        None => {
            let (kernel, rows) = (&BEYOND, batch * heads * queries);
            let count = |size| count(kernel, size);
            let params = BeyondParams {
                rows: count(rows)?,
                queries: count(queries)?,
                keys: count(keys)?,
                first_query: count(at.first_query)?,
                first_group: 0,
            };
            let grid = Grid { workgroups: rows.div_ceil(LANES), work: 2 * (rows * keys) as u64 };
            let inputs = [("products", buffer(kernel, &products)?)];
            launch(kernel, params, &inputs, products.shape().clone(), grid)?
        }
    };
    let [.., (_, kv_heads), _] = *shape.axes() else { unreachable!("[B, G, S]") };
    let shared = [(Axis::Batch, batch), (Axis::KvHead, kv_heads)];
    let rows = (Axis::Row, heads / kv_heads * queries);
    let beyond = beyond.reshape([&shared[..], &[rows, (Axis::Key, keys)]].concat())?;
    // The sum over rows is a matrix product with ones.
    let ones = constant([&shared[..], &[(Axis::Column, 1), rows]].concat(), 1.0, &beyond.device())?;
    matmul(&ones, &beyond, Axis::Row, 1.0)?.reshape(shape.axes()) // [B, G, 1, S]
}

/// For the rows from row `first` on, replaces the value of key j by the sum over the keys whose decay to the query at
/// position t includes token j: the keys before j where j ≤ t, and the keys from j on where j > t.
fn rows_beyond<F: Real>(rows: &mut [F], first: usize, [queries, keys]: [usize; 2], first_query: usize) {
    for (row, values) in (first..).zip(rows.chunks_exact_mut(keys)) {
        let (before, behind) = values.split_at_mut(first_query + row % queries + 1);
        let mut sum = F::zero();
        for value in before {
            (*value, sum) = (sum, sum + *value);
        }
        let mut sum = F::zero();
        for value in behind.iter_mut().rev() {
            sum = sum + *value;
            *value = sum;
        }
    }
}

/// log a = −softplus(z) with z = w\[g\]·k + β\[g\]: ∂z = −∂log a / (1 + e^−z), 0 for padding; ∂k = ∂z · w\[g\],
/// ∂w\[g\] = Σ ∂z · k, and ∂β\[g\] = Σ ∂z, over sequences and keys.
///
/// **Shapes**: `inputs` are k `[B, G, S, D]`, weight `[G, D]` and bias `[G]`, with gradients of the same shapes; ∂log a
/// `[B, G, S]`.
pub(super) fn log_decays(
    inputs: [&Tensor; 3],
    padding: Option<&Padding>,
    dy: &Tensor,
) -> Result<[Option<Tensor>; 3]> {
    let [k, weight, bias] = inputs;
    let [batch, kv_heads, keys, size] = k.shape().sizes()[..] else { unreachable!("[B, G, S, D]") };
    let dz = match (k.as_slice(), weight.as_slice(), bias.as_slice()) {
        (Some(k), Some(weight), Some(bias)) => {
            let slope = |z: f32| -1.0 / (1.0 + (-z).exp());
            let slopes = super::cpu::of_tokens(k, weight, bias, keys, padding, slope);
            multiply(dy, Tensor::on_cpu(dy.shape().clone(), slopes))?
        }
        _ => launch_keys(&OF_DECAYS, inputs, &[("dy", dy)], dy.shape().clone(), padding)?,
    };
    let heads = [(Axis::Batch, batch), (Axis::KvHead, kv_heads)];
    let one = (Axis::Column, 1);
    let with = |last: [(Axis, usize); 2]| [&heads[..], &last].concat();
    let column = dz.reshape(with([(Axis::Key, keys), one]))?;
    // The weight repeated for every sequence: the gradients of its products with keys are matrix products too.
    let ones = constant([heads[0], one], 1.0, &k.device())?;
    let row = weight.reshape([one, (Axis::Width, kv_heads * size)])?;
    let weights = matmul(&ones, &row, Axis::Column, 1.0)?.reshape(with([one, (Axis::HeadSize, size)]))?;
    let dk = matmul(&column, &weights, Axis::Column, 1.0)?.reshape(k.shape().axes())?; // [B, G, S, D]
    let keys_of = k.reshape(with([(Axis::Key, keys), (Axis::HeadSize, size)]))?;
    let dw = matmul(&column, &keys_of, Axis::Key, 1.0)?; // [B, G, 1, D]
    let dw = sum_rows(&dw.reshape([(Axis::Batch, batch), (Axis::Width, kv_heads * size)])?)?;
    let dw = dw.reshape(weight.shape().axes())?;
    let db = sum_by_head(&dz.reshape([heads[0], (Axis::Head, kv_heads), (Axis::Key, keys)])?)?;
    Ok([Some(dk), Some(dw), Some(db.reshape(bias.shape().axes())?)])
}
