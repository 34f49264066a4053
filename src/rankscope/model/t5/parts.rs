//! The blocks of T5's stacks.

use super::T5Fields;
use crate::attention::{Linear, MultiHead, RelativeBias, ScaledDotProduct};
use crate::axis::{Axis, Shape};
use crate::error::Result;
use crate::model::block::{Block, CrossBlock};
use crate::model::builder::Builder;
use crate::model::feed_forward::Network;
use crate::model::variant::buckets;
use crate::model::{Config, Fresh};

/// The bias of a stack, which is stored in its block 0.
pub(super) fn relative(
    fields: &T5Fields,
    config: &Config,
    builder: &mut Builder<'_>,
    stack: &str,
) -> Result<RelativeBias> {
    let sizes = [fields.buckets, fields.max_distance];
    let buckets = buckets(config, sizes, stack.ends_with("encoder"))?;
    let name = format!("{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
    let axes = [(Axis::Row, fields.buckets), (Axis::Head, fields.heads)];
    RelativeBias::new(buckets, builder.stored(&name, Shape::new(axes), Fresh::normal(fields.width))?)
}

/// Block `block` of the encoder called `stack`.
pub(super) fn encoder_block(
    fields: &T5Fields,
    builder: &mut Builder<'_>,
    stack: &str,
    block: usize,
) -> Result<Block> {
    let layer = |layer: usize| format!("{stack}.block.{block}.layer.{layer}");
    Ok(Block {
        attention_norm: fields.norm(builder, &format!("{}.layer_norm", layer(0)))?,
        self_attention: attention(fields, builder, &format!("{}.SelfAttention", layer(0)))?,
        feed_forward_norm: fields.norm(builder, &format!("{}.layer_norm", layer(1)))?,
        feed_forward: network(fields, builder, &format!("{}.DenseReluDense", layer(1)))?.into(),
        is_pre_norm: true,
    })
}

/// Block `block` of the decoder called `stack`.
pub(super) fn decoder_block(
    fields: &T5Fields,
    builder: &mut Builder<'_>,
    stack: &str,
    block: usize,
) -> Result<CrossBlock> {
    let layer = |layer: usize| format!("{stack}.block.{block}.layer.{layer}");
    let norm = |index: usize, builder: &mut Builder<'_>| {
        fields.norm(builder, &format!("{}.layer_norm", layer(index)))
    };
    let attention_norm = norm(0, builder)?;
    let self_attention = attention(fields, builder, &format!("{}.SelfAttention", layer(0)))?;
    let cross_norm = norm(1, builder)?;
    let cross_attention = attention(fields, builder, &format!("{}.EncDecAttention", layer(1)))?;
    let feed_forward_norm = norm(2, builder)?;
    let feed_forward = network(fields, builder, &format!("{}.DenseReluDense", layer(2)))?.into();
    let block = Block { attention_norm, self_attention, feed_forward_norm, feed_forward, is_pre_norm: true };
    Ok(CrossBlock { block, cross_norm, cross_attention })
}

/// Scores without 1/√D: new queries are N(0, 1/(C·D)) instead of N(0, 1/C), which gives scores of the same size.
fn attention(fields: &T5Fields, builder: &mut Builder<'_>, path: &str) -> Result<MultiHead> {
    let (width, inner) = (fields.width(), fields.heads * fields.head_size);
    let (all, shared) = ((Axis::HeadWidth, inner), (Axis::KvWidth, inner));
    let fresh = Fresh::normal(fields.width * fields.head_size);
    let query = builder.stored(&format!("{path}.q.weight"), Shape::new([all, width]), fresh)?;
    Ok(MultiHead {
        heads: fields.heads,
        kv_heads: fields.heads,
        query: Linear { weight: query.to_device(builder.device())?, bias: None },
        key: builder.linear(&format!("{path}.k"), shared, width, false)?,
        value: builder.linear(&format!("{path}.v"), shared, width, false)?,
        output: builder.linear(&format!("{path}.o"), width, all, false)?,
        gate: None,
        mechanism: ScaledDotProduct::with_factor(1.0).into(),
    })
}

fn network(fields: &T5Fields, builder: &mut Builder<'_>, path: &str) -> Result<Network> {
    let (width, inner) = (fields.width(), (Axis::FeedForward, fields.feed_forward));
    let mut linear = |part: &str, out, from| builder.linear(&format!("{path}.{part}"), out, from, false);
    let (gate, up) = match fields.is_gated {
        true => (Some(linear("wi_0", inner, width)?), linear("wi_1", inner, width)?),
        false => (None, linear("wi", inner, width)?),
    };
    Ok(Network { gate, up, down: linear("wo", width, inner)?, activation: fields.activation })
}
