//! [`Evidence`]: the measurements of an experiment, and the findings for and against its claim.

use std::fmt;

use serde_json::{Map, Value};

use super::{Sample, Settings};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::figure::{Figure, Lines};
use crate::numbers::short;
use crate::statistics::student;

/// One number of an experiment.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Its name, in lower case with underscores; ending in the unit where it has one.
    pub name: String,
    /// The number; over draws, their mean or their median.
    pub value: f64,
    /// Its unit; empty for a pure number.
    pub unit: &'static str,
    /// Its value in each draw, if it depends on draws.
    pub spread: Option<Sample>,
    /// The expected value, where a theory or a reference gives one.
    pub expected: Option<Expected>,
}

/// The expected value of a measured number, from a theory or a reference.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The expected value.
    pub value: f64,
    /// The largest allowed absolute difference.
    pub tolerance: f64,
    /// The theory or the reference.
    pub source: &'static str,
}

/// The result of a reference over its own draws.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The reference's mean.
    pub mean: f64,
    /// The reference's standard deviation.
    pub sd: f64,
    /// The reference's number of draws.
    pub draws: usize,
}

impl Measured {
    /// Sets the expected value, within ± `tolerance`.
    pub fn expect(&mut self, value: f64, tolerance: f64, source: &'static str) -> &mut Self {
        self.expected = Some(Expected { value, tolerance, source });
        self
    }

    /// Sets the expected mean over draws, from a reference's mean ± standard deviation over its draws.
    ///
    /// The tolerance is sd · √(1/m + 1/r) for m draws here and r draws of the reference, times the quantile of
    /// Student's t with r − 1 degrees of freedom that corresponds to 4 standard deviations of a normal distribution:
    /// one in 16 000.
    pub fn expect_mean(&mut self, known: Known, source: &'static str) -> &mut Self {
        let Known { mean, sd, draws } = known;
        let ours = self.spread.as_ref().map_or(1, Sample::count).max(1) as f64;
        let error = sd * (1.0 / ours + 1.0 / draws as f64).sqrt();
        self.expect(mean, four_deviations(draws) * error, source)
    }

    /// As [`expect_mean`](Self::expect_mean), for a small count that may have been the same in all of the
    /// reference's draws: up to 3 in r draws may then still differ by one (the rule of three), so its standard
    /// deviation is taken to be at least √(3/r).
    pub fn expect_mean_count(&mut self, known: Known, source: &'static str) -> &mut Self {
        let least = (3.0 / known.draws as f64).sqrt();
        self.expect_mean(Known { sd: known.sd.max(least), ..known }, source)
    }

    /// The number as text, ± the standard deviation over two draws or more, and its unit.
    pub fn in_words(&self) -> String {
        let value =
            self.spread.as_ref().map_or_else(|| short(self.value), |sample| sample.around(self.value));
        format!("{value} {}", self.unit).trim_end().to_owned()
    }

    /// Whether it agrees with the expected value; NaN does not, and a number without an expected value does.
    pub fn agrees(&self) -> bool {
        let is_near = |expected: &Expected| (self.value - expected.value).abs() <= expected.tolerance;
        self.expected.as_ref().is_none_or(is_near)
    }
}

/// The quantile of Student's t with `draws` − 1 degrees of freedom at the probability of 4 standard deviations of a
/// normal distribution.
fn four_deviations(draws: usize) -> f64 {
    /// Φ(4).
    const P: f64 = 0.999_968_328_758_166_9;
    student(P, draws.saturating_sub(1).max(1) as f64).expect("a probability, and a degree of freedom")
}

/// One sentence for or against a claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Whether it is for the claim; otherwise it is against it.
    pub supports: bool,
    /// The sentence, with its numbers.
    pub text: String,
    /// The settings of the measurement, if it is one point of the experiment, by their names in the singular.
    pub at: Map<String, Value>,
}

impl Finding {
    /// Adds a setting of the measurement.
    pub(super) fn at(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.at.insert(name.to_owned(), value.into());
        self
    }
}

/// A picture of the evidence.
pub struct Illustration {
    /// The name of its file, without an extension.
    pub name: String,
    /// Its caption.
    pub caption: String,
    /// The picture.
    pub figure: Box<dyn Figure + Send + Sync>,
}

impl fmt::Debug for Illustration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Illustration").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The results of an experiment, for display and for files.
#[derive(Debug, Default)]
pub struct Evidence {
    measured: Vec<Measured>,
    findings: Vec<Finding>,
    illustrations: Vec<Illustration>,
    notes: Vec<String>,
    settings: Value,
}

impl Evidence {
    /// Empty evidence of an experiment with these settings.
    pub fn new(settings: &Settings) -> Self {
        Evidence { settings: settings.record(), ..Evidence::default() }
    }

    /// Records a number that does not depend on draws. The expected value can be set on the result.
    pub fn measure(&mut self, name: impl Into<String>, value: f64, unit: &'static str) -> &mut Measured {
        self.measured.push(Measured { name: name.into(), value, unit, spread: None, expected: None });
        self.measured.last_mut().expect("just pushed")
    }

    /// Records a number over draws: its mean, with all its values.
    pub fn measure_sample(
        &mut self,
        name: impl Into<String>,
        sample: Sample,
        unit: &'static str,
    ) -> &mut Measured {
        let measured = self.measure(name, sample.mean(), unit);
        measured.spread = Some(sample);
        measured
    }

    /// Records a pure number over draws.
    pub(super) fn record(&mut self, name: impl Into<String>, sample: &Sample) -> &mut Measured {
        self.measure_sample(name, sample.clone(), "")
    }

    /// Records a pure number over draws by its median, with all its values.
    pub(super) fn record_median(&mut self, name: impl Into<String>, sample: &Sample) -> &mut Measured {
        let measured = self.record(name, sample);
        measured.value = sample.median();
        measured
    }

    /// Adds a sentence: for the claim where `supports`, else against it. The settings of the measurement can be added
    /// to the result.
    pub fn weigh(&mut self, supports: bool, text: impl Into<String>) -> &mut Finding {
        self.findings.push(Finding { supports, text: text.into(), at: Map::new() });
        self.findings.last_mut().expect("just pushed")
    }

    /// Adds a note about the experiment that is neither for the claim nor against it, such as which models were left
    /// out.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Notes the computations of the CPU in an experiment on another device.
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
        let (name, caption) = (name.into(), caption.into());
        self.illustrations.push(Illustration { name, caption, figure: Box::new(figure) });
    }

    /// Adds curves with their caption, and the settings that recreate them.
    pub(super) fn plot(&mut self, name: impl Into<String>, caption: impl Into<String>, figure: Lines) {
        self.show(name, caption, Lines { settings: self.settings(), ..figure });
    }

    /// The settings that recreate the experiment.
    pub(super) fn settings(&self) -> Value {
        self.settings.clone()
    }

    /// The number called `name`, for notebooks and tests. No verdict reads a number by its name.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it was not measured.
    pub fn value(&self, name: &str) -> Result<f64> {
        self.find(name).map(|measured| measured.value)
    }

    /// The values in all draws of the number called `name`.
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

    /// Every number with an expected value.
    pub fn expected(&self) -> Vec<&Measured> {
        self.measured.iter().filter(|measured| measured.expected.is_some()).collect()
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

    /// Numbers that do not agree with their expected values.
    pub fn disagreements(&self) -> impl Iterator<Item = &Measured> {
        self.measured.iter().filter(|measured| !measured.agrees())
    }

    /// The number called `name`, so that an expected value can be set.
    pub(super) fn find_mut(&mut self, name: &str) -> Option<&mut Measured> {
        self.measured.iter_mut().find(|measured| measured.name == name)
    }

    fn find(&self, name: &str) -> Result<&Measured> {
        let missing = || Error::invalid("measurement", format!("{name:?}"), "one that the experiment made");
        self.measured.iter().find(|measured| measured.name == name).ok_or_else(missing)
    }
}
