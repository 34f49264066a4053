//! From configuration and checkpoint to a model.

use super::{Bert, DECODER, Embeddings, Head, Layer, Norm, TIES};
use crate::attention::{Linear, MultiHead, ScaledDotProduct};
use crate::axis::Axis;
use crate::device::Device;
use crate::error::Result;
use crate::mask::Mask;
use crate::model::{Checkpoint, Config, Description, tied};
use crate::ops::GeluForm;
use crate::weight::Weight;

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
