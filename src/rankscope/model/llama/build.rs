//! Builds a LLaMA from a configuration.

use super::dialect::Dialect;
use crate::attention::{Linear, Mechanism, MultiHead, ScaledDotProduct};
use crate::axis::{Axis, Shape};
use crate::error::Result;
use crate::model::block::Block;
use crate::model::builder::{Builder, NamedSize};
use crate::model::embeddings::{Embeddings, LanguageHead, Order};
use crate::model::feed_forward::{Activation, FeedForward, Network};
use crate::model::mixture::Mixture;
use crate::model::rope::Rotation;
use crate::model::transformer::{Body, Trained, Transformer};
use crate::model::{Config, Fresh};
use crate::weight::Weight;

/// The fields of `config.json` that determine the shapes.
pub(in crate::model) struct LlamaFields {
    width: usize,
    feed_forward: usize,
    heads: usize,
    kv_heads: usize,
    pub(in crate::model) head_size: usize,
    /// Whether there are biases: of queries, keys and values; of the output; of the feed-forward network.
    biases: [bool; 3],
    activation: Activation,
    /// The number of experts, and how many of them a token visits.
    experts: Option<(usize, usize)>,
    pub(in crate::model) epsilon: f32,
    vocab: usize,
    pub(in crate::model) context: usize,
    pub(in crate::model) rotation: Rotation,
    pub(in crate::model) mechanism: Mechanism,
}

impl LlamaFields {
    pub(in crate::model) fn read(dialect: &Dialect, config: &Config) -> Result<Self> {
        let width = config.size("hidden_size")?;
        let [heads, kv_heads, head_size] = config.grouped_heads(width)?;
        let context = config.size("max_position_embeddings")?;
        let rotation = Rotation::read(config, head_size, context)?;
        Ok(LlamaFields {
            width,
            feed_forward: config.size("intermediate_size")?,
            heads,
            kv_heads,
            head_size,
            biases: dialect.biases(config)?,
            activation: Activation::read(config, "hidden_act")?,
            experts: if dialect.is_mixture { Some(experts(config)?) } else { None },
            epsilon: config.stated_epsilon("rms_norm_eps")?,
            vocab: config.size("vocab_size")?,
            context: rotation.context(context),
            rotation,
            mechanism: ScaledDotProduct::new(head_size).into(),
        })
    }

    /// C.
    pub(in crate::model) fn width(&self) -> NamedSize {
        (Axis::Width, self.width)
    }

    /// V.
    pub(in crate::model) fn vocab(&self) -> NamedSize {
        (Axis::Vocab, self.vocab)
    }

    fn inner(&self) -> NamedSize {
        (Axis::FeedForward, self.feed_forward)
    }

    /// The block whose tensors' names begin with `path`.
    pub(in crate::model) fn block(&self, builder: &mut Builder<'_>, path: &str) -> Result<Block> {
        let name = |part: &str| format!("{path}.{part}");
        Ok(Block {
            attention_norm: builder.rms_norm(&name("input_layernorm"), self.width, self.epsilon)?,
            self_attention: self.attention(builder, &name("self_attn"))?,
            feed_forward_norm: builder.rms_norm(
                &name("post_attention_layernorm"),
                self.width,
                self.epsilon,
            )?,
            feed_forward: match self.experts {
                None => network(self, builder, |part| name(&format!("mlp.{part}_proj")))?.into(),
                Some(experts) => FeedForward::Mixture(mixture(self, experts, builder, path)?),
            },
            is_pre_norm: true,
        })
    }

    /// The attention whose tensors' names begin with `path`.
    pub(in crate::model) fn attention(&self, builder: &mut Builder<'_>, path: &str) -> Result<MultiHead> {
        let LlamaFields { heads, kv_heads, head_size, .. } = *self;
        let width = self.width();
        let (all, shared) = ((Axis::HeadWidth, heads * head_size), (Axis::KvWidth, kv_heads * head_size));
        let [biased, output_biased, _] = self.biases;
        let mut linear =
            |part: &str, out, from, biased| builder.linear(&format!("{path}.{part}_proj"), out, from, biased);
        Ok(MultiHead {
            heads,
            kv_heads,
            query: linear("q", all, width, biased)?,
            key: linear("k", shared, width, biased)?,
            value: linear("v", shared, width, biased)?,
            output: linear("o", width, all, output_biased)?,
            gate: None,
            mechanism: self.mechanism.clone(),
        })
    }

    /// A decoder of `layers` blocks, whose tensors' names begin with `prefix`.
    pub(in crate::model) fn decoder(
        self,
        builder: &mut Builder<'_>,
        prefix: &str,
        layers: usize,
        words: Weight,
        output: Option<Weight>,
    ) -> Result<Body> {
        let block = |layer| self.block(builder, &format!("{prefix}layers.{layer}"));
        Ok(Body {
            is_decoder: true,
            embeddings: Embeddings::of_words(words),
            blocks: (0..layers).map(block).collect::<Result<_>>()?,
            final_norm: Some(builder.rms_norm(&format!("{prefix}norm"), self.width, self.epsilon)?),
            head: output.map(LanguageHead::of_words),
            order: Order::Rotary(self.rotation),
            pooler: None,
        })
    }
}

/// The number of experts, and how many of them a token visits.
fn experts(config: &Config) -> Result<(usize, usize)> {
    /// The most experts: more than any model has, and few enough to make the names of all their tensors.
    const MOST: usize = 1024;
    let experts = config.size("num_local_experts")?;
    if experts > MOST {
        return Err(config.wrong("num_local_experts", &experts.to_string(), &format!("at most {MOST}")));
    }
    match config.size("num_experts_per_tok")? {
        visited if visited <= experts => Ok((experts, visited)),
        visited => {
            let expected = format!("at most num_local_experts = {experts}");
            Err(config.wrong("num_experts_per_tok", &visited.to_string(), &expected))
        }
    }
}

/// Builds a model of the family.
///
/// # Errors
/// An error naming the field or tensor that is missing, wrong or not implemented.
pub(in crate::model) fn build(
    dialect: &Dialect,
    config: &Config,
    builder: &mut Builder<'_>,
) -> Result<Transformer> {
    let fields = LlamaFields::read(dialect, config)?;
    let layers = config.layers("num_hidden_layers")?;
    let (mask, other_mask) = dialect.masks(config, layers)?;
    let prefix = prefix(builder);
    let (words, output) = ends(config, builder, prefix, [fields.vocab(), fields.width()])?;
    let trained = Trained::new(dialect.family, fields.context, mask, other_mask);
    Transformer::new(trained, fields.decoder(builder, prefix, layers, words, output)?, builder, &[])
}

/// The prefix of the body's tensor names; empty in a checkpoint of the body only.
fn prefix(builder: &Builder<'_>) -> &'static str {
    let has = |prefix: &str, fresh| builder.has(&format!("{prefix}embed_tokens.weight"), fresh);
    match () {
        () if has("model.", true) => "model.",
        () if has("transformer.", false) => "transformer.", // with a head for answers
        () if has("", false) => "",
        () => "model.",
    }
}

/// The embedding, and the output layer where there is one: stored, or tied in a model that predicts tokens.
///
/// **Conventions**: `architectures` states what the model predicts; without it, the model predicts tokens. A body whose
/// names have no prefix has no output layer unless it is stored or tied.
fn ends(
    config: &Config,
    builder: &mut Builder<'_>,
    prefix: &str,
    axes: [NamedSize; 2],
) -> Result<(Weight, Option<Weight>)> {
    const OUTPUT: &str = "lm_head.weight";
    let (embedding, is_tied) =
        (format!("{prefix}embed_tokens.weight"), config.optional("tie_word_embeddings")?.unwrap_or(false));
    let predicts = predicts_tokens(config)? && (is_tied || !prefix.is_empty());
    match builder.has(OUTPUT, predicts) || predicts {
        true => {
            let [embedding, output] = builder.tied([&embedding, OUTPUT], axes, is_tied)?;
            Ok((embedding, Some(output)))
        }
        false => Ok((builder.matrix(&embedding, axes)?, None)),
    }
}

/// Whether `architectures` names a model that predicts tokens, or is absent.
fn predicts_tokens(config: &Config) -> Result<bool> {
    Ok(config.classes()?.is_empty() || config.is_of_class(&["ForCausalLM"])?)
}

/// The network whose parts `gate`, `up` and `down` have the names that `name` returns.
fn network(
    fields: &LlamaFields,
    builder: &mut Builder<'_>,
    name: impl Fn(&str) -> String,
) -> Result<Network> {
    let (width, inner, biased) = (fields.width(), fields.inner(), fields.biases[2]);
    Ok(Network {
        gate: Some(builder.linear(&name("gate"), inner, width, biased)?),
        up: builder.linear(&name("up"), inner, width, biased)?,
        down: builder.linear(&name("down"), width, inner, biased)?,
        activation: fields.activation,
    })
}

/// The experts: each in its own tensors, as on the hub, or all in two tensors, as `transformers` 5 holds them.
fn mixture(
    fields: &LlamaFields,
    (count, visited): (usize, usize),
    builder: &mut Builder<'_>,
    path: &str,
) -> Result<Mixture> {
    let (is_fused, experts) =
        (builder.has(&format!("{path}.mlp.experts.gate_up_proj"), false), (Axis::Expert, count));
    let block = format!("{path}.{}", if is_fused { "mlp" } else { "block_sparse_moe" });
    let router = builder.matrix(&format!("{block}.gate.weight"), [experts, fields.width()])?;
    let experts = match is_fused {
        true => fused(fields, count, builder, &format!("{block}.experts"))?,
        false => {
            let name = |expert: usize, part: &str| {
                let part = match part {
                    "gate" => "w1",
                    "down" => "w2",
                    _ => "w3",
                };
                format!("{block}.experts.{expert}.{part}")
            };
            let expert = |expert| network(fields, builder, |part| name(expert, part));
            (0..count).map(expert).collect::<Result<_>>()?
        }
    };
    Ok(Mixture { router, experts, visited })
}

/// Experts in two tensors, `gate_up_proj` `[E, 2F, C]` and `down_proj` `[E, C, F]`.
fn fused(fields: &LlamaFields, count: usize, builder: &mut Builder<'_>, path: &str) -> Result<Vec<Network>> {
    let (experts, width, inner) = ((Axis::Expert, count), fields.width(), fields.inner());
    let both = Shape::new([experts, (Axis::Column, 2 * inner.1), width]);
    let both = builder.stored(&format!("{path}.gate_up_proj"), both, Fresh::normal(width.1))?;
    let down = Shape::new([experts, width, inner]);
    let down = builder.stored(&format!("{path}.down_proj"), down, Fresh::update(inner.1))?;
    let size = inner.1 * width.1;
    let part = |all: &Weight, index: usize, axes: [NamedSize; 2]| {
        let weight = all.part(index * size, Shape::new(axes))?.to_device(builder.device())?;
        Ok(Linear { weight, bias: None })
    };
    let expert = |expert: usize| {
        Ok(Network {
            gate: Some(part(&both, 2 * expert, [inner, width])?),
            up: part(&both, 2 * expert + 1, [inner, width])?,
            down: part(&down, expert, [width, inner])?,
            activation: fields.activation,
        })
    };
    (0..count).map(expert).collect()
}
