//! The ranks of every head of a model, for one input under one mask.

use ndarray::Array2;
use serde::Serialize;

use super::{Description, Input, MaskChoice, Model};
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
    /// The rank report.
    #[serde(flatten)]
    pub report: RankReport,
}

/// Runs a forward pass and reports the ranks of all heads' attention weights: layer by layer, head by head.
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
    let mask_of = |name: &str| mask_of(name, model.description(), input, mask);
    let mut reports = reports(&layers, &|name| mask_of(name).filter(|_| model.has_positive_weights()), run)?;
    if model.has_product_weights() {
        let features = model.description().head_size;
        for head in &mut reports {
            let heads = model.description().heads;
            let mask = mask_of(&head.name).map(|mask| mask.for_head(head.head, heads));
            let report = &mut head.report;
            if mask == Some(Mask::bidirectional()) && features < report.rows.min(report.cols) {
                report.exact_rank = None;
                report.exact_rank_reason = format!(
                    "no theorem: at most {features}, as a product of so many features with scaled rows"
                );
            }
        }
    }
    Ok(reports)
}

/// The name of an attention, in short: `decoder.3.self` for `decoder.3.self_attention.weights`.
pub(crate) fn attention_of(weights: &str) -> &str {
    weights.trim_end_matches("attention.weights").trim_end_matches(['_', '.'])
}

/// The mask that the weights called `name` were computed under; `None` where padding hides keys that the mask allows:
/// then the zeros of the weights determine the exact rank.
fn mask_of(name: &str, model: &Description, input: &Input, choice: &MaskChoice) -> Option<Mask> {
    let reads_source =
        model.encoder.is_none() || name.starts_with("encoder.") || name.contains("cross_attention");
    let padding = if reads_source { input.padding() } else { input.decoder_padding() };
    padding.is_none_or(Padding::is_trivial).then(|| choice.of_weights(name, model))
}

/// The ranks of traced attention weights, `[1, H, T, S]` or `[H, T, S]` each, under their names.
///
/// `mask` is the mask that they were computed under: it determines the exact rank.
///
/// # Errors
/// [`Error::Invalid`] for a batch of several sequences, [`Error::Axes`] for anything but weights.
pub fn layer_reports(layers: &[(String, Tensor)], mask: &Mask, run: &Run) -> Result<Vec<HeadReport>> {
    reports(layers, &|_| Some(mask.clone()), run)
}

/// As [`layer_reports`], with a mask for each layer, and with the report of one head, `known`, that is not computed
/// again.
///
/// # Errors
/// As [`layer_reports`]; [`Error::Invalid`] if `known` is not a report of one of these heads, or if the numbers of
/// masks and layers differ.
pub fn layer_reports_with(
    known: HeadReport,
    layers: &[(String, Tensor)],
    masks: &[Mask],
    run: &Run,
) -> Result<Vec<HeadReport>> {
    if masks.len() != layers.len() {
        return Err(Error::invalid("number of masks", masks.len(), format!("{}, one a layer", layers.len())));
    }
    let mask_of = |name: &str| {
        let at = layers.iter().position(|(layer, _)| layer == name)?;
        Some(masks[at].clone())
    };
    let mut jobs = jobs(layers, &mask_of)?;
    let Some(at) = jobs.iter().position(|job| (job.name, job.head) == (&known.name, known.head)) else {
        let got = format!("{}, head {}", known.name, known.head);
        return Err(Error::invalid("known report", got, "one of these layers' heads"));
    };
    jobs.remove(at);
    let mut reports = many(&jobs, "rank", run, Job::report)?;
    reports.insert(at, known);
    Ok(reports)
}

/// The rank of one head of a layer's traced weights, `[1, H, T, S]` or `[H, T, S]`; see [`layer_reports`].
///
/// # Errors
/// As [`layer_reports`]; [`Error::Invalid`] if there is no such head.
pub fn head_report(layer: &(String, Tensor), head: usize, mask: &Mask) -> Result<HeadReport> {
    let jobs = jobs(std::slice::from_ref(layer), &|_| Some(mask.clone()))?;
    let expected = || format!("less than {}", jobs.len());
    jobs.get(head).ok_or_else(|| Error::invalid("head", head, expected()))?.report()
}

/// The mask of the weights with a name; without a mask, the zeros of the weights determine the exact rank.
type MaskOf<'a> = dyn Fn(&str) -> Option<Mask> + 'a;

fn reports(layers: &[(String, Tensor)], mask_of: &MaskOf<'_>, run: &Run) -> Result<Vec<HeadReport>> {
    many(&jobs(layers, mask_of)?, "rank", run, Job::report)
}

/// One head to report on.
struct Job<'a> {
    name: &'a String,
    weights: Tensor, // [H, T, S], on the CPU
    head: usize,
    theorem: Option<ExactRank>,
}

/// All heads of all layers, in order.
fn jobs<'a>(layers: &'a [(String, Tensor)], mask_of: &MaskOf<'_>) -> Result<Vec<Job<'a>>> {
    let mut jobs = Vec::new();
    let mut theorems = Theorems { known: Vec::new() };
    for (name, weights) in layers {
        let mask = mask_of(name);
        let weights = heads_of(weights)?.to_device(&crate::Device::Cpu)?; // [H, T, S]
        let [heads, queries, keys] = weights.shape().sizes()[..] else { unreachable!("checked by heads_of") };
        for head in 0..heads {
            let theorem = theorems.of(mask.as_ref(), head, heads, queries, keys);
            jobs.push(Job { name, weights: weights.clone(), head, theorem });
        }
    }
    Ok(jobs)
}

impl Job<'_> {
    fn report(&self) -> Result<HeadReport> {
        let matrix = self.weights.matrix(self.head).expect("a head of weights on the CPU");
        let matrix: Array2<f64> = matrix.mapv(f64::from);
        let report = RankReport::of(matrix.view(), self.theorem.as_ref())?;
        Ok(HeadReport { name: self.name.clone(), layer: layer_of(self.name), head: self.head, report })
    }
}

/// The exact rank of each head that follows from its mask, computed once for each mask.
struct Theorems {
    known: Vec<(Mask, usize, ExactRank)>,
}

impl Theorems {
    /// `None` without a mask, and for a matrix that is not square: then its own zeros determine the rank.
    fn of(
        &mut self,
        mask: Option<&Mask>,
        head: usize,
        heads: usize,
        queries: usize,
        keys: usize,
    ) -> Option<ExactRank> {
        if queries != keys {
            return None;
        }
        let mask = mask?.for_head(head, heads);
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
pub(super) fn layer_of(name: &str) -> usize {
    name.split('.').find_map(|part| part.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers() -> Vec<(String, Tensor)> {
        let weights = |seed: usize| {
            let values = (0..2 * 3 * 3).map(|i| ((i * 7 + seed) % 11) as f32 / 11.0).collect();
            Tensor::new([(Axis::Batch, 1), (Axis::Head, 2), (Axis::Query, 3), (Axis::Key, 3)], values)
                .unwrap()
        };
        [4, 7].map(|layer| (format!("decoder.{layer}.self_attention.weights"), weights(layer))).into()
    }

    #[test]
    fn a_wall_has_a_row_for_each_layer() {
        let reports = layer_reports(&layers(), &Mask::bidirectional(), &Run::default()).unwrap();
        let wall = crate::figure::Wall::of("ranks", &reports);
        assert_eq!(wall.layers, ["decoder.4.self", "decoder.7.self"]);
        assert_eq!(wall.values[(1, 1)], Some(reports[3].report.effective_rank));
    }

    #[test]
    fn a_known_report_is_taken_as_it_is_and_the_others_are_computed() {
        let (layers, mask, run) = (layers(), Mask::bidirectional(), Run::default());
        let all = layer_reports(&layers, &mask, &run).unwrap();
        let mut known = head_report(&layers[1], 0, &mask).unwrap();
        let numbers = |reports: &[HeadReport]| serde_json::to_value(reports).unwrap();
        assert_eq!(numbers(std::slice::from_ref(&known)), numbers(&all[2..3]));
        known.report.effective_rank = -1.0;
        let masks = [mask.clone(), mask.clone()];
        let mixed = layer_reports_with(known.clone(), &layers, &masks, &run).unwrap();
        assert_eq!((mixed.len(), mixed[2].report.effective_rank), (4, -1.0));
        for i in [0, 1, 3] {
            assert_eq!(numbers(&mixed[i..=i]), numbers(&all[i..=i]), "{i}");
        }
        known.head = 2;
        let error = layer_reports_with(known, &layers, &masks, &run).unwrap_err().to_string();
        let expected = "known report is decoder.7.self_attention.weights, head 2, expected";
        assert!(error.starts_with(expected), "{error}");
        let error = head_report(&layers[0], 2, &mask).unwrap_err().to_string();
        assert_eq!(error, "head is 2, expected less than 2");
    }
}
