//! From a configuration to a LLaMA.

use super::dialect::Dialect;
use super::{Feed, Layers, Llama};
use crate::attention::{Linear, MultiHead, ScaledDotProduct};
use crate::axis::{Axis, Shape};
use crate::error::Result;
use crate::model::builder::{Builder, NamedSize};
use crate::model::encoder_decoder::{Activation, Block, Network};
use crate::model::mixture::Mixture;
use crate::model::rope::Rotation;
use crate::model::transformer::Transformer;
use crate::model::{Config, Description, Fresh};
use crate::weight::Weight;

/// The fields of `config.json` that decide the layers' shapes.
struct Sizes {
    width: usize,
    feed_forward: usize,
    heads: usize,
    kv_heads: usize,
    head_size: usize,
    /// Of queries, keys and values; of the output; of the feed-forward network.
    biases: [bool; 3],
    activation: Activation,
    /// Experts, and how many of them a token visits.
    experts: Option<(usize, usize)>,
}

impl Sizes {
    fn read(dialect: &Dialect, config: &Config) -> Result<Self> {
        let width = config.size("hidden_size")?;
        let [heads, kv_heads, head_size] = config.grouped_heads(width)?;
        Ok(Sizes {
            width,
            feed_forward: config.size("intermediate_size")?,
            heads,
            kv_heads,
            head_size,
            biases: dialect.biases(config)?,
            activation: Activation::read(config, "hidden_act")?,
            experts: if dialect.is_mixture { Some(experts(config)?) } else { None },
        })
    }

    fn width(&self) -> NamedSize {
        (Axis::Width, self.width)
    }

    fn inner(&self) -> NamedSize {
        (Axis::FeedForward, self.feed_forward)
    }
}

/// Experts, and how many of them a token visits.
pub(in crate::model) fn experts(config: &Config) -> Result<(usize, usize)> {
    /// More than any model has, few enough to name them all in all layers.
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
) -> Result<Llama> {
    let sizes = Sizes::read(dialect, config)?;
    let (vocab, width) = ((Axis::Vocab, config.size("vocab_size")?), sizes.width());
    let context = config.size("max_position_embeddings")?;
    let rotation = Rotation::read(config, sizes.head_size, context)?;
    let layers = config.layers("num_hidden_layers")?;
    let (trained_mask, other_mask) = dialect.masks(config, layers)?;
    let epsilon = config.stated_epsilon("rms_norm_eps")?;
    let prefix = prefix(builder);
    let (embedding, output) = ends(config, builder, prefix, [vocab, width])?;
    let blocks = (0..layers)
        .map(|layer| block(&sizes, builder, &format!("{prefix}layers.{layer}")))
        .collect::<Result<Vec<_>>>()?;
    let final_norm = builder.gain(&format!("{prefix}norm.weight"), width)?;
    let record = builder.finish(&[])?;
    let description = Description {
        family: dialect.family,
        layers,
        heads: sizes.heads,
        kv_heads: sizes.kv_heads,
        head_size: sizes.head_size,
        width: sizes.width,
        feed_forward: sizes.feed_forward,
        vocab: vocab.1,
        context: rotation.context(context),
        trained_mask,
        encoder: None,
        other_mask,
        parameters: record.parameters(),
        dtype: embedding.dtype(),
    };
    let body = Layers { rotation, epsilon, embedding, blocks, final_norm, output };
    Ok(Transformer { description, device: builder.device().clone(), record, body })
}

/// What the names of the body begin with: nothing in a checkpoint that is a body alone.
fn prefix(builder: &Builder<'_>) -> &'static str {
    let has = |prefix: &str, fresh| builder.has(&format!("{prefix}embed_tokens.weight"), fresh);
    match () {
        () if has("model.", true) => "model.",
        () if has("transformer.", false) => "transformer.", // with a head for answers
        () if has("", false) => "",
        () => "model.",
    }
}

/// The embedding, and the output layer where there is one: stored, or tied, in a model that predicts tokens.
///
/// **Conventions**: `architectures` says what the model is; where it is silent, it predicts tokens. A body whose names
/// have no prefix has no output layer unless it is stored or tied.
fn ends(
    config: &Config,
    builder: &mut Builder<'_>,
    prefix: &str,
    axes: [NamedSize; 2],
) -> Result<(Weight, Option<Weight>)> {
    const OUTPUT: &str = "lm_head.weight";
    let (embedding, is_tied) = (format!("{prefix}embed_tokens.weight"), is_tied(config)?);
    let predicts = predicts_tokens(config)? && (is_tied || !prefix.is_empty());
    match builder.has(OUTPUT, predicts) || predicts {
        true => {
            let [embedding, output] = builder.tied([&embedding, OUTPUT], axes, is_tied)?;
            Ok((embedding, Some(output)))
        }
        false => Ok((builder.matrix(&embedding, axes)?, None)),
    }
}

/// Whether the output layer is the embedding.
pub(in crate::model) fn is_tied(config: &Config) -> Result<bool> {
    Ok(config.optional("tie_word_embeddings")?.unwrap_or(false))
}

/// Whether `architectures` names a model that predicts tokens, or nothing.
fn predicts_tokens(config: &Config) -> Result<bool> {
    Ok(config.classes()?.is_empty() || config.is_of_class(&["ForCausalLM"])?)
}

fn block(sizes: &Sizes, builder: &mut Builder<'_>, path: &str) -> Result<Block<Feed>> {
    let width = sizes.width();
    let heads = (Axis::HeadWidth, sizes.heads * sizes.head_size);
    let kv_heads = (Axis::KvWidth, sizes.kv_heads * sizes.head_size);
    let [biased, output_biased, _] = sizes.biases;
    let name = |part: &str| format!("{path}.{part}");
    Ok(Block {
        attention_norm: builder.gain(&name("input_layernorm.weight"), width)?,
        self_attention: MultiHead {
            heads: sizes.heads,
            kv_heads: sizes.kv_heads,
            query: builder.linear(&name("self_attn.q_proj"), heads, width, biased)?,
            key: builder.linear(&name("self_attn.k_proj"), kv_heads, width, biased)?,
            value: builder.linear(&name("self_attn.v_proj"), kv_heads, width, biased)?,
            output: builder.linear(&name("self_attn.o_proj"), width, heads, output_biased)?,
            mechanism: ScaledDotProduct::new(sizes.head_size).into(),
        },
        feed_forward_norm: builder.gain(&name("post_attention_layernorm.weight"), width)?,
        feed_forward: match sizes.experts {
            None => {
                let network = network(sizes, builder, |part| name(&format!("mlp.{part}_proj")))?;
                Feed::Network(Box::new(network))
            }
            Some(experts) => Feed::Mixture(mixture(sizes, experts, builder, path)?),
        },
    })
}

/// The network whose parts `gate`, `up` and `down` are called what `name` says.
fn network(sizes: &Sizes, builder: &mut Builder<'_>, name: impl Fn(&str) -> String) -> Result<Network> {
    let (width, inner, biased) = (sizes.width(), sizes.inner(), sizes.biases[2]);
    Ok(Network {
        gate: Some(builder.linear(&name("gate"), inner, width, biased)?),
        up: builder.linear(&name("up"), inner, width, biased)?,
        down: builder.linear(&name("down"), width, inner, biased)?,
        activation: sizes.activation,
    })
}

/// The experts, each in tensors of its own as on the hub, or all in two as `transformers` 5 holds them in memory.
fn mixture(
    sizes: &Sizes,
    (count, visited): (usize, usize),
    builder: &mut Builder<'_>,
    path: &str,
) -> Result<Mixture> {
    let (is_fused, experts) =
        (builder.has(&format!("{path}.mlp.experts.gate_up_proj"), false), (Axis::Expert, count));
    let block = format!("{path}.{}", if is_fused { "mlp" } else { "block_sparse_moe" });
    let router = builder.matrix(&format!("{block}.gate.weight"), [experts, sizes.width()])?;
    let experts = match is_fused {
        true => fused(sizes, count, builder, &format!("{block}.experts"))?,
        false => {
            let name = |expert: usize, part: &str| {
                let part = match part {
                    "gate" => "w1",
                    "down" => "w2",
                    _ => "w3",
                };
                format!("{block}.experts.{expert}.{part}")
            };
            let expert = |expert| network(sizes, builder, |part| name(expert, part));
            (0..count).map(expert).collect::<Result<_>>()?
        }
    };
    Ok(Mixture { router, experts, visited })
}

/// Experts in two tensors, `gate_up_proj` `[E, 2F, C]` and `down_proj` `[E, C, F]`.
fn fused(sizes: &Sizes, count: usize, builder: &mut Builder<'_>, path: &str) -> Result<Vec<Network>> {
    let (experts, width, inner) = ((Axis::Expert, count), sizes.width(), sizes.inner());
    let both = Shape::new([experts, (Axis::Column, 2 * inner.1), width]);
    let both = builder.stored(&format!("{path}.gate_up_proj"), both, Fresh::normal(width.1))?;
    let down = Shape::new([experts, width, inner]);
    let down = builder.stored(&format!("{path}.down_proj"), down, Fresh::normal(inner.1))?;
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
            activation: sizes.activation,
        })
    };
    (0..count).map(expert).collect()
}
