//! Host side of `linear_sums.wgsl` and `linear_shares.wgsl`.

use super::Sums;
use crate::axis::Shape;
use crate::device::gpu::params;
use crate::error::Result;
use crate::mask::Reach;
use crate::ops::launch::{Grid, LANES, buffer, count, kernels, launch, padding_words};
use crate::ops::linear_attention::cpu::Reachable;
use crate::ops::linear_attention::gpu::{CHUNK, COLUMNS, Chunks, Sources, rules};
use crate::ops::online_attention::AttentionSizes;
use crate::tensor::Tensor;

params! {
    struct Params {
        matrices: u32,
        heads: u32,
        group: u32,
        rows: u32,
        others: u32,
        inner: u32,
        columns: u32,
        first_query: u32,
        is_of_keys: u32,
        padding_words: u32,
        first_group: u32,
    }
}

params! {
    struct SharesParams { rows: u32, size: u32 }
}

kernels! {
    SUMS: "linear_attention_sums", Params, "linear_sums.wgsl";
    SHARES: "linear_attention_shares", SharesParams, "linear_shares.wgsl";
}

/// See [`sums`](super::sums); `shape` is that of the result.
pub(super) fn sums(
    how: Sums,
    [q, k, v]: [&Tensor; 3],
    shape: Shape,
    sizes: &AttentionSizes,
    visible: &Reachable<'_>,
) -> Result<Tensor> {
    let is_of_keys = how == Sums::OfKeys;
    let AttentionSizes { batch, heads, kv_heads, queries, keys, .. } = *sizes;
    let (rows, others) = if is_of_keys { (keys, queries) } else { (queries, keys) };
    let [inner, columns] = [k, v].map(|x| x.shape().last().map_or(0, |(_, size)| size));
    // Where each query sees the keys up to a place, each key is seen by the queries from a place
    // on, and vice versa.
    let looks =
        |ahead: bool| visible.reach.iter().any(|reach| (*reach == Reach::From) == (ahead != is_of_keys));
    let sources = Sources { k, v, padding: visible.padding.filter(|_| !is_of_keys), columns };
    let chunks = Chunks::of(&sources, [looks(false), looks(true)], None)?;
    let (count, on) = (|size| count(&SUMS, size), |x| buffer(&SUMS, x));
    let params = Params {
        matrices: count(batch * heads)?,
        heads: count(heads)?,
        group: count(heads / kv_heads)?,
        rows: count(rows)?,
        others: count(others)?,
        inner: count(inner)?,
        columns: count(columns)?,
        first_query: count(visible.first_query)?,
        is_of_keys: u32::from(is_of_keys),
        padding_words: count(padding_words(visible.padding, keys))?,
        first_group: 0,
    };
    let (reach, padding) = rules(on(q)?, visible)?;
    let inputs = [
        ("q", on(q)?),
        ("k", on(k)?),
        ("v", on(v)?),
        ("before", on(&chunks.before)?),
        ("after", on(&chunks.after)?),
        ("reach", &reach),
        ("padding", &padding),
    ];
    let workgroups = batch * heads * rows.div_ceil(LANES) * columns.div_ceil(COLUMNS);
    let work = batch * heads * rows * columns * (inner + CHUNK);
    launch(&SUMS, params, &inputs, shape, Grid { workgroups, work: work as u64 })
}

/// See [`shares`](super::shares); `shape` is that of the result.
pub(super) fn shares(inputs: [&Tensor; 3], shape: Shape) -> Result<Tensor> {
    let [dy, y, totals] = inputs;
    let on = |x| buffer(&SHARES, x);
    let rows = totals.shape().len();
    let size = dy.shape().last().map_or(0, |(_, size)| size);
    let params = SharesParams { rows: count(&SHARES, rows)?, size: count(&SHARES, size)? };
    let inputs = [("dy", on(dy)?), ("y_forward", on(y)?), ("totals", on(totals)?)];
    launch(&SHARES, params, &inputs, shape, rows.div_ceil(LANES))
}
