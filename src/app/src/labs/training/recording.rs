//! [`Recording`]: a run, read from its folder and ready to be drawn.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array2, Axis};
use rankscope::figure::style::Kind;
use rankscope::rank::{RankReport, many};
use rankscope::train::folder;
use rankscope::train::twin::{Job, Paired};
use rankscope::train::{HEAD_METRICS, HeadRecord, History, Metrics, Settings, StepReport, TRAINING_METRICS};
use rankscope::{Result, Run};

use crate::heatmap::Matrix;

/// A run, read from its folder.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Which run of the plan.
    pub job: Job,
    /// The name of its variant.
    pub name: String,
    /// The colour of its variant.
    pub kind: Kind,
    /// Its folder, once it was begun.
    pub folder: Option<PathBuf>,
    /// The history of its training.
    pub history: History,
    /// The movie; of the first seed alone.
    pub frames: Vec<Arc<Frame>>,
    /// Why it ended early.
    pub failure: Option<String>,
}

/// The attention of one record.
#[derive(Debug)]
pub struct Frame {
    /// The number of steps before it.
    pub step: usize,
    /// The tokens of the sequence, where they are known.
    pub tokens: Vec<String>,
    /// Every layer, from the first.
    pub layers: Vec<Layer>,
}

/// The heads of one layer.
#[derive(Debug)]
pub struct Layer {
    /// Its name, as `decoder.0.self_attention`.
    pub name: String,
    /// Weights `[T, S]` and their ranks, head by head.
    pub heads: Vec<(Arc<Matrix>, RankReport)>,
}

impl Recording {
    /// A run that was not begun.
    pub fn empty(job: Job, settings: Settings, name: String, kind: Kind) -> Self {
        let history = History::new(settings);
        Recording { job, name, kind, folder: None, history, frames: Vec::new(), failure: None }
    }

    /// Its variant and its seed.
    pub fn title(&self) -> String {
        format!("{}, seed {}", self.name, self.job.seed)
    }

    /// The run in a folder; frames that `self` has are not read again. `has_movie` asks for frames.
    ///
    /// # Errors
    /// Files that cannot be read; [`Cancelled`](rankscope::Error::Cancelled).
    pub fn read(&self, path: &Path, has_movie: bool, run: &Run) -> Result<Self> {
        let history = folder::history(path)?;
        let mut frames = Vec::new();
        for (step, file) in folder::movie(path)?.into_iter().filter(|_| has_movie) {
            let known = self.frames.iter().find(|frame| frame.step == step);
            frames.push(match known.filter(|_| self.folder.as_deref() == Some(path)) {
                Some(frame) => frame.clone(),
                None => Arc::new(Frame::open(step, &file, run)?),
            });
        }
        let failure = folder::failure(path)?;
        let (job, name, kind) = (self.job, self.name.clone(), self.kind);
        Ok(Recording { job, name, kind, folder: Some(path.to_owned()), history, frames, failure })
    }

    /// Steps that were made.
    pub fn step(&self) -> usize {
        self.history.steps.last().map_or(0, |report| report.step)
    }

    /// Whether it is at its end, or cannot continue.
    pub fn is_over(&self) -> bool {
        self.step() >= self.history.settings.steps || self.failure.is_some()
    }

    /// The newest frame that is not after `step`; the first one if all are.
    pub fn frame(&self, step: Option<usize>) -> Option<&Arc<Frame>> {
        let step = step.unwrap_or(usize::MAX);
        self.frames.iter().rev().find(|frame| frame.step <= step).or_else(|| self.frames.first())
    }

    /// The newest sample that is not after `step`.
    pub fn sample(&self, step: Option<usize>) -> Option<&(usize, String)> {
        let step = step.unwrap_or(usize::MAX);
        self.history.samples.iter().rev().find(|(at, _)| *at <= step)
    }

    /// A metric at every evaluation or record.
    pub fn curve(&self, metric: &str) -> Vec<(usize, f64)> {
        if let Some((_, of)) = HEAD_METRICS.iter().find(|(name, _)| *name == metric) {
            let mean = |heads: &[HeadRecord]| heads.iter().map(of).sum::<f64>() / heads.len() as f64;
            return self.history.ranks.iter().map(|(step, heads)| (*step, mean(heads))).collect();
        }
        let Some(kind) = TRAINING_METRICS.iter().find(|kind| kind.name == metric) else { return Vec::new() };
        let value = |(step, metrics): &(usize, Metrics)| Some((*step, (kind.value)(metrics)?));
        self.history.evaluations.iter().filter_map(value).collect()
    }

    /// The last steps, and their seconds.
    fn last(&self) -> (&[StepReport], f64) {
        let steps = &self.history.steps;
        let last = &steps[steps.len().saturating_sub(50)..];
        (last, last.iter().map(|report| report.seconds).sum())
    }

    /// Tokens a second over the last steps.
    pub fn speed(&self) -> Option<f64> {
        let (last, seconds) = self.last();
        (seconds > 0.0).then(|| last.iter().map(|report| report.tokens as f64).sum::<f64>() / seconds)
    }

    /// The seconds that the remaining steps take, at the pace of the last ones.
    pub fn left(&self) -> Option<f64> {
        let (last, seconds) = self.last();
        let left = self.history.settings.steps.saturating_sub(self.step());
        (!last.is_empty()).then(|| seconds / last.len() as f64 * left as f64)
    }
}

impl Frame {
    fn open(step: usize, path: &Path, run: &Run) -> Result<Self> {
        let folder::Frame { tokens, layers } = folder::Frame::open(path)?;
        let layer = |layer: &rankscope::train::LayerWeights| {
            let heads: Vec<Array2<f64>> =
                layer.weights.axis_iter(Axis(0)).map(|head| head.mapv(f64::from)).collect();
            let reports = many(&heads, "ranks", &run.quiet(), |head| RankReport::of(head.view(), None))?;
            let count = heads.len();
            let matrix = |(head, weights): (usize, Array2<f64>)| {
                let (queries, keys) = weights.dim();
                let first = keys.saturating_sub(queries);
                Arc::new(match layer.mask.as_ref().map(|mask| mask.for_head(head, count)) {
                    Some(mask) => {
                        let may = |(t, s)| mask.may_attend(first + t, s);
                        Matrix::masked(weights, Array2::from_shape_fn((queries, keys), may))
                    }
                    None => Matrix::new(weights),
                })
            };
            let matrices: Vec<_> = heads.into_iter().enumerate().map(matrix).collect();
            Ok(Layer { name: layer.layer.clone(), heads: matrices.into_iter().zip(reports).collect() })
        };
        Ok(Frame { step, tokens, layers: layers.iter().map(layer).collect::<Result<_>>()? })
    }

    /// The tokens, or the positions where they are not known.
    pub fn labels(&self, count: usize) -> Vec<String> {
        match self.tokens.len() == count {
            true => self.tokens.clone(),
            false => (0..count).map(|at| at.to_string()).collect(),
        }
    }
}

impl Difference {
    /// The mean over seeds.
    pub fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }
}

/// The difference of a variant's runs from the first ones after some steps; from two seeds on with an interval.
pub struct Difference {
    /// The number of steps.
    pub step: usize,
    /// The differences, for every seed whose two runs have reached this step.
    pub values: Vec<f64>,
    /// With their 95 % interval.
    pub paired: Option<Paired>,
}

/// A run of each variant.
pub fn variants(runs: &[Arc<Recording>]) -> Vec<&Arc<Recording>> {
    let seed = runs.first().map(|run| run.job.seed);
    runs.iter().filter(|run| Some(run.job.seed) == seed).collect()
}

/// The differences of a variant from the first one over the steps.
pub fn differences(runs: &[Arc<Recording>], variant: usize, metric: &str) -> Vec<Difference> {
    let of = |variant: usize| runs.iter().filter(move |run| run.job.variant == variant);
    let curves: Vec<_> = of(0)
        .filter_map(|first| {
            let second = of(variant).find(|run| run.job.seed == first.job.seed)?;
            Some((first.curve(metric), second.curve(metric)))
        })
        .filter(|(first, second)| !first.is_empty() && !second.is_empty())
        .collect();
    let at = |curve: &[(usize, f64)], step: usize| curve.iter().find(|(at, _)| *at == step).map(|(_, y)| *y);
    let Some((longest, _)) = curves.iter().max_by_key(|(first, _)| first.len()) else { return Vec::new() };
    let difference = |&(step, _): &(usize, f64)| {
        let pairs = curves.iter().filter_map(|(a, b)| Some((at(b, step)?, at(a, step)?)));
        let (second, first): (Vec<f64>, Vec<f64>) = pairs.unzip();
        let values: Vec<f64> = second.iter().zip(&first).map(|(b, a)| b - a).collect();
        let paired = Paired::new(&second, &first).ok();
        (!values.is_empty()).then_some(Difference { step, values, paired })
    };
    longest.iter().filter_map(difference).collect()
}
