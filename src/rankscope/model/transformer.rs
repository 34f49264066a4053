//! [`Transformer`]: one stack of layers between an embedding and an output head, with a cache where it is a
//! decoder.
//!
//! A family says what happens at the ends and in a layer ([`Body`]); the walk through the layers, the masks, the
//! cache and the names of a trace are the same for all.

use super::cache::{CacheLayout, KvCache, LayerCache, Places};
use super::{Description, Input, MaskChoice, Model, Record};
use crate::attention::{Mechanism, Visibility};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::Positions;
use crate::ops::layer_norm;
use crate::probe::{Probe, Scope};
use crate::run::Run;
use crate::tensor::Tensor;

/// What a family adds to a stack of layers.
pub(super) trait Body: Send + Sync {
    /// What its layers are called in a trace: `encoder` or `decoder`.
    const STACK: &'static str;
    /// Whether a position's keys and values may be kept for later passes.
    const CACHES: bool;

    /// How `length` positions from `first` on enter attention, where they do not enter with the embeddings.
    fn places(&self, first: usize, length: usize, device: &Device) -> Result<Places> {
        let _ = (first, length, device);
        Ok(Places::default())
    }

    /// The input of the first layer, `[B, T, C]`, of tokens that stand at `first` and after it.
    fn embed(&self, input: &Input, first: usize) -> Result<Tensor>;

    /// The residual stream `[B, T, C]` after layer `index`.
    fn layer(
        &self,
        index: usize,
        x: &Tensor,
        pass: Pass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor>;

    /// What follows the last layer: a final norm, where there is one.
    fn finish(&self, x: Tensor, probe: &mut dyn Probe) -> Result<Tensor> {
        let _ = probe;
        Ok(x)
    }

    /// Scores of every vocabulary entry, `[B, T, V]`, before anybody looks at them.
    fn logits(&self, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Option<Tensor>>;

    /// How queries, keys and values meet in every layer, of a family in which that may be otherwise than by a softmax.
    fn mechanism(&self) -> Option<&Mechanism> {
        None
    }

    /// A vector for the whole sequence, `[B, C]`, where the family has one.
    fn pooled(&self, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Option<Tensor>> {
        let _ = (hidden, probe);
        Ok(None)
    }
}

/// What all layers of one pass have in common.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) places: &'a Places,
    pub(super) visibility: Visibility<'a>,
    pub(super) run: &'a Run,
}

/// A model of one stack.
pub(super) struct Transformer<B> {
    pub(super) description: Description,
    pub(super) device: Device,
    pub(super) record: Record,
    pub(super) body: B,
}

/// A layer norm with its gain and bias.
pub(super) struct LayerNorm {
    pub(super) gain: Tensor, // [C]
    pub(super) bias: Tensor, // [C]
    pub(super) epsilon: f32,
}

impl LayerNorm {
    /// (x − mean) / √(variance + ε) · gain + bias, row by row.
    pub(super) fn forward(&self, x: impl Into<Tensor>) -> Result<Tensor> {
        layer_norm(x, &self.gain, &self.bias, self.epsilon)
    }
}

impl<B: Body> Transformer<B> {
    fn layout(&self, batch: usize) -> CacheLayout {
        let Description { layers, kv_heads, head_size, .. } = self.description;
        CacheLayout { layers, batch, kv_heads, head_size }
    }

    /// The last hidden states of `input`, which follows what the cache holds.
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
        let places = self.body.places(at.first_query, input.len(), &self.device)?;
        let mut x = probe.visit("embeddings", self.body.embed(input, at.first_query)?)?;
        for index in 0..self.description.layers {
            let mask = choice.of_layer(index, &self.description);
            let visibility = Visibility { mask: &mask, at, padding: input.padding() };
            let mut scope = Scope::new(format!("{}.{index}", B::STACK), probe);
            let cache = cache.as_mut().map(|cache| cache.layer_mut(index)).transpose()?;
            x = self.body.layer(index, &x, Pass { places: &places, visibility, run }, cache, &mut scope)?;
            run.step("layer", index + 1, self.description.layers)?;
        }
        self.record.finite_on_the_cpu("the last hidden state", self.body.finish(x, probe)?)
    }
}

impl<B: Body> Model for Transformer<B> {
    fn description(&self) -> &Description {
        &self.description
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn record(&self) -> &Record {
        &self.record
    }

    fn has_positive_weights(&self) -> bool {
        self.body.mechanism().is_none_or(Mechanism::is_positive)
    }

    fn has_product_weights(&self) -> bool {
        self.body.mechanism().is_some_and(Mechanism::is_product)
    }

    fn hidden(&self, input: &Input, mask: &MaskChoice, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        input.check(&self.description)?;
        self.pass(input, mask, None, probe, run)
    }

    fn cache(&self, batch: usize) -> Result<KvCache> {
        match B::CACHES {
            true => KvCache::new(self.record.name(), self.layout(batch), &self.device),
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
        if !B::CACHES {
            return Err(super::no_cache(&self.description));
        }
        cache.expect(self.record.name(), self.layout(input.batch_size()), &self.device)?;
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
        let Some(logits) = self.body.logits(hidden, probe)? else { return Ok(None) };
        probe.visit("logits", self.record.finite_on_the_cpu("logits", logits)?).map(Some)
    }

    fn pooled(&self, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Option<Tensor>> {
        let Some(pooled) = self.body.pooled(hidden, probe)? else { return Ok(None) };
        probe.visit("pooled", pooled).map(Some)
    }
}
