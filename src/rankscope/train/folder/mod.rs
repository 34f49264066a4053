//! [`RunFolder`]: the files of a training run on disk.
//!
//! | file | what |
//! |---|---|
//! | `run.json` | the settings, the preset that they came from, the program's version, the device |
//! | `steps.csv` | step, loss, norm of the gradients, learning rate, tokens, seconds |
//! | `evaluation.csv` | step and the metrics on held-out data |
//! | `ranks.csv`, `gradients.csv` | each head's ranks on the fixed batch, each layer's gradients of W_Q and W_K |
//! | `attention/STEP.safetensors` | the weights of every head in the first sequence of the fixed batch, f32, with its tokens: 4·L·H·T·S bytes each, which `rankscope rank --attention` reads |
//! | `samples.txt` | the model's outputs for a held-out example |
//! | `error.txt` | the reason why the run ended before its last step, if it did |
//! | `checkpoint/` | the last checkpoint in the hub's format, with the optimiser's state |

mod attention;
mod export;
mod read;
mod resume;
pub mod runs;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

pub use attention::{Frame, movie};
pub use export::export;
pub use read::{failure, history};
pub use resume::resume;
use serde::{Deserialize, Serialize};

use super::evaluate::TRAINING_METRICS;
use super::event::Event;
use super::record::{GradientRecord, HEAD_METRICS};
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::file::save;

const ABOUT: &str = "run.json";
const STEPS: &str = "steps.csv";
const EVALUATION: &str = "evaluation.csv";
const RANKS: &str = "ranks.csv";
const GRADIENTS: &str = "gradients.csv";
const SAMPLES: &str = "samples.txt";
const FAILURE: &str = "error.txt";
/// The tables, with their first lines.
const TABLES: [(&str, &str); 4] = [
    (STEPS, "step,loss,norm,rate,tokens,seconds"),
    (EVALUATION, "step,loss,accuracy,exact,classes,error_over_variance,targets"),
    (
        RANKS,
        "step,layer,head,effective_rank,numerical_rank,second_ratio,score_spread,smallest_diagonal,first_token",
    ),
    (GRADIENTS, "step,tensor,query_norm,key_norm"),
];

/// The description of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The settings.
    pub settings: Settings,
    /// The name of the preset that they came from, if any.
    pub preset: Option<String>,
    /// The differences of the settings from the preset, as a name; empty if there are none.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// The device on which the run computes.
    pub device: String,
}

/// The folder of a run, locked by one process at a time.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    about: About,
    /// Locked as long as the run continues.
    _lock: File,
}

impl RunFolder {
    /// A new folder for a run.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a folder that is not empty; [`Error::Io`] if it cannot be written.
    pub fn create(path: &Path, about: About) -> Result<Self> {
        if path.join(ABOUT).is_file() {
            let expected = "a folder without a run (`rankscope train --resume` goes on with this one)";
            return Err(Error::invalid("folder of the run", path.display(), expected));
        }
        let is_empty = fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none());
        if path.exists() && !(path.is_dir() && is_empty) {
            return Err(Error::invalid("folder of the run", path.display(), "a new or an empty folder"));
        }
        fs::create_dir_all(path).map_err(|error| Error::io(path, error))?;
        let lock = lock(path)?;
        let text = serde_json::to_string_pretty(&about).map_err(|error| Error::format(path, error))?;
        for (name, header) in TABLES {
            save(path.join(name), format!("{header}\n"))?;
        }
        // This file is written last: a folder that has it is a run, which other processes may read.
        save(path.join(ABOUT), text + "\n")?;
        Ok(RunFolder { path: path.to_owned(), about, _lock: lock })
    }

    /// The folder of a run that continues after `step`: rows of its tables about later steps are removed.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] if it holds no run, [`Error::Invalid`] if another process trains in it.
    pub fn go_on(path: &Path, step: usize) -> Result<Self> {
        let about = about(path)?;
        let lock = lock(path)?;
        let samples = read::samples(path)?.into_iter().filter(|(at, _)| *at <= step);
        let samples: String = samples.map(|(at, text)| sample(at, &text)).collect();
        for (name, _) in TABLES {
            let file = path.join(name);
            let text = fs::read_to_string(&file).map_err(|error| Error::io(&file, error))?;
            let is_kept = |line: &&str| {
                line.split(',').next().is_none_or(|first| first.parse().is_ok_and(|at: usize| at <= step))
            };
            let mut lines = text.split_inclusive('\n');
            let header = lines.next().unwrap_or_default();
            let kept: String = lines.filter(is_kept).collect();
            save(&file, header.to_owned() + &kept)?;
        }
        save(path.join(SAMPLES), samples)?;
        attention::forget_after(path, step)?;
        let failure = path.join(FAILURE);
        match fs::remove_file(&failure) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&failure, error)),
            _ => Ok(RunFolder { path: path.to_owned(), about, _lock: lock }),
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The description of the run.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// The folder of the checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint")
    }

    /// Appends an event to the files.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn write(&self, event: &Event) -> Result<()> {
        match event {
            Event::Step(report) => {
                let step = [report.step.to_string(), report.loss.to_string(), report.norm.to_string()];
                let rest =
                    [report.rate.to_string(), report.tokens.to_string(), format!("{:.4}", report.seconds)];
                self.append(STEPS, &(step.join(",") + "," + &rest.join(",") + "\n"))
            }
            Event::Evaluated { step, metrics } => {
                let numbers = TRAINING_METRICS.iter().map(|kind| {
                    let number = (kind.value)(metrics).map(|number| number.to_string());
                    number.unwrap_or_default() + ","
                });
                let numbers: String = numbers.collect();
                self.append(EVALUATION, &format!("{step},{numbers}{}\n", metrics.targets))
            }
            Event::Ranks { step, heads, gradients } => {
                let lines = heads.iter().map(|head| {
                    let numbers = HEAD_METRICS.map(|(_, of)| of(head).to_string()).join(",");
                    format!("{step},{},{},{numbers}\n", head.layer, head.head)
                });
                self.append(RANKS, &lines.collect::<String>())?;
                let line =
                    |of: &GradientRecord| format!("{step},{},{},{}\n", of.tensor, of.query_norm, of.key_norm);
                self.append(GRADIENTS, &gradients.iter().map(line).collect::<String>())
            }
            Event::Attention { step, tokens, layers } => attention::write(&self.path, *step, tokens, layers),
            Event::Sample { step, text } => self.append(SAMPLES, &sample(*step, text)),
            Event::Saved { .. } => Ok(()),
        }
    }

    /// Writes the reason why the run ended before its last step.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn fail(&self, error: &Error) -> Result<()> {
        save(self.path.join(FAILURE), format!("{error}\n"))
    }

    fn append(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path.join(name);
        let file = OpenOptions::new().append(true).create(true).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| Error::io(&path, error))
    }
}

/// A sample, as it is written in its file.
fn sample(step: usize, text: &str) -> String {
    format!("step {step}\n{text}\n\n")
}

/// The description of the run in a folder.
///
/// # Errors
/// [`Error::Format`] if there is none; [`Error::Io`] if it cannot be read.
pub fn about(path: &Path) -> Result<About> {
    let file = path.join(ABOUT);
    if !file.is_file() {
        return Err(Error::format(path, format!("no {ABOUT}: expected the folder of a training run")));
    }
    let text = fs::read_to_string(&file).map_err(|error| Error::io(&file, error))?;
    serde_json::from_str(&text).map_err(|error| Error::format(&file, error))
}

/// A table of a run: the header's names, then the fields of each row.
///
/// # Errors
/// [`Error::Io`] if it cannot be read.
pub fn table(path: &Path, name: Table) -> Result<Vec<Vec<String>>> {
    let file = path.join(name.file());
    let text = fs::read_to_string(&file).map_err(|error| Error::io(&file, error))?;
    Ok(text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect())
}

/// The tables of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// A row for each step.
    Steps,
    /// A row for each evaluation.
    Evaluation,
    /// A row for each head and record.
    Ranks,
    /// A row for each layer and record.
    Gradients,
}

impl Table {
    fn file(self) -> &'static str {
        match self {
            Table::Steps => STEPS,
            Table::Evaluation => EVALUATION,
            Table::Ranks => RANKS,
            Table::Gradients => GRADIENTS,
        }
    }
}

/// Locks the folder for this process.
fn lock(path: &Path) -> Result<File> {
    let name = path.join(".lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&name);
    let file = file.map_err(|error| Error::io(&name, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let got = format!("{}, in which another process trains", path.display());
            Err(Error::invalid("folder of the run", got, "one run a folder"))
        }
        Err(TryLockError::Error(error)) => Err(Error::io(&name, error)),
    }
}
