//! [`Plan`]: the runs that a claim's settings require.

use super::super::Parameter;
use super::super::prelude::*;
use super::tried::Tried;
use crate::train::twin::Share;
use crate::train::{self, Course};

pub(super) const SEEDS: Parameter = seeds("5", "5");
pub(super) const SET: Parameter =
    set("set", "further settings of all runs, as width=16,batch=4", Text, ["width=32,feed_forward=96", ""]);

/// The number of seeds.
pub(super) const fn seeds(quick: &'static str, full: &'static str) -> Parameter {
    set("seeds", "seeds of every variant", Integer(2, 100), [quick, full])
}

/// The number of steps of a run.
pub(super) const fn steps(quick: &'static str, full: &'static str) -> Parameter {
    set("steps", "steps of every run, in percent of its preset's", Integer(1, 10_000), [quick, full])
}

/// The number of evaluations of a run, besides the one before its first step.
const EVALUATIONS: usize = 4;
/// The number of records of ranks, for a run that shows them over time.
const RECORDS: usize = 12;

/// The runs that a claim's settings require.
pub(super) struct Plan<'a> {
    /// The claim's settings.
    pub settings: &'a Settings,
    /// The seeds of every variant.
    pub seeds: Vec<u64>,
    percent: usize,
    changes: &'a str,
}

impl<'a> Plan<'a> {
    pub(super) fn new(settings: &'a Settings) -> Result<Self> {
        let (seeds, changes) = (settings.seeds("seeds")?, settings.text("set")?);
        Ok(Plan { settings, seeds, percent: settings.integer("steps")?, changes })
    }

    /// `base` with `changes`, then with the steps and changes of the claim's settings. It is evaluated before the first
    /// step and after every quarter, and heads are recorded at both ends, or twelve times if `base` records them.
    pub(super) fn run(&self, base: &train::Settings, changes: &str) -> Result<train::Settings> {
        let mut run = train::Settings { seed: self.seeds[0], ..base.clone() };
        run.set_all(changes)?;
        run.steps = (run.steps * self.percent / 100).max(1);
        run.warmup = run.steps.div_ceil(10);
        run.evaluate_every = run.steps.div_ceil(EVALUATIONS);
        run.record_every = match base.record_every {
            0 => run.steps,
            _ => run.steps.div_ceil(RECORDS),
        };
        run.set_all(self.changes)?;
        Ok(run)
    }

    /// For every seed a course: the run `first`, then the `further` ones.
    pub(super) fn courses(&self, first: &train::Settings, further: &[train::Settings]) -> Vec<Course> {
        let course = |&seed: &u64| {
            let seeded = |run: &train::Settings| train::Settings { seed, ..run.clone() };
            further.iter().map(seeded).fold(Course::of(seeded(first)), Course::then)
        };
        self.seeds.iter().map(course).collect()
    }

    /// All runs of a comparison.
    pub(super) fn runs(&self, tried: &Tried) -> Result<Vec<Course>> {
        let twin = tried.twin(self)?;
        Ok(twin.jobs(Share::WHOLE).into_iter().map(|job| Course::of(twin.settings(job))).collect())
    }
}
