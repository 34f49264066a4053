//! [`EncoderDecoder`]: a model of two stacks. The families choose the blocks and the kind of
//! positions; encoding, decoding, the cache and the names in a trace are the same for all.
//!
//! The encoder reads a whole text, bidirectionally; the decoder predicts, causally, and attends to the encoder's output
//! in every block: x ← x + attention(norm(x)), x ← x + attention(norm(x), encoder's output), x ← x + network(norm(x)).
//!
//! **Source**: Vaswani et al. 2017 (arXiv 1706.03762), section 3.1, with RMS norm before each update.

mod stacks;

use std::sync::Arc;

pub(super) use stacks::{Side, Stacks};

use super::builder::Builder;
use super::cache::KvCache;
use super::count::{self, ModelSizes};
use super::cross_cache::CrossCache;
use super::transformer::Trained;
use super::{Description, EncoderDescription, Input, MaskChoice, Model, Record};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

/// A model of two stacks.
pub(super) struct EncoderDecoder {
    pub(super) description: Description,
    pub(super) record: Record,
    pub(super) stacks: Stacks,
}

impl EncoderDecoder {
    /// The model, once the builder has given it all parts.
    ///
    /// # Errors
    /// As [`Builder::finish`].
    pub(super) fn new(
        trained: Trained,
        encoder: EncoderDescription,
        stacks: Stacks,
        builder: &mut Builder<'_>,
    ) -> Result<Self> {
        let record = builder.finish(&[])?;
        let blocks = stacks.decoder.iter().map(|layer| &layer.block);
        let decoder = Description::new(trained, &stacks.embedding, blocks, &record);
        Ok(EncoderDecoder { description: Description { encoder: Some(encoder), ..decoder }, record, stacks })
    }

    /// Runs the encoder and returns the keys and values of cross-attention.
    fn read(&self, input: &Input, mask: &MaskChoice, probe: &mut dyn Probe, run: &Run) -> Result<CrossCache> {
        let mask = mask.of_encoder(&self.description).expect("a model with an encoder");
        let batch = input.batch_size();
        let mut cache =
            KvCache::new(self.record.name(), self.description.layout(batch), &self.stacks.device)?;
        let side = Side { ids: input.ids(), batch, padding: input.padding() };
        self.stacks.encode(side, &mask, &mut cache, probe, run)?;
        Ok(CrossCache::new(input, mask, cache))
    }

    /// The last hidden states of the decoder's ids, which follow the positions in the cache.
    #[allow(clippy::too_many_arguments)]
    fn decode(
        &self,
        ids: &[u32],
        input: &Input,
        cross: &CrossCache,
        mask: &MaskChoice,
        cache: Option<&mut KvCache>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        let mask = mask.resolve(&self.description);
        let side = Side { ids, batch: input.batch_size(), padding: input.decoder_padding() };
        let source = cross.keys_and_values();
        let hidden = self.stacks.decode(side, &mask, source, cross.padding(), cache, probe, run)?;
        self.record.finite_on_the_cpu("the last hidden state", hidden)
    }

    /// The decoder's ids, after a check of both sides.
    fn ids(&self, input: &Input, cached: usize) -> Result<Vec<u32>> {
        let encoder = self.description.encoder.as_ref().expect("a model with an encoder");
        let ids = input.decoder_or_start(encoder.start)?;
        input.check_both(&self.description, &ids, cached)?;
        let (source, target) = (input.len(), cached + ids.len() / input.batch_size());
        if encoder.shares_context && source + target > self.description.context {
            let expected =
                format!("at most {}, the model's context, which both sides share", self.description.context);
            return Err(Error::invalid("number of tokens of both sides", source + target, expected));
        }
        Ok(ids)
    }
}

impl Model for EncoderDecoder {
    fn description(&self) -> &Description {
        &self.description
    }

    fn device(&self) -> &Device {
        &self.stacks.device
    }

    fn record(&self) -> &Record {
        &self.record
    }

    fn sizes(&self) -> ModelSizes {
        count::of_pair(self)
    }

    fn hidden(&self, input: &Input, mask: &MaskChoice, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        let ids = self.ids(input, 0)?;
        let cross = self.read(input, mask, probe, run)?;
        self.decode(&ids, input, &cross, mask, None, probe, run)
    }

    fn logits(&self, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Option<Tensor>> {
        let Some(head) = &self.stacks.head else { return Ok(None) };
        let logits = head.forward(hidden, probe)?; // [B, T, V]
        probe.visit("logits", self.record.finite_on_the_cpu("logits", logits)?).map(Some)
    }

    fn cache(&self, batch: usize) -> Result<KvCache> {
        KvCache::new(self.record.name(), self.description.layout(batch), &self.stacks.device)
    }

    fn hidden_after(
        &self,
        cache: &mut KvCache,
        input: &Input,
        mask: &MaskChoice,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        cache.expect(self.record.name(), self.description.layout(input.batch_size()), &self.stacks.device)?;
        let ids = self.ids(input, cache.len())?;
        if input.decoder_padding().is_some_and(|padding| !padding.is_trivial()) {
            return Err(Error::invalid("decoder padding", "given", "none in a pass with a cache"));
        }
        let masks = mask.of_layers(&self.description);
        cache.expect_masks(&masks, ids.len() / input.batch_size())?;
        let mut grown = cache.clone();
        match grown.cross() {
            Some(cross) => {
                let mask = mask.of_encoder(&self.description).expect("a model with an encoder");
                cross.expect(input, &mask)?;
            }
            None => grown.set_cross(Arc::new(self.read(input, mask, probe, run)?)),
        }
        let cross = grown.shared_cross().expect("just read");
        let hidden = self.decode(&ids, input, &cross, mask, Some(&mut grown), probe, run)?;
        grown.set_masks(masks);
        *cache = grown;
        Ok(hidden)
    }
}
