//! Host side of `online_backward_queries.wgsl` and `online_backward_keys.wgsl`.

use crate::axis::{Axis, Shape};
use crate::device::gpu::{GpuBuffer, params};
use crate::error::Result;
use crate::mask::Padding;
use crate::ops::elementwise::sum_by_head;
use crate::ops::launch::{Grid, buffer, count, kernels, launch, padding_words};
use crate::ops::online_attention::AttentionSizes;
use crate::ops::online_attention::cpu::Visible;
use crate::ops::online_attention::gpu::{KEYS, QUERIES, Rules};
use crate::ops::slice;
use crate::ops::softmax::gpu::sinks_or_none;
use crate::run::Run;
use crate::tensor::Tensor;

params! {
    struct Params {
        matrices: u32,
        heads: u32,
        kv_heads: u32,
        queries: u32,
        keys: u32,
        size: u32,
        first_query: u32,
        tiles_at: u32,
        padding_at: u32,
        padding_words: u32,
        factor: f32,
        first_group: u32,
    }
}

kernels! {
    OF_QUERIES: "attention_online_backward_queries", Params,
        "online_backward_queries.wgsl" + "online_backward_tiles.wgsl" + "../../../mask/program.wgsl";
    OF_KEYS: "attention_online_backward_keys", Params,
        "online_backward_keys.wgsl" + "online_backward_tiles.wgsl" + "../../../mask/program.wgsl";
}

/// The number of rows that a workgroup loads into its memory at once, as in the shaders.
const STAGED: usize = 16;

/// The most turns that the loops of one invocation take, including those of a mask program of `program` turns.
pub(in crate::ops::online_attention) fn turns(sizes: &AttentionSizes, program: usize) -> usize {
    let chunks = sizes.head_size.div_ceil(32);
    let of_queries = sizes.keys * (2 + 4 * chunks + 2 * program)
        + 2 * sizes.keys.div_ceil(STAGED) * (1 + 4 * chunks)
        + 6 * sizes.head_size;
    let group = sizes.heads / sizes.kv_heads;
    let of_keys = group
        * (sizes.queries * (1 + 4 * chunks + program)
            + sizes.queries.div_ceil(STAGED) * (1 + 8 * chunks)
            + 1)
        + 4 * sizes.head_size;
    of_queries.max(of_keys)
}

/// The inputs of the gradients beside q, k and v.
pub(super) struct Call<'a> {
    pub(super) context: &'a Tensor,
    pub(super) factor: f32,
    pub(super) sinks: Option<&'a Tensor>,
    pub(super) dy: &'a Tensor,
}

pub(super) fn online_attention(
    [q, k, v]: [&Tensor; 3],
    sizes: &AttentionSizes,
    visible: &Visible<'_>,
    call: &Call<'_>,
    run: &Run,
) -> Result<Vec<Option<Tensor>>> {
    let AttentionSizes { batch, heads, kv_heads, queries, keys, head_size } = *sizes;
    run.check()?;
    let count = |size| count(&OF_QUERIES, size);
    let rules = Rules::of(visible, queries, keys);
    let padding = visible.padding.map(Padding::words).unwrap_or_default();
    let params = Params {
        matrices: count(batch * heads)?,
        heads: count(heads)?,
        kv_heads: count(kv_heads)?,
        queries: count(queries)?,
        keys: count(keys)?,
        size: count(head_size)?,
        first_query: count(visible.first_query)?,
        tiles_at: count(rules.words.len())?,
        padding_at: count(rules.words.len() + rules.tiles.len())?,
        padding_words: count(padding_words(visible.padding, keys))?,
        factor: call.factor,
        first_group: 0,
    };
    let on = |x| buffer(&OF_QUERIES, x);
    let (q_buffer, dy) = (on(q)?, on(call.dy)?);
    // One buffer for masks, tiles and padding, because an adapter need not offer more than eight buffers.
    let words = [rules.words, rules.tiles, padding].concat();
    let rules_buffer = q_buffer.gpu().constant("masks and padding", bytemuck::cast_slice(&words))?;
    let sinks = sinks_or_none(&OF_QUERIES, q, heads, call.sinks)?;
    let shared: [(&str, &GpuBuffer); 5] =
        [("q", q_buffer), ("k", on(k)?), ("v", on(v)?), ("dy", dy), ("rules", &rules_buffer)];

    let pairs = (batch * heads * queries) as f64 * keys as f64 * rules.seen;
    let grid = |workgroups, products| Grid { workgroups, work: (products * pairs * head_size as f64) as u64 };
    let rows = |axes: [(Axis, usize); 2], length, width| {
        Shape::new([&axes[..], &[length, (Axis::HeadSize, width)]].concat())
    };
    let query_heads = [(Axis::Batch, batch), (Axis::Head, heads)];
    let of_queries = launch(
        &OF_QUERIES,
        params,
        &[&shared[..], &[("context", on(call.context)?), ("sinks", &sinks)]].concat(),
        rows(query_heads, (Axis::Query, queries), head_size + 3), // ∂q, lse, d, and the part of ∂sink
        grid(batch * heads * queries.div_ceil(QUERIES), 4.0),
    )?;
    let key_heads = [(Axis::Batch, batch), (Axis::KvHead, kv_heads)];
    let of_keys = launch(
        &OF_KEYS,
        params,
        &[&shared[..], &[("passed", on(&of_queries)?)]].concat(),
        rows(key_heads, (Axis::Key, keys), 2 * head_size), // ∂k and ∂v
        grid(batch * kv_heads * keys.div_ceil(KEYS), 4.0),
    )?;
    let part = |x: &Tensor, first, width| slice(x, Axis::HeadSize, first..first + width);
    let mut gradients = vec![
        part(&of_queries, 0, head_size)?,
        part(&of_keys, 0, head_size)?.reshape(k.shape().axes())?,
        part(&of_keys, head_size, head_size)?.reshape(v.shape().axes())?,
    ];
    if call.sinks.is_some() {
        gradients.push(sum_by_head(&part(&of_queries, head_size + 2, 1)?)?);
    }
    Ok(gradients.into_iter().map(Some).collect())
}
