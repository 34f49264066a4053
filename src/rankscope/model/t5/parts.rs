//! The blocks of T5's stacks.

use super::Sizes;
use crate::attention::{Linear, MultiHead, RelativeBias, ScaledDotProduct};
use crate::axis::{Axis, Shape};
use crate::error::Result;
use crate::model::builder::Builder;
use crate::model::encoder_decoder::{Block, CrossBlock, Network};
use crate::model::{Config, Fresh};

/// The bias of a stack, which stands in its block 0.
pub(super) fn relative(
    sizes: &Sizes,
    config: &Config,
    builder: &mut Builder<'_>,
    stack: &str,
) -> Result<RelativeBias> {
    let buckets = sizes.buckets(config, stack.ends_with("encoder"))?;
    let name = format!("{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
    let axes = [(Axis::Row, sizes.buckets), (Axis::Head, sizes.heads)];
    RelativeBias::new(buckets, builder.stored(&name, Shape::new(axes), Fresh::normal(sizes.width))?)
}

/// Block `block` of the encoder called `stack`.
pub(super) fn encoder_block(
    sizes: &Sizes,
    builder: &mut Builder<'_>,
    stack: &str,
    block: usize,
) -> Result<Block> {
    let layer = |layer: usize| format!("{stack}.block.{block}.layer.{layer}");
    Ok(Block {
        attention_norm: builder.gain(&format!("{}.layer_norm.weight", layer(0)), sizes.width())?,
        self_attention: attention(sizes, builder, &format!("{}.SelfAttention", layer(0)))?,
        feed_forward_norm: builder.gain(&format!("{}.layer_norm.weight", layer(1)), sizes.width())?,
        feed_forward: network(sizes, builder, &format!("{}.DenseReluDense", layer(1)))?,
    })
}

/// Block `block` of the decoder called `stack`.
pub(super) fn decoder_block(
    sizes: &Sizes,
    builder: &mut Builder<'_>,
    stack: &str,
    block: usize,
) -> Result<CrossBlock> {
    let layer = |layer: usize| format!("{stack}.block.{block}.layer.{layer}");
    let norm = |index: usize, builder: &mut Builder<'_>| {
        builder.gain(&format!("{}.layer_norm.weight", layer(index)), sizes.width())
    };
    let attention_norm = norm(0, builder)?;
    let self_attention = attention(sizes, builder, &format!("{}.SelfAttention", layer(0)))?;
    let cross_norm = norm(1, builder)?;
    let cross_attention = attention(sizes, builder, &format!("{}.EncDecAttention", layer(1)))?;
    let feed_forward_norm = norm(2, builder)?;
    let feed_forward = network(sizes, builder, &format!("{}.DenseReluDense", layer(2)))?;
    let block = Block { attention_norm, self_attention, feed_forward_norm, feed_forward };
    Ok(CrossBlock { block, cross_norm, cross_attention })
}

/// Scores without 1/√D: new queries are N(0, 1/(C·D)) instead of N(0, 1/C), which comes to the same.
fn attention(sizes: &Sizes, builder: &mut Builder<'_>, path: &str) -> Result<MultiHead> {
    let (width, inner) = (sizes.width(), sizes.heads * sizes.head_size);
    let (all, shared) = ((Axis::HeadWidth, inner), (Axis::KvWidth, inner));
    let fresh = Fresh::normal(sizes.width * sizes.head_size);
    let query = builder.stored(&format!("{path}.q.weight"), Shape::new([all, width]), fresh)?;
    Ok(MultiHead {
        heads: sizes.heads,
        kv_heads: sizes.heads,
        query: Linear { weight: query.to_device(builder.device())?, bias: None },
        key: builder.linear(&format!("{path}.k"), shared, width, false)?,
        value: builder.linear(&format!("{path}.v"), shared, width, false)?,
        output: builder.linear(&format!("{path}.o"), width, all, false)?,
        mechanism: ScaledDotProduct::with_factor(1.0).into(),
    })
}

fn network(sizes: &Sizes, builder: &mut Builder<'_>, path: &str) -> Result<Network> {
    let (width, inner) = (sizes.width(), (Axis::FeedForward, sizes.feed_forward));
    let mut linear = |part: &str, out, from| builder.linear(&format!("{path}.{part}"), out, from, false);
    let (gate, up) = match sizes.is_gated {
        true => (Some(linear("wi_0", inner, width)?), linear("wi_1", inner, width)?),
        false => (None, linear("wi", inner, width)?),
    };
    Ok(Network { gate, up, down: linear("wo", width, inner)?, activation: sizes.activation })
}
