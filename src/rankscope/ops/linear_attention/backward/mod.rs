//! The gradients of linear attention, in time and memory linear in the number of tokens.
//!
//! With s[t] = Σₛ q[t]·k[s], y[t] = Σₛ (q[t]·k[s]) v[s] / s[t] and rows of D + 1 numbers v′[s] = (v[s], 1) and
//! g[t] = (∂y[t], −∂y[t]·y[t]) / s[t], where g[t]·v′[s] is the gradient of the loss with respect to the score
//! q[t]·k[s]:
//!
//! ∂q[t] = Σₛ (g[t]·v′[s]) k[s], ∂k[s] = Σₜ (g[t]·v′[s]) q[t], ∂v[s] = Σₜ (k[s]·q[t]) ∂y[t] / s[t].
//!
//! Each is linear attention again, without the division: over the keys that a query sees, or over the queries that see a
//! key. So there is one operation, [`sums`], for all of them.
//!
//! **Source**: Katharopoulos et al. 2020 (arXiv 2006.16236), section 3.3.1 and appendix B.

pub(super) mod cpu;
pub(in crate::ops) mod gpu;

use super::cpu::Reachable;
use crate::axis::{Axis, Shape};
use crate::error::Result;
use crate::mask::{Padding, Reach};
use crate::ops::elementwise::constant;
use crate::ops::online_attention::AttentionSizes;
use crate::ops::{concat, matmul, slice};
use crate::run::Run;
use crate::tensor::Tensor;

/// The tensors that the forward pass keeps: only its arguments and its result.
pub(super) struct Kept {
    /// q `[B, H, T, D]`, k and v `[B, G, S, D]`.
    pub(super) inputs: [Tensor; 3],
    /// `[B, H, T, D]`.
    pub(super) context: Tensor,
    pub(super) sizes: AttentionSizes,
    pub(super) reach: Vec<Reach>,
    pub(super) first_query: usize,
    pub(super) padding: Option<Padding>,
    pub(super) run: Run,
}

/// What the rows of the sums are: `OfQueries` makes a row for every query, a sum over the keys that it sees, and
/// `OfKeys` a row for every key, a sum over the queries that see it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sums {
    OfQueries,
    OfKeys,
}

impl Kept {
    /// ∂q, ∂k and ∂v.
    pub(super) fn gradients(self, dy: &Tensor) -> Result<[Option<Tensor>; 3]> {
        let ([q, k, v], sizes, run) = (&self.inputs, &self.sizes, &self.run);
        let visible =
            Reachable { reach: self.reach, first_query: self.first_query, padding: self.padding.as_ref() };
        let sums = |how, inputs| {
            run.check()?;
            sums(how, inputs, sizes, &visible)
        };
        // From here on the heads of keys and values are called G.
        let AttentionSizes { batch, kv_heads, keys, head_size, .. } = *sizes;
        let axes = |size| {
            [(Axis::Batch, batch), (Axis::KvHead, kv_heads), (Axis::Key, keys), (Axis::HeadSize, size)]
        };
        let (k_rows, v) = (k.reshape(axes(head_size))?, v.reshape(axes(head_size))?);
        let ones = constant(axes(1), 1.0, &dy.device())?;
        let totals = sums(Sums::OfQueries, [q, &k_rows, &ones])?; // s, [B, H, T, 1]
        let shares = shares(dy, &self.context, &totals)?; // g, [B, H, T, D + 1]
        let values = concat(&v, &ones, Axis::HeadSize)?; // v′, [B, G, S, D + 1]
        let dq = sums(Sums::OfQueries, [&shares, &values, &k_rows])?; // [B, H, T, D]
        let dk = by_group(&sums(Sums::OfKeys, [&values, &shares, q])?, sizes)?; // [B, G, S, D]
        let shares = slice(&shares, Axis::HeadSize, 0..head_size)?;
        let dv = by_group(&sums(Sums::OfKeys, [&k_rows, q, &shares])?, sizes)?; // [B, G, S, D]
        Ok([dq, dk.reshape(k.shape().axes())?, dv.reshape(k.shape().axes())?].map(Some))
    }
}

/// y\[i\] = Σⱼ (q\[i\]·k\[j\]) v\[j\] over the j that i sees, or that see i.
///
/// **Shapes**: `OfQueries`: q `[B, H, T, E]`, k `[B, G, S, E]`, v `[B, G, S, P]`, result `[B, H, T, P]`. `OfKeys`: q
/// `[B, G, S, E]`, k `[B, H, T, E]`, v `[B, H, T, P]`, result `[B, H, S, P]`; 0 for padding.
fn sums(
    how: Sums,
    [q, k, v]: [&Tensor; 3],
    sizes: &AttentionSizes,
    visible: &Reachable<'_>,
) -> Result<Tensor> {
    let AttentionSizes { batch, heads, queries, keys, .. } = *sizes;
    let columns = v.shape().last().map_or(0, |(_, size)| size);
    let rows = match how {
        Sums::OfQueries => (Axis::Query, queries),
        Sums::OfKeys => (Axis::Key, keys),
    };
    let shape = Shape::new([(Axis::Batch, batch), (Axis::Head, heads), rows, (Axis::HeadSize, columns)]);
    match (q.as_slice(), k.as_slice(), v.as_slice()) {
        (Some(q), Some(k), Some(v)) => {
            Ok(Tensor::on_cpu(shape, cpu::sums(how, [q, k, v], columns, sizes, visible)))
        }
        _ => gpu::sums(how, [q, k, v], shape, sizes, visible),
    }
}

/// g\[t\] = (∂y\[t\], −∂y\[t\]·y\[t\]) / s\[t\], and 0 where s\[t\] is 0.
///
/// **Shapes**: ∂y and y `[B, H, T, D]`, s `[B, H, T, 1]`, result `[B, H, T, D + 1]`.
fn shares(dy: &Tensor, y: &Tensor, totals: &Tensor) -> Result<Tensor> {
    let mut axes = dy.shape().axes().to_vec();
    let size = axes[3].1;
    axes[3].1 += 1;
    let shape = Shape::new(axes);
    match (dy.as_slice(), y.as_slice(), totals.as_slice()) {
        (Some(dy), Some(y), Some(totals)) => Ok(Tensor::on_cpu(shape, cpu::shares(dy, y, totals, size))),
        _ => gpu::shares([dy, y, totals], shape),
    }
}

/// The sum over the query heads that share a key/value head: `[B, H, S, D]` to `[B, G, S, D]`.
fn by_group(x: &Tensor, sizes: &AttentionSizes) -> Result<Tensor> {
    let AttentionSizes { batch, heads, kv_heads, keys, head_size, .. } = *sizes;
    let axes =
        [(Axis::Batch, batch), (Axis::KvHead, kv_heads), (Axis::Key, keys), (Axis::HeadSize, head_size)];
    let matrices = (Axis::Batch, batch * kv_heads);
    let group = (Axis::Row, heads / kv_heads);
    if group.1 == 1 {
        return x.reshape(axes);
    }
    let ones = constant([matrices, (Axis::Column, 1), group], 1.0, &x.device())?;
    let x = x.reshape([matrices, group, (Axis::Width, keys * head_size)])?;
    matmul(&ones, &x, Axis::Row, 1.0)?.reshape(axes)
}
