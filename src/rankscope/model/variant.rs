//! [`AttentionVariant`]: fields of this library that change the attention of a BERT or a GPT.
//!
//! | field | values | what it does |
//! |---|---|---|
//! | `head_size` | a size | heads of D numbers whatever the width: FixedMultiHead (Bhojanapalli et al. 2020) |
//! | `attention` | `softmax`, `linear`, `differential`, `sigmoid`, `state-space` | how queries, keys and values meet |
//! | `feature_map` | `elu+1`, `relu` | which features, with `attention: "linear"` |
//! | `attention_sinks` | true | a learned sink in the softmax of each head |
//! | `attention_gate` | true | a gate on the context of each head |
//! | `directions` | `mixed`, `alternating` | half of the heads, or every second layer, look back, the others ahead |
//! | `positions` | `learned`, `none`, `rotary`, `alibi`, `relative` | how attention knows the order of tokens |
//!
//! Positions are learned by default: a table of as many rows as the model has positions. `none` has no table, so that
//! only the mask can carry the order; `rotary` rotates queries and keys (`rope_theta` and `rope_scaling` as in LLaMA);
//! `alibi` subtracts each head's slope times the distance |t − s| from the scores; `relative` adds a learned number for
//! every head and bucket of distances, as T5 does, all 0 in a new model, with `relative_attention_num_buckets` (32) and
//! `relative_attention_max_distance` (128). All except the table accept texts longer than the model was made for.
//!
//! The sources are given with the mechanisms in [`attention`](crate::attention). A layer of attention called `P` then
//! has tensors `P.sinks` `[H]`, `P.lambdas` `[H]`, `P.decay.weight` `[H, D]` and `P.decay.bias` `[H]`, `P.gate.weight`
//! `[HD, C]` and `P.gate.bias` `[HD]`. The relative bias `[buckets, H]` of all layers is
//! `transformer.relative_attention_bias.weight` of a GPT and, as in MPNet,
//! `bert.encoder.relative_attention_bias.weight` of a BERT.
//!
//! A model without these fields is the published one. With them, a checkpoint is still in the hub's format, but other
//! programs cannot compute with it.

use super::builder::{Builder, NamedSize};
use super::embeddings::Order;
use super::rope::Rotation;
use super::{Config, Fresh};
use crate::attention::{
    Differential, Linear, LinearAttention, Mechanism, RelativeBias, RelativeBuckets, ScaledDotProduct,
    SigmoidAttention, StateSpace,
};
use crate::axis::{Axis, Shape};
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::ops::FeatureMap;
use crate::weight::Weight;

/// The fields.
const FIELDS: [&str; 7] =
    ["head_size", "attention", "feature_map", "attention_sinks", "attention_gate", "directions", "positions"];

/// An error if the configuration of a family that has no variants states one of the fields, which would have
/// no effect.
///
/// # Errors
/// [`Error::Format`](crate::Error::Format) naming the field.
pub(super) fn expect_none(config: &Config) -> Result<()> {
    for field in FIELDS {
        if let Some(value) = config.optional::<serde_json::Value>(field)? {
            let family: String = config.get("model_type")?;
            let expected = format!("absent: {family} has no variants, as bert and gpt2 have");
            return Err(config.wrong(field, &value.to_string(), &expected));
        }
    }
    Ok(())
}

/// The kind of mechanism, without its learned parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Softmax,
    Linear(FeatureMap),
    Differential,
    Sigmoid,
    StateSpace,
}

/// How attention knows the order of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Learned,
    None,
    Rotary,
    Alibi,
    Relative,
}

/// How the attention of a configuration differs from the published one.
pub(super) struct AttentionVariant {
    /// H.
    heads: usize,
    /// D.
    pub(super) head_size: usize,
    /// The most tokens: n in the bias of sigmoid attention.
    context: usize,
    pub(super) kind: Kind,
    scheme: Scheme,
    has_sinks: bool,
    has_gate: bool,
    /// The mask of the layers 0, 2, 4, …, if it is not the family's.
    pub(super) mask: Option<Mask>,
    /// The mask of the layers 1, 3, 5, …, if it is different.
    pub(super) other_mask: Option<Mask>,
}

impl AttentionVariant {
    /// Reads the fields beside width, heads and number of positions, which the family calls `names`.
    ///
    /// # Errors
    /// An error naming the field that is wrong, or heads that do not divide the width.
    pub(super) fn read(config: &Config, names: [&str; 3]) -> Result<Self> {
        let [width, heads, context] =
            [config.size(names[0])?, config.size(names[1])?, config.size(names[2])?];
        let head_size = match config.optional_size("head_size")? {
            Some(size) => size,
            None if width.is_multiple_of(heads) => width / heads,
            None => {
                let expected = format!("a multiple of {} = {heads} (or head_size beside it)", names[1]);
                return Err(config.wrong(names[0], &width.to_string(), &expected));
            }
        };
        config.expect_heads(names[1], heads, head_size)?;
        let kind = kind(config)?;
        if kind == Kind::Differential && !head_size.is_multiple_of(2) {
            let expected = "even heads, since attention is \"differential\": a head has two halves";
            return Err(config.wrong("head_size", &head_size.to_string(), expected));
        }
        let scheme = scheme(config, kind, head_size)?;
        let has_sinks = config.optional("attention_sinks")?.unwrap_or(false);
        if has_sinks && kind != Kind::Softmax {
            let expected = "absent, since attention is not \"softmax\": a sink is a part of its denominator";
            return Err(config.wrong("attention_sinks", "true", expected));
        }
        let has_gate = config.optional("attention_gate")?.unwrap_or(false);
        let (mask, other_mask) = directions(config, names[1], heads)?;
        Ok(AttentionVariant {
            heads,
            head_size,
            context,
            kind,
            scheme,
            has_sinks,
            has_gate,
            mask,
            other_mask,
        })
    }

    /// The mechanism of layer `index`, whose attention is called `path`; `factor` replaces 1/√D where the family has
    /// its own factor.
    ///
    /// **Conventions**: in a new model sinks are 0, λ is λ_init of the layer ([`Differential::initial`]), and the decay
    /// has a half-life of about 14 tokens for all keys.
    pub(super) fn mechanism(
        &self,
        index: usize,
        path: &str,
        factor: Option<f32>,
        builder: &mut Builder<'_>,
    ) -> Result<Mechanism> {
        /// softplus(−3) = 0.049 = ln 2 / 14.3.
        const DECAY: f32 = -3.0;
        let (heads, size) = ((Axis::Head, self.heads), self.head_size);
        Ok(match self.kind {
            Kind::Softmax => {
                let softmax =
                    factor.map_or_else(|| ScaledDotProduct::new(size), ScaledDotProduct::with_factor);
                match self.has_sinks {
                    true => {
                        softmax.with_sinks(builder.constants(&format!("{path}.sinks"), heads, 0.0)?).into()
                    }
                    false => softmax.into(),
                }
            }
            Kind::Linear(map) => LinearAttention::new(map).into(),
            Kind::Sigmoid => SigmoidAttention::new(size, self.context).into(),
            Kind::Differential => {
                let initial = Differential::initial(index);
                let lambdas = builder.constants(&format!("{path}.lambdas"), heads, initial)?;
                Differential::new(size, lambdas, initial)?.into()
            }
            Kind::StateSpace => {
                let heads = (Axis::KvHead, self.heads);
                let shape = Shape::new([heads, (Axis::HeadSize, size)]);
                let weight = builder.stored(&format!("{path}.decay.weight"), shape, Fresh::Constant(0.0))?;
                let bias = builder.constants(&format!("{path}.decay.bias"), heads, DECAY)?;
                StateSpace::new(builder.on_device(weight)?, bias)?.into()
            }
        })
    }

    /// The gate of the attention called `path`, where there is one, of a model of width `width`.
    pub(super) fn gate(&self, path: &str, width: usize, builder: &mut Builder<'_>) -> Result<Option<Linear>> {
        let all = (Axis::HeadWidth, self.heads * self.head_size);
        let gate = || builder.linear(&format!("{path}.gate"), all, (Axis::Width, width), true);
        self.has_gate.then(gate).transpose()
    }

    /// Whether positions are rows of a table, which limits the length.
    pub(super) fn has_table(&self) -> bool {
        self.scheme == Scheme::Learned
    }

    /// The table of positions, where there is one, and how attention knows positions. `names` are the names of the
    /// table, of shape `axes`, and of the relative bias; keys after the query have separate buckets if
    /// `is_bidirectional`.
    pub(super) fn positions(
        &self,
        config: &Config,
        [table, bias]: &[String; 2],
        axes: [NamedSize; 2],
        is_bidirectional: bool,
        builder: &mut Builder<'_>,
    ) -> Result<(Option<Weight>, Order)> {
        let order = match self.scheme {
            Scheme::Learned => return Ok((Some(builder.matrix(table, axes)?), Order::Embedded)),
            Scheme::None => Order::Embedded,
            Scheme::Rotary => Order::Rotary(Rotation::read(config, self.head_size, self.context)?),
            Scheme::Alibi => Order::Alibi { heads: self.heads },
            Scheme::Relative => {
                let size = |field, usual| Ok(config.optional_size(field)?.unwrap_or(usual));
                let sizes = [size(BUCKETS, 32)?, size(MAX_DISTANCE, 128)?];
                let axes = Shape::new([(Axis::Row, sizes[0]), (Axis::Head, self.heads)]);
                let table = builder.stored(bias, axes, Fresh::Constant(0.0))?;
                Order::Relative(RelativeBias::new(buckets(config, sizes, is_bidirectional)?, table)?)
            }
        };
        Ok((None, order))
    }

    /// An error if heads or layers look ahead: a family that predicts the next token would see that token.
    pub(super) fn expect_causal(&self, config: &Config) -> Result<()> {
        match self.mask {
            None => Ok(()),
            Some(_) => {
                let got: String = config.get("directions")?;
                let expected = "absent: a model that predicts the next token may not look ahead";
                Err(config.wrong("directions", &format!("{got:?}"), expected))
            }
        }
    }
}

fn kind(config: &Config) -> Result<Kind> {
    let (attention, map): (Option<String>, Option<String>) =
        (config.optional("attention")?, config.optional("feature_map")?);
    let kind = match attention.as_deref().unwrap_or("softmax") {
        "softmax" => Kind::Softmax,
        "linear" => Kind::Linear(FeatureMap::EluPlusOne),
        "differential" => Kind::Differential,
        "sigmoid" => Kind::Sigmoid,
        "state-space" => Kind::StateSpace,
        other => {
            let expected = "\"softmax\", \"linear\", \"differential\", \"sigmoid\" or \"state-space\"";
            return Err(config.wrong("attention", &format!("{other:?}"), expected));
        }
    };
    match (kind, map.as_deref()) {
        (_, None) | (Kind::Linear(_), Some("elu+1")) => Ok(kind),
        (Kind::Linear(_), Some("relu")) => Ok(Kind::Linear(FeatureMap::Relu)),
        (Kind::Linear(_), Some(map)) => {
            Err(config.wrong("feature_map", &format!("{map:?}"), "\"elu+1\" or \"relu\""))
        }
        (_, Some(map)) => {
            let expected = "absent, since attention is not \"linear\"";
            Err(config.wrong("feature_map", &format!("{map:?}"), expected))
        }
    }
}

fn scheme(config: &Config, kind: Kind, head_size: usize) -> Result<Scheme> {
    let positions: Option<String> = config.optional("positions")?;
    let positions = positions.as_deref().unwrap_or("learned");
    let refused = |expected: &str| Err(config.wrong("positions", &format!("{positions:?}"), expected));
    let scheme = match positions {
        "learned" => Scheme::Learned,
        "none" => Scheme::None,
        "rotary" => Scheme::Rotary,
        "alibi" => Scheme::Alibi,
        "relative" => Scheme::Relative,
        _ => return refused("\"learned\", \"none\", \"rotary\", \"alibi\" or \"relative\""),
    };
    match (scheme, kind) {
        (Scheme::Rotary, _) if !head_size.is_multiple_of(2) => {
            let expected = "an even number, since positions is \"rotary\": numbers of a head turn in pairs";
            Err(config.wrong("head_size", &head_size.to_string(), expected))
        }
        (Scheme::Rotary, Kind::Differential) => refused(
            "others, since attention is \"differential\": a rotation would mix the two halves of a head",
        ),
        (Scheme::Alibi | Scheme::Relative, Kind::Linear(_) | Kind::StateSpace) => {
            refused("others, since attention makes no scores that a bias could be added to")
        }
        _ => Ok(scheme),
    }
}

const BUCKETS: &str = "relative_attention_num_buckets";
const MAX_DISTANCE: &str = "relative_attention_max_distance";

/// The number of buckets and their largest distance, which the configuration states in the fields of T5.
///
/// # Errors
/// [`Error::Format`] naming the field that is too small.
pub(super) fn buckets(
    config: &Config,
    [count, most]: [usize; 2],
    is_bidirectional: bool,
) -> Result<RelativeBuckets> {
    RelativeBuckets::new(count, most, is_bidirectional).map_err(|error| match error {
        Error::Invalid { what, got, expected } => {
            config.wrong(if what.starts_with("number") { BUCKETS } else { MAX_DISTANCE }, &got, &expected)
        }
        other => other,
    })
}

/// The masks for the field `directions`.
fn directions(config: &Config, name: &str, heads: usize) -> Result<(Option<Mask>, Option<Mask>)> {
    let directions: Option<String> = config.optional("directions")?;
    match directions.as_deref() {
        None => Ok((None, None)),
        Some("mixed") if heads.is_multiple_of(2) => Ok((Some(Mask::mixed_direction()), None)),
        Some("mixed") => {
            let expected = "an even number, since directions is \"mixed\": half of the heads look back";
            Err(config.wrong(name, &heads.to_string(), expected))
        }
        Some("alternating") => Ok((Some(Mask::causal()), Some(Mask::anti_causal()))),
        Some(other) => Err(config.wrong("directions", &format!("{other:?}"), "\"mixed\" or \"alternating\"")),
    }
}
