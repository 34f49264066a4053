//! The state of the training lab: a plan, whether it is being trained, and what is shown of it.

use std::sync::Arc;

use rankscope::figure::style::Kind;
use rankscope::mask::Mask;
use rankscope::rank::RankReport;
use rankscope::train::folder::runs;
use rankscope::train::{HEAD_METRICS, HeadMetric, Settings, Trainer};
use rankscope::{Device, Error, Result, Run};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::figures;
use super::plan::Plan;
use super::recording::{Frame, Recording};
use super::running::{self, Memory};
use super::sentence::{self, Word};
use crate::heatmap::Matrix;
use crate::lab::{Export, Machine, Part, Stamp, State};

/// The state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Training {
    /// The runs to train.
    pub plan: Plan,
    /// Whether it is being trained. A lesson file starts nothing.
    #[serde(skip)]
    pub is_going: bool,
    /// Counts the starts: a start after an error counts as a new one.
    #[serde(skip)]
    pub starts: u32,
    /// The step of the movie; the newest one if not set.
    pub step: Option<usize>,
    /// The selected layer, from 0.
    pub layer: usize,
    /// The selected head in it, from 0.
    pub head: usize,
    /// The metric of the heads that is drawn over the steps: a name on [`HEAD_METRICS`].
    pub metric: String,
    /// The curve of the runs that is drawn over the steps: a name of [`figures::curves`].
    pub curve: String,
}

impl Default for Training {
    fn default() -> Self {
        Training {
            plan: Plan::default(),
            is_going: false,
            starts: 0,
            step: None,
            layer: 1,
            head: 0,
            metric: HEAD_METRICS[0].0.to_owned(),
            curve: "loss".to_owned(),
        }
    }
}

/// Every edit of the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Edit {
    /// Begins with another preset.
    Preset(String),
    /// Changes a word of the sentence.
    Word(Word, String),
    /// Changes any setting: its key and its value.
    Set(String, String),
    /// Adds another run beside the first, at the end.
    More,
    /// Removes the last run beside the first.
    Fewer,
    /// Starts the training, or continues it.
    Start,
    /// Stops it; the trained weights stay.
    Pause,
    /// Trains the same once more from the first step.
    Again,
    /// Shows the movie at a step, or at its end.
    Step(Option<usize>),
    /// Selects a head.
    Head {
        /// Its layer, from 0.
        layer: usize,
        /// Its place in the layer, from 0.
        head: usize,
    },
    /// Draws another metric of the heads.
    Metric(String),
    /// Draws another curve of the runs.
    Curve(String),
}

/// The answer.
#[derive(Default)]
pub struct Answer {
    /// Every run of the plan, seed by seed.
    pub runs: Part<Vec<Arc<Recording>>>,
    /// The parameters of each variant's model, or why the plan cannot be trained.
    pub models: Part<Result<Vec<usize>, String>>,
}

/// A piece of the answer.
pub enum News {
    /// All runs.
    Runs(Vec<Arc<Recording>>),
    /// A run that has continued: its index, and the run.
    Run(usize, Arc<Recording>),
    /// The parameters of each variant, or the error.
    Models(Result<Vec<usize>, String>),
}

impl State for Training {
    type Edit = Edit;
    type Answer = Answer;
    type News = News;
    type Memory = Memory;

    fn memory(machine: &Machine) -> Memory {
        // Tests of the window do not touch this user's runs.
        let own = match cfg!(test) {
            true => Ok(std::env::temp_dir().join(format!("rankscope-test-runs-{}", std::process::id()))),
            false => runs::runs_folder().map_err(|error| error.to_string()),
        };
        Memory::new(machine.device.clone(), own)
    }

    fn check(&self) -> Result<(), String> {
        self.head_metric()?;
        if !figures::curves().any(|name| name == self.curve) {
            let names: Vec<_> = figures::curves().collect();
            let (curve, names) = (&self.curve, names.join(", "));
            return Err(format!("{curve:?} is no curve of a run, expected one of {names}"));
        }
        self.plan.check()
    }

    fn update(&mut self, edit: Edit) -> Result<(), String> {
        match edit {
            Edit::Preset(name) => *self = Training { plan: Plan::of(&name)?, ..Training::default() },
            Edit::Word(word, value) => self.replan(|plan| sentence::change(plan, &word, &value))?,
            Edit::Set(key, value) => {
                self.replan(|plan| sentence::change(plan, &Word::Setting(key), &value))?;
            }
            Edit::More => self.replan(sentence::more)?,
            Edit::Fewer => self.replan(|plan| {
                match &mut plan.beside {
                    Some(beside) if beside.values.len() > 1 => drop(beside.values.pop()),
                    _ => plan.beside = None,
                }
                Ok(())
            })?,
            Edit::Start => (self.is_going, self.starts) = (true, self.starts.wrapping_add(1)),
            Edit::Pause => self.is_going = false,
            Edit::Again => {
                self.plan.take += 1;
                (self.is_going, self.step) = (true, None);
            }
            Edit::Step(step) => self.step = step,
            Edit::Head { layer, head } => (self.layer, self.head) = (layer, head),
            Edit::Metric(name) => self.metric = name,
            Edit::Curve(name) => self.curve = name,
        }
        Ok(())
    }

    fn is_answered_by(&self, sent: &Self) -> bool {
        (&self.plan, self.is_going, self.starts) == (&sent.plan, sent.is_going, sent.starts)
    }

    fn compute(&self, memory: &mut Memory, run: &Run, tell: &mut dyn FnMut(News)) -> Result<()> {
        let jobs = self.plan.runs().map_err(Error::Model)?;
        let (names, kinds) = (self.names(), self.kinds());
        let empty = jobs.into_iter().map(|(job, settings)| {
            Recording::empty(job, settings, names[job.variant].clone(), kinds[job.variant])
        });
        let all = memory.read(&self.plan, empty.collect(), run)?;
        tell(News::Runs(all.clone()));
        let models = self.parameters(run);
        let is_sound = models.is_ok();
        tell(News::Models(models));
        match self.is_going && is_sound {
            true => running::train(self, memory, all, run, tell),
            false => Ok(()),
        }
    }

    fn take(answer: &mut Answer, news: News, stamp: Stamp) {
        match news {
            News::Runs(runs) => answer.runs.put(runs, stamp),
            News::Models(models) => answer.models.put(models, stamp),
            News::Run(at, run) => {
                if let Some(place) = answer.runs.get_mut().and_then(|runs| runs.get_mut(at)) {
                    *place = run;
                }
            }
        }
    }

    fn about(&self, answer: &Answer) -> String {
        let Some(Ok(models)) = answer.models.get() else { return String::new() };
        let parameters = |&count: &usize| rankscope::numbers::scaled(count as f64, "");
        let counts: Vec<String> = models.iter().map(parameters).collect();
        format!("{}: {} parameters", self.plan.preset, counts.join(" and "))
    }

    fn loses(&self, answer: &Answer) -> Option<String> {
        let runs = answer.runs.get()?;
        let going = self.is_going.then(|| runs.iter().find(|run| !run.is_over()))??;
        let steps = going.history.settings.steps;
        Some(format!(
            "a training is under way, at step {} of {steps}; what it has learned is kept, and Start goes on with it",
            going.step()
        ))
    }

    fn exports(&self, answer: &Answer, lesson: &Value) -> Vec<Export> {
        let Some(runs) = answer.runs.get() else { return Vec::new() };
        figures::exports(self, runs, lesson)
    }

    fn cell(&self) -> String {
        let differences = self.plan.settings.differences(&Settings::default());
        let changes: Vec<String> =
            differences.iter().map(|(key, value, _)| format!("{:?}", format!("{key}={value}"))).collect();
        let base = format!(
            "use rankscope::{{Device, Run}};\nuse rankscope::train::{{Settings, Trainer}};\n\
             let mut settings = Settings::default();\nfor change in [{}] {{\n    settings.set(change)?;\n}}\n",
            changes.join(", ")
        );
        let Some(beside) = &self.plan.beside else {
            return base + "Trainer::new(settings, &Device::Cpu)?.history(&Run::default())?";
        };
        let first = self.plan.settings.value(&beside.key).unwrap_or_default();
        let values = [&first].into_iter().chain(&beside.values).map(|value| format!("{value:?}.to_owned()"));
        format!(
            "{base}use rankscope::train::twin::{{Share, Twin}};\nlet values = [{}];\n\
             let twin = Twin::vary(&settings, {:?}, &values, {}, {:?}, {:?})?;\n\
             let results = twin.run(Share::WHOLE, None, &Run::default(), |settings, run| {{\n    \
             Trainer::outcome(settings, &Device::Cpu, run)\n}})?;\nresults.in_words()?.join(\"\\n\")",
            values.collect::<Vec<_>>().join(", "),
            beside.key,
            self.plan.seeds.max(2),
            beside.metric,
            beside.smallest,
        )
    }
}

impl Training {
    /// Changes the plan: training stops, and the movie shows its end.
    fn replan(&mut self, change: impl FnOnce(&mut Plan) -> Result<(), String>) -> Result<(), String> {
        let before = self.plan.clone();
        change(&mut self.plan)?;
        if self.plan != before {
            (self.is_going, self.step) = (false, None);
        }
        Ok(())
    }

    /// The metric of the heads that is drawn over the steps.
    ///
    /// # Errors
    /// If there is no such metric, with the names that exist.
    pub fn head_metric(&self) -> Result<HeadMetric, String> {
        HEAD_METRICS.iter().copied().find(|(name, _)| *name == self.metric).ok_or_else(|| {
            let names: Vec<_> = HEAD_METRICS.iter().map(|(name, _)| *name).collect();
            format!("{:?} is no number of heads, expected one of {}", self.metric, names.join(", "))
        })
    }

    /// The name of each variant.
    pub fn names(&self) -> Vec<String> {
        let variants = self.plan.variants().unwrap_or_default();
        let key = self.plan.beside.as_ref().map(|beside| beside.key.as_str());
        let named = |(value, _): (String, Settings)| match key {
            None => self.plan.preset.clone(),
            Some("mask") => value,
            Some(key) => format!("{} {value}", key.replace('_', " ")),
        };
        variants.into_iter().map(named).collect()
    }

    /// The colour of each variant: that of its mask, if the variants differ in the mask.
    pub fn kinds(&self) -> Vec<Kind> {
        const OTHERS: [Kind; 6] =
            [Kind::Custom, Kind::Window, Kind::Prefix, Kind::Bidirectional, Kind::Causal, Kind::Plain];
        let variants = self.plan.variants().unwrap_or_default();
        let key = self.plan.beside.as_ref().map(|beside| beside.key.as_str());
        let of_mask = |(name, _): &(String, Settings)| {
            let mask = Mask::parse(&name.replace("given", "1")).ok()?;
            (key == Some("mask")).then(|| Kind::of(&mask))
        };
        let kinds: Option<Vec<Kind>> = variants.iter().map(of_mask).collect();
        kinds.unwrap_or_else(|| OTHERS.into_iter().cycle().take(variants.len()).collect())
    }

    /// The selected head, inside a frame.
    pub fn head_in<'a>(&self, frame: &'a Frame) -> Option<&'a (Arc<Matrix>, RankReport)> {
        let layer = frame.layers.get(self.layer.min(frame.layers.len().checked_sub(1)?))?;
        layer.heads.get(self.head.min(layer.heads.len().checked_sub(1)?))
    }

    /// The name of the selected layer.
    pub fn layer_of<'a>(&self, frame: &'a Frame) -> Option<&'a str> {
        let layer = frame.layers.get(self.layer.min(frame.layers.len().checked_sub(1)?))?;
        Some(&layer.name)
    }

    /// The number of parameters of each variant: its model is built, so that an error is reported before the start.
    fn parameters(&self, run: &Run) -> Result<Vec<usize>, String> {
        let variants = self.plan.variants()?;
        let count = |(_, settings): (String, Settings)| {
            run.check().map_err(|error| error.to_string())?;
            let trainer = Trainer::new(settings, &Device::Cpu).map_err(|error| error.to_string())?;
            Ok(trainer.parameters().count())
        };
        variants.into_iter().map(count).collect()
    }
}
