//! Host side of the online-softmax kernels, `online_*.wgsl`.

use super::cpu::Visible;
use super::{AttentionSizes, backward};
use crate::axis::Axis;
use crate::device::Gpu;
use crate::device::gpu::{GpuBuffer, params};
use crate::error::{Error, Result};
use crate::mask::{Allowed, Mask, Positions, Tile};
use crate::ops::ladder::{Extent, Ladder, SOFTWARE_TURNS, Variant, is_wanted};
use crate::ops::launch::{Grid, buffer, count, kernels, launch, padding_words, upload_padding};
use crate::ops::matmul;
use crate::ops::softmax::{gpu::sinks_or_none, softmax};
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
        factor: f32,
        first_group: u32,
    }
}

kernels! {
    NAIVE: "attention_online_naive", Params, "online_naive.wgsl" + "../../mask/program.wgsl";
    TILED: "attention_online_tiled", Params, "online_tiled.wgsl" + "../../mask/program.wgsl";
}

/// The largest head size for which the kernels have registers.
const MAX_SIZE: usize = 128;
/// Queries and keys of one tile, as in the shaders.
pub(super) const QUERIES: usize = 64;
pub(super) const KEYS: usize = 32;
/// For fewer queries than this, most of a workgroup would be idle, and the scores take little memory.
const FEW_QUERIES: usize = 16;

pub(in crate::ops) static LADDER: Ladder = Ladder {
    op: "attention",
    variants: &[
        Variant {
            name: "materialised",
            kernel: None,
            changes: "scores, softmax and context one after the other, by matmul and masked_softmax; \
                      T x S numbers for each head",
            ..Variant::PLAIN
        },
        Variant {
            name: "online-naive",
            kernel: Some(&NAIVE),
            changes: "scores are never written: one invocation walks over the keys of one query; tiles that \
                      nobody sees are skipped",
            slower: "everywhere but under masks that hide most keys: it reads every key again for each query; \
                     it is the rung that shows the algorithm",
            tile: [QUERIES, 0],
            limits: LIMITS,
            applies: fits,
            turns: |extent| extent.inner * (2 + 3 * extent.columns),
            suits: |situation| situation.extent.rows >= FEW_QUERIES,
            ..Variant::PLAIN
        },
        Variant {
            name: "online-tiled",
            kernel: Some(&TILED),
            changes: "64 queries share keys and values in workgroup memory; one rescaling a tile",
            slower: "than materialised on a software adapter, 2 to 4 times: blocked matmul keeps its sums in registers, \
                     where this one's lie in arrays; taken there all the same, for its memory",
            tile: [QUERIES, 0],
            limits: LIMITS,
            applies: fits,
            turns: |extent| extent.inner.div_ceil(KEYS) * (KEYS * (3 + 3 * extent.columns.div_ceil(32)) + 2),
            suits: |situation| situation.extent.rows >= FEW_QUERIES,
            ..Variant::PLAIN
        },
    ],
    rule: "online-tiled, whose memory is linear in T and S; materialised for fewer than 16 queries, whose \
           weights are small, as in cached decoding, and on llvmpipe where more than 65000 turns of a kernel's \
           loops would be needed, at which it stops",
};

const LIMITS: &str = "a D of at most 128";

fn fits(extent: &Extent) -> bool {
    extent.columns <= MAX_SIZE
}

/// How a GPU computes attention without writing the weights.
pub(super) struct Plan {
    variant: &'static Variant,
    rules: Rules,
}

/// The plan for `gpu`; `None` if the weights are written. Where gradients will be computed, their kernels have to fit
/// too.
///
/// # Errors
/// As [`Ladder::choose`]; [`Error::Invalid`] for a large head size with many queries: they are only materialised if
/// [`with_variant`](crate::ops::with_variant) asks for it.
pub(super) fn plan(
    gpu: &Gpu,
    sizes: &AttentionSizes,
    visible: &Visible<'_>,
    is_tracked: bool,
) -> Result<Option<Plan>> {
    let AttentionSizes { batch, heads, queries, keys, head_size, .. } = *sizes;
    let extent = Extent { batch: batch * heads, rows: queries, columns: head_size, inner: keys };
    let variant = LADDER.choose(gpu, extent)?;
    if variant.kernel.is_none() {
        if queries >= FEW_QUERIES && head_size > MAX_SIZE && !is_wanted(LADDER.op) {
            let expected = format!("at most {MAX_SIZE} on a GPU");
            return Err(Error::invalid("online_attention: head size D", head_size, expected));
        }
        return Ok(None);
    }
    let rules = Rules::of(visible, queries, keys);
    // The turns of the mask programs are added: one for each instruction and each pair.
    let forward = (variant.turns)(&extent).saturating_add(keys.saturating_mul(rules.longest));
    let backward = if is_tracked { backward::gpu::turns(sizes, rules.longest) } else { 0 };
    if gpu.is_software() && forward.max(backward) > SOFTWARE_TURNS {
        if is_wanted(LADDER.op) {
            let expected = format!("one with at most {SOFTWARE_TURNS} turns of its loops under this mask");
            return Err(Error::invalid("variant of attention", variant.name, expected));
        }
        return Ok(None);
    }
    Ok(Some(Plan { variant, rules }))
}

pub(super) fn online_attention(
    [q, k, v]: [&Tensor; 3],
    factor: f32,
    sinks: Option<&Tensor>,
    sizes: &AttentionSizes,
    visible: &Visible<'_>,
    Plan { variant, rules }: Plan,
) -> Result<Tensor> {
    let AttentionSizes { batch, heads, queries, keys, head_size, .. } = *sizes;
    let extent = Extent { batch: batch * heads, rows: queries, columns: head_size, inner: keys };
    let kernel = variant.kernel();
    let count = |size| count(kernel, size);
    let params = Params {
        matrices: count(batch * heads)?,
        heads: count(heads)?,
        kv_heads: count(sizes.kv_heads)?,
        queries: count(queries)?,
        keys: count(keys)?,
        size: count(head_size)?,
        first_query: count(visible.first_query)?,
        padding_words: count(padding_words(visible.padding, keys))?,
        factor,
        first_group: 0,
    };
    let gpu = buffer(kernel, q)?.gpu();
    let upload = |label, words: &[u32]| gpu.constant(label, bytemuck::cast_slice(words));
    let (programs, tiles) = (upload("mask programs", &rules.words)?, upload("mask tiles", &rules.tiles)?);
    let on = |x| buffer(kernel, x);
    let padding = upload_padding(on(q)?, visible.padding)?;
    let sinks = sinks_or_none(kernel, q, heads, sinks)?;
    let inputs: [(&str, &GpuBuffer); 7] = [
        ("q", on(q)?),
        ("k", on(k)?),
        ("v", on(v)?),
        ("rules", &programs),
        ("tiles", &tiles),
        ("padding", &padding),
        ("sinks", &sinks),
    ];
    let pairs = (batch * heads * queries) as f64 * keys as f64 * rules.seen;
    let grid = Grid { workgroups: variant.workgroups(extent), work: (2.0 * pairs * head_size as f64) as u64 };
    launch(kernel, params, &inputs, q.shape().clone(), grid)
}

/// The path through the weights, whose operations record themselves where an argument is tracked.
pub(super) fn materialised(
    [q, k, v]: [&Tensor; 3],
    factor: f32,
    sinks: Option<&Tensor>,
    sizes: &AttentionSizes,
    mask: &Mask,
    visible: &Visible<'_>,
) -> Result<Tensor> {
    let at = Positions { first_query: visible.first_query };
    let AttentionSizes { heads, queries, keys, .. } = *sizes;
    let allowed = Allowed::new(mask, heads, queries, keys, at, visible.padding)?;
    let scores = matmul(q, k, Axis::HeadSize, factor)?; // [B, H, T, S]
    let weights = softmax(super::OP, scores, &allowed, sinks)?; // [B, H, T, S]
    matmul(&weights, v, Axis::Key, 1.0) // [B, H, T, D]
}

/// The masks of all heads as the shaders read them.
pub(super) struct Rules {
    /// For each head the place of its mask program, then for each head its program's number, then the programs.
    pub(super) words: Vec<u32>,
    pub(super) tiles: Vec<u32>,
    /// The share of tiles in which some query sees some key.
    pub(super) seen: f64,
    /// The most turns of a mask program that has to run: one of a head with tiles that the mask allows in part.
    longest: usize,
}

impl Rules {
    pub(super) fn of(visible: &Visible<'_>, queries: usize, keys: usize) -> Self {
        let heads = visible.masks.len();
        let (mut distinct, mut lengths): (Vec<(&Mask, u32)>, Vec<usize>) = Default::default();
        let (mut words, mut programs) = (vec![0; 2 * heads], Vec::new());
        for (head, mask) in visible.masks.iter().enumerate() {
            let number = distinct.iter().position(|(other, _)| *other == mask).unwrap_or_else(|| {
                distinct.push((mask, (2 * heads + programs.len()) as u32));
                lengths.push(mask.program_turns());
                programs.extend(mask.program());
                distinct.len() - 1
            });
            words[head] = distinct[number].1;
            words[heads + head] = number as u32;
        }
        words.extend(programs);
        let (query_tiles, key_tiles) = (queries.div_ceil(QUERIES), keys.div_ceil(KEYS));
        let count = distinct.len() * query_tiles * key_tiles;
        let (mut tiles, mut seen, mut longest) = (vec![0; count.div_ceil(16).max(1)], 0, 0);
        for i in 0..count {
            let (mask, query, key) =
                (distinct[i / key_tiles / query_tiles].0, i / key_tiles % query_tiles, i % key_tiles);
            let rows = query * QUERIES..((query + 1) * QUERIES).min(queries);
            let positions = visible.first_query + rows.start..visible.first_query + rows.end;
            let state = match mask.tile(&positions, &(key * KEYS..((key + 1) * KEYS).min(keys))) {
                Tile::Empty => 0,
                Tile::Full => 1,
                Tile::Mixed => 2,
            };
            if state == 2 {
                longest = longest.max(lengths[i / key_tiles / query_tiles]);
            }
            tiles[i / 16] |= state << (2 * (i % 16));
            seen += usize::from(state != 0);
        }
        Rules { words, tiles, seen: seen as f64 / count.max(1) as f64, longest }
    }
}
