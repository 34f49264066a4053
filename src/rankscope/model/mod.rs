//! Models: configuration → blocks → logits, loaded from Hugging Face folders.
//!
//! One file for each family turns a configuration into parts: embeddings, blocks, a head. The code that all families
//! share is written once: the layer (`block`), the pass through one stack (`transformer`) or two (`encoder_decoder`),
//! masks, cache and the names in a trace. [`FAMILIES`] is the registry. The cost of a model ([`count`]) is computed
//! from the same parts, built from shapes without numbers. A model runs under any mask and any probe, on either device.

mod bert;
mod block;
mod builder;
#[cfg(test)]
mod builder_tests;
mod cache;
mod checkpoint;
mod config;
pub mod count;
mod cross_cache;
mod decllm;
mod defaults;
mod embeddings;
mod encoder_decoder;
mod family;
mod feed_forward;
mod foreign;
pub mod generate;
mod gpt;
mod gpt1;
mod gpt2;
pub mod heads;
mod input;
mod llama;
pub mod loss;
mod make;
mod mask_choice;
mod mixture;
pub mod preset;
mod python_json;
mod record;
mod redllm;
pub mod reuse;
mod rope;
mod source;
pub mod stack;
pub mod store;
mod t5;
mod task_head;
mod tokenizer;
mod transformer;
mod variant;

pub use builder::Builder;
pub use cache::{CacheLayout, KvCache, LayerCache};
pub use checkpoint::Checkpoint;
pub use config::Config;
pub use cross_cache::CrossCache;
pub use family::{FAMILIES, Family};
pub use input::Input;
pub(crate) use make::parameters_of;
pub use make::{Outline, build, load, open, outline, seeded, untrained};
pub use mask_choice::MaskChoice;
pub(crate) use mixture::kept as kept_experts;
pub use record::Record;
pub use source::{Fresh, Seeded, Source};
pub use task_head::{Reads, TaskHead};
pub(in crate::model) use tokenizer::TEXT_FILES;
#[cfg(test)]
pub(crate) use tokenizer::samples as tokenizer_samples;
pub use tokenizer::{Tokenizer, Tokens};

use crate::axis::Axis;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::probe::{Probe, Unobserved};
use crate::run::Run;
use crate::tensor::Tensor;
use crate::weight::{Dtype, Weight};

use block::Block;
use transformer::Trained;

/// The family and the sizes of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// The family's name on [`FAMILIES`].
    pub family: &'static str,
    /// L.
    pub layers: usize,
    /// H, query heads in each layer.
    pub heads: usize,
    /// G, key/value heads in each layer.
    pub kv_heads: usize,
    /// D.
    pub head_size: usize,
    /// C.
    pub width: usize,
    /// F.
    pub feed_forward: usize,
    /// V.
    pub vocab: usize,
    /// The length that the model was made for, in tokens: the longest sequence, if [`is_limited`](Self::is_limited).
    pub context: usize,
    /// Whether longer sequences are refused. A variant of GPT or BERT without a table of positions accepts any length.
    pub is_limited: bool,
    /// The mask that the weights were trained under, in layer 0 and wherever `other_mask` names no other.
    pub trained_mask: Mask,
    /// The encoder, where there is one; the other sizes are then those of the decoder.
    pub encoder: Option<EncoderDescription>,
    /// The mask of the layers that were trained under another mask than layer 0.
    pub other_mask: Option<OtherMask>,
    /// How many numbers the model's tensors have, tied tensors counted once.
    pub parameters: usize,
    /// How the weights are stored.
    pub dtype: Dtype,
}

impl Description {
    /// The sizes of a cache for `batch` sequences.
    fn layout(&self, batch: usize) -> CacheLayout {
        let Description { layers, kv_heads, head_size, .. } = *self;
        CacheLayout { layers, batch, kv_heads, head_size }
    }

    /// The description of a built model, from its embedding, its blocks (the decoder's, if there are two stacks) and
    /// its record.
    fn new<'a>(
        trained: Trained,
        words: &Weight,
        blocks: impl ExactSizeIterator<Item = &'a Block>,
        record: &Record,
    ) -> Self {
        let Trained { family, context, is_limited, mask, other_mask } = trained;
        let sizes = count::StackSizes::of(blocks);
        let count::AttentionSizes { heads, kv_heads, head_size, .. } = sizes.self_attention;
        let size = |axis| words.shape().size(axis).unwrap_or(0);
        Description {
            family,
            layers: sizes.layers,
            heads,
            kv_heads,
            head_size,
            width: size(Axis::Width),
            feed_forward: sizes.feed_forward.width,
            vocab: size(Axis::Vocab),
            context,
            is_limited,
            trained_mask: mask,
            encoder: None,
            other_mask,
            parameters: record.parameters(),
            dtype: words.dtype(),
        }
    }

    /// An error if the model called `name` is an encoder and a decoder: for experiments about one stack.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the model and its family.
    pub fn expect_one_stack(&self, name: &str) -> Result<()> {
        match self.encoder {
            None => Ok(()),
            Some(_) => {
                let got = format!("{name}, an encoder-decoder of family {}", self.family);
                Err(Error::invalid("model", got, "one of a single stack, such as gpt2, bert or llama"))
            }
        }
    }

    /// An error if the layers of the model called `name` were trained under two masks: for experiments about one mask.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the model and its masks.
    pub fn expect_one_mask(&self, name: &str) -> Result<()> {
        match self.other_mask {
            None => Ok(()),
            Some(_) => {
                let got = format!("{name}, trained under {}", MaskChoice::AsTrained.in_words(self));
                Err(Error::invalid("model", got, "one of a single mask in all layers"))
            }
        }
    }
}

/// A second mask of self-attention, and the layers that were trained under it.
#[derive(Clone, Debug, PartialEq)]
pub struct OtherMask {
    /// The mask.
    pub mask: Mask,
    /// Its layers, from 0, in order.
    pub layers: Vec<usize>,
}

impl OtherMask {
    /// The mask of the layers 1, 3, 5, … of `layers`, where layers alternate between two directions; `None` if there is
    /// only layer 0.
    pub(crate) fn odd(mask: Mask, layers: usize) -> Option<Self> {
        let layers: Vec<_> = (1..layers).step_by(2).collect();
        (!layers.is_empty()).then_some(OtherMask { mask, layers })
    }
}

/// The encoder of an encoder-decoder, as far as it differs from the decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderDescription {
    /// L of the encoder.
    pub layers: usize,
    /// The mask that it was trained under.
    pub trained_mask: Mask,
    /// The first token of the decoder.
    pub start: Option<u32>,
    /// Whether the context holds the tokens of both sides together, as where the decoder's positions continue after the
    /// encoder's.
    pub shares_context: bool,
}

/// The result of a forward pass.
#[derive(Clone, Debug)]
pub struct Output {
    /// The residual stream after the last layer and the final norm, `[B, T, C]`.
    pub hidden: Tensor,
    /// Scores of every vocabulary entry, `[B, T, V]`; `None` for a model without an output head.
    pub logits: Option<Tensor>,
    /// The scores of the heads that were trained on the body, in the order of [`Record::heads`]: `[B, N]` for a head
    /// over the whole text, `[B, T, N]` for a head over its tokens.
    pub heads: Vec<Tensor>,
}

/// A transformer that can be run under any mask and any probe.
pub trait Model: Send + Sync {
    /// Family and sizes.
    fn description(&self) -> &Description;

    /// Where the weights are.
    fn device(&self) -> &Device;

    /// The tensors that it was built from, and its configuration.
    fn record(&self) -> &Record;

    /// The sizes of its parts, from which costs are counted.
    fn sizes(&self) -> count::ModelSizes;

    /// The residual stream after the last layer (and the final norm, where there is one), `[B, T, C]`; in an
    /// encoder-decoder, the decoder's.
    ///
    /// # Errors
    /// An error naming the input that does not fit, a weight that is not finite, or the probe's own.
    fn hidden(&self, input: &Input, mask: &MaskChoice, probe: &mut dyn Probe, run: &Run) -> Result<Tensor>;

    /// Scores of every vocabulary entry, `[B, T, V]`, visited as `logits`; `None` without an output head.
    ///
    /// # Errors
    /// As [`Model::hidden`].
    fn logits(&self, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Option<Tensor>>;

    /// Whether every weight of attention that a mask allows is positive in exact arithmetic: theorems about the mask
    /// require this. It is true for softmax, but not for linear attention with some feature maps.
    fn has_positive_weights(&self) -> bool {
        true
    }

    /// Whether the weights without a mask are a product of D features of each query and key with scaled rows, and so of
    /// rank D at most, as in linear attention.
    fn has_product_weights(&self) -> bool {
        false
    }

    /// A vector for the whole sequence, `[B, C]`, made of the first token's hidden state `[B, T, C]` and visited
    /// as `pooled`; `None` for a model without a pooler.
    ///
    /// # Errors
    /// A shape error naming what does not fit; the probe's own.
    fn pooled(&self, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Option<Tensor>> {
        let _ = (hidden, probe);
        Ok(None)
    }

    /// An empty cache for `batch` sequences, to be filled by [`hidden_after`](Model::hidden_after).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a family that keeps no cache; [`Error::Gpu`] if the GPU fails.
    fn cache(&self, batch: usize) -> Result<KvCache> {
        let _ = batch;
        Err(no_cache(self.description()))
    }

    /// As [`hidden`](Model::hidden), for T tokens that follow the S tokens in the cache, which then holds
    /// S + T: position t of the input stands at S + t.
    ///
    /// **Conventions**: probes see keys and values of the T new positions, and scores and weights
    /// `[B, H, T, S + T]`. An error leaves the cache as it was. In an encoder-decoder these are the decoder's
    /// tokens; the encoder runs in the first pass, whose cross-attention's keys and values the cache keeps, and
    /// the input names the same encoder's ids in all of them: another text needs another cache.
    ///
    /// # Errors
    /// As [`hidden`](Model::hidden), and an error naming a cache of another model, other sizes or another
    /// device; a mask under which cached positions would see new ones; a family that keeps no cache.
    fn hidden_after(
        &self,
        cache: &mut KvCache,
        input: &Input,
        mask: &MaskChoice,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        let _ = (cache, input, mask, probe, run);
        Err(no_cache(self.description()))
    }

    /// The whole pass: hidden states, logits and heads.
    ///
    /// # Errors
    /// As [`Model::hidden`].
    fn forward(&self, input: &Input, mask: &MaskChoice, probe: &mut dyn Probe, run: &Run) -> Result<Output> {
        let hidden = self.hidden(input, mask, probe, run)?;
        let logits = self.logits(&hidden, probe)?;
        let heads = self.heads(&hidden, input, probe)?;
        Ok(Output { hidden, logits, heads })
    }

    /// The scores of each of [`Record::heads`], visited as `NAME.output`.
    ///
    /// **Shapes**: hidden `[B, T, C]`; `[B, N]` for a head over the whole text, `[B, T, N]` for a head over its tokens.
    ///
    /// # Errors
    /// As [`Model::pooled`].
    fn heads(&self, hidden: &Tensor, input: &Input, probe: &mut dyn Probe) -> Result<Vec<Tensor>> {
        let heads = self.record().heads();
        let pooled = match heads.iter().any(|head| head.reads() == Reads::Pooled) {
            true => self.pooled(hidden, probe)?,
            false => None,
        };
        let say = |head: &TaskHead| {
            let said = head.forward(hidden, pooled.as_ref(), input)?;
            probe.visit(&format!("{}.output", head.name()), said)
        };
        heads.iter().map(say).collect()
    }
}

/// An error naming `what` unless the model predicts the next token at every position: it has a decoder with an output
/// layer.
pub(in crate::model) fn expect_predicts(model: &dyn Model, what: &str) -> Result<()> {
    let config = model.record().config();
    let family = model.description().family;
    let got = config.classes()?.first().map_or(family.to_owned(), |class| format!("{family} ({class})"));
    if !model.sizes().generates() {
        let what = format!("family of a model {what}");
        return Err(Error::invalid(what, got, "one that predicts the next token, such as llama"));
    }
    let axes = [(Axis::Batch, 1), (Axis::Query, 1), (Axis::Width, model.description().width)];
    let one = Tensor::zeros(axes).to_device(model.device())?;
    match model.logits(&one, &mut Unobserved)? {
        Some(_) => Ok(()),
        None => {
            let got = format!("{got}, a body without an output layer");
            let expected = "one that predicts the next token, as …LMHeadModel";
            Err(Error::invalid(format!("model {what}"), got, expected))
        }
    }
}

fn no_cache(model: &Description) -> Error {
    Error::invalid("family of a model with a cache", model.family, "one with a decoder, such as llama")
}
