//! [`Twin`]s: runs that differ in a single setting, over several seeds, and their difference.

mod preset;
mod report;
mod results;
mod statistics;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use preset::{FULL, SEEDS, TWIN_PRESETS, TwinPreset};
pub use report::Comparison;
pub use results::{Outcome, Results, means};
pub use statistics::{Paired, Verdict};

use super::evaluate::MetricKind;
use super::record::HEAD_METRICS;
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::run::Run;

/// Settings that differ in a single key, the seeds that each of them is trained with, and the metric that is compared.
/// All of this is stated before the first run.
///
/// **Conventions**: the seed determines the initial weights and the batches, so variants with the same seed begin with
/// the same weights, as far as they have the same tensors, and see the same batches in the same order. The other
/// variants are compared with the first one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Twin {
    variants: Vec<Settings>,
    seeds: Vec<u64>,
    metric: String,
    smallest: f64,
}

/// One run of a twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Job {
    /// Its seed.
    pub seed: u64,
    /// Its variant, from 0.
    pub variant: usize,
}

/// A part of the work: `2/3` is the second of three parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    index: usize,
    count: usize,
}

impl Share {
    /// All of the work.
    pub const WHOLE: Share = Share { index: 1, count: 1 };

    /// Those of `items` that belong to the part: every n-th from the i-th on.
    pub fn of<T>(self, items: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
        items.into_iter().skip(self.index - 1).step_by(self.count)
    }
}

impl FromStr for Share {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers =
            text.split_once('/').and_then(|(i, n)| Some((i.trim().parse().ok()?, n.trim().parse().ok()?)));
        match numbers {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Share { index, count }),
            _ => Err(Error::invalid("part", format!("{text:?}"), "i/n with i from 1 to n, such as 2/3")),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Twin {
    /// The twin of `variants`, each trained with `seeds` seeds from the first variant's on, compared by `metric`;
    /// `smallest` is the smallest difference that matters.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the keys in which variants differ, if that is not exactly one; two equal variants;
    /// fewer than two seeds; an unknown metric; a smallest effect that is not above 0.
    pub fn new(variants: Vec<Settings>, seeds: usize, metric: &str, smallest: f64) -> Result<Self> {
        if seeds < 2 {
            let expected = "at least 2: an interval comes from a spread";
            return Err(Error::invalid("number of seeds", seeds, expected));
        }
        variants.iter().try_for_each(|settings| expect_metric(metric, settings))?;
        statistics::expect_smallest(smallest)?;
        let first = variants.first().map_or(0, |settings| settings.seed);
        let seeds = (first..).take(seeds).collect();
        let twin = Twin { variants, seeds, metric: metric.to_owned(), smallest };
        twin.expect_one_key()?;
        Ok(twin)
    }

    /// As [`new`](Self::new), with `base` and each of `values` for `key` as the variants.
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`Settings::set`].
    pub fn vary(
        base: &Settings,
        key: &str,
        values: &[String],
        seeds: usize,
        metric: &str,
        smallest: f64,
    ) -> Result<Self> {
        let variant = |value: &String| {
            let mut settings = base.clone();
            settings.set(&format!("{key}={value}"))?;
            Ok(settings)
        };
        Twin::new(values.iter().map(variant).collect::<Result<_>>()?, seeds, metric, smallest)
    }

    fn expect_one_key(&self) -> Result<()> {
        let [first, others @ ..] = &self.variants[..] else {
            return Err(Error::invalid("number of variants", 0, "at least 2"));
        };
        if others.is_empty() {
            return Err(Error::invalid("number of variants", 1, "at least 2"));
        }
        let keys = self.keys();
        match &keys[..] {
            [key] if key == "seed" => Err(Error::invalid(
                "key in which variants differ",
                "seed",
                "another one: every variant is trained with all seeds",
            )),
            [_] => Ok(()),
            [] => Err(Error::invalid("keys in which variants differ", "none", "exactly one")),
            keys => Err(Error::invalid("keys in which variants differ", keys.join(", "), "exactly one")),
        }?;
        let names = self.names();
        for (at, name) in names.iter().enumerate() {
            if names[..at].contains(name) {
                let expected = "a value of its own for each variant";
                return Err(Error::invalid(self.key(), format!("{name} twice"), expected));
            }
        }
        Settings::check(first)
    }

    /// The keys in which any variant differs from the first.
    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = Vec::new();
        for variant in &self.variants[1..] {
            for (key, ..) in variant.differences(&self.variants[0]) {
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        keys
    }

    /// The key in which the variants differ.
    pub fn key(&self) -> String {
        self.keys().swap_remove(0)
    }

    /// The value of that key in each variant.
    pub fn names(&self) -> Vec<String> {
        let key = self.key();
        self.variants
            .iter()
            .map(|settings| settings.value(&key).unwrap_or_else(|| "null".to_owned()))
            .collect()
    }

    /// The seeds.
    pub fn seeds(&self) -> &[u64] {
        &self.seeds
    }

    /// The metric that is compared.
    pub fn metric(&self) -> &str {
        &self.metric
    }

    /// The smallest difference that matters.
    pub fn smallest(&self) -> f64 {
        self.smallest
    }

    /// Every run, or the runs of a part, seed by seed, so that the variants of a seed follow each other.
    pub fn jobs(&self, share: Share) -> Vec<Job> {
        let of_seed = |&seed: &u64| (0..self.variants.len()).map(move |variant| Job { seed, variant });
        share.of(self.seeds.iter().flat_map(of_seed)).collect()
    }

    /// The settings of a run.
    pub fn settings(&self, job: Job) -> Settings {
        Settings { seed: job.seed, ..self.variants[job.variant].clone() }
    }

    /// Trains the runs of a part. With a `file`, results are written there after every run, and runs whose results it
    /// already holds are not trained again.
    ///
    /// **Conventions**: the outcome of a run depends only on its settings, so the results of all parts together are
    /// those of the whole, to the last digit.
    ///
    /// # Errors
    /// The errors of `train`; [`Error::Format`] for a file with the results of another twin; [`Error::Io`] if it cannot
    /// be written.
    pub fn run(
        &self,
        share: Share,
        file: Option<&Path>,
        run: &Run,
        mut train: impl FnMut(&Settings, &Run) -> Result<Outcome>,
    ) -> Result<Results> {
        let mut results = match file.filter(|file| file.exists()) {
            Some(file) => {
                let results = Results::open(file)?;
                if results.twin() != self {
                    let problem = "holds the results of another twin; choose another file";
                    return Err(Error::format(file, problem));
                }
                results
            }
            None => Results::none(self.clone()),
        };
        let jobs = self.jobs(share);
        for (done, &job) in jobs.iter().enumerate() {
            run.step("run", done, jobs.len())?;
            if results.outcome(job).is_none() {
                results.add(job, train(&self.settings(job), run)?);
                file.map_or(Ok(()), |file| results.save(file))?;
            }
        }
        run.step("run", jobs.len(), jobs.len())?;
        Ok(results)
    }
}

/// An error unless a run of these settings finds the metric: one of [`TRAINING_METRICS`](super::TRAINING_METRICS),
/// `loss_at_N` for a further length of evaluation, or the mean over heads of a [recorded](super::HeadRecord) number.
fn expect_metric(metric: &str, settings: &Settings) -> Result<()> {
    let is_length = settings.evaluate_lengths.iter().any(|length| metric == format!("loss_at_{length}"));
    let is_recorded = settings.record_every > 0 && HEAD_METRICS.iter().any(|(name, _)| *name == metric);
    if is_length || is_recorded {
        return Ok(());
    }
    MetricKind::find(metric).map(|_| ()).map_err(|error| match error {
        Error::Invalid { what, got, expected } => {
            let more = "loss_at_N with N in evaluate_lengths, or what is recorded of heads, such as effective_rank, with record_every";
            Error::Invalid { what, got, expected: format!("{expected}; {more}") }
        }
        other => other,
    })
}
