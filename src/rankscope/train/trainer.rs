//! [`Trainer`]: trains a model step by step.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::evaluate::{Metrics, TRAINING_METRICS, evaluate};
use super::event::{Event, StepReport};
use super::history::History;
use super::lesson::Lesson;
use super::loss_gradients::LossGradients;
use super::optimiser::{Optimiser, Stepped};
use super::parameters::Parameters;
use super::record::{self, GradientRecord, HEAD_METRICS, HeadRecord};
use super::sample::sample;
use super::schedule::Schedule;
use super::settings::Settings;
use super::twin::Outcome;
use super::{Balance, Batch, Counts, Dropout, DropoutRates, Part};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::file::save;
use crate::model::store::Store;
use crate::model::{self, Checkpoint, Description};
use crate::probe::{Probe, Unobserved};
use crate::run::Run;
use crate::tensor::Tensor;

const OPTIMISER: &str = "optimiser.safetensors";
const STATE: &str = "training.json";
/// A run has diverged if its loss is more than this many times the loss of a uniform prediction.
const MOST: f32 = 10.0;

/// A model in training: its parameters, its lesson, and the number of steps made.
///
/// **Conventions**: on the CPU the same settings give the same parameters to the last bit, whatever the number of threads,
/// and whether or not the run was interrupted: batch i is drawn from the seed and i alone. The gradients of a batch are
/// computed in [parts](Batch::parts); where a mixture's load-balancing loss is part of the loss, it is the mean of the
/// parts' losses.
pub struct Trainer {
    settings: Settings,
    lesson: Lesson,
    parameters: Parameters,
    optimiser: Optimiser,
    schedule: &'static Schedule,
    about: Description,
    step: usize,
    /// The gradients of the last recorded step.
    gradients: Vec<GradientRecord>,
}

/// The progress of a run, which is saved beside its checkpoint.
#[derive(Serialize, Deserialize)]
struct State {
    step: usize,
    settings: Settings,
}

impl Trainer {
    /// A run before its first step.
    ///
    /// # Errors
    /// An error naming the setting that is wrong, alone or in combination with others; the checkpoint of `from`, if its
    /// shapes differ; or the data, if it cannot be read.
    pub fn new(settings: Settings, device: &Device) -> Result<Self> {
        settings.check()?;
        let lesson = Lesson::new(&settings)?;
        let config = settings.model_config(lesson.vocabulary(), lesson.context())?;
        let model = match &settings.from {
            None => model::untrained(&config, settings.seed, device)?,
            Some(model) => {
                let folder = Store::open()?.find(&model.to_string_lossy())?;
                model::build(&config, &mut Checkpoint::open(&folder)?, device)?
            }
        };
        Trainer::of(settings, lesson, Parameters::of(&*model)?)
    }

    /// A run that continues from the checkpoint that [`save`](Self::save) has written.
    ///
    /// # Errors
    /// [`Error::Format`] or [`Error::Io`] naming the file that is missing or damaged; as [`new`](Self::new).
    pub fn resume(checkpoint: &Path, device: &Device) -> Result<Self> {
        // If the process ended between two renamings, the last checkpoint is still under its temporary name.
        let aside = beside(checkpoint, ".old");
        let checkpoint = if !checkpoint.exists() && aside.exists() { &aside } else { checkpoint };
        let path = checkpoint.join(STATE);
        let text = fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?;
        let State { step, settings } =
            serde_json::from_str(&text).map_err(|error| Error::format(&path, error))?;
        let lesson = Lesson::new(&settings)?;
        let model = model::load(checkpoint, device)?;
        let mut trainer = Trainer::of(settings, lesson, Parameters::of(&*model)?)?;
        let Trainer { optimiser, parameters, .. } = &mut trainer;
        optimiser.load(parameters, &checkpoint.join(OPTIMISER))?;
        trainer.step = step;
        Ok(trainer)
    }

    fn of(settings: Settings, lesson: Lesson, parameters: Parameters) -> Result<Self> {
        let about = parameters.model()?.description().clone();
        // The first batch is made now, so that settings that do not fit are found before the first step.
        lesson.batches(Part::Training, settings.seed, 0, &about)?;
        let optimiser = Optimiser::new(&settings.optimiser())?;
        let schedule = Schedule::find(&settings.schedule)?;
        Ok(Trainer {
            settings,
            lesson,
            parameters,
            optimiser,
            schedule,
            about,
            step: 0,
            gradients: Vec::new(),
        })
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The parameters as they are now.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The lesson of the run.
    pub fn lesson(&self) -> &Lesson {
        &self.lesson
    }

    /// The number of steps made.
    pub fn step_count(&self) -> usize {
        self.step
    }

    /// One step of the optimiser.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the loss or a gradient is no longer finite, naming the step and the first tensor that is
    /// not finite: then the parameters have not changed; as [`Model::hidden`](crate::model::Model::hidden).
    pub fn step(&mut self, run: &Run) -> Result<StepReport> {
        run.check()?;
        let began = Instant::now();
        let step = self.step + 1;
        let batches = self.batches()?;
        let followed = match self.follow(&batches, run) {
            Ok(followed) => followed,
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => return Err(self.diverged(step, &batches, error, run)),
        };
        if self.is_recorded(step) {
            let names = self.parameters.iter().map(|(name, _)| name);
            let named: Vec<_> = names.zip(followed.gradients.iter().map(Option::as_ref)).collect();
            self.gradients = record::gradients(&named)?;
        }
        let Settings { steps, warmup, rate, .. } = self.settings;
        let rate = self.schedule.rate(self.step as u64, steps as u64, warmup as u64, rate as f32);
        let Stepped { loss, norm } = match self.optimiser.step(&mut self.parameters, &followed, rate) {
            Ok(stepped) => stepped,
            Err(Error::Invalid { what, got, .. }) => {
                return Err(self.too_fast(step, &format!("{what} is {got}")));
            }
            Err(error) => return Err(error),
        };
        let most = MOST * (self.about.vocab as f32).ln();
        if loss > most {
            let what = format!(
                "the loss is {loss:.1} nats, where equal chances for all tokens give {:.2}",
                most / MOST
            );
            return Err(self.too_fast(step, &what));
        }
        self.step = step;
        let tokens = batches
            .iter()
            .map(|batch| batch.input.ids().len() + batch.input.decoder_ids().map_or(0, <[u32]>::len));
        Ok(StepReport {
            step,
            loss,
            norm,
            rate,
            tokens: tokens.sum(),
            seconds: began.elapsed().as_secs_f64(),
        })
    }

    /// The batches of the next step, in parts.
    fn batches(&self) -> Result<Vec<Batch>> {
        let passes = self.settings.accumulate as u64;
        let first = self.step as u64 * passes;
        let smoothing = self.settings.label_smoothing as f32;
        let mut all = Vec::new();
        for index in first..first + passes {
            all.extend(self.lesson.batches(Part::Training, self.settings.seed, index, &self.about)?);
        }
        all.iter_mut().for_each(|batch| batch.smoothing = smoothing);
        Ok(all.iter().flat_map(|batch| batch.parts(Batch::PART_TOKENS)).collect())
    }

    /// The loss of all batches together, and its gradients.
    fn follow(&self, batches: &[Batch], run: &Run) -> Result<LossGradients> {
        let all: Counts = batches.iter().map(Batch::counts).sum();
        let rates = DropoutRates {
            hidden: self.settings.dropout as f32,
            attention: self.settings.attention_dropout as f32,
        };
        let (seed, share) = (self.settings.seed, 1.0 / batches.len() as f32);
        // The number of the step's first pass among all passes of the run; the product is the most passes of a step.
        let first = (self.step * self.settings.accumulate * self.settings.batch) as u64;
        LossGradients::of_parts(&self.parameters, batches, |model, index, batch| {
            let mut nobody = Unobserved;
            let mut balance = Balance::new(model, &mut nobody)?;
            let mut dropout = Dropout::new(rates, seed, first + index as u64, &mut balance);
            let loss = batch.loss_among(all, model, &mut dropout, run)?.total;
            balance.add_to(loss, share, batch.input.padding())
        })
    }

    fn too_fast(&self, step: usize, what: &str) -> Error {
        let expected = format!("a smaller one than {}", self.settings.rate);
        Error::invalid("learning rate", format!("too large: at step {step} {what}"), expected)
    }

    /// The error for a step that cannot be made: it names the first tensor that is not finite, or else is `error`
    /// itself.
    fn diverged(&self, step: usize, batches: &[Batch], error: Error, run: &Run) -> Error {
        let mut finder = NotFinite(None);
        let _ = self.parameters.model().and_then(|model| {
            batches.iter().try_for_each(|batch| batch.loss(&*model, &mut finder, run).map(|_| ()))
        }); // even if this pass fails, the finder keeps what it has seen
        match finder.0 {
            Some(name) => self.too_fast(step, &format!("{name} is not finite")),
            None => error,
        }
    }

    /// The metrics on held-out data, always on the same batches.
    ///
    /// # Errors
    /// As [`Model::hidden`](crate::model::Model::hidden).
    pub fn evaluate(&self, run: &Run) -> Result<Metrics> {
        self.evaluate_at(self.lesson.length(), run)
    }

    /// The metrics on held-out examples of `length` tokens.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate); [`Error::Invalid`] for a model that cannot read that many.
    pub fn evaluate_at(&self, length: usize, run: &Run) -> Result<Metrics> {
        let model = self.parameters.model()?;
        let batches = (0..self.settings.evaluation_batches as u64)
            .map(|index| self.lesson.batches_of(length, Part::HeldOut, 0, index, &self.about));
        evaluate(&*model, batches, self.lesson.values(), run)
    }

    /// Trains until all steps are made, and returns the history of events.
    ///
    /// # Errors
    /// As [`train`](Self::train).
    pub fn history(&mut self, run: &Run) -> Result<History> {
        let mut history = History::new(self.settings.clone());
        self.train(None, run, &mut |event| {
            history.keep(event);
            Ok(())
        })?;
        Ok(history)
    }

    /// Trains a new model until all steps are made, and returns the outcome, as [`found`](Self::found).
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`train`](Self::train).
    pub fn outcome(settings: &Settings, device: &Device, run: &Run) -> Result<Outcome> {
        Trainer::new(settings.clone(), device)?.found(run)
    }

    /// Trains until all steps are made, and returns the outcome: the metrics at the end by name, the losses at
    /// `evaluate_lengths` as `loss_at_128`, the means over heads of the last record, for an encoder-decoder
    /// `cross_distance` (how far from the end of its input it looks), the loss of every evaluation, and the mean
    /// effective rank of every record.
    ///
    /// # Errors
    /// As [`train`](Self::train).
    pub fn found(&mut self, run: &Run) -> Result<Outcome> {
        let history = self.history(run)?;
        let mean = |heads: &[HeadRecord], of: fn(&HeadRecord) -> f64| {
            heads.iter().map(of).sum::<f64>() / heads.len() as f64
        };
        let mut outcome = Outcome {
            curve: history.evaluations.iter().map(|(step, metrics)| (*step, metrics.loss)).collect(),
            ranks: history
                .ranks
                .iter()
                .map(|(step, heads)| (*step, mean(heads, |head| head.effective_rank)))
                .collect(),
            ..Outcome::default()
        };
        if let Some((_, metrics)) = history.evaluations.last() {
            let named = TRAINING_METRICS.iter().filter_map(|kind| Some((kind.name, (kind.value)(metrics)?)));
            outcome.metrics.extend(named.map(|(name, value)| (name.to_owned(), value)));
        }
        if let Some((_, heads)) = history.ranks.last() {
            outcome.metrics.extend(HEAD_METRICS.map(|(name, of)| (name.to_owned(), mean(heads, of))));
        }
        if self.about.encoder.is_some() {
            let batches = (0..self.settings.evaluation_batches as u64)
                .map(|index| self.lesson.batches(Part::HeldOut, 0, index, &self.about))
                .collect::<Result<Vec<_>>>()?;
            let distance = record::cross_distance(&*self.parameters.model()?, batches.iter().flatten(), run)?;
            outcome.metrics.extend(distance.map(|distance| ("cross_distance".to_owned(), distance)));
        }
        for &length in &self.settings.evaluate_lengths {
            // With a table of positions, the model cannot read more tokens than in training, so there is no such loss.
            if !self.about.is_limited || length <= self.about.context {
                let loss = self.evaluate_at(length, run)?.loss;
                outcome.metrics.insert(format!("loss_at_{length}"), loss);
            }
        }
        Ok(outcome)
    }

    /// Trains until all steps are made, and calls `watch` with every event. With a `checkpoint` folder, writes a
    /// checkpoint at every evaluation, at the end, and when cancelled.
    ///
    /// # Errors
    /// [`Error::Cancelled`] after a cancellation; as [`step`](Self::step); errors of `watch`.
    pub fn train(
        &mut self,
        checkpoint: Option<&Path>,
        run: &Run,
        watch: &mut dyn FnMut(&Event) -> Result<()>,
    ) -> Result<()> {
        let ended = self.go(checkpoint, run, watch);
        if matches!(ended, Err(Error::Cancelled)) {
            self.keep(checkpoint, watch)?;
        }
        ended
    }

    fn go(
        &mut self,
        checkpoint: Option<&Path>,
        run: &Run,
        watch: &mut dyn FnMut(&Event) -> Result<()>,
    ) -> Result<()> {
        let quiet = run.quiet();
        // Evaluations take little time and are not interrupted: so a continued run has the same tables as a run without
        // an interruption.
        let calm = Run::new(run.seed());
        if self.step == 0 {
            self.look(&calm, watch)?;
        }
        while self.step < self.settings.steps {
            let report = self.step(&quiet)?;
            watch(&Event::Step(report))?;
            self.look(&calm, watch)?;
            if self.is_due(self.settings.evaluate_every) {
                self.keep(checkpoint, watch)?;
            }
            run.step("training", self.step, self.settings.steps)?;
        }
        Ok(())
    }

    /// Evaluates and records, if this step is due.
    fn look(&self, run: &Run, watch: &mut dyn FnMut(&Event) -> Result<()>) -> Result<()> {
        let step = self.step;
        if self.is_due(self.settings.evaluate_every) {
            watch(&Event::Evaluated { step, metrics: self.evaluate(run)? })?;
            let text = sample(&self.lesson, &*self.parameters.model()?, run)?;
            watch(&Event::Sample { step, text })?;
        }
        if self.is_recorded(step) {
            let batches = self.lesson.batches(Part::HeldOut, 0, 0, &self.about)?;
            let batch = &batches[0];
            let (heads, layers) = record::heads(&*self.parameters.model()?, batch, run)?;
            watch(&Event::Ranks { step, heads, gradients: self.gradients.clone() })?;
            let tokens = match self.about.encoder.is_some() {
                true => Vec::new(),
                false => {
                    batch.input.ids()[..batch.input.len()].iter().map(|&id| self.lesson.piece(id)).collect()
                }
            };
            watch(&Event::Attention { step, tokens, layers })?;
        }
        Ok(())
    }

    fn is_due(&self, every: usize) -> bool {
        self.step.is_multiple_of(every) || self.step == self.settings.steps
    }

    fn is_recorded(&self, step: usize) -> bool {
        let every = self.settings.record_every;
        every > 0 && (step.is_multiple_of(every) || step == self.settings.steps)
    }

    fn keep(&self, checkpoint: Option<&Path>, watch: &mut dyn FnMut(&Event) -> Result<()>) -> Result<()> {
        let Some(folder) = checkpoint else { return Ok(()) };
        self.save(folder)?;
        watch(&Event::Saved { step: self.step, folder: folder.to_owned() })
    }

    /// Writes a checkpoint in the hub's format, with what [`resume`](Self::resume) needs beside it. An earlier
    /// checkpoint stays until the new one is complete.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be written; [`Error::Gpu`] if the readback fails.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let (new, old) = (beside(folder, ".new"), beside(folder, ".old"));
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error| Error::io(&path, error)
        };
        remove(&new)?;
        let written = self.write(&new);
        if written.is_err() {
            let _ = remove(&new); // the first error says more
            return written;
        }
        remove(&old)?;
        if folder.exists() {
            fs::rename(folder, &old).map_err(io(folder))?;
        }
        fs::rename(&new, folder).map_err(io(folder))?;
        remove(&old)
    }

    fn write(&self, folder: &Path) -> Result<()> {
        self.parameters.save(folder)?;
        self.lesson.save_tokenizer(folder)?;
        self.optimiser.save(&self.parameters, &folder.join(OPTIMISER))?;
        let state = State { step: self.step, settings: self.settings.clone() };
        let path = folder.join(STATE);
        let text = serde_json::to_string_pretty(&state).map_err(|error| Error::format(&path, error))?;
        save(path, text + "\n")
    }
}

/// A probe that finds the first intermediate that is not finite.
struct NotFinite(Option<String>);

impl Probe for NotFinite {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        if self.0.is_none() && value.to_vec()?.iter().any(|x| !x.is_finite()) {
            self.0 = Some(name.to_owned());
        }
        Ok(value)
    }
}

/// The folder beside `folder` whose name has another ending.
fn beside(folder: &Path, ending: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    folder.with_file_name(name)
}

/// Removes a folder, if it exists.
fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(folder, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "trainer_tests.rs"]
mod tests;
