//! Claims that are tried by training.
//!
//! Each names its [twins](crate::train::twin): presets, with the claim's prediction for every variant compared with the
//! first, and the smallest difference that matters; all of this is stated before the first run. The outcomes of runs
//! are looked up by the hash of their settings ([`Kept`](crate::train::Kept)), and only missing runs are trained.

pub(super) mod bidirectional_input;
pub(super) mod doubled_parameters;
pub(super) mod head_size;
pub(super) mod in_context;
pub(super) mod linear_causal;
pub(super) mod mixed_heads;
pub(super) mod no_positions;
pub(super) mod objectives;
mod plan;
pub(super) mod rank_explains;
mod reading;
pub(super) mod repeated_data;
#[cfg(test)]
mod tests;
mod tried;

use super::prelude::*;
use crate::train::twin::Share;
use crate::train::{Course, Kept};

/// The names that the modules of these claims use.
mod prelude {
    pub(super) use super::super::prelude::*;
    pub(super) use super::plan::{Plan, SEEDS, SET, seeds, steps};
    pub(super) use super::reading::{Difference, Reading, tidy};
    pub(super) use super::tried::{Says, Tried};
    pub(super) use super::{Experiment, NONE, Published};
    pub(super) use crate::train::Course;
    pub(super) use crate::train::twin::{Paired, Share};
}

/// How a claim is tried by training.
pub(super) struct Experiment {
    /// Comparisons of runs that differ in one setting.
    twins: &'static [tried::Tried],
    /// Further runs.
    more: fn(&plan::Plan) -> Result<Vec<Course>>,
    /// The conclusions that are drawn from the runs.
    read: fn(&mut reading::Reading) -> Result<()>,
    /// Published results.
    published: &'static [Published],
}

/// For experiments without further runs.
const NONE: fn(&plan::Plan) -> Result<Vec<Course>> = |_| Ok(Vec::new());

/// A published result; the claim's runs repeat it on a small scale.
pub(super) struct Published {
    /// The result, with its numbers.
    says: &'static str,
    source: &'static str,
    /// Parameters of the models; `None` if the source does not state them, or is a theorem.
    parameters: Option<f64>,
}

/// Every experiment, by its claim's id.
static EXPERIMENTS: [(&str, &Experiment); 10] = [
    ("bidirectional-input", &bidirectional_input::EXPERIMENT),
    ("mixed-heads", &mixed_heads::EXPERIMENT),
    ("linear-causal", &linear_causal::EXPERIMENT),
    ("head-size-in-training", &head_size::EXPERIMENT),
    ("causal-objective", &objectives::EXPERIMENT),
    ("doubled-parameters", &doubled_parameters::EXPERIMENT),
    ("in-context", &in_context::EXPERIMENT),
    ("no-positions", &no_positions::EXPERIMENT),
    ("rank-explains", &rank_explains::EXPERIMENT),
    ("repeated-data", &repeated_data::EXPERIMENT),
];

impl Experiment {
    /// All runs, each once.
    fn courses(&self, plan: &plan::Plan) -> Result<Vec<Course>> {
        let twins = self.twins.iter().map(|tried| plan.runs(tried)).collect::<Result<Vec<_>>>()?;
        Ok(each_once(twins.into_iter().flatten().chain((self.more)(plan)?)))
    }
}

fn each_once(courses: impl IntoIterator<Item = Course>) -> Vec<Course> {
    let mut once: Vec<Course> = Vec::new();
    for course in courses {
        if !once.contains(&course) {
            once.push(course);
        }
    }
    once
}

/// Trains the missing runs, then derives the verdict.
pub(super) fn decide(settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let Some((_, experiment)) = EXPERIMENTS.iter().find(|(id, _)| *id == settings.claim()) else {
        return Err(Error::invalid("claim", settings.claim(), "one that is tried by training"));
    };
    let plan = plan::Plan::new(settings)?;
    let courses = experiment.courses(&plan)?;
    let mut kept = settings.runs().open()?;
    kept.complete(&courses, settings.device(), run)?;
    let mut reading = reading::Reading::new(plan, &kept);
    (experiment.read)(&mut reading)?;
    reading.verdict(experiment.published, &courses)
}

/// The runs of a claim that is tried by training; empty for other claims.
fn runs_of(settings: &Settings) -> Result<Vec<Course>> {
    match EXPERIMENTS.iter().find(|(id, _)| *id == settings.claim()) {
        Some((_, experiment)) => experiment.courses(&plan::Plan::new(settings)?),
        None => Ok(Vec::new()),
    }
}

/// How many runs must be trained before there is a verdict: those whose outcomes are not kept.
///
/// # Errors
/// [`Error::Invalid`] naming a setting that no run can have; errors of reading the files.
pub fn missing(settings: &Settings) -> Result<usize> {
    let courses = runs_of(settings)?;
    if courses.is_empty() {
        return Ok(0);
    }
    let kept = settings.runs().open()?;
    let found = courses.iter().map(|course| kept.find(course, settings.device()));
    Ok(found.collect::<Result<Vec<_>>>()?.iter().filter(|found| found.is_none()).count())
}

/// Trains a part of the runs of several claims and keeps their outcomes, without a verdict; returns how many runs the
/// part has.
///
/// **Conventions**: the runs of all claims together, each once, are assigned to the parts in turn; a claim without
/// training has no runs. The first claim's settings determine where runs are kept and on which device they are trained.
///
/// # Errors
/// As [`Kept::complete`].
pub fn train(claims: &[Settings], share: Share, run: &Run) -> Result<usize> {
    let Some(first) = claims.first() else { return Ok(0) };
    let all = claims.iter().map(runs_of).collect::<Result<Vec<_>>>()?;
    let courses: Vec<Course> = share.of(each_once(all.concat())).collect();
    let mut kept: Kept = first.runs().open()?;
    kept.complete(&courses, first.device(), run)?;
    Ok(courses.len())
}
