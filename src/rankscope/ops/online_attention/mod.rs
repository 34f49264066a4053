//! Attention without the n × n matrix: softmax computed while walking over the keys.

pub(super) mod backward;
pub(crate) mod cpu;
mod few_queries;
pub(super) mod gpu;
mod panels;

use crate::axis::Axis;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::{Mask, Padding, Positions};
use crate::ops::softmax::expect_sinks;
use crate::ops::{expect_shape, expect_size};
use crate::run::Run;
use crate::tape;
use crate::tensor::Tensor;

use backward::Kept;

/// softmax(factor · Q·Kᵀ over the allowed keys) · V, in memory linear in T and S; with sinks, the softmax of
/// [`masked_softmax_with_sinks`](super::masked_softmax_with_sinks).
///
/// The keys are processed in tiles. For each query the largest score so far m, the sum so far l = Σ e^(x − m) and the
/// unnormalised context so far c = Σ e^(x − m)·v are kept; a tile with a larger score m′ first scales l and c by e^(m −
/// m′). In the end the context is c / l. Tiles that no query sees are skipped ([`Mask::tile`]): under a causal mask,
/// half of them. With a sink b, m starts at b and l at e^(b − m) = 1.
///
/// **Shapes**: q `[B, H, T, D]`, k and v `[B, G, S, D]` (or H in place of G), sinks `[H]`, result `[B, H, T, D]`.
///
/// **Conventions**: as [`masked_softmax`](super::masked_softmax): a query that may attend to nothing has
/// context 0, and masked scores are never looked at. Accumulation in f32. The backward pass computes the weights again,
/// tile by tile, from the logarithm of each query's sum, and takes memory linear in T and S too.
///
/// # Errors
/// A shape, placement or mask error naming what does not fit; on a GPU, a D above 128 with 16 queries or
/// more; [`Error::Cancelled`].
///
/// **Source**: Milakov & Gimelshein 2018 (arXiv 1805.02867), algorithm 3; Dao et al. 2022
/// (arXiv 2205.14135), algorithm 1; Rabe & Staats 2021 (arXiv 2112.05682).
#[allow(clippy::too_many_arguments)]
pub fn online_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    factor: f32,
    sinks: Option<&Tensor>,
    mask: &Mask,
    at: Positions,
    padding: Option<&Padding>,
    run: &Run,
) -> Result<Tensor> {
    let (sizes, padding) = AttentionSizes::under(OP, [q, k, v], mask, padding)?;
    if let Some(sinks) = sinks {
        expect_sinks(OP, sinks, sizes.heads, &q.device())?;
    }
    let masks = (0..sizes.heads).map(|head| mask.for_head(head, sizes.heads)).collect();
    let visible = cpu::Visible { masks, first_query: at.first_query, padding };
    let arguments: Vec<&Tensor> = [q, k, v].into_iter().chain(sinks).collect();
    run.check()?;
    let plan = match q.device() {
        Device::Cpu => None,
        Device::Gpu(gpu) => {
            let is_tracked = arguments.iter().any(|x| x.is_tracked());
            let Some(plan) = gpu::plan(&gpu, &sizes, &visible, is_tracked)? else {
                return gpu::materialised([q, k, v], factor, sinks, &sizes, mask, &visible);
            };
            Some(plan)
        }
    };
    let (tape, arguments) = tape::begin_all(OP, &arguments)?;
    let ([q, k, v], sinks) = (&arguments[..3], arguments.get(3)) else { unreachable!("three or four") };
    let (context, log_sums) = match plan {
        None => {
            let inputs = inputs([q, k, v], factor, sinks, &sizes, &visible);
            let (context, log_sums) = cpu::attend(&inputs, run)?;
            (Tensor::on_cpu(q.shape().clone(), context), log_sums)
        }
        Some(plan) => (gpu::online_attention([q, k, v], factor, sinks, &sizes, &visible, plan)?, Vec::new()),
    };
    let kept = tape.as_ref().map(|_| Kept {
        inputs: [q, k, v].map(Tensor::clone),
        sinks: sinks.cloned(),
        context: context.clone(),
        log_sums,
        factor,
        sizes,
        first_query: at.first_query,
        padding: padding.cloned(),
        masks: visible.masks,
        run: run.clone(),
    });
    Ok(tape::record_all(tape, context, |dy| kept.expect("kept where there is a tape").gradients(dy)))
}

const OP: &str = "online_attention";

/// The numbers of tensors on the CPU.
fn inputs<'a>(
    qkv: [&'a Tensor; 3],
    factor: f32,
    sinks: Option<&'a Tensor>,
    sizes: &'a AttentionSizes,
    visible: &'a cpu::Visible<'a>,
) -> cpu::Inputs<'a> {
    let [q, k, v] = qkv.map(values);
    cpu::Inputs { q, k, v, factor, sinks: sinks.map(values), sizes, visible }
}

fn values(x: &Tensor) -> &[f32] {
    x.as_slice().expect("on the CPU, as all arguments are")
}

/// The sizes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionSizes {
    /// B.
    pub batch: usize,
    /// H.
    pub heads: usize,
    /// G.
    pub kv_heads: usize,
    /// T.
    pub queries: usize,
    /// S.
    pub keys: usize,
    /// D.
    pub head_size: usize,
}

impl AttentionSizes {
    /// The sizes of q `[B, H, T, D]`, k and v `[B, G, S, D]`, or an error of operation `op`.
    pub(super) fn of(op: &'static str, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Self> {
        let axes = [Axis::Batch, Axis::Head, Axis::Query, Axis::HeadSize];
        let [batch, heads, queries, head_size] = q.shape().expect(op, "q", axes)?;
        let [k_batch, kv_heads, keys, k_size] =
            k.shape().expect(op, "k", [Axis::Batch, kv_axis(k), Axis::Key, Axis::HeadSize])?;
        expect_size(op, "k", Axis::Batch, batch, k_batch)?;
        expect_size(op, "k", Axis::HeadSize, head_size, k_size)?;
        if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            let expected = format!("a divisor of H = {heads}");
            return Err(Error::invalid(format!("{op}: k's G"), kv_heads, expected));
        }
        expect_shape(op, "v", k.shape(), v)?;
        Ok(AttentionSizes { batch, heads, kv_heads, queries, keys, head_size })
    }

    /// The sizes, and the padding if it hides anything, once mask, padding and devices fit too.
    pub(super) fn under<'a>(
        op: &'static str,
        [q, k, v]: [&Tensor; 3],
        mask: &Mask,
        padding: Option<&'a Padding>,
    ) -> Result<(Self, Option<&'a Padding>)> {
        let sizes = AttentionSizes::of(op, q, k, v)?;
        mask.check(sizes.keys)?;
        let padding = padding.filter(|padding| !padding.is_trivial());
        if let Some(padding) = padding {
            padding.expect(sizes.batch, sizes.keys)?;
        }
        for (argument, tensor) in [("k", k), ("v", v)] {
            tensor.expect_same_device(op, argument, &q.device())?;
        }
        Ok((sizes, padding))
    }

    /// The key/value head that query head `head` of sequence `sequence` uses, counted over the batch.
    pub(super) fn kv_head(&self, sequence: usize, head: usize) -> usize {
        sequence * self.kv_heads + head / (self.heads / self.kv_heads)
    }
}

/// The name of the keys' head axis: G, or H where every query head has keys of its own.
pub(super) fn kv_axis(k: &Tensor) -> Axis {
    if k.shape().size(Axis::Head).is_some() { Axis::Head } else { Axis::KvHead }
}
