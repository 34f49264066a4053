//! Records of attention during training: ranks of its heads, gradients of its queries and keys.

use ndarray::{Array2, Array3, ArrayView2};
use serde::{Deserialize, Serialize};

use super::batch::Batch;
use crate::axis::Axis;
use crate::error::Result;
use crate::mask::Mask;
use crate::model::Model;
use crate::probe::Trace;
use crate::rank::{self, EPSILON_F32, Spectrum, Tolerance};
use crate::run::Run;
use crate::tensor::Tensor;

/// The number of sequences of the fixed batch that are recorded.
const SEQUENCES: usize = 4;

/// One head on the fixed batch: means over its sequences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadRecord {
    /// The layer's name, such as `decoder.0.self_attention`.
    pub layer: String,
    /// h, from 0.
    pub head: usize,
    /// exp of the entropy of σᵢ / Σσ of the weights `[T, S]`.
    pub effective_rank: f64,
    /// Singular values above max(T, S) · ε₃₂ · σ₁.
    pub numerical_rank: f64,
    /// σ₂ / σ₁.
    pub second_ratio: f64,
    /// The standard deviation of the scores that the mask allows.
    pub score_spread: f64,
    /// The smallest weight on the diagonal.
    pub smallest_diagonal: f64,
    /// The mean weight of the first token.
    pub first_token: f64,
}

/// A number of a [`HeadRecord`], with its name.
pub type HeadMetric = (&'static str, fn(&HeadRecord) -> f64);

/// The numbers of a [`HeadRecord`] by name, in the order of its fields.
pub static HEAD_METRICS: [HeadMetric; 6] = [
    ("effective_rank", |head| head.effective_rank),
    ("numerical_rank", |head| head.numerical_rank),
    ("second_ratio", |head| head.second_ratio),
    ("score_spread", |head| head.score_spread),
    ("smallest_diagonal", |head| head.smallest_diagonal),
    ("first_token", |head| head.first_token),
];

/// The norms of the gradients of one layer's matrices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradientRecord {
    /// The name of the tensor with the queries' matrix.
    pub tensor: String,
    /// ‖∂loss/∂W_Q‖, the Frobenius norm.
    pub query_norm: f64,
    /// ‖∂loss/∂W_K‖.
    pub key_norm: f64,
}

/// The weights of one layer's self-attention in one sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerWeights {
    /// The layer's name, such as `decoder.0.self_attention`.
    pub layer: String,
    /// `[H, T, S]`.
    pub weights: Array3<f32>,
    /// Their mask, without padding; `None` for files that do not state it.
    pub mask: Option<Mask>,
}

/// The record of every head of self-attention on the first sequences of a batch, and the weights in the first sequence.
///
/// # Errors
/// As [`Model::hidden`]; the error of a decomposition that fails.
pub fn heads(model: &dyn Model, batch: &Batch, run: &Run) -> Result<(Vec<HeadRecord>, Vec<LayerWeights>)> {
    let mut trace = Trace::of(["self_attention.scores", "self_attention.weights"]);
    model.hidden(&batch.input, &batch.mask, &mut trace, run)?;
    let (mut records, mut layers) = (Vec::new(), Vec::new());
    for (name, weights) in trace.iter() {
        let Some(layer) = name.strip_suffix(".weights") else { continue };
        let scores = trace.get(&format!("{layer}.scores"));
        let scores = scores.map(Tensor::to_vec).transpose()?;
        let sizes = [Axis::Batch, Axis::Head, Axis::Query, Axis::Key]
            .map(|axis| weights.shape().size(axis).unwrap_or(1));
        let numbers = weights.to_vec()?;
        records.extend(layer_heads(layer, &numbers, sizes, scores.as_deref(), run)?);
        let [_, heads, queries, keys] = sizes;
        let first = numbers[..heads * queries * keys].to_vec();
        let weights = Array3::from_shape_vec((heads, queries, keys), first).expect("H matrices of T × S");
        let mask = Some(batch.mask.of_weights(name, model.description()));
        layers.push(LayerWeights { layer: layer.to_owned(), weights, mask });
    }
    Ok((records, layers))
}

/// How far from the end of the input cross-attention looks, in relation to uniform weights: over all heads, layers,
/// sequences and queries, Σ A\[t, s\] (S − 1 − s) / Σ (S − 1) / 2. It is 1 for uniform weights, and 0 if all weight is
/// on the last token.
///
/// `None` for a model without cross-attention, and where no input has two tokens. Keys without any weight count as
/// padding.
///
/// # Errors
/// As [`Model::hidden`]; the errors of `batches`.
pub fn cross_distance<'a>(
    model: &dyn Model,
    batches: impl IntoIterator<Item = &'a Batch>,
    run: &Run,
) -> Result<Option<f64>> {
    let (mut distance, mut uniform) = (0.0, 0.0);
    for batch in batches {
        let mut trace = Trace::of(["cross_attention.weights"]);
        model.hidden(&batch.input, &batch.mask, &mut trace, run)?;
        for (_, weights) in trace.iter() {
            let [queries, keys] =
                [Axis::Query, Axis::Key].map(|axis| weights.shape().size(axis).unwrap_or(1));
            for head in weights.to_vec()?.chunks(queries * keys) {
                let rows = || head.chunks(keys);
                let last =
                    rows().filter_map(|row| row.iter().rposition(|&weight| weight > 0.0)).max().unwrap_or(0);
                let from_end = |(s, &weight): (usize, &f32)| f64::from(weight) * (last - s) as f64;
                distance += rows().flat_map(|row| row[..=last].iter().enumerate().map(from_end)).sum::<f64>();
                uniform += (queries * last) as f64 / 2.0;
            }
        }
    }
    Ok((uniform > 0.0).then(|| distance / uniform))
}

/// The records of the heads of one layer, from its weights `[B, H, T, S]` and scores.
fn layer_heads(
    layer: &str,
    numbers: &[f32],
    [batch, heads, queries, keys]: [usize; 4],
    scores: Option<&[f32]>,
    run: &Run,
) -> Result<Vec<HeadRecord>> {
    let area = queries * keys;
    let sequences = batch.min(SEQUENCES);
    let matrices: Vec<(usize, Array2<f64>)> = (0..sequences * heads)
        .map(|at| {
            let values = numbers[at * area..][..area].iter().map(|&x| f64::from(x)).collect();
            (at, Array2::from_shape_vec((queries, keys), values).expect("a matrix of T × S"))
        })
        .collect();
    let found = rank::many(&matrices, "ranks", &run.quiet(), |(at, matrix)| {
        let scores = scores.map(|scores| &scores[at * area..][..area]);
        look(matrix.view(), scores)
    })?;
    let mean = |head: usize| {
        let of = |metric: usize| {
            let sum: f64 = (0..sequences).map(|b| HEAD_METRICS[metric].1(&found[b * heads + head])).sum();
            sum / sequences as f64
        };
        HeadRecord {
            layer: layer.to_owned(),
            head,
            effective_rank: of(0),
            numerical_rank: of(1),
            second_ratio: of(2),
            score_spread: of(3),
            smallest_diagonal: of(4),
            first_token: of(5),
        }
    };
    Ok((0..heads).map(mean).collect())
}

/// The record of one matrix of weights.
fn look(weights: ArrayView2<f64>, scores: Option<&[f32]>) -> Result<HeadRecord> {
    let spectrum = Spectrum::of(weights)?;
    let size = weights.nrows().max(weights.ncols()) as f64;
    let [first, second] = [0, 1].map(|index| spectrum.values().get(index).copied().unwrap_or(0.0));
    let allowed = scores.map(|scores| {
        let pairs = scores.iter().zip(&weights).filter(|&(_, &weight)| weight > 0.0);
        pairs.map(|(&score, _)| f64::from(score)).collect::<Vec<_>>()
    });
    Ok(HeadRecord {
        layer: String::new(),
        head: 0,
        effective_rank: spectrum.effective_rank(),
        numerical_rank: spectrum.numerical_rank(Tolerance::relative(size * EPSILON_F32)?) as f64,
        second_ratio: second / first,
        score_spread: allowed.map_or(f64::NAN, |scores| deviation(&scores)),
        smallest_diagonal: weights.diag().iter().copied().fold(f64::INFINITY, f64::min),
        first_token: weights.column(0).mean().unwrap_or(f64::NAN),
    })
}

/// The standard deviation of `values` as a whole population.
fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

/// The names of the queries' matrix of self-attention in the families, each with the name of the keys' matrix; `None`
/// for one tensor `[C, 3HD]` of queries, keys and values.
const NAMES: [(&str, Option<&str>); 5] = [
    (".attn.c_attn.weight", None),
    (".self.query.weight", Some(".self.key.weight")),
    (".q_lin.weight", Some(".k_lin.weight")),
    (".self_attn.q_proj.weight", Some(".self_attn.k_proj.weight")),
    (".SelfAttention.q.weight", Some(".SelfAttention.k.weight")),
];

/// The norms of the gradients of W_Q and W_K in every layer, from the gradients of all parameters by name.
///
/// # Errors
/// [`Error::Gpu`](crate::Error::Gpu) if a readback fails.
pub fn gradients(all: &[(&str, Option<&Tensor>)]) -> Result<Vec<GradientRecord>> {
    let mut records = Vec::new();
    for &(name, gradient) in all {
        let known = NAMES.iter().find_map(|&(query, key)| Some((name.strip_suffix(query)?, key)));
        let (Some((path, key)), Some(gradient)) = (known, gradient) else { continue };
        let norm =
            |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let numbers = gradient.to_vec()?;
        let [query_norm, key_norm] = match key {
            Some(key) => {
                let name = format!("{path}{key}");
                let key = all.iter().find(|(other, _)| *other == name).and_then(|&(_, gradient)| gradient);
                let keys = key.map(Tensor::to_vec).transpose()?.unwrap_or_default();
                [norm(&mut numbers.into_iter()), norm(&mut keys.into_iter())]
            }
            None => {
                let columns = gradient.shape().sizes().last().copied().unwrap_or(3);
                let third = columns / 3;
                [0, third].map(|start| {
                    let part = |row: &[f32]| row[start..start + third].to_vec();
                    norm(&mut numbers.chunks(columns).flat_map(part))
                })
            }
        };
        records.push(GradientRecord { tensor: name.to_owned(), query_norm, key_norm });
    }
    Ok(records)
}
