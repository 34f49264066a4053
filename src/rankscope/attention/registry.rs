//! The registry of attention mechanisms. A new entry in the table is listed, shown and tested.

use super::layer::draw;
use super::{
    Alibi, AttentionLayer, Differential, LayerSizes, Linear, LinearAttention, Mechanism,
    NormalisedDotProduct, OnlineSoftmax, PositionScheme, RelativeBias, RelativeBuckets, ScaledDotProduct,
    SigmoidAttention, StateSpace,
};
use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::ops::FeatureMap;
use crate::random::{fan_in, gaussian};
use crate::tensor::Tensor;

/// One mechanism of attention: its name, its source, and how to make a layer of it.
pub struct MechanismKind {
    /// Its name: lower case, words joined by `-`.
    pub name: &'static str,
    /// One sentence: how it differs from the other mechanisms.
    pub summary: &'static str,
    /// The publication that proposed it.
    pub source: &'static str,
    /// A layer with seeded weights on the CPU; sizes that the mechanism fixes itself (G in multi-query attention, D
    /// where it is C/H) are not taken from the argument.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming a size that does not fit.
    pub make: fn(LayerSizes, seed: u64) -> Result<AttentionLayer>,
}

impl MechanismKind {
    /// The mechanism called `name`.
    ///
    /// # Errors
    /// [`Error::Invalid`] listing the names of all mechanisms.
    pub fn of(name: &str) -> Result<&'static MechanismKind> {
        MECHANISMS.iter().find(|kind| kind.name == name).ok_or_else(|| {
            let names: Vec<_> = MECHANISMS.iter().map(|kind| kind.name).collect();
            Error::invalid("attention mechanism", name, format!("one of {}", names.join(", ")))
        })
    }
}

const VASWANI: &str = "Vaswani et al. 2017 (arXiv 1706.03762)";
const KATHAROPOULOS: &str = "Katharopoulos et al. 2020 (arXiv 2006.16236)";
const RAFFEL: &str = "Raffel et al. 2019 (arXiv 1910.10683), section 2.1";
const PRESS: &str = "Press, Smith & Lewis 2021 (arXiv 2108.12409)";
const RED_LLM: &str = "RedLLM and DecLLM (arXiv 2510.26622)";

/// Every mechanism.
pub static MECHANISMS: &[MechanismKind] = &[
    MechanismKind {
        name: "single-head",
        summary: "one head as large as the width",
        source: "Vaswani et al. 2017 (arXiv 1706.03762), section 3.2.1",
        make: |sizes, seed| {
            let sizes = LayerSizes { heads: 1, kv_heads: 1, head_size: sizes.width, ..sizes };
            plain(sizes, seed, Mask::bidirectional())
        },
    },
    MechanismKind {
        name: "multi-head",
        summary: "H heads of size C/H side by side, without positions",
        source: "Vaswani et al. 2017 (arXiv 1706.03762), section 3.2.2",
        make: |sizes, seed| plain(standard(sizes)?, seed, Mask::bidirectional()),
    },
    MechanismKind {
        name: "causal-multi-head",
        summary: "multi-head attention under the causal mask of a decoder",
        source: VASWANI,
        make: |sizes, seed| plain(standard(sizes)?, seed, Mask::causal()),
    },
    MechanismKind {
        name: "fixed-multi-head",
        summary: "heads whose size is independent of their number and of the width",
        source: "Bhojanapalli et al. 2020 (arXiv 2002.07028)",
        make: |sizes, seed| plain(LayerSizes { kv_heads: sizes.heads, ..sizes }, seed, Mask::bidirectional()),
    },
    MechanismKind {
        name: "multi-query",
        summary: "all query heads share one key/value head, so a cache is 1/H as large",
        source: "Shazeer 2019 (arXiv 1911.02150)",
        make: |sizes, seed| plain(LayerSizes { kv_heads: 1, ..sizes }, seed, Mask::causal()),
    },
    MechanismKind {
        name: "grouped-query",
        summary: "groups of query heads share a key/value head",
        source: "Ainslie et al. 2023 (arXiv 2305.13245)",
        make: |sizes, seed| plain(sizes, seed, Mask::causal()),
    },
    MechanismKind {
        name: "cross-attention",
        summary: "queries of one sequence, keys and values of another",
        source: "Vaswani et al. 2017 (arXiv 1706.03762), section 3.2.3",
        make: |sizes, seed| {
            let layer = plain(standard(sizes)?, seed, Mask::bidirectional())?;
            Ok(AttentionLayer { is_cross: true, ..layer })
        },
    },
    MechanismKind {
        name: "online-softmax",
        summary: "the same results as softmax attention, without the n × n matrix",
        source: "Milakov & Gimelshein 2018 (arXiv 1805.02867), Dao et al. 2022 (arXiv 2205.14135)",
        make: |sizes, seed| {
            let mechanism = OnlineSoftmax::new(sizes.head_size);
            layer(sizes, seed, mechanism, PositionScheme::None, Mask::causal())
        },
    },
    MechanismKind {
        name: "sliding-window",
        summary: "a query sees itself and the three keys before it",
        source: "Beltagy, Peters & Cohan 2020 (arXiv 2004.05150), section 3.1; Mistral (arXiv 2310.06825)",
        make: |sizes, seed| plain(sizes, seed, Mask::window(4)?),
    },
    MechanismKind {
        name: "mixed-direction",
        summary: "half of the heads look back and half ahead",
        source: "Su Jianlin, kexue.fm 9529, the control of an argument about rank",
        make: |sizes, seed| plain(sizes, seed, Mask::mixed_direction()),
    },
    MechanismKind {
        name: "linear",
        summary: "features elu(x) + 1 in place of the softmax: bidirectional in linear time, by associativity",
        source: KATHAROPOULOS,
        make: |sizes, seed| linear(sizes, seed, FeatureMap::EluPlusOne, Mask::bidirectional()),
    },
    MechanismKind {
        name: "causal-linear",
        summary: "linear attention for a decoder: sums over the past, carried from token to token",
        source: KATHAROPOULOS,
        make: |sizes, seed| linear(sizes, seed, FeatureMap::EluPlusOne, Mask::causal()),
    },
    MechanismKind {
        name: "relu-linear",
        summary: "features max(x, 0): a query and a key without a common feature have weight 0",
        source: KATHAROPOULOS,
        make: |sizes, seed| linear(sizes, seed, FeatureMap::Relu, Mask::bidirectional()),
    },
    MechanismKind {
        name: "state-space",
        summary: "products of queries and keys that decay with every token: a state is carried from token to token",
        source: "Dao & Gu 2024 (arXiv 2405.21060), section 5",
        make: state_space,
    },
    MechanismKind {
        name: "learned-positions",
        summary: "a learned vector for every position is added to the hidden state",
        source: "Gehring et al. 2017 (arXiv 1705.03122), section 3.1",
        make: |sizes, seed| {
            let axes = [(Axis::Position, sizes.context), (Axis::Width, sizes.width)];
            let table = PositionScheme::Learned(draw("positions", seed, 4, axes, 1.0)?);
            layer(sizes, seed, softmax(sizes), table, Mask::bidirectional())
        },
    },
    MechanismKind {
        name: "sinusoidal-positions",
        summary: "sines and cosines of the position are added to the hidden state",
        source: "Vaswani et al. 2017 (arXiv 1706.03762), section 3.5",
        make: |sizes, seed| {
            layer(sizes, seed, softmax(sizes), PositionScheme::Sinusoidal, Mask::bidirectional())
        },
    },
    MechanismKind {
        name: "rotary",
        summary: "queries and keys are rotated by their positions",
        source: "Su et al. 2021 (arXiv 2104.09864), equation 34",
        make: |sizes, seed| {
            let positions = PositionScheme::Rotary { base: 10_000.0 };
            layer(sizes, seed, softmax(sizes), positions, Mask::causal())
        },
    },
    MechanismKind {
        name: "alibi",
        summary: "scores fall with the distance, steeper in each head than in the next",
        source: PRESS,
        make: |sizes, seed| {
            layer(sizes, seed, softmax(sizes), PositionScheme::Alibi(Alibi::Causal), Mask::causal())
        },
    },
    MechanismKind {
        name: "symmetric-alibi",
        summary: "ALiBi on both sides of a query, for an encoder",
        source: PRESS,
        make: |sizes, seed| {
            let positions = PositionScheme::Alibi(Alibi::Symmetric);
            layer(sizes, seed, softmax(sizes), positions, Mask::bidirectional())
        },
    },
    MechanismKind {
        name: "t5-relative",
        summary: "a learned bias for every bucket of distances, the two directions apart; scores without 1/√D",
        source: RAFFEL,
        make: |sizes, seed| relative(sizes, seed, true),
    },
    MechanismKind {
        name: "causal-t5-relative",
        summary: "T5's buckets for a decoder: all of them for the past",
        source: RAFFEL,
        make: |sizes, seed| relative(sizes, seed, false),
    },
    MechanismKind {
        name: "query-key-norm",
        summary: "queries and keys of fixed length, so that no score exceeds √D",
        source: "Henry et al. 2020 (arXiv 2010.04245)",
        make: |sizes, seed| normalised(sizes, seed, NormalisedDotProduct::new(sizes.head_size)),
    },
    MechanismKind {
        name: "query-key-value-norm",
        summary: "queries, keys and values of fixed length, as in DecLLM",
        source: RED_LLM,
        make: |sizes, seed| normalised(sizes, seed, NormalisedDotProduct::new(sizes.head_size).with_values()),
    },
    MechanismKind {
        name: "output-norm",
        summary: "queries, keys, values and the context of every head of fixed length, as in RedLLM",
        source: RED_LLM,
        make: |sizes, seed| {
            let mechanism = NormalisedDotProduct::new(sizes.head_size).with_values().with_context();
            normalised(sizes, seed, mechanism)
        },
    },
    MechanismKind {
        name: "learned-sink",
        summary: "a learned number in each head's sum takes weight that no key gets",
        source: "gpt-oss (OpenAI 2025, arXiv 2508.10925)",
        make: |sizes, seed| {
            let sinks = for_each_head(sizes, seed, 0.0, 1.0)?;
            let mechanism = ScaledDotProduct::new(sizes.head_size).with_sinks(sinks);
            layer(sizes, seed, mechanism, PositionScheme::None, Mask::causal())
        },
    },
    MechanismKind {
        name: "sigmoid",
        summary: "a sigmoid of every score in place of the softmax, so that keys do not compete",
        source: "Ramapuram et al. 2024 (arXiv 2409.04431)",
        make: |sizes, seed| {
            let mechanism = SigmoidAttention::new(sizes.head_size, sizes.context);
            layer(sizes, seed, mechanism, PositionScheme::None, Mask::causal())
        },
    },
    MechanismKind {
        name: "differential",
        summary: "the difference of two softmaxes, which cancels what both see; weights may be negative",
        source: "Ye et al. 2024 (arXiv 2410.05258)",
        make: |sizes, seed| {
            let initial = Differential::initial(0);
            let lambdas = for_each_head(sizes, seed, f64::from(initial), 0.1)?;
            let mechanism = Differential::new(sizes.head_size, lambdas, initial)?;
            layer(sizes, seed, mechanism, PositionScheme::None, Mask::causal())
        },
    },
    MechanismKind {
        name: "gated",
        summary: "every number of the heads' context times a sigmoid of the token's own hidden state",
        source: "Qiu et al. 2025 (arXiv 2505.06708)",
        make: |sizes, seed| {
            let mut layer = plain(sizes, seed, Mask::causal())?;
            let axes = [(Axis::HeadWidth, sizes.heads * sizes.head_size), (Axis::Width, sizes.width)];
            let weight = draw("gate", seed, 4, axes, 1.0 / (sizes.width as f64).sqrt())?;
            layer.attention.gate = Some(Linear { weight, bias: None });
            Ok(layer)
        },
    },
];

/// The sizes with D = C/H and G = H.
fn standard(sizes: LayerSizes) -> Result<LayerSizes> {
    let LayerSizes { width, heads, .. } = sizes;
    if heads == 0 || !width.is_multiple_of(heads) {
        return Err(Error::invalid("heads", heads, format!("a divisor of the width {width}")));
    }
    Ok(LayerSizes { kv_heads: heads, head_size: width / heads, ..sizes })
}

fn softmax(sizes: LayerSizes) -> Mechanism {
    ScaledDotProduct::new(sizes.head_size).into()
}

/// A seeded number for each head, N(mean, spread²).
fn for_each_head(sizes: LayerSizes, seed: u64, mean: f64, spread: f64) -> Result<Tensor> {
    let values =
        gaussian(sizes.heads, 1, seed, 4).iter().map(|value| (mean + spread * value) as f32).collect();
    Tensor::new([(Axis::Head, sizes.heads)], values)
}

fn layer(
    sizes: LayerSizes,
    seed: u64,
    mechanism: impl Into<Mechanism>,
    positions: PositionScheme,
    mask: Mask,
) -> Result<AttentionLayer> {
    Ok(AttentionLayer { attention: sizes.seeded(mechanism, seed)?, positions, mask, is_cross: false })
}

/// Softmax attention without positions.
fn plain(sizes: LayerSizes, seed: u64, mask: Mask) -> Result<AttentionLayer> {
    layer(sizes, seed, softmax(sizes), PositionScheme::None, mask)
}

fn linear(sizes: LayerSizes, seed: u64, map: FeatureMap, mask: Mask) -> Result<AttentionLayer> {
    layer(sizes, seed, LinearAttention::new(map), PositionScheme::None, mask)
}

/// The decay of key/value head g is RetNet's γ = 1 − 2^(−5 − g) where w·k = 0; w is N(0, 1/D).
fn state_space(sizes: LayerSizes, seed: u64) -> Result<AttentionLayer> {
    let LayerSizes { kv_heads, head_size, .. } = sizes;
    // For the 48th head and later ones, γ would round to 1.
    let decays: Vec<f64> = (0..kv_heads).map(|head| 1.0 - 0.5f64.powi(5 + head.min(47) as i32)).collect();
    let retention = StateSpace::retention(head_size, &decays)?;
    let weight = fan_in(kv_heads, head_size, seed, 4).iter().map(|&value| value as f32).collect();
    let weight = Tensor::new([(Axis::KvHead, kv_heads), (Axis::HeadSize, head_size)], weight)?;
    let mechanism = StateSpace::new(weight, retention.bias().clone())?;
    layer(sizes, seed, mechanism, PositionScheme::None, Mask::causal())
}

/// Rotary positions and normalised heads under a causal mask.
fn normalised(sizes: LayerSizes, seed: u64, mechanism: NormalisedDotProduct) -> Result<AttentionLayer> {
    layer(sizes, seed, mechanism, PositionScheme::Rotary { base: 10_000.0 }, Mask::causal())
}

/// Eight buckets up to a distance of 10, with a table of numbers N(0, 1).
fn relative(sizes: LayerSizes, seed: u64, is_bidirectional: bool) -> Result<AttentionLayer> {
    let buckets = RelativeBuckets::new(8, 10, is_bidirectional)?;
    let axes = [(Axis::Row, buckets.count()), (Axis::Head, sizes.heads)];
    let table = draw("relative bias", seed, 4, axes, 1.0)?;
    let positions = PositionScheme::Relative(RelativeBias::new(buckets, table)?);
    let mask = if is_bidirectional { Mask::bidirectional() } else { Mask::causal() };
    layer(sizes, seed, ScaledDotProduct::with_factor(1.0), positions, mask)
}
