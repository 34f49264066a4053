//! BERT: an encoder with learned positions and layer norm after each residual sum.
//!
//! x ← norm(x + attention(x)), x ← norm(x + W₂·GELU(W₁·x)); with a masked-language-model head where the
//! checkpoint has one.
//!
//! **Source**: Devlin et al. 2018 (arXiv 1810.04805), section 3; tensor names as on the Hugging Face hub.

use super::tied::{self, Ties};
use super::{Checkpoint, Config, Description, Input, MaskChoice, Model};
use crate::attention::{Linear, MultiHead, ScaledDotProduct, Visibility};
use crate::axis::Axis;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::ops::{GeluForm, add, add_bias, gather, gelu, layer_norm, linear};
use crate::probe::{Probe, Scope};
use crate::run::Run;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// The decoder of the masked-language-model head may be the embedding, and its bias has two names.
pub(super) static TIES: Ties = Ties {
    by_default: true,
    pairs: &[
        ("bert.embeddings.word_embeddings.weight", DECODER),
        ("cls.predictions.bias", "cls.predictions.decoder.bias"),
    ],
};

const DECODER: &str = "cls.predictions.decoder.weight";

/// A BERT model.
pub struct Bert {
    description: Description,
    device: Device,
    checkpoint: Checkpoint,
    pub(super) embeddings: Embeddings,
    layers: Vec<Layer>,
    pub(super) head: Option<Head>,
}

pub(super) struct Embeddings {
    pub(super) words: Weight, // [V, C]
    positions: Weight,        // [P, C]
    types: Weight,            // [segments, C]
    type_count: usize,
    norm: Norm,
}

struct Layer {
    self_attention: MultiHead,
    attention_norm: Norm,
    up: Linear,   // [F, C]
    down: Linear, // [C, F]
    output_norm: Norm,
    activation: GeluForm,
}

/// The masked-language-model head: dense, GELU, norm, then the tied embedding and a bias.
pub(super) struct Head {
    transform: Linear, // [C, C]
    activation: GeluForm,
    norm: Norm,
    pub(super) decoder: Weight, // [V, C]
    bias: Tensor,               // [V]
}

struct Norm {
    gain: Tensor, // [C]
    bias: Tensor, // [C]
    epsilon: f32,
}

impl Norm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.gain, &self.bias, self.epsilon)
    }
}

/// Reads the checkpoint's parts, with the sizes that they share.
struct Loader<'a> {
    checkpoint: &'a Checkpoint,
    device: &'a Device,
    prefix: &'static str,
    width: usize,
    epsilon: f32,
    activation: GeluForm,
    is_tied: bool,
}

impl Loader<'_> {
    fn table(&self, name: &str, entries: (Axis, usize)) -> Result<Weight> {
        let name = format!("{}embeddings.{name}.weight", self.prefix);
        self.checkpoint.weight(&name, [entries, (Axis::Width, self.width)])?.to_device(self.device)
    }

    fn linear(&self, name: &str, out: (Axis, usize), inner: (Axis, usize)) -> Result<Linear> {
        let weight = self.checkpoint.weight(&format!("{name}.weight"), [out, inner])?;
        let bias = self.checkpoint.vector(&format!("{name}.bias"), out.0, out.1)?;
        Linear { weight, bias: Some(bias) }.to_device(self.device)
    }

    fn norm(&self, name: &str) -> Result<Norm> {
        let vector = |part: &str| {
            let vector = self.checkpoint.vector(&format!("{name}.{part}"), Axis::Width, self.width)?;
            vector.to_device(self.device)
        };
        Ok(Norm { gain: vector("weight")?, bias: vector("bias")?, epsilon: self.epsilon })
    }

    fn layer(&self, index: usize, heads: usize, feed_forward: usize) -> Result<Layer> {
        let path = format!("{}encoder.layer.{index}", self.prefix);
        let (width, inner) = ((Axis::Width, self.width), (Axis::FeedForward, feed_forward));
        let (heads_width, kv_width) = ((Axis::HeadWidth, self.width), (Axis::KvWidth, self.width));
        Ok(Layer {
            self_attention: MultiHead {
                heads,
                kv_heads: heads,
                query: self.linear(&format!("{path}.attention.self.query"), heads_width, width)?,
                key: self.linear(&format!("{path}.attention.self.key"), kv_width, width)?,
                value: self.linear(&format!("{path}.attention.self.value"), kv_width, width)?,
                output: self.linear(&format!("{path}.attention.output.dense"), width, heads_width)?,
                mechanism: ScaledDotProduct::new(self.width / heads).into(),
            },
            attention_norm: self.norm(&format!("{path}.attention.output.LayerNorm"))?,
            up: self.linear(&format!("{path}.intermediate.dense"), inner, width)?,
            down: self.linear(&format!("{path}.output.dense"), width, inner)?,
            output_norm: self.norm(&format!("{path}.output.LayerNorm"))?,
            activation: self.activation,
        })
    }

    /// The words, and the decoder where there is a head: the same handle where they are tied.
    fn words(&self, vocab: usize) -> Result<(Weight, Option<Weight>)> {
        if !self.checkpoint.has("cls.predictions.transform.dense.weight") {
            return Ok((self.table("word_embeddings", (Axis::Vocab, vocab))?, None));
        }
        let name = format!("{}embeddings.word_embeddings.weight", self.prefix);
        let axes = [(Axis::Vocab, vocab), (Axis::Width, self.width)];
        let (words, decoder) =
            tied::pair(self.checkpoint, (&name, DECODER), axes, self.is_tied, self.device)?;
        Ok((words, Some(decoder)))
    }

    fn head(&self, decoder: Weight, vocab: usize) -> Result<Head> {
        let base = "cls.predictions";
        let width = (Axis::Width, self.width);
        // The decoder adds its own bias; the other name is for checkpoints that tie the two.
        let (own, tied) = (format!("{base}.decoder.bias"), format!("{base}.bias"));
        let bias = if self.is_tied && !self.checkpoint.has(&own) { tied } else { own };
        Ok(Head {
            transform: self.linear(&format!("{base}.transform.dense"), width, width)?,
            activation: self.activation,
            norm: self.norm(&format!("{base}.transform.LayerNorm"))?,
            decoder,
            bias: self.checkpoint.vector(&bias, Axis::Vocab, vocab)?.to_device(self.device)?,
        })
    }
}

impl Bert {
    /// Builds the model from its configuration and checkpoint, with or without the `bert.` prefix.
    ///
    /// # Errors
    /// An error naming the field or tensor that is missing, wrong or not implemented.
    pub fn load(config: &Config, checkpoint: &Checkpoint, device: &Device) -> Result<Self> {
        let (width, heads) = (config.size("hidden_size")?, config.size("num_attention_heads")?);
        if !width.is_multiple_of(heads) {
            let expected = format!("a multiple of num_attention_heads = {heads}");
            return Err(config.wrong("hidden_size", &width.to_string(), &expected));
        }
        let positions: Option<String> = config.optional("position_embedding_type")?;
        if let Some(kind) = positions.filter(|kind| kind != "absolute") {
            return Err(config.wrong("position_embedding_type", &format!("{kind:?}"), "\"absolute\""));
        }
        if config.optional("is_decoder")?.unwrap_or(false) {
            return Err(config.wrong("is_decoder", "true", "false: BERT is built as an encoder here"));
        }
        let prefix = if checkpoint.has("bert.embeddings.position_embeddings.weight") { "bert." } else { "" };
        let (epsilon, activation) = (config.get("layer_norm_eps")?, activation(config)?);
        let is_tied = TIES.wanted(config)?;
        let loader = Loader { checkpoint, device, prefix, width, epsilon, activation, is_tied };
        let (vocab, context) = (config.size("vocab_size")?, config.size("max_position_embeddings")?);
        let type_count = config.size("type_vocab_size")?;
        let (words, decoder) = loader.words(vocab)?;
        let embeddings = Embeddings {
            words,
            positions: loader.table("position_embeddings", (Axis::Position, context))?,
            types: loader.table("token_type_embeddings", (Axis::Row, type_count))?,
            type_count,
            norm: loader.norm(&format!("{prefix}embeddings.LayerNorm"))?,
        };
        let feed_forward = config.size("intermediate_size")?;
        let layers = (0..config.size("num_hidden_layers")?)
            .map(|index| loader.layer(index, heads, feed_forward))
            .collect::<Result<Vec<_>>>()?;
        let description = Description {
            family: "bert",
            layers: layers.len(),
            heads,
            kv_heads: heads,
            head_size: width / heads,
            width,
            feed_forward,
            vocab,
            context,
            trained_mask: Mask::bidirectional(),
            parameters: tied::parameters(config, checkpoint)?,
            dtype: embeddings.words.dtype(),
        };
        let head = decoder.map(|decoder| loader.head(decoder, vocab)).transpose()?;
        Ok(Bert {
            description,
            device: device.clone(),
            checkpoint: checkpoint.clone(),
            embeddings,
            layers,
            head,
        })
    }

    /// Words, positions and segments, summed and normed, `[B, T, C]`.
    fn embed(&self, input: &Input) -> Result<Tensor> {
        let batch = input.batch_size();
        let positions: Vec<u32> = (0..batch).flat_map(|_| 0..input.len() as u32).collect();
        let types = input.token_types().map_or_else(|| vec![0; input.ids().len()], <[u32]>::to_vec);
        if let Some(&got) = types.iter().find(|&&kind| kind as usize >= self.embeddings.type_count) {
            let expected = format!("less than {}", self.embeddings.type_count);
            return Err(Error::invalid("token type id", got, expected));
        }
        let words = gather(&self.embeddings.words, input.ids(), batch)?;
        let types = gather(&self.embeddings.types, &types, batch)?;
        let positions = gather(&self.embeddings.positions, &positions, batch)?;
        self.embeddings.norm.forward(&add(&add(&words, &types)?, &positions)?)
    }
}

/// Which GELU `hidden_act` means.
fn activation(config: &Config) -> Result<GeluForm> {
    let name: String = config.get("hidden_act")?;
    match name.as_str() {
        "gelu" => Ok(GeluForm::Exact),
        "gelu_new" | "gelu_pytorch_tanh" => Ok(GeluForm::Tanh),
        _ => Err(config.wrong(
            "hidden_act",
            &format!("{name:?}"),
            "\"gelu\", \"gelu_new\" or \"gelu_pytorch_tanh\"",
        )),
    }
}

impl Layer {
    fn forward(
        &self,
        x: &Tensor,
        visibility: Visibility<'_>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        let mut scope = Scope::new("self_attention", probe);
        let update = self.self_attention.forward(x, x, None, visibility, &mut scope, run)?;
        let sum = probe.visit("after_attention", add(x, &update)?)?; // [B, T, C]
        let x = probe.visit("attention_norm", self.attention_norm.forward(&sum)?)?;
        let hidden = gelu(&self.up.forward(&x)?, self.activation)?; // [B, T, F]
        let hidden = probe.visit("feed_forward.hidden", hidden)?;
        let update = probe.visit("feed_forward.output", self.down.forward(&hidden)?)?; // [B, T, C]
        let sum = probe.visit("after_feed_forward", add(&x, &update)?)?;
        probe.visit("output", self.output_norm.forward(&sum)?)
    }
}

impl Model for Bert {
    fn description(&self) -> &Description {
        &self.description
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn hidden(&self, input: &Input, mask: &MaskChoice, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        input.check(&self.description)?;
        let mask = mask.resolve(&self.description);
        let visibility = Visibility { mask: &mask, at: input.positions(), padding: input.padding() };
        let mut x = probe.visit("embeddings", self.embed(input)?)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let mut scope = Scope::new(format!("encoder.{index}"), probe);
            x = layer.forward(&x, visibility, &mut scope, run)?;
            run.step("layer", index + 1, self.layers.len())?;
        }
        super::expect_finite(&self.checkpoint, "the last hidden state", x)
    }

    fn logits(&self, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Option<Tensor>> {
        let Some(head) = &self.head else { return Ok(None) };
        let x = head.norm.forward(&gelu(&head.transform.forward(hidden)?, head.activation)?)?; // [B, T, C]
        let x = probe.visit("head_norm", x)?;
        let logits = add_bias(&linear(&x, &head.decoder)?, &head.bias)?; // [B, T, V]
        let logits = super::expect_finite(&self.checkpoint, "logits", logits)?;
        probe.visit("logits", logits).map(Some)
    }
}
