//! [`Results`]: the outcomes of a twin's runs, in a file that is read back to the last digit.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Job, Share, Twin};
use crate::error::{Error, Result};
use crate::file::save;
use crate::numbers::Digits;
use crate::statistics::Sample;

/// The outcome of one run. In a file its numbers are text with all their digits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Outcome {
    /// Its metrics at the end, by name.
    pub metrics: BTreeMap<String, f64>,
    /// The loss on held-out data after some numbers of steps.
    pub curve: Vec<(usize, f64)>,
    /// The mean effective rank of all heads after some numbers of steps, where it was recorded.
    pub ranks: Vec<(usize, f64)>,
}

impl Outcome {
    /// A metric at the end of the run.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming a metric that the run does not have, and those that it has.
    pub fn metric(&self, name: &str) -> Result<f64> {
        self.metrics.get(name).copied().ok_or_else(|| {
            let names: Vec<_> = self.metrics.keys().map(String::as_str).collect();
            Error::invalid("metric", name, format!("one that the run found: {}", names.join(", ")))
        })
    }
}

/// An [`Outcome`], as it is written in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    metrics: BTreeMap<String, Digits>,
    curve: Vec<(usize, Digits)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ranks: Vec<(usize, Digits)>,
}

impl From<Outcome> for Written {
    fn from(outcome: Outcome) -> Self {
        let digits = |points: Vec<(usize, f64)>| points.into_iter().map(|(x, y)| (x, Digits(y))).collect();
        Written {
            metrics: outcome.metrics.into_iter().map(|(name, value)| (name, Digits(value))).collect(),
            curve: digits(outcome.curve),
            ranks: digits(outcome.ranks),
        }
    }
}

impl From<Written> for Outcome {
    fn from(written: Written) -> Self {
        let numbers = |points: Vec<(usize, Digits)>| points.into_iter().map(|(x, y)| (x, y.0)).collect();
        Outcome {
            metrics: written.metrics.into_iter().map(|(name, value)| (name, value.0)).collect(),
            curve: numbers(written.curve),
            ranks: numbers(written.ranks),
        }
    }
}

/// The outcomes of a twin's runs, of all runs or of a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    twin: Twin,
    runs: Vec<Found>,
}

/// The outcome of a job, as it is written in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    seed: u64,
    variant: usize,
    outcome: Outcome,
}

impl Found {
    fn job(&self) -> Job {
        Job { seed: self.seed, variant: self.variant }
    }
}

impl Results {
    /// The results before the first run.
    pub(super) fn none(twin: Twin) -> Self {
        Results { twin, runs: Vec::new() }
    }

    pub(super) fn add(&mut self, job: Job, outcome: Outcome) {
        let Job { seed, variant } = job;
        self.runs.push(Found { seed, variant, outcome });
        self.runs.sort_by_key(Found::job);
    }

    /// The twin whose runs these are.
    pub fn twin(&self) -> &Twin {
        &self.twin
    }

    /// The outcome of a run, if it was made.
    pub fn outcome(&self, job: Job) -> Option<&Outcome> {
        self.runs.iter().find(|found| found.job() == job).map(|found| &found.outcome)
    }

    /// The results in a file.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] naming the file.
    pub fn open(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        let not_results = |error: &dyn ToString| {
            Error::format(path, format!("no results of a twin: {}", error.to_string()))
        };
        let results: Results = serde_json::from_str(&text).map_err(|error| not_results(&error))?;
        results.twin.expect_one_key().map_err(|error| not_results(&error))?;
        let jobs = results.twin.jobs(Share::WHOLE);
        match results.runs.iter().find(|found| !jobs.contains(&found.job())) {
            Some(found) => Err(not_results(&format!(
                "seed {}, variant {} is none of its runs",
                found.seed, found.variant
            ))),
            None => Ok(results),
        }
    }

    /// Writes the results as JSON, with numbers as text with all their digits.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::format(path, error))?;
        save(path, text + "\n")
    }

    /// The results of several parts together.
    ///
    /// # Errors
    /// [`Error::Invalid`] for parts of different twins, or for a run that has different numbers in two parts.
    pub fn merge(parts: impl IntoIterator<Item = Results>) -> Result<Self> {
        let mut parts = parts.into_iter();
        let Some(mut all) = parts.next() else {
            return Err(Error::invalid("number of parts to merge", 0, "at least 1"));
        };
        for part in parts {
            if part.twin != all.twin {
                let expected = "parts of one twin: the same variants, seeds, metric and smallest effect";
                return Err(Error::invalid("results to merge", "those of different twins", expected));
            }
            for found in part.runs {
                match all.runs.iter().find(|known| known.job() == found.job()) {
                    Some(known) if *known == found => {}
                    Some(_) => {
                        let what = format!("variant {} of seed {}", found.variant, found.seed);
                        let expected = "the same numbers in every part";
                        return Err(Error::invalid(what, "there twice with different numbers", expected));
                    }
                    None => all.runs.push(found),
                }
            }
        }
        all.runs.sort_by_key(Found::job);
        Ok(all)
    }

    /// A metric of a variant, seed by seed.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the runs that were not made yet, or a metric that a run does not have.
    pub fn sample(&self, variant: usize, metric: &str) -> Result<Sample> {
        self.expect_all()?;
        let value = |found: &Found| found.outcome.metric(metric);
        self.runs.iter().filter(|found| found.variant == variant).map(value).collect()
    }

    /// The loss of a variant at its `index`-th evaluation, seed by seed; the first evaluation is before the first step.
    ///
    /// # Errors
    /// As [`sample`](Self::sample); [`Error::Invalid`] for an evaluation that a run does not have.
    pub fn sample_at(&self, variant: usize, index: usize) -> Result<Sample> {
        self.expect_all()?;
        let loss = |found: &Found| {
            let point = found.outcome.curve.get(index);
            point.map(|point| point.1).ok_or_else(|| {
                let expected = format!("below {}", found.outcome.curve.len());
                Error::invalid("number of an evaluation", index, expected)
            })
        };
        self.runs.iter().filter(|found| found.variant == variant).map(loss).collect()
    }

    /// The loss or the mean effective rank of a variant over the steps: means over its seeds with standard deviations, at the
    /// steps that all of them have.
    pub fn curve(&self, variant: usize, of: fn(&Outcome) -> &[(usize, f64)]) -> Vec<((f64, f64), f64)> {
        let found = self.runs.iter().filter(|found| found.variant == variant);
        means(&found.map(|found| of(&found.outcome)).collect::<Vec<_>>())
    }

    /// An error naming runs that were not made yet.
    pub(super) fn expect_all(&self) -> Result<()> {
        let missing = self.twin.jobs(Share::WHOLE).into_iter().filter(|&job| self.outcome(job).is_none());
        let names = self.twin.names();
        let missing: Vec<_> =
            missing.map(|job| format!("{} with seed {}", names[job.variant], job.seed)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let got = format!("without {}", missing.join(", "));
        Err(Error::invalid("results", got, "all runs of the twin; merge the other parts"))
    }
}

/// For every step that all curves have: the mean, and the standard deviation.
pub fn means(curves: &[&[(usize, f64)]]) -> Vec<((f64, f64), f64)> {
    let Some((first, others)) = curves.split_first() else { return Vec::new() };
    let at =
        |curve: &[(usize, f64)], step: usize| curve.iter().find(|point| point.0 == step).map(|point| point.1);
    let mean = |&(step, loss): &(usize, f64)| {
        let others: Option<Vec<f64>> = others.iter().map(|curve| at(curve, step)).collect();
        let sample = Sample::new([loss].into_iter().chain(others?));
        Some(((step as f64, sample.mean()), sample.sd()))
    };
    first.iter().filter_map(mean).collect()
}
