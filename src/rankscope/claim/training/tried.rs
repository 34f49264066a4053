//! [`Tried`]: a twin, and what a claim predicts for it.

use super::super::prelude::*;
use super::plan::Plan;
use crate::train::twin::{self, Twin, TwinPreset};

/// A preset of a twin, with the claim's prediction for its variants compared with the first one.
#[derive(Clone, Copy)]
pub(super) struct Tried {
    /// Its name in measurements and sentences.
    pub name: &'static str,
    preset: &'static str,
    /// The claim's prediction.
    pub says: Says,
    /// Changes of all variants, such as `evaluate_lengths=[128]`.
    changes: &'static str,
    values: &'static [&'static str],
    metric: Option<(&'static str, f64)>,
    chance: Option<f64>,
}

/// A claim's prediction for a variant compared with the first one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Says {
    /// It is better, by at least the smallest difference that matters.
    Better,
    /// It is worse, by at least the smallest difference that matters.
    Worse,
    /// It is not better.
    NotBetter,
}

/// The effect of a variant, measured over the seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Effect {
    Better,
    Worse,
    Same,
    Unclear,
}

impl Effect {
    /// The effect that follows from the verdict on a difference in `metric`.
    pub(super) fn of(verdict: twin::Verdict, metric: &str) -> Self {
        match verdict {
            twin::Verdict::NotResolved => Effect::Unclear,
            twin::Verdict::NoDifferenceAbove(_) => Effect::Same,
            twin::Verdict::Smaller if is_low_good(metric) => Effect::Better,
            twin::Verdict::Larger if !is_low_good(metric) => Effect::Better,
            _ => Effect::Worse,
        }
    }
}

fn is_low_good(metric: &str) -> bool {
    metric.starts_with("loss") || metric.starts_with("error")
}

impl Says {
    /// The outcome of an effect for the claim.
    pub(super) fn outcome(self, effect: Effect) -> Outcome {
        match (self, effect) {
            (_, Effect::Unclear) => Outcome::Unclear,
            (Says::Better, Effect::Better) | (Says::Worse, Effect::Worse) => Outcome::Holds,
            (Says::NotBetter, Effect::Same | Effect::Worse) => Outcome::Holds,
            (_, Effect::Same) => Outcome::Fails,
            _ => Outcome::Opposite,
        }
    }
}

impl Tried {
    /// A preset without changes.
    pub(super) const fn new(name: &'static str, preset: &'static str, says: Says) -> Self {
        Tried { name, preset, says, changes: "", values: &[], metric: None, chance: None }
    }

    /// With changes of all variants.
    pub(super) const fn with(self, changes: &'static str) -> Self {
        Tried { changes, ..self }
    }

    /// With these values of its key; the others are compared with the first one.
    pub(super) const fn values(self, values: &'static [&'static str]) -> Self {
        Tried { values, ..self }
    }

    /// Compared by another metric, with the smallest difference in it that matters.
    pub(super) const fn by(self, metric: &'static str, smallest: f64) -> Self {
        Tried { metric: Some((metric, smallest)), ..self }
    }

    /// With the value that a guessing model has: a comparison of two such models shows nothing.
    pub(super) const fn chance(self, chance: f64) -> Self {
        Tried { chance: Some(chance), ..self }
    }

    pub(super) fn preset(&self) -> Result<&'static TwinPreset> {
        TwinPreset::find(self.preset)
    }

    /// The twin with the steps, seeds and changes of a plan.
    pub(super) fn twin(&self, plan: &Plan) -> Result<Twin> {
        let preset = self.preset()?;
        let base = plan.run(&preset.base(), self.changes)?;
        let values = if self.values.is_empty() { preset.values } else { self.values };
        let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
        let (metric, smallest) = self.metric.unwrap_or((preset.metric, preset.smallest));
        Twin::vary(&base, preset.key, &values, plan.seeds.len(), metric, smallest)
    }

    /// Whether neither of two means is better than guessing by the smallest difference that matters.
    pub(super) fn is_guessed(&self, means: [f64; 2], metric: &str, smallest: f64) -> bool {
        self.chance.is_some_and(|chance| {
            means.iter().all(|mean| match is_low_good(metric) {
                true => *mean >= chance - smallest,
                false => *mean <= chance + smallest,
            })
        })
    }
}
