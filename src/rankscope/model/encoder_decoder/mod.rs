//! [`EncoderDecoder`]: a model of two stacks. The families say what their blocks are made of and where their
//! positions come from; reading, decoding, the cache and the names of a trace are the same for all.
//!
//! The encoder reads a whole text, bidirectionally; the decoder predicts, causally, and looks at the encoder's
//! output in every block: x ← x + attention(norm(x)), x ← x + attention(norm(x), encoder's output),
//! x ← x + network(norm(x)).
//!
//! **Source**: Vaswani et al. 2017 (arXiv 1706.03762), section 3.1, with RMS norm before each update.

mod block;
mod network;
mod stacks;

use std::sync::Arc;

pub(super) use block::{Block, CrossBlock, Pass};
pub(super) use network::{Activation, FeedForward, Network};
pub(super) use stacks::{Order, Side, Stacks};

use super::cache::{CacheLayout, KvCache};
use super::{Description, Input, MaskChoice, Memory, Model, Record};
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
    fn layout(&self, batch: usize) -> CacheLayout {
        let Description { layers, kv_heads, head_size, .. } = self.description;
        CacheLayout { layers, batch, kv_heads, head_size }
    }

    /// The encoder's side of the input, read.
    fn read(&self, input: &Input, mask: &MaskChoice, probe: &mut dyn Probe, run: &Run) -> Result<Memory> {
        let mask = mask.of_encoder(&self.description).expect("a model with an encoder");
        let batch = input.batch_size();
        let mut cache = KvCache::new(self.record.name(), self.layout(batch), &self.stacks.device)?;
        let side = Side { ids: input.ids(), batch, padding: input.padding() };
        self.stacks.encode(side, &mask, &mut cache, probe, run)?;
        Ok(Memory::new(input, mask, cache))
    }

    /// The last hidden states of the decoder's ids, which follow what the cache holds.
    #[allow(clippy::too_many_arguments)]
    fn decode(
        &self,
        ids: &[u32],
        input: &Input,
        memory: &Memory,
        mask: &MaskChoice,
        cache: Option<&mut KvCache>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        let mask = mask.resolve(&self.description);
        let side = Side { ids, batch: input.batch_size(), padding: input.decoder_padding() };
        let source = memory.keys_and_values();
        let hidden = self.stacks.decode(side, &mask, source, memory.padding(), cache, probe, run)?;
        self.record.finite_on_the_cpu("the last hidden state", hidden)
    }

    /// The decoder's ids, checked with the encoder's.
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

    fn hidden(&self, input: &Input, mask: &MaskChoice, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        let ids = self.ids(input, 0)?;
        let memory = self.read(input, mask, probe, run)?;
        self.decode(&ids, input, &memory, mask, None, probe, run)
    }

    fn logits(&self, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Option<Tensor>> {
        let Some(logits) = self.stacks.logits(hidden)? else { return Ok(None) };
        probe.visit("logits", self.record.finite_on_the_cpu("logits", logits)?).map(Some) // [B, T, V]
    }

    fn cache(&self, batch: usize) -> Result<KvCache> {
        KvCache::new(self.record.name(), self.layout(batch), &self.stacks.device)
    }

    fn hidden_after(
        &self,
        cache: &mut KvCache,
        input: &Input,
        mask: &MaskChoice,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        cache.expect(self.record.name(), self.layout(input.batch_size()), &self.stacks.device)?;
        let ids = self.ids(input, cache.len())?;
        if input.decoder_padding().is_some_and(|padding| !padding.is_trivial()) {
            return Err(Error::invalid("decoder padding", "given", "none in a pass with a cache"));
        }
        let masks = mask.of_layers(&self.description);
        cache.expect_masks(&masks, ids.len() / input.batch_size())?;
        let mut grown = cache.clone();
        match grown.memory() {
            Some(memory) => {
                let mask = mask.of_encoder(&self.description).expect("a model with an encoder");
                memory.expect(input, &mask)?;
            }
            None => grown.set_memory(Arc::new(self.read(input, mask, probe, run)?)),
        }
        let memory = grown.shared_memory().expect("just read");
        let hidden = self.decode(&ids, input, &memory, mask, Some(&mut grown), probe, run)?;
        grown.set_masks(masks);
        *cache = grown;
        Ok(hidden)
    }
}
