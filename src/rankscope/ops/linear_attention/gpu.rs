//! Host side of the linear attention kernels, `linear_*.wgsl`.

use super::cpu::Reachable;
use super::state_shape;
use crate::axis::{Axis, Shape};
use crate::device::Gpu;
use crate::device::gpu::{GpuBuffer, Kernel, params};
use crate::error::Result;
use crate::mask::{Allowed, Mask, Padding, Positions, Reach};
use crate::ops::ladder::{Extent, Ladder, SOFTWARE_TURNS, Variant};
use crate::ops::launch::{Grid, LANES, buffer, count, kernels, launch, padding_words, upload_padding};
use crate::ops::online_attention::AttentionSizes;
use crate::ops::{masked_normalise, matmul};
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
        padding_words: u32,
        first_group: u32,
    }
}

params! {
    struct StatesParams {
        chunks: u32,
        matrices: u32,
        kv_heads: u32,
        keys: u32,
        size: u32,
        values: u32,
        columns: u32,
        padding_words: u32,
        first_group: u32,
    }
}

params! {
    struct ScanParams { cells: u32, chunks: u32, is_backward: u32, has_initial: u32, first_group: u32 }
}

kernels! {
    RECURRENT: "linear_attention_recurrent", Params, "linear_recurrent.wgsl";
    STATES: "linear_attention_states", StatesParams, "linear_states.wgsl";
    SCAN: "linear_attention_scan", ScanParams, "linear_scan.wgsl";
    CHUNKED: "linear_attention_chunked", Params, "linear_chunked.wgsl";
}

/// The longest head that the recurrent kernel has registers for.
const MAX_SIZE: usize = 128;
/// Keys of a chunk, as in the shaders.
pub(super) const CHUNK: usize = 64;
/// Columns of the context that an invocation of the chunked kernel makes.
pub(super) const COLUMNS: usize = 32;

pub(in crate::ops) static LADDER: Ladder = Ladder {
    op: "linear_attention",
    variants: &[
        Variant {
            name: "materialised",
            kernel: None,
            changes: "scores, their rows over their sums, and context one after the other, by matmul and \
                      masked_normalise; T x S numbers for each head",
            ..Variant::PLAIN
        },
        Variant {
            name: "recurrent",
            kernel: Some(&RECURRENT),
            changes: "associativity: one invocation carries a column of the D x D sums from token to token; \
                      work linear in T and S",
            slower: "where there are few heads: nothing runs side by side but their columns",
            tile: [0, LANES],
            limits: "a D of at most 128",
            applies: |extent| extent.columns <= MAX_SIZE,
            turns: recurrent_turns,
            ..Variant::PLAIN
        },
        Variant {
            name: "chunked",
            kernel: Some(&CHUNKED),
            changes: "sums of chunks of 64 keys side by side, then the sums of the chunks before each chunk; a query \
                      walks over one chunk at most",
            slower: "for a few dozen tokens, for which it takes three dispatches in place of one; on a software adapter, \
                     2 times, as far as recurrent gets there",
            tile: [64, COLUMNS],
            turns: |extent| CHUNK * (extent.columns + COLUMNS) + extent.columns * (COLUMNS + 1),
            suits: |situation| {
                let Extent { rows, inner, .. } = situation.extent;
                rows + inner > 2 * CHUNK || recurrent_turns(&situation.extent) > SOFTWARE_TURNS
            },
            ..Variant::PLAIN
        },
    ],
    rule: "chunked for more than 128 queries and keys together, otherwise recurrent; materialised where neither \
           can be had: on llvmpipe for a D above 648, which needs more than the 65000 turns of a kernel's loops \
           at which it stops",
};

fn recurrent_turns(extent: &Extent) -> usize {
    (extent.rows + extent.inner) * (extent.columns + 1)
}

/// The arguments of a call; the mask is given as a whole and, in `visible`, head by head.
pub(super) struct Call<'a> {
    pub(super) mask: &'a Mask,
    pub(super) visible: &'a Reachable<'a>,
    pub(super) run: &'a Run,
}

/// The rung for these sizes; where a gradient will be computed, one that can do that too: its rows have one number
/// more.
pub(super) fn variant(gpu: &Gpu, sizes: &AttentionSizes, is_tracked: bool) -> Result<&'static Variant> {
    let extent = extent(sizes);
    LADDER.choose(gpu, Extent { columns: extent.columns + usize::from(is_tracked), ..extent })
}

pub(super) fn linear_attention(
    [q, k, v]: [&Tensor; 3],
    sizes: &AttentionSizes,
    call: &Call<'_>,
    variant: &Variant,
) -> Result<Tensor> {
    call.run.check()?;
    let extent = extent(sizes);
    match variant.name {
        "materialised" => materialised([q, k, v], sizes, call),
        "recurrent" => recurrent([q, k, v], sizes, call.visible, variant.workgroups(extent)),
        _ => {
            let chunks = Chunks::of_keys([k, v], sizes, call.visible, None)?;
            chunks.context([q, k, v], sizes, call.visible, variant.workgroups(extent))
        }
    }
}

fn extent(sizes: &AttentionSizes) -> Extent {
    let AttentionSizes { batch, heads, queries, keys, head_size, .. } = *sizes;
    Extent { batch: batch * heads, rows: queries, columns: head_size, inner: keys }
}

/// T more tokens under a causal mask: their context, and the sums after them.
pub(super) fn linear_step(
    sums: &Tensor,
    [q, k, v]: [&Tensor; 3],
    sizes: &AttentionSizes,
) -> Result<(Tensor, Tensor)> {
    let visible = Reachable { reach: vec![Reach::UpTo(0); sizes.heads], first_query: 0, padding: None };
    let extent = extent(sizes);
    let variant = LADDER.variant("chunked")?.expect_fit(LADDER.op, buffer(&CHUNKED, q)?.gpu(), extent)?;
    let chunks = Chunks::of_keys([k, v], sizes, &visible, Some(sums))?;
    let context = chunks.context([q, k, v], sizes, &visible, variant.workgroups(extent))?;
    let all = chunks.before.select(Axis::Row, chunks.count)?; // [B, G, D, M]
    Ok((context, all))
}

/// The path through the weights; gradients go through it too.
pub(super) fn materialised(
    [q, k, v]: [&Tensor; 3],
    sizes: &AttentionSizes,
    call: &Call<'_>,
) -> Result<Tensor> {
    let at = Positions { first_query: call.visible.first_query };
    let AttentionSizes { heads, queries, keys, .. } = *sizes;
    let allowed = Allowed::new(call.mask, heads, queries, keys, at, call.visible.padding)?;
    let weights = masked_normalise(&matmul(q, k, Axis::HeadSize, 1.0)?, &allowed)?; // [B, H, T, S]
    matmul(&weights, v, Axis::Key, 1.0) // [B, H, T, D]
}

fn recurrent(
    [q, k, v]: [&Tensor; 3],
    sizes: &AttentionSizes,
    visible: &Reachable<'_>,
    workgroups: usize,
) -> Result<Tensor> {
    let on = |x| buffer(&RECURRENT, x);
    let (reach, padding) = rules(on(q)?, visible)?;
    let inputs = [("q", on(q)?), ("k", on(k)?), ("v", on(v)?), ("reach", &reach), ("padding", &padding)];
    let steps = (sizes.queries + sizes.keys) * sizes.batch * sizes.heads;
    let grid = Grid { workgroups, work: (steps * sizes.head_size * sizes.head_size) as u64 };
    launch(&RECURRENT, params(&RECURRENT, sizes, visible)?, &inputs, q.shape().clone(), grid)
}

/// The rows of k and v, of any number of matrices, that chunks are made of and whose products are summed.
pub(super) struct Sources<'a> {
    pub(super) k: &'a Tensor, // [B, G, S, D]
    pub(super) v: &'a Tensor, // [B, G, S, E]
    pub(super) padding: Option<&'a Padding>,
    /// M: E, or E + 1 where the sums of k are the last column.
    pub(super) columns: usize,
}

/// The sums of the chunks before and after each place between two chunks, `[N, B, G, D, M]`.
pub(super) struct Chunks {
    count: usize,
    pub(super) before: Tensor,
    pub(super) after: Tensor,
}

impl Chunks {
    fn of_keys(
        [k, v]: [&Tensor; 2],
        sizes: &AttentionSizes,
        visible: &Reachable<'_>,
        initial: Option<&Tensor>,
    ) -> Result<Self> {
        let sources = Sources { k, v, padding: visible.padding, columns: sizes.head_size + 1 };
        let looks_ahead = visible.reach.contains(&Reach::From);
        let looks_back = visible.reach.iter().any(|reach| *reach != Reach::From);
        Chunks::of(&sources, [looks_back, looks_ahead], initial)
    }

    /// The chunks' sums. Only the directions in which some head looks are computed; if that is one, its sums are used
    /// for both.
    pub(super) fn of(
        sources: &Sources<'_>,
        [looks_back, looks_ahead]: [bool; 2],
        initial: Option<&Tensor>,
    ) -> Result<Self> {
        let count = sources.k.shape().sizes()[2].div_ceil(CHUNK);
        let states = states(sources, count)?;
        let scan = |is_backward| scan(&states, count, is_backward, initial);
        Ok(match (looks_back, looks_ahead) {
            (true, true) => Chunks { count, before: scan(false)?, after: scan(true)? },
            (_, is_backward) => {
                let sums = scan(is_backward)?;
                Chunks { count, before: sums.clone(), after: sums }
            }
        })
    }

    fn context(
        &self,
        [q, k, v]: [&Tensor; 3],
        sizes: &AttentionSizes,
        visible: &Reachable<'_>,
        workgroups: usize,
    ) -> Result<Tensor> {
        let on = |x| buffer(&CHUNKED, x);
        let (reach, padding) = rules(on(q)?, visible)?;
        let inputs = [
            ("q", on(q)?),
            ("k", on(k)?),
            ("v", on(v)?),
            ("before", on(&self.before)?),
            ("after", on(&self.after)?),
            ("reach", &reach),
            ("padding", &padding),
        ];
        let queries = sizes.batch * sizes.heads * sizes.queries;
        let work = queries * sizes.head_size * (2 * CHUNK + sizes.head_size);
        let grid = Grid { workgroups, work: work as u64 };
        launch(&CHUNKED, params(&CHUNKED, sizes, visible)?, &inputs, q.shape().clone(), grid)
    }
}

/// The sums of each chunk alone, `[N, B, G, D, M]`.
fn states(sources: &Sources<'_>, chunks: usize) -> Result<Tensor> {
    let Sources { k, v, padding, columns } = *sources;
    let [batch, kv_heads, keys, size] = k.shape().sizes()[..] else { unreachable!("[B, G, S, D]") };
    let count = |size| count(&STATES, size);
    let params = StatesParams {
        chunks: count(chunks)?,
        matrices: count(batch * kv_heads)?,
        kv_heads: count(kv_heads)?,
        keys: count(keys)?,
        size: count(size)?,
        values: count(v.shape().last().map_or(0, |(_, values)| values))?,
        columns: count(columns)?,
        padding_words: count(padding_words(padding, keys))?,
        first_group: 0,
    };
    let on = |x| buffer(&STATES, x);
    let padding = upload_padding(on(k)?, padding)?;
    let state = state_shape(batch, kv_heads, size, columns);
    let shape = Shape::new([&[(Axis::Row, chunks)], state.axes()].concat());
    let grid = Grid { workgroups: shape.len().div_ceil(LANES), work: (shape.len() * CHUNK) as u64 };
    launch(&STATES, params, &[("k", on(k)?), ("v", on(v)?), ("padding", &padding)], shape, grid)
}

/// The sums of the chunks before (or from) each of the `chunks` + 1 places, `[N, B, G, D, M]`.
fn scan(states: &Tensor, chunks: usize, is_backward: bool, initial: Option<&Tensor>) -> Result<Tensor> {
    let state = &states.shape().axes()[1..];
    let cells = state.iter().map(|&(_, size)| size).product::<usize>();
    let shape = Shape::new([&[(Axis::Row, chunks + 1)], state].concat());
    let params = ScanParams {
        cells: count(&SCAN, cells)?,
        chunks: count(&SCAN, chunks)?,
        is_backward: u32::from(is_backward),
        has_initial: u32::from(initial.is_some()),
        first_group: 0,
    };
    let states = buffer(&SCAN, states)?;
    // The kernel needs a buffer here, also where there are no sums to begin with.
    let initial = initial.map_or(Ok(states), |sums| buffer(&SCAN, sums))?;
    let grid = Grid { workgroups: cells.div_ceil(LANES), work: shape.len() as u64 };
    launch(&SCAN, params, &[("states", states), ("initial", initial)], shape, grid)
}

/// Buffers with the reach of every head and with the padding, in the form that the shaders read.
pub(super) fn rules(near: &GpuBuffer, visible: &Reachable<'_>) -> Result<(GpuBuffer, GpuBuffer)> {
    let word = |reach: &Reach| match reach {
        Reach::UpTo(prefix) => *prefix as u32, // at most S
        Reach::From => u32::MAX,
    };
    let reach: Vec<u32> = visible.reach.iter().map(word).collect();
    let reach = near.gpu().constant("reach", bytemuck::cast_slice(&reach))?;
    Ok((reach, upload_padding(near, visible.padding)?))
}

fn params(kernel: &Kernel, sizes: &AttentionSizes, visible: &Reachable<'_>) -> Result<Params> {
    let AttentionSizes { batch, heads, kv_heads, queries, keys, head_size } = *sizes;
    let count = |size| count(kernel, size);
    Ok(Params {
        matrices: count(batch * heads)?,
        heads: count(heads)?,
        kv_heads: count(kv_heads)?,
        queries: count(queries)?,
        keys: count(keys)?,
        size: count(head_size)?,
        first_query: count(visible.first_query)?,
        padding_words: count(padding_words(visible.padding, keys))?,
        first_group: 0,
    })
}
