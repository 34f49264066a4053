//! The encoder-decoder.

use super::parts::{EPSILON, Source, frequencies, numbers_in, numbers_of};
use super::{Count, Sizes};
use crate::attention::{MultiHead, Visibility};
use crate::device::Device;
use crate::error::Result;
use crate::mask::{Mask, Positions};
use crate::model::cache::{KvCache, LayerCache};
use crate::model::llama::{Layer, Pass};
use crate::ops::{RotaryTable, add, gather, linear, rms_norm};
use crate::probe::{Probe, Scope};
use crate::run::Run;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// Lₑ layers of bidirectional self-attention over the prompt, and L_d layers of causal self-attention and
/// cross-attention over what follows.
///
/// ```
/// use rankscope::model::architecture::{EncoderDecoder, Sizes};
/// use rankscope::{Device, Run, probe::Unobserved};
/// let sizes = Sizes { width: 6, heads: 3, kv_heads: 1, head_size: 4, feed_forward: 10, vocab: 11 };
/// let model = EncoderDecoder::random(sizes, [2, 1], 0, &Device::Cpu)?;
/// let run = Run::default();
/// let memory = model.encode(&[3, 1, 4, 1, 5], &mut Unobserved, &run)?;
/// let hidden = model.decode(&[9, 2], &memory, None, &mut Unobserved, &run)?;
/// assert_eq!((memory.len(), hidden.shape().to_string().as_str()), (5, "[B=1, T=2, C=6]"));
/// # Ok::<(), rankscope::Error>(())
/// ```
pub struct EncoderDecoder {
    sizes: Sizes,
    device: Device,
    frequencies: Vec<f64>, // [D/2]
    embedding: Weight,     // [V, C]
    encoder: Vec<Layer>,
    encoder_norm: Tensor, // [C]
    decoder: Vec<CrossLayer>,
    decoder_norm: Tensor, // [C]
    seed: u64,
}

/// A decoder's layer.
struct CrossLayer {
    layer: Layer,
    cross_norm: Tensor, // [C]
    cross_attention: MultiHead,
}

impl CrossLayer {
    fn random(source: &mut Source<'_>) -> Result<Self> {
        Ok(CrossLayer {
            layer: source.layer()?,
            cross_norm: source.norm()?,
            cross_attention: source.attention()?,
        })
    }

    /// Self-attention, attention to the encoder's keys and values, feed-forward network: `[B, T, C]`.
    fn forward(
        &self,
        x: &Tensor,
        memory: &LayerCache,
        pass: Pass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let x = self.layer.attend(x, pass, cache, probe)?;
        let x = probe.visit("after_attention", x)?; // [B, T, C]
        let normed = probe.visit("cross_attention_norm", rms_norm(&x, &self.cross_norm, EPSILON)?)?;
        let (attention, mut scope) = (&self.cross_attention, Scope::new("cross_attention", probe));
        let q = attention.query(&normed, Some(pass.rotation), &mut scope)?; // [B, H, T, D]
        let all = Mask::bidirectional();
        let visibility = Visibility { mask: &all, at: Positions { first_query: 0 }, padding: None };
        let update =
            attention.attend(&q, memory.keys(), memory.values(), visibility, &mut scope, pass.run)?;
        let x = probe.visit("after_cross_attention", add(&x, &update)?)?; // [B, T, C]
        self.layer.feed(&x, EPSILON, probe)
    }
}

impl EncoderDecoder {
    /// Lₑ and L_d layers with weights N(0, 1/in), the same for the same seed.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) naming a size that does not fit; errors of the device.
    pub fn random(sizes: Sizes, layers: [usize; 2], seed: u64, device: &Device) -> Result<Self> {
        sizes.check()?;
        let mut source = Source::new(sizes, seed, device);
        Ok(EncoderDecoder {
            sizes,
            device: device.clone(),
            frequencies: frequencies(sizes.head_size),
            embedding: source.embedding()?,
            encoder: (0..layers[0]).map(|_| source.layer()).collect::<Result<_>>()?,
            encoder_norm: source.norm()?,
            decoder: (0..layers[1]).map(|_| CrossLayer::random(&mut source)).collect::<Result<_>>()?,
            decoder_norm: source.norm()?,
            seed,
        })
    }

    /// Numbers in the tensors that it has.
    pub fn parameters(&self) -> Count {
        let embedding = self.embedding.shape().len();
        let cross = |layer: &CrossLayer| {
            numbers_in(&layer.layer) + layer.cross_norm.shape().len() + numbers_of(&layer.cross_attention)
        };
        let layers: usize = self.encoder.iter().map(numbers_in).chain(self.decoder.iter().map(cross)).sum();
        let norms = self.encoder_norm.shape().len() + self.decoder_norm.shape().len();
        Count { total: layers + norms + embedding, embedding }
    }

    /// An empty cache for the decoder's self-attention.
    ///
    /// # Errors
    /// As [`KvCache::new`].
    pub fn cache(&self) -> Result<KvCache> {
        KvCache::new(&self.name("decoder"), self.sizes.cache(self.decoder.len()), &self.device)
    }

    fn name(&self, part: &str) -> String {
        format!("the {part} of a random encoder-decoder of seed {}", self.seed)
    }

    /// Reads the prompt: the keys and values that the decoder's cross-attention will see, one layer of the
    /// cache for each layer of the decoder. Computed once, however much is decoded.
    ///
    /// # Errors
    /// An error naming an id that is out of range; whatever the probe returns.
    pub fn encode(&self, ids: &[u32], probe: &mut dyn Probe, run: &Run) -> Result<KvCache> {
        let rotation = RotaryTable::from_frequencies(0, ids.len(), &self.frequencies, &self.device)?;
        let (mask, at) = (Mask::bidirectional(), Positions { first_query: 0 });
        let visibility = Visibility { mask: &mask, at, padding: None };
        let pass = Pass { epsilon: EPSILON, rotation: &rotation, visibility, run };
        let mut x = probe.visit("encoder.embeddings", gather(&self.embedding, ids, 1)?)?; // [B, S, C]
        for (index, layer) in self.encoder.iter().enumerate() {
            let mut scope = Scope::new(format!("encoder.{index}"), probe);
            x = layer.forward(&x, pass, None, &mut scope)?;
            run.check()?;
        }
        let x = probe.visit("encoder.final_norm", rms_norm(&x, &self.encoder_norm, EPSILON)?)?;
        let layout = self.sizes.cache(self.decoder.len());
        let mut memory = KvCache::new(&self.name("encoder"), layout, &self.device)?;
        for (index, layer) in self.decoder.iter().enumerate() {
            let mut scope = Scope::new(format!("decoder.{index}.cross_attention"), probe);
            let (k, v) = layer.cross_attention.keys_and_values(&x, Some(&rotation), &mut scope)?;
            memory.layer_mut(index)?.append(k, v)?; // [B, G, S, D]
        }
        Ok(memory)
    }

    /// The decoder's residual stream after its last layer and norm, `[1, T, C]`, of one sequence of ids that
    /// follows what the cache holds.
    ///
    /// **Shapes**: memory of [`encode`](Self::encode), S positions; the decoder's positions begin at S.
    ///
    /// # Errors
    /// An error naming an id that is out of range or what does not fit a cache; whatever the probe returns.
    pub fn decode(
        &self,
        ids: &[u32],
        memory: &KvCache,
        mut cache: Option<&mut KvCache>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        let layout = self.sizes.cache(self.decoder.len());
        memory.expect(&self.name("encoder"), layout, &self.device)?;
        if let Some(cache) = &cache {
            cache.expect(&self.name("decoder"), layout, &self.device)?;
        }
        let first = cache.as_ref().map_or(0, |cache| cache.len());
        let position = memory.len() + first;
        let rotation = RotaryTable::from_frequencies(position, ids.len(), &self.frequencies, &self.device)?;
        let (mask, at) = (Mask::causal(), Positions { first_query: first });
        let visibility = Visibility { mask: &mask, at, padding: None };
        let pass = Pass { epsilon: EPSILON, rotation: &rotation, visibility, run };
        let mut x = probe.visit("decoder.embeddings", gather(&self.embedding, ids, 1)?)?; // [B, T, C]
        for (index, layer) in self.decoder.iter().enumerate() {
            let mut scope = Scope::new(format!("decoder.{index}"), probe);
            let cache = cache.as_mut().map(|cache| cache.layer_mut(index)).transpose()?;
            x = layer.forward(&x, &memory.layers()[index], pass, cache, &mut scope)?;
            run.check()?;
        }
        probe.visit("decoder.final_norm", rms_norm(&x, &self.decoder_norm, EPSILON)?)
    }

    /// Scores of every vocabulary entry, `[1, T, V]`.
    ///
    /// # Errors
    /// As [`linear`].
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        linear(hidden, &self.embedding)
    }
}

#[cfg(test)]
impl EncoderDecoder {
    /// A decoder layer's cross-attention.
    pub(super) fn cross_attention(&self, layer: usize) -> &MultiHead {
        &self.decoder[layer].cross_attention
    }
}
