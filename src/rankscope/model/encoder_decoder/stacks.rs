//! The two stacks of an encoder-decoder, and the passes through them.

use crate::attention::Visibility;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::{Mask, Padding, Positions};
use crate::model::block::{Block, CrossBlock, CrossSource, Norm, StackPass};
use crate::model::cache::KvCache;
use crate::model::embeddings::{LanguageHead, Order};
use crate::ops::gather;
use crate::probe::{Probe, Scope};
use crate::run::Run;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// Embedding, encoder, decoder and output.
pub(in crate::model) struct Stacks {
    pub(in crate::model) embedding: Weight, // [V, C], of both
    /// How tokens know their positions, in the encoder and in the decoder. Rotary positions of the decoder continue
    /// after those of the encoder.
    pub(in crate::model) orders: [Order; 2],
    pub(in crate::model) encoder: Vec<Block>,
    pub(in crate::model) encoder_norm: Norm,
    pub(in crate::model) decoder: Vec<CrossBlock>,
    pub(in crate::model) decoder_norm: Norm,
    /// `None` in a bare model and in a model with another head.
    pub(in crate::model) head: Option<LanguageHead>,
    pub(in crate::model) device: Device,
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
    /// Runs the encoder and fills the empty `cross` with the keys and values of cross-attention, one layer for each
    /// layer of the decoder.
    pub(in crate::model) fn encode(
        &self,
        side: Side<'_>,
        mask: &Mask,
        cross: &mut KvCache,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<()> {
        let at = Positions { first_query: 0 };
        let places = self.orders[0].places("encoder", 0, side.len(), &self.device, probe)?;
        let visibility = Visibility { mask, at, padding: side.padding };
        let pass = StackPass { places: &places, visibility, run };
        let mut x = probe.visit("encoder.embeddings", gather(&self.embedding, side.ids, side.batch)?)?;
        for (index, block) in self.encoder.iter().enumerate() {
            let mut scope = Scope::new(format!("encoder.{index}"), probe);
            x = block.forward(&x, pass, None, &mut scope)?; // [B, S, C]
            run.step("encoder layer", index + 1, self.encoder.len())?;
        }
        let x = probe.visit("encoder.final_norm", self.encoder_norm.forward(x)?)?;
        for (index, block) in self.decoder.iter().enumerate() {
            let mut scope = Scope::new(format!("decoder.{index}.cross_attention"), probe);
            let (k, v) = block.cross_attention.keys_and_values(&x, places.rotation.as_ref(), &mut scope)?;
            cross.layer_mut(index)?.append(k, v)?; // [B, G, S, D]
        }
        Ok(())
    }

    /// The decoder's residual stream after its last layer and norm, `[B, T, C]`, of tokens that follow the positions in
    /// the cache; `source` is the padding of the encoder's positions.
    #[allow(clippy::too_many_arguments)]
    pub(in crate::model) fn decode(
        &self,
        side: Side<'_>,
        mask: &Mask,
        cross: &KvCache,
        source: Option<&Padding>,
        mut cache: Option<&mut KvCache>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        let at = Positions { first_query: cache.as_ref().map_or(0, |cache| cache.len()) };
        let first = match self.orders[1] {
            Order::Rotary(_) => end_of(cross.len(), source)? + at.first_query,
            _ => at.first_query,
        };
        let places = self.orders[1].places("decoder", first, side.len(), &self.device, probe)?;
        let visibility = Visibility { mask, at, padding: side.padding };
        let pass = StackPass { places: &places, visibility, run };
        let mut x = probe.visit("decoder.embeddings", gather(&self.embedding, side.ids, side.batch)?)?;
        for (index, block) in self.decoder.iter().enumerate() {
            let mut scope = Scope::new(format!("decoder.{index}"), probe);
            let cache = cache.as_mut().map(|cache| cache.layer_mut(index)).transpose()?;
            let source = CrossSource { layer: &cross.layers()[index], padding: source };
            x = block.forward(&x, source, pass, cache, &mut scope)?; // [B, T, C]
            run.step("decoder layer", index + 1, self.decoder.len())?;
        }
        probe.visit("decoder.final_norm", self.decoder_norm.forward(x)?)
    }
}

/// Where the tokens among the encoder's `length` positions end. It must be the same place in every sequence, since one
/// table of angles serves all of them.
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
