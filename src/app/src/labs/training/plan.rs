//! [`Plan`]: the runs to train.

use std::path::PathBuf;

use rankscope::train::twin::{Job, TWIN_PRESETS, Twin};
use rankscope::train::{HEAD_METRICS, Settings, TRAINING_METRICS, TRAINING_PRESETS};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The preset that the lab opens with.
pub const FIRST: &str = "reverse-twins";
/// The most seeds.
pub const SEEDS: usize = 20;
/// The most runs side by side.
const VARIANTS: usize = 6;
/// Evaluations of a run, and frames of its movie, at least.
const LOOKS: usize = 20;

/// The runs to train: one, or several that differ in one setting, each with some seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// The preset that it began with.
    pub preset: String,
    /// The settings of the first run.
    pub settings: Settings,
    /// The runs beside the first one.
    pub beside: Option<Beside>,
    /// The number of seeds, from the seed of the settings on.
    pub seeds: usize,
    /// Counts how often the same plan was trained anew.
    pub take: usize,
}

/// Runs beside the first one, which differ from it in one setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beside {
    /// The setting.
    pub key: String,
    /// Its value in each of them.
    pub values: Vec<String>,
    /// The metric that is compared.
    pub metric: String,
    /// The smallest difference of it that matters.
    pub smallest: f64,
}

impl Default for Plan {
    fn default() -> Self {
        let settings = Settings {
            family: "decllm".into(),
            feed_forward: Some(172),
            data: "reverse(items=8, symbols=10)".into(),
            objective: "outputs".into(),
            mask: "causal".into(),
            length: 18,
            steps: 400,
            evaluation_batches: 10,
            ..Settings::default()
        };
        let beside = Beside {
            key: "mask".into(),
            values: vec!["prefix(given)".into()],
            metric: "loss".into(),
            smallest: 0.02,
        };
        Plan { preset: FIRST.into(), settings: looked_at(settings), beside: Some(beside), seeds: 3, take: 1 }
    }
}

impl Plan {
    /// The plans that one can begin with, by name, each with its subject.
    pub fn presets() -> impl Iterator<Item = (&'static str, &'static str)> {
        let first = (FIRST, "does reading the digits in both directions help to reverse them? (a minute)");
        let trainings = TRAINING_PRESETS.iter().map(|preset| (preset.name, preset.summary));
        // A metric that is measured only at the end is in no run's folder.
        let twins = TWIN_PRESETS.iter().filter(|preset| is_recorded(preset.metric));
        [first].into_iter().chain(trainings).chain(twins.map(|preset| (preset.name, preset.question)))
    }

    /// The plan of this name.
    ///
    /// # Errors
    /// If there is no such plan, with the names that exist.
    pub fn of(name: &str) -> Result<Self, String> {
        if name == FIRST {
            return Ok(Plan::default());
        }
        if let Some(preset) = TRAINING_PRESETS.iter().find(|preset| preset.name == name) {
            let settings = looked_at(preset.settings());
            return Ok(Plan { preset: name.into(), settings, beside: None, seeds: 1, take: 1 });
        }
        let preset = TWIN_PRESETS.iter().find(|preset| preset.name == name && is_recorded(preset.metric));
        let preset = preset.ok_or_else(|| {
            let names: Vec<_> = Plan::presets().map(|(name, _)| name).collect();
            format!("there is no preset {name:?}, expected one of {}", names.join(", "))
        })?;
        let mut settings = looked_at(preset.base());
        settings.set(&format!("{}={}", preset.key, preset.values[0])).map_err(|error| error.to_string())?;
        let beside = Beside {
            key: preset.key.into(),
            values: preset.values[1..].iter().map(|&value| value.to_owned()).collect(),
            metric: preset.metric.into(),
            smallest: preset.smallest,
        };
        Ok(Plan { preset: name.into(), settings, beside: Some(beside), seeds: 3, take: 1 })
    }

    /// Adapts evaluations, records and warm-up to another number of steps.
    pub fn set_steps(&mut self) {
        let every = (self.settings.steps / LOOKS).max(1);
        (self.settings.evaluate_every, self.settings.record_every) = (every, every);
        self.settings.warmup = self.settings.warmup.min(self.settings.steps / 4);
    }

    /// Checks the plan, as far as this is possible without data and model.
    ///
    /// # Errors
    /// One sentence.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=SEEDS).contains(&self.seeds) {
            return Err(format!("the number of seeds is {}, expected 1 to {SEEDS}", self.seeds));
        }
        if self.settings.steps == 0 {
            return Err("the number of steps is 0, expected 1 or more".into());
        }
        if let Some(beside) = &self.beside {
            if !(1..VARIANTS).contains(&beside.values.len()) {
                let count = beside.values.len();
                return Err(format!("{count} runs beside the first, expected 1 to {}", VARIANTS - 1));
            }
            if !is_recorded(&beside.metric) {
                let (metric, all) = (&beside.metric, metrics().collect::<Vec<_>>().join(", "));
                return Err(format!("metric is {metric:?}, expected what a run's tables hold: {all}"));
            }
            self.twin(beside)?;
        }
        self.variants()?.iter().try_for_each(|(_, settings)| settings.check()).map_err(|e| e.to_string())
    }

    /// Checks that the runs differ in one setting alone, have a metric to compare, and so on.
    fn twin(&self, beside: &Beside) -> Result<Twin, String> {
        let values = self.values(beside);
        Twin::vary(&self.settings, &beside.key, &values, self.seeds.max(2), &beside.metric, beside.smallest)
            .map_err(|error| error.to_string())
    }

    fn values(&self, beside: &Beside) -> Vec<String> {
        let first = self.settings.value(&beside.key).unwrap_or_else(|| "null".into());
        [first].into_iter().chain(beside.values.iter().cloned()).collect()
    }

    /// The runs side by side: the name of each, and its settings with the first seed.
    ///
    /// # Errors
    /// If a value does not fit its setting.
    pub fn variants(&self) -> Result<Vec<(String, Settings)>, String> {
        let Some(beside) = &self.beside else { return Ok(vec![(String::new(), self.settings.clone())]) };
        let variant = |value: String| {
            let mut settings = self.settings.clone();
            let assignment = format!("{}={value}", beside.key);
            settings.set(&assignment).map_err(|error| error.to_string())?;
            Ok((value, settings))
        };
        self.values(beside).into_iter().map(variant).collect()
    }

    /// Every run, seed by seed, with its settings.
    ///
    /// # Errors
    /// As [`variants`](Self::variants).
    pub fn runs(&self) -> Result<Vec<(Job, Settings)>, String> {
        let variants = self.variants()?;
        let seeds = (self.settings.seed..).take(self.seeds);
        let of_seed = |seed| {
            let settings = |(variant, (_, settings)): (usize, &(String, Settings))| {
                (Job { seed, variant }, Settings { seed, ..settings.clone() })
            };
            variants.iter().enumerate().map(settings).collect::<Vec<_>>()
        };
        Ok(seeds.flat_map(of_seed).collect())
    }

    /// The folder of a run, below the folder of all runs: the same settings and take have the same folder in every plan.
    pub fn folder(&self, settings: &Settings) -> PathBuf {
        let of_all_seeds = Settings { seed: 0, ..settings.clone() };
        let text = serde_json::to_string(&(of_all_seeds, self.take)).unwrap_or_default();
        let hash = Sha256::digest(text);
        let hash: String = hash[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        PathBuf::from("app").join(format!("{}-{hash}", self.preset)).join(format!("seed-{}", settings.seed))
    }
}

/// Settings with as many evaluations and records as a movie needs.
fn looked_at(mut settings: Settings) -> Settings {
    let every = (settings.steps / LOOKS).max(1);
    settings.evaluate_every = settings.evaluate_every.min(every);
    settings.record_every = every;
    settings
}

/// The metrics in a run's tables, from every evaluation and record.
pub fn metrics() -> impl Iterator<Item = &'static str> {
    TRAINING_METRICS.iter().map(|kind| kind.name).chain(HEAD_METRICS.iter().map(|(name, _)| *name))
}

fn is_recorded(metric: &str) -> bool {
    metrics().any(|name| name == metric)
}
