//! The two stacks of an encoder-decoder, and the walk through them.

use super::block::{Block, CrossBlock, Pass, Source};
use crate::attention::{RelativeBias, Visibility};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::{Mask, Padding, Positions};
use crate::model::cache::{KvCache, Places};
use crate::model::rope::Rotation;
use crate::ops::{gather, linear, rms_norm, scale};
use crate::probe::{Probe, Scope};
use crate::run::Run;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// Embedding, encoder, decoder and output.
pub(in crate::model) struct Stacks {
    pub(in crate::model) embedding: Weight, // [V, C], of both
    pub(in crate::model) encoder: Vec<Block>,
    pub(in crate::model) encoder_norm: Tensor, // [C]
    pub(in crate::model) decoder: Vec<CrossBlock>,
    pub(in crate::model) decoder_norm: Tensor, // [C]
    /// `[V, C]`, the embedding itself where tied; absent of a bare model and of one with another head.
    pub(in crate::model) output: Option<Weight>,
    /// What the hidden state is multiplied by before the output layer.
    pub(in crate::model) output_scale: Option<f32>,
    pub(in crate::model) order: Order,
    pub(in crate::model) epsilon: f32,
    pub(in crate::model) device: Device,
}

/// How the stacks know where tokens stand.
pub(in crate::model) enum Order {
    /// A bias by distance in self-attention, one for all blocks of the encoder and one for all of the decoder;
    /// none in cross-attention.
    Relative(Box<[RelativeBias; 2]>),
    /// Rotary positions in all attention; the decoder's go on where the encoder's end.
    Continued { rotation: Rotation },
}

/// Tokens of one side: ids of B sequences, `[B, T]`, and which of them are tokens.
#[derive(Clone, Copy)]
pub(in crate::model) struct Side<'a> {
    pub(in crate::model) ids: &'a [u32],
    pub(in crate::model) batch: usize,
    pub(in crate::model) padding: Option<&'a Padding>,
}

impl Side<'_> {
    fn len(&self) -> usize {
        self.ids.len() / self.batch
    }
}

impl Stacks {
    /// Reads the encoder's side: fills `memory`, which is empty, with the keys and values that the decoder's
    /// cross-attention will see, layer by layer.
    pub(in crate::model) fn encode(
        &self,
        side: Side<'_>,
        mask: &Mask,
        memory: &mut KvCache,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<()> {
        let at = Positions { first_query: 0 };
        let places = self.places(Stack::Encoder, || Ok(0), side.len(), at, probe)?;
        let visibility = Visibility { mask, at, padding: side.padding };
        let pass = Pass { epsilon: self.epsilon, places: &places, visibility, run };
        let mut x = probe.visit("encoder.embeddings", gather(&self.embedding, side.ids, side.batch)?)?;
        for (index, block) in self.encoder.iter().enumerate() {
            let mut scope = Scope::new(format!("encoder.{index}"), probe);
            x = block.forward(&x, pass, None, &mut scope)?; // [B, S, C]
            run.step("encoder layer", index + 1, self.encoder.len())?;
        }
        let x = probe.visit("encoder.final_norm", rms_norm(x, &self.encoder_norm, self.epsilon)?)?;
        for (index, block) in self.decoder.iter().enumerate() {
            let mut scope = Scope::new(format!("decoder.{index}.cross_attention"), probe);
            let (k, v) = block.cross_attention.keys_and_values(&x, places.rotation.as_ref(), &mut scope)?;
            memory.layer_mut(index)?.append(k, v)?; // [B, G, S, D]
        }
        Ok(())
    }

    /// The decoder's residual stream after its last layer and norm, `[B, T, C]`, of tokens that follow what the
    /// cache holds; `source` is the padding of the memory's positions.
    #[allow(clippy::too_many_arguments)]
    pub(in crate::model) fn decode(
        &self,
        side: Side<'_>,
        mask: &Mask,
        memory: &KvCache,
        source: Option<&Padding>,
        mut cache: Option<&mut KvCache>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        let at = Positions { first_query: cache.as_ref().map_or(0, |cache| cache.len()) };
        let behind = || end_of(memory.len(), source);
        let places = self.places(Stack::Decoder, behind, side.len(), at, probe)?;
        let visibility = Visibility { mask, at, padding: side.padding };
        let pass = Pass { epsilon: self.epsilon, places: &places, visibility, run };
        let mut x = probe.visit("decoder.embeddings", gather(&self.embedding, side.ids, side.batch)?)?;
        for (index, block) in self.decoder.iter().enumerate() {
            let mut scope = Scope::new(format!("decoder.{index}"), probe);
            let cache = cache.as_mut().map(|cache| cache.layer_mut(index)).transpose()?;
            let source = Source { layer: &memory.layers()[index], padding: source };
            x = block.forward(&x, source, pass, cache, &mut scope)?; // [B, T, C]
            run.step("decoder layer", index + 1, self.decoder.len())?;
        }
        probe.visit("decoder.final_norm", rms_norm(x, &self.decoder_norm, self.epsilon)?)
    }

    /// Scores of every vocabulary entry, `[B, T, V]`; `None` without an output layer.
    pub(in crate::model) fn logits(&self, hidden: &Tensor) -> Result<Option<Tensor>> {
        let Some(output) = &self.output else { return Ok(None) };
        match self.output_scale {
            Some(factor) => linear(&scale(hidden, factor)?, output).map(Some),
            None => linear(hidden, output).map(Some),
        }
    }

    /// What positions bring to a stack's attention: T of them from `at` on, `behind` those of the encoder.
    fn places(
        &self,
        stack: Stack,
        behind: impl FnOnce() -> Result<usize>,
        length: usize,
        at: Positions,
        probe: &mut dyn Probe,
    ) -> Result<Places> {
        let (name, relative) = match (&self.order, stack) {
            (Order::Continued { rotation }, _) => {
                let first = behind()? + at.first_query;
                let table = rotation.table(first, length, &self.device)?;
                return Ok(Places { rotation: Some(table), bias: None });
            }
            (Order::Relative(biases), Stack::Encoder) => ("encoder.position_bias", &biases[0]),
            (Order::Relative(biases), Stack::Decoder) => ("decoder.position_bias", &biases[1]),
        };
        let bias = relative.bias(length, at.first_query + length, at, &self.device)?; // [H, T, S]
        Ok(Places { rotation: None, bias: Some(probe.visit(name, bias)?) })
    }
}

/// Where the tokens of the encoder's `length` positions end: the same place in every sequence, since one table of
/// angles serves them all.
fn end_of(length: usize, padding: Option<&Padding>) -> Result<usize> {
    let Some(padding) = padding.filter(|padding| !padding.is_trivial()) else { return Ok(length) };
    let end = |sequence| (0..length).rev().find(|&at| padding.is_real(sequence, at)).map_or(0, |at| at + 1);
    let ends: Vec<usize> = (0..padding.batch()).map(end).collect();
    match ends.iter().find(|&&end| end != ends[0]) {
        None => Ok(ends[0]),
        Some(other) => {
            let expected = "one length: the decoder's positions go on where the encoder's end";
            let got = format!("{} and {other}", ends[0]);
            Err(Error::invalid("lengths of the encoder's sequences in one batch", got, expected))
        }
    }
}

#[derive(Clone, Copy)]
enum Stack {
    Encoder,
    Decoder,
}
