//! [`Trial`]: one claim, run once.

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::{About, Claim, Effort, Evidence, Measured, Settings, Verdict, reference};
use crate::blas;
use crate::device::Device;
use crate::error::Result;
use crate::run::Run;

/// A claim with the evidence of one run and the verdict that follows from it.
#[derive(Debug)]
pub struct Trial {
    /// The claim that was tried.
    pub about: &'static About,
    /// The settings that recreate it.
    pub settings: Settings,
    /// The evidence.
    pub evidence: Evidence,
    /// The verdict that follows.
    pub verdict: Verdict,
    /// The time of the run, in seconds.
    pub seconds: f64,
}

/// Runs a claim's experiment and derives its verdict.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) naming a setting and its allowed values;
/// [`Error::Cancelled`](crate::Error::Cancelled); errors of the device.
pub fn run(claim: &'static Claim, settings: &Settings, run: &Run) -> Result<Trial> {
    let started = Instant::now();
    run.check()?;
    // With more threads, the last digits of a product depend on the number of threads.
    blas::keep_to_one_thread();
    let (mut evidence, verdict) = (claim.decide)(settings, run)?;
    reference::compare(&mut evidence, settings);
    let seconds = started.elapsed().as_secs_f64();
    Ok(Trial { about: claim.about(), settings: settings.clone(), evidence, verdict, seconds })
}

impl Trial {
    /// Tries the claim called `id` on the CPU with its quick settings, except those in `given`.
    ///
    /// # Errors
    /// As [`find`](super::find), [`Settings::set`] and [`run`].
    ///
    /// ```
    /// use rankscope::claim::Trial;
    /// let trial = Trial::quick("block-rank", &[("n", "32"), ("seeds", "2")])?;
    /// assert_eq!(trial.settings.integer("n")?, 32);
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn quick(id: &str, given: &[(&str, &str)]) -> Result<Self> {
        let claim = super::find(id)?;
        let mut settings = Settings::new(claim, Effort::Quick, Device::Cpu)?;
        given.iter().try_for_each(|(name, value)| settings.set(name, value))?;
        run(claim, &settings, &Run::default())
    }

    /// Everything except the figures: id, statement, source, the verdict (arena to ruling and reason), measured and
    /// expected numbers (name to number, with units, spreads, draws and tolerances in separate maps), evidence for and
    /// against, notes, settings, the command, seconds.
    ///
    /// # Conventions
    /// A number that JSON cannot express (infinite, NaN) is null. An arena in which the claim is not tried is left out.
    pub fn to_json(&self) -> Value {
        let Trial { about, settings, evidence, verdict, seconds } = self;
        let findings = |supports: bool| {
            let texts = evidence.findings().iter().filter(|finding| finding.supports == supports);
            texts.map(|finding| finding.text.clone()).collect::<Vec<_>>()
        };
        let measured = |of: fn(&Measured) -> Option<Value>| -> Map<String, Value> {
            let all = evidence.measured().iter();
            all.filter_map(|measured| Some((measured.name.clone(), of(measured)?))).collect()
        };
        json!({
            "id": about.id,
            "statement": about.statement,
            "source": about.source,
            "exact": about.exact,
            "verdict": verdict,
            "reconsider": about.reconsider,
            "measured": measured(|m| Some(json!(m.value))),
            "units": measured(|m| (!m.unit.is_empty()).then(|| json!(m.unit))),
            "spread": measured(|m| m.spread.as_ref().map(|sample| json!(sample.sd()))),
            "draws": measured(|m| m.spread.as_ref().map(|sample| json!(sample.count()))),
            "expected": measured(|m| m.expected.as_ref().map(|expected| json!(expected.value))),
            "tolerance": measured(|m| m.expected.as_ref().map(|expected| json!(expected.tolerance))),
            "disagrees": evidence.disagreements().map(|m| m.name.clone()).collect::<Vec<_>>(),
            "evidence_for": findings(true),
            "evidence_against": findings(false),
            "notes": evidence.notes(),
            "settings": settings.record(),
            "command": settings.command(),
            "seconds": seconds,
        })
    }
}
