//! Host side of `log_decays.wgsl`, `decayed_scores.wgsl` and `decayed_walk.wgsl`.

use std::ops::Range;

use crate::axis::{Axis, Shape};
use crate::device::gpu::{Kernel, params};
use crate::error::Result;
use crate::mask::{Allowed, Padding, Positions};
use crate::ops::ladder::{Extent, Ladder, SOFTWARE_TURNS, Variant};
use crate::ops::launch::{Grid, LANES, buffer, count, kernels, launch, padding_words, upload_padding};
use crate::ops::online_attention::AttentionSizes;
use crate::ops::softmax::gpu::mask_steps;
use crate::ops::{concat_all, slice};
use crate::run::Run;
use crate::tensor::Tensor;

params! {
    /// The parameters of the kernels that read rows of keys.
    pub(super) struct DecayParams { rows: u32, kv_heads: u32, keys: u32, size: u32, padding_words: u32 }
}

params! {
    struct ScoreParams {
        rows: u32,
        heads: u32,
        queries: u32,
        keys: u32,
        group: u32,
        first_query: u32,
        mask_batch: u32,
        mask_head: u32,
        first_group: u32,
    }
}

params! {
    struct WalkParams {
        matrices: u32,
        kv_heads: u32,
        group: u32,
        queries: u32,
        keys: u32,
        size: u32,
        first_query: u32,
        start: u32,
        end: u32,
        padding_words: u32,
        factor: f32,
        first_group: u32,
    }
}

kernels! {
    DECAYS: "log_decays", DecayParams, "log_decays.wgsl";
    SCORES: "decayed_scores_naive", ScoreParams, "decayed_scores.wgsl";
    WALK: "decayed_walk", WalkParams, "decayed_walk.wgsl";
}

pub(in crate::ops) static LADDER: Ladder = Ladder {
    op: "decayed_scores",
    variants: &[Variant {
        name: "naive",
        kernel: Some(&SCORES),
        changes: "the formula as it stands: one invocation a row, from its query outward",
        tile: [64, 0],
        turns: |extent| extent.columns,
        ..Variant::PLAIN
    }],
    rule: "naive, the only one",
};

/// `inputs` are k, weight and bias.
pub(super) fn log_decays(inputs: [&Tensor; 3], shape: Shape, padding: Option<&Padding>) -> Result<Tensor> {
    launch_keys(&DECAYS, inputs, &[], shape, padding)
}

/// Runs a kernel whose parameters are [`DecayParams`]: its inputs are k, weight, bias and `others`, its output is one
/// number for each key.
pub(super) fn launch_keys(
    kernel: &'static Kernel,
    [k, weight, bias]: [&Tensor; 3],
    others: &[(&str, &Tensor)],
    shape: Shape,
    padding: Option<&Padding>,
) -> Result<Tensor> {
    let count = |size| count(kernel, size);
    let [kv_heads, size] = [weight.shape().sizes()[0], weight.shape().sizes()[1]];
    let keys = k.shape().size(Axis::Key).unwrap_or(0);
    let params = DecayParams {
        rows: count(shape.len())?,
        kv_heads: count(kv_heads)?,
        keys: count(keys)?,
        size: count(size)?,
        padding_words: count(padding_words(padding, keys))?,
    };
    let on = |x| buffer(kernel, x);
    let tokens = upload_padding(on(k)?, padding)?;
    let mut inputs = vec![("k", on(k)?), ("weight", on(weight)?), ("bias", on(bias)?), ("padding", &tokens)];
    for (name, x) in others {
        inputs.push((name, on(x)?));
    }
    let grid = Grid { workgroups: shape.len().div_ceil(LANES), work: (shape.len() * size) as u64 };
    launch(kernel, params, &inputs, shape, grid)
}

pub(super) fn decayed_scores(
    scores: &Tensor,
    log_decays: &Tensor,
    [batch, heads, queries, keys]: [usize; 4],
    at: Positions,
    allowed: &Allowed,
) -> Result<Tensor> {
    let on = |x| buffer(&SCORES, x);
    let (scores_buffer, rows) = (on(scores)?, batch * heads * queries);
    let extent = Extent { batch: 1, rows, columns: keys, inner: keys };
    let variant = LADDER.choose(scores_buffer.gpu(), extent)?;
    let count = |size| count(&SCORES, size);
    let [mask_batch, mask_head] = mask_steps(allowed);
    let params = ScoreParams {
        rows: count(rows)?,
        heads: count(heads)?,
        queries: count(queries)?,
        keys: count(keys)?,
        group: count((batch * heads * keys).checked_div(log_decays.shape().len()).unwrap_or(1))?,
        first_query: count(at.first_query)?,
        mask_batch: count(mask_batch)?,
        mask_head: count(mask_head)?,
        first_group: 0,
    };
    let mask = scores_buffer.gpu().constant("mask", bytemuck::cast_slice(allowed.words()))?;
    let inputs = [("scores", scores_buffer), ("log_decays", on(log_decays)?), ("allowed", &mask)];
    // An exponential is worth about ten multiply-adds.
    let grid = Grid { workgroups: variant.workgroups(extent), work: 12 * (rows * keys) as u64 };
    launch(&SCORES, params, &inputs, scores.shape().clone(), grid)
}

/// The most turns of an invocation's loops in one dispatch. They take a GPU well below a second; some drivers end a
/// dispatch after about a second.
const TURNS: usize = 1 << 20;

/// `inputs` are q, k, v and log a. A dispatch processes as many tokens as its loops allow; the next dispatch continues
/// from its state.
pub(super) fn decayed_walk(
    state: &Tensor,
    inputs: [&Tensor; 4],
    sizes: &AttentionSizes,
    at: Positions,
    padding: Option<&Padding>,
    run: &Run,
) -> Result<(Tensor, Tensor)> {
    let is_software = buffer(&WALK, state)?.gpu().is_software();
    let turns = (sizes.head_size + 1) * (1 + sizes.heads / sizes.kv_heads);
    // One token less, to leave turns for loading the state.
    let most = (if is_software { SOFTWARE_TURNS } else { TURNS } / turns).saturating_sub(1).max(1);
    let end = at.first_query + sizes.queries;
    let (mut state, mut contexts) = (state.clone(), Vec::new());
    for start in (0..end).step_by(most) {
        run.check()?;
        let tokens = start..(start + most).min(end);
        let context;
        (context, state) = walk_part(&state, inputs, sizes, at, padding, tokens)?;
        contexts.push(context);
    }
    match contexts.is_empty() {
        true => Ok((inputs[0].clone(), state)), // no query: q is as empty as the context
        false => Ok((concat_all(&contexts.iter().collect::<Vec<_>>(), Axis::Query)?, state)),
    }
}

/// The context of the queries at positions `tokens`, and the state after the last of these positions.
fn walk_part(
    state: &Tensor,
    inputs: [&Tensor; 4],
    sizes: &AttentionSizes,
    at: Positions,
    padding: Option<&Padding>,
    tokens: Range<usize>,
) -> Result<(Tensor, Tensor)> {
    let AttentionSizes { batch, heads, kv_heads, queries, keys, head_size } = *sizes;
    let group = heads / kv_heads;
    let queries_here = tokens.end.max(at.first_query) - tokens.start.max(at.first_query);
    let count = |size| count(&WALK, size);
    let params = WalkParams {
        matrices: count(batch * kv_heads)?,
        kv_heads: count(kv_heads)?,
        group: count(group)?,
        queries: count(queries)?,
        keys: count(keys)?,
        size: count(head_size)?,
        first_query: count(at.first_query)?,
        start: count(tokens.start)?,
        end: count(tokens.end)?,
        padding_words: count(padding_words(padding, keys))?,
        factor: (1.0 / (head_size as f64).sqrt()) as f32,
        first_group: 0,
    };
    let on = |x| buffer(&WALK, x);
    let [q, k, v, log_decays] = [on(inputs[0])?, on(inputs[1])?, on(inputs[2])?, on(inputs[3])?];
    let real = upload_padding(q, padding)?;
    let inputs =
        [("state", on(state)?), ("q", q), ("k", k), ("v", v), ("log_decays", log_decays), ("padding", &real)];
    // A kernel has one output: for each key/value head the rows of the context and, below them, those of the state.
    let rows = (Axis::Row, group * queries_here + head_size);
    let heads_of_keys = [(Axis::Batch, batch), (Axis::KvHead, kv_heads)];
    let shape = Shape::new([&heads_of_keys[..], &[rows, (Axis::HeadSize, head_size)]].concat());
    let work = tokens.len() * batch * (kv_heads + heads) * head_size * head_size;
    let grid = Grid { workgroups: batch * kv_heads * head_size.div_ceil(LANES), work: work as u64 };
    let both = launch(&WALK, params, &inputs, shape, grid)?;
    let context = slice(&both, Axis::Row, 0..group * queries_here)?;
    let axes =
        [(Axis::Batch, batch), (Axis::Head, heads), (Axis::Query, queries_here), (Axis::HeadSize, head_size)];
    let after = slice(&both, Axis::Row, group * queries_here..rows.1)?;
    Ok((context.reshape(axes)?, after.reshape(state.shape().axes())?))
}
