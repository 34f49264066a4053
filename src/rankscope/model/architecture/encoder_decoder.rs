//! The encoder-decoder.

use super::parts::{EPSILON, Source, frequencies, numbers_in, numbers_of};
use super::{Count, Sizes};
use crate::device::Device;
use crate::error::Result;
use crate::mask::Mask;
use crate::model::cache::KvCache;
use crate::model::encoder_decoder::{CrossBlock, Order, Side, Stacks};
use crate::model::rope::Rotation;
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

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
    stacks: Stacks,
    seed: u64,
}

impl EncoderDecoder {
    /// Lₑ and L_d layers with weights N(0, 1/in), the same for the same seed.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) naming a size that does not fit; errors of the device.
    pub fn random(sizes: Sizes, layers: [usize; 2], seed: u64, device: &Device) -> Result<Self> {
        sizes.check()?;
        let mut source = Source::new(sizes, seed, device);
        let embedding = source.embedding()?;
        let stacks = Stacks {
            output: Some(embedding.clone()),
            embedding,
            encoder: (0..layers[0]).map(|_| source.block()).collect::<Result<_>>()?,
            encoder_norm: source.norm()?,
            decoder: (0..layers[1]).map(|_| source.cross_block()).collect::<Result<_>>()?,
            decoder_norm: source.norm()?,
            output_scale: None,
            order: Order::Continued { rotation: Rotation::fixed(frequencies(sizes.head_size)) },
            epsilon: EPSILON,
            device: device.clone(),
        };
        Ok(EncoderDecoder { sizes, stacks, seed })
    }

    /// Numbers in the tensors that it has.
    pub fn parameters(&self) -> Count {
        let stacks = &self.stacks;
        let embedding = stacks.embedding.shape().len();
        let cross = |layer: &CrossBlock| {
            numbers_in(&layer.block) + layer.cross_norm.shape().len() + numbers_of(&layer.cross_attention)
        };
        let (encoder, decoder) = (stacks.encoder.iter().map(numbers_in), stacks.decoder.iter().map(cross));
        let norms = stacks.encoder_norm.shape().len() + stacks.decoder_norm.shape().len();
        Count { total: encoder.chain(decoder).sum::<usize>() + norms + embedding, embedding }
    }

    /// An empty cache for the decoder's self-attention.
    ///
    /// # Errors
    /// As [`KvCache::new`].
    pub fn cache(&self) -> Result<KvCache> {
        self.cache_of("decoder")
    }

    fn cache_of(&self, part: &str) -> Result<KvCache> {
        let layout = self.sizes.cache(self.stacks.decoder.len());
        KvCache::new(&self.name(part), layout, &self.stacks.device)
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
        let mut memory = self.cache_of("encoder")?;
        let side = Side { ids, batch: 1, padding: None };
        self.stacks.encode(side, &Mask::bidirectional(), &mut memory, probe, &run.quiet())?;
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
        cache: Option<&mut KvCache>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        let layout = self.sizes.cache(self.stacks.decoder.len());
        memory.expect(&self.name("encoder"), layout, &self.stacks.device)?;
        if let Some(cache) = &cache {
            cache.expect(&self.name("decoder"), layout, &self.stacks.device)?;
        }
        let side = Side { ids, batch: 1, padding: None };
        self.stacks.decode(side, &Mask::causal(), memory, None, cache, probe, &run.quiet())
    }

    /// Scores of every vocabulary entry, `[1, T, V]`.
    ///
    /// # Errors
    /// As [`linear`](crate::ops::linear).
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        self.stacks.logits(hidden).map(|logits| logits.expect("built with an output layer"))
    }
}

#[cfg(test)]
impl EncoderDecoder {
    /// A decoder layer's cross-attention.
    pub(super) fn cross_attention(&self, layer: usize) -> &crate::attention::MultiHead {
        &self.stacks.decoder[layer].cross_attention
    }
}
