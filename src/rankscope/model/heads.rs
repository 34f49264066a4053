//! The ranks of every head of a model, for one input under one mask.

use ndarray::Array2;
use serde::Serialize;

use super::{Input, MaskChoice, Model};
use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::mask::{Mask, Padding};
use crate::probe::Trace;
use crate::rank::{ExactRank, RankReport, many};
use crate::run::Run;
use crate::tensor::Tensor;

/// The rank report of one head's attention weights.
#[derive(Clone, Debug, Serialize)]
pub struct HeadReport {
    /// The weights' name in a trace: `decoder.3.self_attention.weights`.
    pub name: String,
    /// The layer in its stack, from 0.
    pub layer: usize,
    /// The head, from 0.
    pub head: usize,
    /// What rank analysis says.
    #[serde(flatten)]
    pub report: RankReport,
}

/// A forward pass, and the ranks of all heads' attention weights: layer by layer, head by head.
///
/// # Errors
/// As [`Model::hidden`]; [`Error::Cancelled`] if the run was asked to stop.
pub fn head_reports(
    model: &dyn Model,
    input: &Input,
    mask: &MaskChoice,
    run: &Run,
) -> Result<Vec<HeadReport>> {
    let mut trace = Trace::of(["attention.weights"]);
    model.hidden(input, mask, &mut trace, run)?;
    let layers: Vec<(String, Tensor)> = trace.into_vec();
    let mask = mask.resolve(model.description());
    // Padding takes entries away that the mask allows; the zeros of the weights then decide.
    let mask = input.padding().is_none_or(Padding::is_trivial).then_some(&mask);
    reports(&layers, mask, run)
}

/// The ranks of traced attention weights, `[1, H, T, S]` or `[H, T, S]` each, under their names.
///
/// `mask` is the one that they were computed under: it decides the exact rank.
///
/// # Errors
/// [`Error::Invalid`] for a batch of several sequences, [`Error::Axes`] for anything but weights.
pub fn layer_reports(layers: &[(String, Tensor)], mask: &Mask, run: &Run) -> Result<Vec<HeadReport>> {
    reports(layers, Some(mask), run)
}

/// The reports; without a mask, the weights' own zeros are asked for the exact rank.
fn reports(layers: &[(String, Tensor)], mask: Option<&Mask>, run: &Run) -> Result<Vec<HeadReport>> {
    let mut jobs = Vec::new();
    let mut theorems = Theorems { mask, known: Vec::new() };
    for (name, weights) in layers {
        let weights = heads_of(weights)?.to_device(&crate::Device::Cpu)?; // [H, T, S]
        let [heads, queries, keys] = weights.shape().sizes()[..] else { unreachable!("checked by heads_of") };
        for head in 0..heads {
            jobs.push((name, weights.clone(), head, theorems.of(head, heads, queries, keys)));
        }
    }
    many(&jobs, "rank", run, |(name, weights, head, theorem)| {
        let matrix = weights.matrix(*head).expect("a head of weights on the CPU");
        let matrix: Array2<f64> = matrix.mapv(f64::from);
        let report = RankReport::of(matrix.view(), theorem.as_ref())?;
        Ok(HeadReport { name: name.to_string(), layer: layer_of(name), head: *head, report })
    })
}

/// What the mask implies for the exact rank of each head, worked out once for each mask.
struct Theorems<'a> {
    mask: Option<&'a Mask>,
    known: Vec<(Mask, usize, ExactRank)>,
}

impl Theorems<'_> {
    /// `None` without a mask, and for a matrix that is not square: its own zeros are then asked.
    fn of(&mut self, head: usize, heads: usize, queries: usize, keys: usize) -> Option<ExactRank> {
        if queries != keys {
            return None;
        }
        let mask = self.mask?.for_head(head, heads);
        if let Some((_, _, theorem)) = self.known.iter().find(|(known, n, _)| *known == mask && *n == keys) {
            return Some(theorem.clone());
        }
        let theorem = mask.exact_rank(keys);
        self.known.push((mask, keys, theorem.clone()));
        Some(theorem)
    }
}

/// Weights without their batch axis, `[H, T, S]`.
fn heads_of(weights: &Tensor) -> Result<Tensor> {
    match weights.shape().axes() {
        [(Axis::Batch, 1), rest @ ..] => weights.reshape(rest),
        [(Axis::Batch, batch), ..] => Err(Error::invalid("batch size", batch, "1 for the ranks of heads")),
        [(Axis::Head, _), (Axis::Query, _), (Axis::Key, _)] => Ok(weights.clone()),
        _ => {
            let (expected, got) = ("[H, T, S]".to_owned(), weights.shape().letters());
            Err(Error::Axes { op: "layer_reports", argument: "weights", expected, got })
        }
    }
}

/// The number in a path such as `decoder.3.self_attention.weights`; 0 where there is none.
fn layer_of(name: &str) -> usize {
    name.split('.').find_map(|part| part.parse().ok()).unwrap_or(0)
}
