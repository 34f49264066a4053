//! The sizes of a model, taken from its parts, which may have numbers or shapes only.

use super::{AttentionSizes, FeedForwardSizes, ModelSizes, Output, Sees, StackSizes};
use crate::attention::{Mechanism, MultiHead};
use crate::axis::Axis;
use crate::mask::Mask;
use crate::model::block::{Block, Norm};
use crate::model::embeddings::Order;
use crate::model::encoder_decoder::EncoderDecoder;
use crate::model::feed_forward::{FeedForward, Network};
use crate::model::transformer::Transformer;
use crate::model::{Description, MaskChoice, Record};
use crate::weight::Weight;

/// A model of one stack.
pub(in crate::model) fn of_stack(model: &Transformer) -> ModelSizes {
    let Transformer { description, record, body, .. } = model;
    let embeddings = &body.embeddings;
    let rows = |table: &Option<Weight>| table.as_ref().map_or(0, |table| table.shape().sizes()[0]);
    let (sees, full_layers) = sees(&MaskChoice::AsTrained.of_layers(description), body.is_decoder);
    let stack = StackSizes {
        has_final_norm: body.final_norm.is_some(),
        position_biases: position_biases(&body.order),
        sees,
        full_layers,
        ..StackSizes::of(body.blocks.iter())
    };
    let (encoder, decoder) = if body.is_decoder { (None, Some(stack)) } else { (Some(stack), None) };
    let is_limited = description.is_limited && !matches!(body.order, Order::Relative(_));
    ModelSizes {
        context: is_limited.then_some(description.context),
        positions: rows(&embeddings.positions),
        segments: rows(&embeddings.segments),
        embedding_norm: embeddings.norm.as_ref().map_or(0, Norm::parameters),
        encoder,
        decoder,
        output: output(record, body.is_decoder && body.head.is_some()),
        has_pooler: body.pooler.is_some(),
        ..bare(description, record)
    }
}

/// A model of two stacks.
pub(in crate::model) fn of_pair(model: &EncoderDecoder) -> ModelSizes {
    let EncoderDecoder { description, record, stacks } = model;
    let [encoder_biases, decoder_biases] = stacks.orders.each_ref().map(position_biases);
    let encoder = StackSizes {
        has_final_norm: true,
        position_biases: encoder_biases,
        ..StackSizes::of(stacks.encoder.iter())
    };
    let own = StackSizes::of(stacks.decoder.iter().map(|layer| &layer.block));
    let cross = &stacks.decoder[0].cross_attention;
    let decoder = StackSizes {
        cross_attention: Some(AttentionSizes::of(cross)),
        norms: own.norms + 1,
        has_final_norm: true,
        position_biases: decoder_biases,
        sees: Sees::Past,
        ..own
    };
    let is_relative = matches!(stacks.orders[0], Order::Relative(_));
    ModelSizes {
        context: (!is_relative).then_some(description.context),
        encoder: Some(encoder),
        decoder: Some(decoder),
        output: output(record, stacks.head.is_some()),
        ..bare(description, record)
    }
}

/// The sizes that models of one and of two stacks share.
fn bare(description: &Description, record: &Record) -> ModelSizes {
    ModelSizes {
        family: description.family.to_owned(),
        width: description.width,
        vocab: description.vocab,
        task_heads: super::folder::heads(record.tensors(), description),
        ..ModelSizes::default()
    }
}

/// The output layer is tied where there is no second table `[V, C]`.
fn output(record: &Record, has_output: bool) -> Output {
    let is_table = |weight: &Weight| matches!(weight.shape().axes(), [(Axis::Vocab, _), (Axis::Width, _)]);
    match record.tensors().iter().filter(|(_, weight)| is_table(weight)).count() {
        _ if !has_output => Output::None,
        2.. => Output::Own,
        _ => Output::Tied,
    }
}

fn position_biases(order: &Order) -> usize {
    match order {
        Order::Relative(bias) => bias.buckets().count() * bias.heads(),
        _ => 0,
    }
}

/// What a position sees in the layers of a stack, and how many layers have no window if others have one. Heads or
/// layers that see one side count equally many pairs for either side.
fn sees(masks: &[Mask], is_decoder: bool) -> (Sees, usize) {
    let windows: Vec<_> = masks.iter().map(Mask::window_size).collect();
    let reads_both_ways = masks.iter().all(|mask| matches!(mask.name(), Some("bidirectional" | "prefix")));
    match windows.iter().flatten().next() {
        Some(&window) => (Sees::Window(window), windows.iter().filter(|window| window.is_none()).count()),
        None if !is_decoder && reads_both_ways => (Sees::All, 0),
        None => (Sees::Past, 0),
    }
}

impl StackSizes {
    /// The sizes of a stack of equal blocks, of which there is at least one.
    ///
    /// **Conventions**: without a final norm and position biases; every position sees all.
    pub(in crate::model) fn of<'a>(mut blocks: impl ExactSizeIterator<Item = &'a Block>) -> Self {
        let layers = blocks.len();
        let block = blocks.next().expect("a stack has a layer");
        StackSizes {
            layers,
            self_attention: AttentionSizes::of(&block.self_attention),
            feed_forward: FeedForwardSizes::of(&block.feed_forward),
            norms: 2,
            norm_size: block.attention_norm.parameters(),
            ..StackSizes::default()
        }
    }
}

impl AttentionSizes {
    fn of(attention: &MultiHead) -> Self {
        let size = attention.head_size();
        AttentionSizes {
            heads: attention.heads,
            kv_heads: attention.kv_heads,
            head_size: size,
            has_bias: attention.query.bias.is_some(),
            has_output_bias: attention.output.bias.is_some(),
            state: match attention.mechanism {
                Mechanism::Linear(_) => size * (size + 1),
                Mechanism::StateSpace(_) => size * size,
                _ => 0,
            },
            has_gate: attention.gate.is_some(),
            mechanism: attention.mechanism.parameter_count(),
        }
    }
}

impl FeedForwardSizes {
    fn of(feed_forward: &FeedForward) -> Self {
        let of = |network: &Network, experts, active| FeedForwardSizes {
            width: network.up.weight.shape().size(Axis::FeedForward).unwrap_or(0),
            matrices: 2 + usize::from(network.gate.is_some()),
            has_bias: network.up.bias.is_some(),
            experts,
            active,
        };
        match feed_forward {
            FeedForward::Network(network) => of(network, 1, 1),
            FeedForward::Mixture(mixture) => of(&mixture.experts[0], mixture.experts.len(), mixture.visited),
        }
    }
}
