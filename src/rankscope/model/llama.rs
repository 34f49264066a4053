//! LLaMA: a decoder with RMS pre-norm, rotary positions, grouped queries and a gated feed-forward network.
//!
//! x ← x + attention(norm(x)), x ← x + W₂(SiLU(W₁·norm(x)) · W₃·norm(x)), then norm and output layer.
//!
//! **Source**: Touvron et al. 2023 (arXiv 2302.13971), section 2.2; tensor names as on the Hugging Face hub.

use super::cache::{CacheLayout, KvCache, LayerCache};
use super::tied::{self, Ties};
use super::{Checkpoint, Config, Description, Input, MaskChoice, Model, rope};
use crate::attention::{Linear, MultiHead, ScaledDotProduct, Visibility};
use crate::axis::Axis;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::{Mask, Positions};
use crate::ops::{RotaryTable, add, gather, linear, multiply, rms_norm, silu};
use crate::probe::{Probe, Scope};
use crate::run::Run;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// The output layer may be the embedding.
pub(super) static TIES: Ties =
    Ties { by_default: false, pairs: &[("model.embed_tokens.weight", "lm_head.weight")] };

/// A LLaMA model.
pub struct Llama {
    description: Description,
    device: Device,
    checkpoint: Checkpoint,
    frequencies: Vec<f64>, // [D/2]
    epsilon: f32,
    embedding: Weight, // [V, C]
    layers: Vec<Layer>,
    final_norm: Tensor, // [C]
    output: Weight,     // [V, C], the embedding itself where tied
}

/// One layer: pre-norm, self-attention, pre-norm, gated feed-forward network.
pub(super) struct Layer {
    pub(super) attention_norm: Tensor, // [C]
    pub(super) self_attention: MultiHead,
    pub(super) feed_forward_norm: Tensor, // [C]
    pub(super) gate: Linear,              // [F, C]
    pub(super) up: Linear,                // [F, C]
    pub(super) down: Linear,              // [C, F]
}

/// What all layers of one pass share.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) epsilon: f32,
    /// The angles of the queries' positions.
    pub(super) rotation: &'a RotaryTable,
    pub(super) visibility: Visibility<'a>,
    pub(super) run: &'a Run,
}

/// The fields of `config.json` that decide the layers' shapes.
struct Sizes {
    width: usize,
    feed_forward: usize,
    heads: usize,
    kv_heads: usize,
    head_size: usize,
    attention_bias: bool,
    feed_forward_bias: bool,
}

impl Sizes {
    fn read(config: &Config) -> Result<Self> {
        let (width, heads) = (config.size("hidden_size")?, config.size("num_attention_heads")?);
        let kv_heads = config.optional_size("num_key_value_heads")?.unwrap_or(heads);
        if !heads.is_multiple_of(kv_heads) {
            let expected = format!("a divisor of num_attention_heads = {heads}");
            return Err(config.wrong("num_key_value_heads", &kv_heads.to_string(), &expected));
        }
        let head_size = match config.optional_size("head_dim")? {
            Some(size) => size,
            None if width.is_multiple_of(heads) => width / heads,
            None => {
                let expected = format!("a multiple of num_attention_heads = {heads} (or head_dim beside it)");
                return Err(config.wrong("hidden_size", &width.to_string(), &expected));
            }
        };
        Ok(Sizes {
            width,
            feed_forward: config.size("intermediate_size")?,
            heads,
            kv_heads,
            head_size,
            attention_bias: config.optional("attention_bias")?.unwrap_or(false),
            feed_forward_bias: config.optional("mlp_bias")?.unwrap_or(false),
        })
    }
}

impl Llama {
    /// Builds the model from its configuration and checkpoint.
    ///
    /// # Errors
    /// An error naming the field or tensor that is missing, wrong or not implemented.
    pub fn load(config: &Config, checkpoint: &Checkpoint, device: &Device) -> Result<Self> {
        let sizes = Sizes::read(config)?;
        let activation: String = config.get("hidden_act")?;
        if activation != "silu" {
            return Err(config.wrong("hidden_act", &format!("{activation:?}"), "\"silu\""));
        }
        let vocab = (Axis::Vocab, config.size("vocab_size")?);
        let width = (Axis::Width, sizes.width);
        let (embedding, output) =
            tied::pair(checkpoint, TIES.pairs[0], [vocab, width], TIES.wanted(config)?, device)?;
        let layers = (0..config.size("num_hidden_layers")?)
            .map(|layer| Layer::load(&sizes, checkpoint, &format!("model.layers.{layer}"), device))
            .collect::<Result<Vec<_>>>()?;
        let description = Description {
            family: "llama",
            layers: layers.len(),
            heads: sizes.heads,
            kv_heads: sizes.kv_heads,
            head_size: sizes.head_size,
            width: sizes.width,
            feed_forward: sizes.feed_forward,
            vocab: vocab.1,
            context: config.size("max_position_embeddings")?,
            trained_mask: Mask::causal(),
            parameters: tied::parameters(config, checkpoint)?,
            dtype: embedding.dtype(),
        };
        Ok(Llama {
            description,
            device: device.clone(),
            frequencies: rope::frequencies(config, sizes.head_size)?,
            epsilon: config.get("rms_norm_eps")?,
            final_norm: checkpoint
                .vector("model.norm.weight", Axis::Width, sizes.width)?
                .to_device(device)?,
            checkpoint: checkpoint.clone(),
            embedding,
            layers,
            output,
        })
    }
}

#[cfg(test)]
impl Llama {
    /// Embedding and output layer, to see whether they are one.
    pub(super) fn ends(&self) -> (&Weight, &Weight) {
        (&self.embedding, &self.output)
    }
}

impl Layer {
    fn load(sizes: &Sizes, checkpoint: &Checkpoint, path: &str, device: &Device) -> Result<Self> {
        let linear = |name: &str, out: (Axis, usize), inner: (Axis, usize), biased: bool| {
            let weight = checkpoint.weight(&format!("{path}.{name}.weight"), [out, inner])?;
            let bias = biased
                .then(|| checkpoint.vector(&format!("{path}.{name}.bias"), out.0, out.1))
                .transpose()?;
            Linear { weight, bias }.to_device(device)
        };
        let norm = |name: &str| {
            checkpoint.vector(&format!("{path}.{name}.weight"), Axis::Width, sizes.width)?.to_device(device)
        };
        let width = (Axis::Width, sizes.width);
        let heads = (Axis::HeadWidth, sizes.heads * sizes.head_size);
        let kv_heads = (Axis::KvWidth, sizes.kv_heads * sizes.head_size);
        let inner = (Axis::FeedForward, sizes.feed_forward);
        let (biased, inner_biased) = (sizes.attention_bias, sizes.feed_forward_bias);
        Ok(Layer {
            attention_norm: norm("input_layernorm")?,
            self_attention: MultiHead {
                heads: sizes.heads,
                kv_heads: sizes.kv_heads,
                query: linear("self_attn.q_proj", heads, width, biased)?,
                key: linear("self_attn.k_proj", kv_heads, width, biased)?,
                value: linear("self_attn.v_proj", kv_heads, width, biased)?,
                output: linear("self_attn.o_proj", width, heads, biased)?,
                mechanism: ScaledDotProduct::new(sizes.head_size).into(),
            },
            feed_forward_norm: norm("post_attention_layernorm")?,
            gate: linear("mlp.gate_proj", inner, width, inner_biased)?,
            up: linear("mlp.up_proj", inner, width, inner_biased)?,
            down: linear("mlp.down_proj", width, inner, inner_biased)?,
        })
    }

    /// The residual stream `[B, T, C]` after this layer; with a cache, whose keys and values come first.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        pass: Pass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let x = self.attend(x, pass, cache, probe)?;
        let x = probe.visit("after_attention", x)?;
        self.feed(&x, pass.epsilon, probe)
    }

    /// x + attention(norm(x)).
    pub(super) fn attend(
        &self,
        x: &Tensor,
        pass: Pass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let Pass { epsilon, rotation, visibility, run } = pass;
        let normed = probe.visit("attention_norm", rms_norm(x, &self.attention_norm, epsilon)?)?;
        let (attention, mut scope) = (&self.self_attention, Scope::new("self_attention", probe));
        let q = attention.query(&normed, Some(rotation), &mut scope)?; // [B, H, T, D]
        let (k, v) = attention.keys_and_values(&normed, Some(rotation), &mut scope)?; // [B, G, T, D]
        let (k, v) = match cache {
            Some(cache) => cache.append(k, v)?, // [B, G, S + T, D]
            None => (k, v),
        };
        let update = attention.attend(&q, &k, &v, visibility, &mut scope, run)?; // [B, T, C]
        add(x, &update)
    }

    /// x + W₂(SiLU(W₁·norm(x)) · W₃·norm(x)).
    pub(super) fn feed(&self, x: &Tensor, epsilon: f32, probe: &mut dyn Probe) -> Result<Tensor> {
        let normed = probe.visit("feed_forward_norm", rms_norm(x, &self.feed_forward_norm, epsilon)?)?;
        let gate = silu(&self.gate.forward(&normed)?)?; // [B, T, F]
        let hidden = multiply(&gate, &self.up.forward(&normed)?)?;
        let hidden = probe.visit("feed_forward.hidden", hidden)?; // [B, T, F]
        let update = probe.visit("feed_forward.output", self.down.forward(&hidden)?)?; // [B, T, C]
        probe.visit("output", add(x, &update)?)
    }
}

impl Llama {
    fn layout(&self, batch: usize) -> CacheLayout {
        let Description { layers, kv_heads, head_size, .. } = self.description;
        CacheLayout { layers, batch, kv_heads, head_size }
    }

    /// Which weights a cache belongs to.
    fn owner(&self) -> String {
        self.checkpoint.path().display().to_string()
    }

    /// The last hidden states of `input`, which follows what the cache holds.
    fn pass(
        &self,
        input: &Input,
        mask: &Mask,
        mut cache: Option<&mut KvCache>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        let cached = cache.as_ref().map_or(0, |cache| cache.len());
        let at = Positions::suffix(input.len(), cached + input.len())?;
        let rotation =
            RotaryTable::from_frequencies(at.first_query, input.len(), &self.frequencies, &self.device)?;
        let visibility = Visibility { mask, at, padding: input.padding() };
        let pass = Pass { epsilon: self.epsilon, rotation: &rotation, visibility, run };
        let mut x = probe.visit("embeddings", gather(&self.embedding, input.ids(), input.batch_size())?)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let mut scope = Scope::new(format!("decoder.{index}"), probe);
            let cache = cache.as_mut().map(|cache| cache.layer_mut(index)).transpose()?;
            x = layer.forward(&x, pass, cache, &mut scope)?;
            run.step("layer", index + 1, self.layers.len())?;
        }
        let hidden = probe.visit("final_norm", rms_norm(&x, &self.final_norm, self.epsilon)?)?;
        super::expect_finite(&self.checkpoint, "the last hidden state", hidden)
    }
}

impl Model for Llama {
    fn description(&self) -> &Description {
        &self.description
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn hidden(&self, input: &Input, mask: &MaskChoice, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        input.check(&self.description)?;
        self.pass(input, &mask.resolve(&self.description), None, probe, run)
    }

    fn cache(&self, batch: usize) -> Result<KvCache> {
        KvCache::new(&self.owner(), self.layout(batch), &self.device)
    }

    fn hidden_after(
        &self,
        cache: &mut KvCache,
        input: &Input,
        mask: &MaskChoice,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        cache.expect(&self.owner(), self.layout(input.batch_size()), &self.device)?;
        input.check_after(&self.description, cache.len())?;
        if input.padding().is_some_and(|padding| !padding.is_trivial()) {
            return Err(Error::invalid("padding", "given", "none in a pass with a cache"));
        }
        let mask = mask.resolve(&self.description);
        cache.expect_mask(&mask, input.len())?;
        let mut grown = cache.clone();
        let hidden = self.pass(input, &mask, Some(&mut grown), probe, run)?;
        grown.set_mask(mask);
        *cache = grown;
        Ok(hidden)
    }

    fn logits(&self, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Option<Tensor>> {
        let logits = super::expect_finite(&self.checkpoint, "logits", linear(hidden, &self.output)?)?; // [B, T, V]
        probe.visit("logits", logits).map(Some)
    }
}
