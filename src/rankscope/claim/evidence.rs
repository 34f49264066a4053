//! [`Evidence`]: what an experiment measured, and what that says for and against its claim.

use std::fmt;

use super::{Sample, Settings};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::figure::Figure;

/// One number of an experiment.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Its name, in lower case with underscores; the unit at its end where it has one.
    pub name: String,
    /// The number; over draws, their mean.
    pub value: f64,
    /// Its unit; empty for a pure number.
    pub unit: &'static str,
    /// Where it depends on draws: its value in each.
    pub spread: Option<Sample>,
}

/// What a theory or a reference says that a measured number should be.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The name of the measured number.
    pub name: String,
    /// What it should be.
    pub value: f64,
    /// How far from that it may be, absolutely.
    pub tolerance: f64,
    /// Who says so.
    pub source: &'static str,
}

/// One sentence for or against a claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// For the claim, or against it.
    pub supports: bool,
    /// The sentence, with its numbers.
    pub text: String,
}

/// A picture of the evidence.
pub struct Illustration {
    /// Its file's name, without an extension.
    pub name: String,
    /// What stands beside it.
    pub caption: String,
    /// The picture.
    pub figure: Box<dyn Figure + Send + Sync>,
}

impl fmt::Debug for Illustration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Illustration").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What an experiment found.
#[derive(Debug, Default)]
pub struct Evidence {
    measured: Vec<Measured>,
    expected: Vec<Expected>,
    findings: Vec<Finding>,
    illustrations: Vec<Illustration>,
    notes: Vec<String>,
}

impl Evidence {
    /// Nothing yet.
    pub fn new() -> Self {
        Evidence::default()
    }

    /// Records a number that does not depend on draws.
    pub fn measure(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.measured.push(Measured { name: name.into(), value, unit, spread: None });
    }

    /// Records a number over draws: its mean, with all its values.
    pub fn measure_sample(&mut self, name: impl Into<String>, sample: Sample, unit: &'static str) {
        let value = sample.mean();
        self.measured.push(Measured { name: name.into(), value, unit, spread: Some(sample) });
    }

    /// Says what the number called `name` should be, within ± `tolerance`.
    pub fn expect(&mut self, name: impl Into<String>, value: f64, tolerance: f64, source: &'static str) {
        self.expected.push(Expected { name: name.into(), value, tolerance, source });
    }

    /// Says what a mean over draws should be, from a reference's mean ± standard deviation over its draws.
    ///
    /// The tolerance is four standard errors of the difference of the two means.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `name` was not recorded with [`measure_sample`](Self::measure_sample).
    pub fn expect_mean(
        &mut self,
        name: &str,
        (value, sd, draws): (f64, f64, usize),
        source: &'static str,
    ) -> Result<()> {
        let ours = self.sample(name)?.count().max(1) as f64;
        let tolerance = 4.0 * sd * (1.0 / ours + 1.0 / draws as f64).sqrt();
        self.expect(name, value, tolerance, source);
        Ok(())
    }

    /// Puts a sentence on the side that the data put it: for the claim where `supports`, else against.
    pub fn weigh(&mut self, supports: bool, text: impl Into<String>) {
        self.findings.push(Finding { supports, text: text.into() });
    }

    /// Says how the numbers came about, where that is neither for the claim nor against it: what was left
    /// out, what another device computed.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Notes, for an experiment on another device, what of it the CPU computes all the same.
    pub(super) fn note_cpu(&mut self, settings: &Settings, what: &str) {
        if *settings.device() != Device::Cpu {
            self.note(format!("computed by the CPU whatever the device: {what}"));
        }
    }

    /// Adds a picture with its caption.
    pub fn show(
        &mut self,
        name: impl Into<String>,
        caption: impl Into<String>,
        figure: impl Figure + Send + Sync + 'static,
    ) {
        self.illustrations.push(Illustration {
            name: name.into(),
            caption: caption.into(),
            figure: Box::new(figure),
        });
    }

    /// The number called `name`, if it was measured: what does not exist is not recorded.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.find(name).ok().map(|measured| measured.value)
    }

    /// The number called `name`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it was not measured.
    pub fn value(&self, name: &str) -> Result<f64> {
        self.find(name).map(|measured| measured.value)
    }

    /// The draws of the number called `name`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it was not measured over draws.
    pub fn sample(&self, name: &str) -> Result<&Sample> {
        let sample = self.find(name)?.spread.as_ref();
        sample.ok_or_else(|| Error::invalid("measurement", name, "one over draws"))
    }

    /// Everything measured.
    pub fn measured(&self) -> &[Measured] {
        &self.measured
    }

    /// Everything expected.
    pub fn expected(&self) -> &[Expected] {
        &self.expected
    }

    /// Every sentence, for and against.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Every note.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Every picture.
    pub fn illustrations(&self) -> &[Illustration] {
        &self.illustrations
    }

    /// Expectations that the measurements do not meet, also those about a number that is missing.
    pub fn disagreements(&self) -> impl Iterator<Item = &Expected> {
        self.expected.iter().filter(|expected| {
            // Written so that a NaN disagrees.
            !self.value(&expected.name).is_ok_and(|got| (got - expected.value).abs() <= expected.tolerance)
        })
    }

    fn find(&self, name: &str) -> Result<&Measured> {
        let found = self.measured.iter().find(|measured| measured.name == name);
        found
            .ok_or_else(|| Error::invalid("measurement", format!("{name:?}"), "one that the experiment made"))
    }
}
