//! Training: settings, data, objectives; a model's parameters in one table, their gradients, and the steps of
//! optimisers.

mod balance;
mod batch;
pub mod data;
mod dropout;
mod evaluate;
mod event;
mod example;
pub mod folder;
mod history;
mod kept;
mod lesson;
mod loss_gradients;
mod objective;
mod optimiser;
mod parameters;
mod preset;
mod record;
mod sample;
pub mod scaling;
mod schedule;
mod settings;
pub mod task;
mod trainer;
pub mod twin;

pub use balance::Balance;
pub use batch::{Batch, Counts, Labels, Losses};
pub use dropout::{Dropout, DropoutRates};
pub use evaluate::{MetricKind, Metrics, TRAINING_METRICS, evaluate};
pub use event::{Event, StepReport};
pub use example::{Example, Examples, Part, Vocabulary};
pub use history::History;
pub use kept::{Course, Kept};
pub use lesson::Lesson;
pub use loss_gradients::LossGradients;
pub use objective::{MaskSetting, OBJECTIVES, Objective};
pub use optimiser::{OPTIMISERS, Optimiser, OptimiserKind, OptimiserSettings, Stepped};
pub use parameters::{Parameters, Traced};
pub use preset::{TRAINING_PRESETS, TrainingPreset, presets_in_words};
pub use record::{GradientRecord, HEAD_METRICS, HeadMetric, HeadRecord, LayerWeights};
pub use schedule::{SCHEDULES, Schedule};
pub use settings::{LayersOf, Settings, at_commas};
pub use trainer::Trainer;

use crate::error::{Error, Result};

/// The entry of `all` that is called `name`. An error shows the name as `got`, and lists the names of all.
fn named<T>(
    all: &'static [T],
    name_of: fn(&T) -> &'static str,
    name: &str,
    what: &str,
    got: impl ToString,
) -> Result<&'static T> {
    all.iter().find(|entry| name_of(entry) == name).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(name_of).collect();
        Error::invalid(what, got, format!("one of {}", names.join(", ")))
    })
}
