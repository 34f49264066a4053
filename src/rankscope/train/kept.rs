//! [`Kept`]: the results of runs, by the hash of their settings, so that no run is trained twice.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::settings::Settings;
use super::trainer::Trainer;
use super::twin::Outcome;
use crate::assets;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::file::save;
use crate::run::Run;

/// Runs one after another: the first trains a new model, and each further run continues from the weights of the one
/// before it, with another objective, mask or data of the same tokens. Most courses have one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Course(Vec<Settings>);

impl Course {
    /// A course of one run.
    pub fn of(settings: Settings) -> Self {
        Course(vec![settings])
    }

    /// This course with one more run after it.
    pub fn then(mut self, settings: Settings) -> Self {
        self.0.push(settings);
        self
    }

    /// The settings of its runs.
    pub fn stages(&self) -> &[Settings] {
        &self.0
    }

    /// Trains all runs, and returns the outcome of each.
    ///
    /// # Errors
    /// As [`Trainer::new`] and [`Trainer::train`]; [`Error::Io`] if weights cannot be saved for the next run.
    pub fn train(&self, device: &Device, run: &Run) -> Result<Vec<Outcome>> {
        let mut before: Option<Trainer> = None;
        let stage = |settings: &Settings| {
            let mut settings = settings.clone();
            let folder = tempfile::tempdir().map_err(|error| Error::io("temporary folder", error))?;
            if let Some(before) = &before {
                let weights = folder.path().join("model");
                before.save(&weights)?;
                settings.from = Some(weights);
            }
            let mut trainer = Trainer::new(settings, device)?;
            let outcome = trainer.found(run)?;
            before = Some(trainer);
            Ok(outcome)
        };
        self.0.iter().map(stage).collect()
    }

    /// A name that identifies the course: the first 16 digits of the SHA-256 of the device and of all settings that are
    /// not the default's.
    pub fn hash(&self, device: &Device) -> String {
        let changes: Vec<_> = self.0.iter().map(Settings::changes).collect();
        let digest = Sha256::digest(serde_json::json!([device.to_string(), changes]).to_string());
        digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A run, as it is written in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stage {
    /// The settings that differ from the default.
    #[serde(serialize_with = "changes")]
    settings: Settings,
    outcome: Outcome,
}

fn changes<S: Serializer>(settings: &Settings, serializer: S) -> Result<S::Ok, S::Error> {
    settings.changes().serialize(serializer)
}

/// The outcomes of courses, by [`Course::hash`]; stored in a folder of JSON files, each an object from hashes to runs.
///
/// **Conventions**: the outcome of a course depends only on its settings and the device, so it is looked up before the
/// course is trained. A new outcome gets a file of its own as soon as the course is finished, and the files of several
/// courses may be [merged](Kept::merge) into one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    courses: BTreeMap<String, Vec<Stage>>,
    folder: Option<PathBuf>,
}

/// The name of the file that [`Kept::merge`] writes.
const MERGED: &str = "runs.json";

impl Kept {
    /// The outcomes that are shipped with the program, in the assets as `results`; empty if these are not found.
    ///
    /// # Errors
    /// [`Error::Format`] or [`Error::Io`] naming the file.
    pub fn shipped() -> Result<Self> {
        let mut kept = Kept::default();
        if let Some(folder) = assets::folder("results") {
            kept.read(&folder)?;
        }
        Ok(kept)
    }

    /// With the outcomes in `folder`, where new outcomes are written too.
    ///
    /// # Errors
    /// [`Error::Format`] or [`Error::Io`] naming the file; [`Error::Io`] if the folder cannot be created; as
    /// [`merge`](Self::merge).
    pub fn in_folder(mut self, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        self.read(folder)?;
        self.folder = Some(folder.to_owned());
        Ok(self)
    }

    /// The number of courses.
    pub fn count(&self) -> usize {
        self.courses.len()
    }

    fn read(&mut self, folder: &Path) -> Result<()> {
        let io = |error| Error::io(folder, error);
        let paths = fs::read_dir(folder).map_err(io)?.map(|entry| entry.map(|entry| entry.path()));
        let mut paths = paths.collect::<std::io::Result<Vec<_>>>().map_err(io)?;
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
        paths.sort();
        for path in paths {
            let text = fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?;
            let courses: BTreeMap<String, Vec<Stage>> = serde_json::from_str(&text)
                .map_err(|error| Error::format(&path, format!("no results of runs: {error}")))?;
            self.add_all(courses).map_err(|error| Error::format(&path, error))?;
        }
        Ok(())
    }

    fn add_all(&mut self, courses: BTreeMap<String, Vec<Stage>>) -> Result<()> {
        for (hash, stages) in courses {
            match self.courses.get(&hash) {
                Some(known) if *known != stages => {
                    let what = format!("run {hash}");
                    let expected = "the same numbers wherever it stands";
                    return Err(Error::invalid(what, "there twice with different numbers", expected));
                }
                Some(_) => {}
                None => drop(self.courses.insert(hash, stages)),
            }
        }
        Ok(())
    }

    /// Writes the outcomes of all `folders` into one file of the folder `out`; its bytes do not depend on how the
    /// courses are divided.
    ///
    /// # Errors
    /// As [`in_folder`](Self::in_folder); [`Error::Invalid`] for a run that has different numbers in two of them.
    pub fn merge(folders: &[PathBuf], out: &Path) -> Result<Self> {
        let mut all = Kept::default();
        folders.iter().try_for_each(|folder| all.read(folder))?;
        let all = all.in_folder(out)?;
        all.write(&out.join(MERGED), &all.courses)?;
        Ok(all)
    }

    fn write(&self, path: &Path, courses: &BTreeMap<String, Vec<Stage>>) -> Result<()> {
        let line = |(hash, stages): (&String, &Vec<Stage>)| {
            Ok(format!("\"{hash}\": {}", serde_json::to_string(stages)?))
        };
        let lines: serde_json::Result<Vec<String>> = courses.iter().map(line).collect();
        let lines = lines.map_err(|error| Error::format(path, error))?;
        save(path, format!("{{\n{}\n}}\n", lines.join(",\n")))
    }

    /// The outcomes of a course; `None` if it was not trained yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a file has other settings under its hash.
    pub fn find(&self, course: &Course, device: &Device) -> Result<Option<Vec<Outcome>>> {
        let hash = course.hash(device);
        let Some(stages) = self.courses.get(&hash) else { return Ok(None) };
        if !stages.iter().map(|stage| &stage.settings).eq(course.stages()) {
            let got = "kept with other settings";
            return Err(Error::invalid(format!("run {hash}"), got, "the settings that it is the hash of"));
        }
        Ok(Some(stages.iter().map(|stage| stage.outcome.clone()).collect()))
    }

    /// Keeps the outcomes of a course.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn add(&mut self, course: &Course, device: &Device, outcomes: Vec<Outcome>) -> Result<()> {
        let hash = course.hash(device);
        let stages = course.0.iter().cloned().zip(outcomes);
        let stages: Vec<Stage> = stages.map(|(settings, outcome)| Stage { settings, outcome }).collect();
        if let Some(folder) = &self.folder {
            let path = folder.join(format!("{hash}.json"));
            self.write(&path, &BTreeMap::from([(hash.clone(), stages.clone())]))?;
        }
        self.courses.insert(hash, stages);
        Ok(())
    }

    /// Trains those of `courses` that have no outcomes yet.
    ///
    /// # Errors
    /// As [`Course::train`] and [`add`](Self::add); [`Error::Cancelled`], where the outcomes of finished courses are
    /// kept.
    pub fn complete(&mut self, courses: &[Course], device: &Device, run: &Run) -> Result<()> {
        for (done, course) in courses.iter().enumerate() {
            run.step("run", done, courses.len())?;
            if self.find(course, device)?.is_none() {
                self.add(course, device, course.train(device, &run.quiet())?)?;
            }
        }
        run.step("run", courses.len(), courses.len())
    }
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
