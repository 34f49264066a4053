//! The decoder-only model.

use super::parts::{EPSILON, Source, frequencies, numbers_in};
use super::{Count, Sizes};
use crate::attention::Visibility;
use crate::device::Device;
use crate::error::Result;
use crate::mask::{Mask, Positions};
use crate::model::cache::{KvCache, Places};
use crate::model::encoder_decoder::{Block, Pass};
use crate::ops::{RotaryTable, gather, linear, rms_norm};
use crate::probe::{Probe, Scope};
use crate::run::Run;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// L layers of causal self-attention.
///
/// ```
/// use rankscope::model::architecture::{DecoderOnly, Sizes};
/// use rankscope::{Device, Run, probe::Unobserved};
/// let sizes = Sizes { width: 6, heads: 3, kv_heads: 1, head_size: 4, feed_forward: 10, vocab: 11 };
/// let model = DecoderOnly::random(sizes, 2, 0, &Device::Cpu)?;
/// assert_eq!(model.parameters(), sizes.decoder_only(2));
/// let hidden = model.hidden(&[3, 1, 4, 1, 5], None, &mut Unobserved, &Run::default())?;
/// assert_eq!(hidden.shape().to_string(), "[B=1, T=5, C=6]");
/// # Ok::<(), rankscope::Error>(())
/// ```
pub struct DecoderOnly {
    sizes: Sizes,
    device: Device,
    frequencies: Vec<f64>, // [D/2]
    embedding: Weight,     // [V, C]
    layers: Vec<Block>,
    final_norm: Tensor, // [C]
    seed: u64,
}

impl DecoderOnly {
    /// L layers with weights N(0, 1/in), the same for the same seed.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) naming a size that does not fit; errors of the device.
    pub fn random(sizes: Sizes, layers: usize, seed: u64, device: &Device) -> Result<Self> {
        sizes.check()?;
        let mut source = Source::new(sizes, seed, device);
        Ok(DecoderOnly {
            sizes,
            device: device.clone(),
            frequencies: frequencies(sizes.head_size),
            embedding: source.embedding()?,
            layers: (0..layers).map(|_| source.block()).collect::<Result<_>>()?,
            final_norm: source.norm()?,
            seed,
        })
    }

    /// Numbers in the tensors that it has.
    pub fn parameters(&self) -> Count {
        let embedding = self.embedding.shape().len();
        let layers: usize = self.layers.iter().map(numbers_in).sum();
        Count { total: layers + self.final_norm.shape().len() + embedding, embedding }
    }

    /// An empty cache.
    ///
    /// # Errors
    /// As [`KvCache::new`].
    pub fn cache(&self) -> Result<KvCache> {
        KvCache::new(&self.name(), self.sizes.cache(self.layers.len()), &self.device)
    }

    fn name(&self) -> String {
        format!("a random decoder-only model of seed {}", self.seed)
    }

    /// The residual stream after the last layer and the final norm, `[1, T, C]`, of one sequence of ids that
    /// follows what the cache holds.
    ///
    /// # Errors
    /// An error naming an id that is out of range or what does not fit the cache; whatever the probe returns.
    pub fn hidden(
        &self,
        ids: &[u32],
        mut cache: Option<&mut KvCache>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        if let Some(cache) = &cache {
            cache.expect(&self.name(), self.sizes.cache(self.layers.len()), &self.device)?;
        }
        let first = cache.as_ref().map_or(0, |cache| cache.len());
        let at = Positions { first_query: first };
        let rotation = RotaryTable::from_frequencies(first, ids.len(), &self.frequencies, &self.device)?;
        let visibility = Visibility { mask: &Mask::causal(), at, padding: None };
        let places = Places { rotation: Some(rotation), bias: None };
        let pass = Pass { epsilon: EPSILON, places: &places, visibility, run };
        let mut x = probe.visit("embeddings", gather(&self.embedding, ids, 1)?)?; // [B, T, C]
        for (index, layer) in self.layers.iter().enumerate() {
            let mut scope = Scope::new(format!("decoder.{index}"), probe);
            let cache = cache.as_mut().map(|cache| cache.layer_mut(index)).transpose()?;
            x = layer.forward(&x, pass, cache, &mut scope)?;
            run.check()?;
        }
        probe.visit("final_norm", rms_norm(&x, &self.final_norm, EPSILON)?)
    }

    /// Scores of every vocabulary entry, `[1, T, V]`.
    ///
    /// # Errors
    /// As [`linear`].
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        linear(hidden, &self.embedding)
    }
}
