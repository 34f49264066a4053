//! [`Transformer`]: one stack of layers between an embedding and an output head, with a cache where it is a
//! decoder.
//!
//! A family chooses the parts. The pass through the layers, the masks, the cache and the names in a trace are the same
//! for all.

use super::block::{Block, Norm, StackPass};
use super::builder::Builder;
use super::cache::KvCache;
use super::count::{self, ModelSizes};
use super::embeddings::{Embeddings, LanguageHead, Order};
use super::{Description, Input, MaskChoice, Model, OtherMask, Record};
use crate::attention::{Linear, Mechanism, Visibility};
use crate::axis::Axis;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::{Mask, Positions};
use crate::ops::{slice, tanh};
use crate::probe::{Probe, Scope};
use crate::run::Run;
use crate::tensor::Tensor;

/// A model of one stack.
pub(super) struct Transformer {
    pub(super) description: Description,
    pub(super) device: Device,
    pub(super) record: Record,
    pub(super) body: Body,
}

/// The parts of one stack.
pub(super) struct Body {
    /// Whether it is a decoder, whose keys and values may be kept for later passes, and not an encoder.
    pub(super) is_decoder: bool,
    pub(super) embeddings: Embeddings,
    pub(super) order: Order,
    pub(super) blocks: Vec<Block>,
    pub(super) final_norm: Option<Norm>,
    pub(super) head: Option<LanguageHead>,
    /// A dense layer over the first token, `[C, C]` (BERT).
    pub(super) pooler: Option<Linear>,
}

/// What cannot be seen from the parts of a model: its family, and how it was trained.
pub(super) struct Trained {
    /// The family on the registry.
    pub(super) family: &'static str,
    /// The length that it was made for, in tokens.
    pub(super) context: usize,
    /// Whether longer sequences are refused.
    pub(super) is_limited: bool,
    /// The mask that the weights were trained under; in an encoder-decoder, the decoder's.
    pub(super) mask: Mask,
    /// The mask of the layers that were trained under another one.
    pub(super) other_mask: Option<OtherMask>,
}

impl Trained {
    /// A model that takes no more than `context` tokens.
    pub(super) fn new(
        family: &'static str,
        context: usize,
        mask: Mask,
        other_mask: Option<OtherMask>,
    ) -> Self {
        Trained { family, context, is_limited: true, mask, other_mask }
    }
}

impl Body {
    /// The name of the stack in a trace.
    fn stack(&self) -> &'static str {
        if self.is_decoder { "decoder" } else { "encoder" }
    }

    /// The mechanism of attention, which is the same in all layers.
    fn mechanism(&self) -> &Mechanism {
        &self.blocks[0].self_attention.mechanism
    }
}

impl Transformer {
    /// The model, once the builder has given it all parts; `harmless` as in [`Builder::finish`].
    ///
    /// # Errors
    /// As [`Builder::finish`].
    pub(super) fn new(
        trained: Trained,
        body: Body,
        builder: &mut Builder<'_>,
        harmless: &[&str],
    ) -> Result<Self> {
        let record = builder.finish(harmless)?;
        let description = Description::new(trained, &body.embeddings.words, body.blocks.iter(), &record);
        Ok(Transformer { description, device: builder.device().clone(), record, body })
    }

    /// The last hidden states of `input`, whose tokens follow those in the cache.
    fn pass(
        &self,
        input: &Input,
        choice: &MaskChoice,
        mut cache: Option<&mut KvCache>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        let cached = cache.as_ref().map_or(0, |cache| cache.len());
        let at = Positions::suffix(input.len(), cached + input.len())?;
        let stack = self.body.stack();
        let places = self.body.order.places(stack, at.first_query, input.len(), &self.device, probe)?;
        let mut x = probe.visit("embeddings", self.body.embeddings.forward(input, at.first_query)?)?;
        for (index, block) in self.body.blocks.iter().enumerate() {
            let mask = choice.of_layer(index, &self.description);
            let visibility = Visibility { mask: &mask, at, padding: input.padding() };
            let mut scope = Scope::new(format!("{stack}.{index}"), probe);
            let cache = cache.as_mut().map(|cache| cache.layer_mut(index)).transpose()?;
            x = block.forward(&x, StackPass { places: &places, visibility, run }, cache, &mut scope)?;
            run.step("layer", index + 1, self.body.blocks.len())?;
        }
        if let Some(norm) = &self.body.final_norm {
            x = probe.visit("final_norm", norm.forward(x)?)?;
        }
        self.record.finite_on_the_cpu("the last hidden state", x)
    }
}

impl Model for Transformer {
    fn description(&self) -> &Description {
        &self.description
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn record(&self) -> &Record {
        &self.record
    }

    fn sizes(&self) -> ModelSizes {
        count::of_stack(self)
    }

    fn has_positive_weights(&self) -> bool {
        self.body.mechanism().is_positive()
    }

    fn has_product_weights(&self) -> bool {
        self.body.mechanism().is_product()
    }

    fn hidden(&self, input: &Input, mask: &MaskChoice, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        input.check(&self.description)?;
        self.pass(input, mask, None, probe, run)
    }

    fn cache(&self, batch: usize) -> Result<KvCache> {
        match self.body.is_decoder {
            true => KvCache::new(self.record.name(), self.description.layout(batch), &self.device),
            false => Err(super::no_cache(&self.description)),
        }
    }

    fn hidden_after(
        &self,
        cache: &mut KvCache,
        input: &Input,
        mask: &MaskChoice,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        if !self.body.is_decoder {
            return Err(super::no_cache(&self.description));
        }
        cache.expect(self.record.name(), self.description.layout(input.batch_size()), &self.device)?;
        input.check_after(&self.description, cache.len())?;
        if input.padding().is_some_and(|padding| !padding.is_trivial()) {
            return Err(Error::invalid("padding", "given", "none in a pass with a cache"));
        }
        let masks = mask.of_layers(&self.description);
        cache.expect_masks(&masks, input.len())?;
        let mut grown = cache.clone();
        let hidden = self.pass(input, mask, Some(&mut grown), probe, run)?;
        grown.set_masks(masks);
        *cache = grown;
        Ok(hidden)
    }

    fn logits(&self, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Option<Tensor>> {
        let Some(head) = &self.body.head else { return Ok(None) };
        let logits = head.forward(hidden, probe)?; // [B, T, V]
        probe.visit("logits", self.record.finite_on_the_cpu("logits", logits)?).map(Some)
    }

    /// tanh(W·h + b) of the first token's hidden state h.
    fn pooled(&self, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Option<Tensor>> {
        let Some(pooler) = &self.body.pooler else { return Ok(None) };
        let first = slice(hidden, Axis::Query, 0..1)?; // [B, 1, C]
        let pooled = tanh(&pooler.forward(&first)?)?;
        let axes = pooled.shape().axes().iter().copied().filter(|&(axis, _)| axis != Axis::Query);
        probe.visit("pooled", pooled.reshape(axes.collect::<Vec<_>>())?).map(Some) // [B, C]
    }
}
