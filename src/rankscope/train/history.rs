//! [`History`]: the events of a run, kept for display.

use serde_json::json;

use super::evaluate::Metrics;
use super::event::{Event, StepReport};
use super::record::HeadRecord;
use super::settings::Settings;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis};

/// The events of a run, kept for display.
///
/// ```
/// use rankscope::{Device, Run, train::{Settings, Trainer}};
/// let mut settings = Settings { data: "copy(items=3)".into(), steps: 4, ..Settings::default() };
/// settings.evaluate_every = 2;
/// let history = Trainer::new(settings, &Device::Cpu)?.history(&Run::default())?;
/// assert_eq!(history.evaluations.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [0, 2, 4]);
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// The settings of the run.
    pub settings: Settings,
    /// Every step.
    pub steps: Vec<StepReport>,
    /// Every evaluation on held-out data, with the number of steps before it.
    pub evaluations: Vec<(usize, Metrics)>,
    /// Every record of the heads.
    pub ranks: Vec<(usize, Vec<HeadRecord>)>,
    /// Every sample.
    pub samples: Vec<(usize, String)>,
}

impl History {
    /// The history before the first step.
    pub fn new(settings: Settings) -> Self {
        History {
            settings,
            steps: Vec::new(),
            evaluations: Vec::new(),
            ranks: Vec::new(),
            samples: Vec::new(),
        }
    }

    /// Adds an event.
    pub fn keep(&mut self, event: &Event) {
        match event {
            Event::Step(report) => self.steps.push(*report),
            Event::Evaluated { step, metrics } => self.evaluations.push((*step, *metrics)),
            Event::Ranks { step, heads, .. } => self.ranks.push((*step, heads.clone())),
            Event::Sample { step, text } => self.samples.push((*step, text.clone())),
            Event::Attention { .. } | Event::Saved { .. } => (),
        }
    }

    /// The loss of every batch, and the loss on held-out data, over the steps.
    pub fn losses(&self) -> Lines {
        let steps = self.steps.iter().map(|report| (report.step as f64, f64::from(report.loss)));
        let held_out = self.evaluations.iter().map(|(step, metrics)| (*step as f64, metrics.loss));
        self.over_steps(
            "Loss over training",
            "loss in nats",
            vec![Curve::new("batch", Kind::Plain, steps), Curve::new("held out", Kind::Causal, held_out)],
        )
    }

    /// The mean over heads of a metric of [`HEAD_METRICS`](super::HEAD_METRICS) over the steps, such as
    /// `effective_rank`.
    pub fn heads(&self, (name, of): super::HeadMetric) -> Lines {
        let mean = |heads: &[HeadRecord]| heads.iter().map(of).sum::<f64>() / heads.len() as f64;
        let points = self.ranks.iter().map(|(step, heads)| (*step as f64, mean(heads)));
        let label = format!("{}, mean over heads", name.replace('_', " "));
        self.over_steps("Attention over training", &label, vec![Curve::new(name, Kind::Plain, points)])
    }

    fn over_steps(&self, title: &str, y: &str, mut curves: Vec<Curve>) -> Lines {
        curves.retain(|curve| !curve.points.is_empty());
        Lines {
            title: title.to_owned(),
            x: PlotAxis::linear("step"),
            y: PlotAxis::linear(y),
            curves,
            references: Vec::new(),
            settings: json!({ "version": crate::VERSION, "settings": self.settings }),
        }
    }
}
