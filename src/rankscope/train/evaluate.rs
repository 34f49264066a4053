//! How well a model predicts held-out data.

use serde::{Deserialize, Serialize};

use super::batch::{Batch, logits, select};
use super::named;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::loss::cross_entropies;
use crate::probe::Unobserved;
use crate::run::Run;
use crate::tensor::Tensor;

/// How well a model predicts the targets of some batches.
///
/// **Conventions**: teacher forcing: every target is predicted from the true tokens before it. So greedy generation
/// would write an `exact` output in full; after one mistake, generation may make further ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Mean cross-entropy, in nats for each target.
    pub loss: f64,
    /// Share of the targets that have the largest logit.
    pub accuracy: f64,
    /// Share of the sequences whose targets all have the largest logit.
    pub exact: f64,
    /// Share of the sequences whose class has the largest score, where there is a head for classes.
    pub classes: Option<f64>,
    /// Where tokens stand for numbers y: Σ (ŷ − y)² / Σ (y − ȳ)², with ŷ = Σ p·value over all tokens that stand for
    /// numbers, whose p are normalised to sum to 1. A model that always predicts the mean has 1.
    pub error_over_variance: Option<f64>,
    /// Number of targets.
    pub targets: usize,
}

/// One metric of [`Metrics`].
pub struct MetricKind {
    /// The name of the field.
    pub name: &'static str,
    /// A description of the metric.
    pub summary: &'static str,
    /// The number, where it exists.
    pub value: fn(&Metrics) -> Option<f64>,
}

/// Every metric.
pub static TRAINING_METRICS: &[MetricKind] = &[
    metric("loss", "cross-entropy in nats for each target", |metrics| Some(metrics.loss)),
    metric("accuracy", "share of targets that are predicted", |metrics| Some(metrics.accuracy)),
    metric("exact", "share of outputs that are predicted whole", |metrics| Some(metrics.exact)),
    metric("classes", "share of classes that are predicted", |metrics| metrics.classes),
    metric("error_over_variance", "squared error of numbers over their variance", |metrics| {
        metrics.error_over_variance
    }),
];

const fn metric(name: &'static str, summary: &'static str, value: fn(&Metrics) -> Option<f64>) -> MetricKind {
    MetricKind { name, summary, value }
}

impl MetricKind {
    /// The metric called `name`.
    ///
    /// # Errors
    /// [`Error::Invalid`] listing the names of all metrics.
    pub fn find(name: &str) -> Result<&'static MetricKind> {
        named(TRAINING_METRICS, |kind| kind.name, name, "metric", format!("{name:?}"))
    }
}

/// The metrics of `model` over the predictions of all `batches` together; `values` are the numbers that tokens stand
/// for, from token 0 on, if tokens stand for numbers.
///
/// **Conventions**: logarithms and sums in f64, in the order of the batches. Label smoothing has no effect on them.
///
/// # Errors
/// The errors of `batches`; as [`Model::hidden`]; [`Error::Invalid`] if there is nothing to predict, or no head for
/// classes; [`Error::Cancelled`].
pub fn evaluate(
    model: &dyn Model,
    batches: impl IntoIterator<Item = Result<Vec<Batch>>>,
    values: Option<&[f64]>,
    run: &Run,
) -> Result<Metrics> {
    let mut sums = Sums::default();
    for batches in batches {
        for batch in batches? {
            sums.add(model, &batch, values, run)?;
        }
    }
    sums.metrics()
}

/// The sums over the batches so far.
#[derive(Default)]
struct Sums {
    cross_entropy: f64,
    targets: usize,
    right: usize,
    sequences: usize,
    exact: usize,
    classes: usize,
    right_classes: usize,
    /// ŷ and y.
    numbers: Vec<(f64, f64)>,
}

impl Sums {
    fn add(&mut self, model: &dyn Model, batch: &Batch, values: Option<&[f64]>, run: &Run) -> Result<()> {
        let hidden = model.hidden(&batch.input, &batch.mask, &mut Unobserved, run)?; // [B, T, C]
        let length = batch.targets.len() / batch.input.batch_size();
        let rows = batch.predicting_rows();
        // For each sequence with a target, whether all its targets were right so far.
        let mut exact: Vec<Option<bool>> = vec![None; batch.input.batch_size()];
        for rows in rows.chunks(rows_at_once(model)) {
            run.check()?;
            let logits = logits(model, &select(&hidden, rows)?, &mut Unobserved)?; // [1, N, V]
            let logits = model.record().finite("logits", &logits)?;
            let vocab = logits.len() / rows.len();
            let targets: Vec<u32> = rows.iter().filter_map(|&row| batch.targets[row as usize]).collect();
            self.cross_entropy += cross_entropies(&logits, vocab, &targets)?.iter().sum::<f64>();
            for ((logits, &target), &row) in logits.chunks_exact(vocab).zip(&targets).zip(rows) {
                let is_right = largest(logits) == target as usize;
                self.right += usize::from(is_right);
                let exact = &mut exact[row as usize / length];
                *exact = Some(is_right && exact.unwrap_or(true));
                self.numbers.extend(values.and_then(|values| number(logits, values, target)));
            }
            self.targets += rows.len();
        }
        self.sequences += exact.iter().flatten().count();
        self.exact += exact.iter().flatten().filter(|&&all| all).count();
        self.add_classes(model, batch, &hidden)
    }

    fn add_classes(&mut self, model: &dyn Model, batch: &Batch, hidden: &Tensor) -> Result<()> {
        let Some(labels) = &batch.labels else { return Ok(()) };
        let scores = batch.scores(labels.head, model, hidden, &mut Unobserved)?;
        let scores = model.record().finite(labels.head, &scores)?; // [B, N]
        let count = scores.len() / labels.classes.len().max(1);
        for (scores, class) in scores.chunks_exact(count.max(1)).zip(&labels.classes) {
            let Some(class) = class else { continue };
            self.classes += 1;
            self.right_classes += usize::from(largest(scores) == *class as usize);
        }
        Ok(())
    }

    fn metrics(&self) -> Result<Metrics> {
        if self.targets == 0 {
            return Err(Error::invalid("number of targets to evaluate on", 0, "at least one"));
        }
        let share = |count: usize, of: usize| count as f64 / of as f64;
        Ok(Metrics {
            loss: self.cross_entropy / self.targets as f64,
            accuracy: share(self.right, self.targets),
            exact: share(self.exact, self.sequences),
            classes: (self.classes > 0).then(|| share(self.right_classes, self.classes)),
            error_over_variance: error_over_variance(&self.numbers),
            targets: self.targets,
        })
    }
}

/// How many rows of logits are in memory at once: 16 MB.
fn rows_at_once(model: &dyn Model) -> usize {
    const NUMBERS: usize = 1 << 22;
    (NUMBERS / model.description().vocab.max(1)).max(1)
}

/// The index of the largest logit; the first of equal ones.
fn largest(logits: &[f32]) -> usize {
    (1..logits.len()).fold(0, |best, at| if logits[at] > logits[best] { at } else { best })
}

/// ŷ and y, if the target stands for a number.
fn number(logits: &[f32], values: &[f64], target: u32) -> Option<(f64, f64)> {
    let truth = *values.get(target as usize)?;
    let logits = &logits[..values.len().min(logits.len())];
    let most = f64::from(logits[largest(logits)]);
    let p = logits.iter().map(|&logit| (f64::from(logit) - most).exp());
    let (sum, weighted) = p.zip(values).fold((0.0, 0.0), |(sum, all), (p, value)| (sum + p, all + p * value));
    Some((weighted / sum, truth))
}

/// Σ (ŷ − y)² / Σ (y − ȳ)²; `None` if all numbers are equal, or there are none.
fn error_over_variance(numbers: &[(f64, f64)]) -> Option<f64> {
    let mean = numbers.iter().map(|(_, truth)| truth).sum::<f64>() / numbers.len() as f64;
    let variance: f64 = numbers.iter().map(|(_, truth)| (truth - mean).powi(2)).sum();
    let error: f64 = numbers.iter().map(|(guess, truth)| (guess - truth).powi(2)).sum();
    (variance > 0.0).then(|| error / variance)
}

#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;
