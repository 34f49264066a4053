//! The runs of this user: folders below one folder.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::{About, Table, about, table};
use crate::assets;
use crate::error::{Error, Result};

/// The state of a run on disk.
#[derive(Clone, Debug)]
pub struct RunSummary {
    /// Its folder, relative to [`runs_folder`] where it is below that.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// The description of the run.
    pub about: About,
    /// The number of steps made.
    pub step: usize,
    /// The loss of the last evaluation, in nats.
    pub held_out_loss: Option<f64>,
    /// The mean loss of the last hundredth of the steps made, at least of ten steps.
    pub training_loss: Option<f64>,
}

/// Where runs are kept: `$RANKSCOPE_RUNS`, otherwise `rankscope/runs` in the user's data folder.
///
/// # Errors
/// [`Error::Invalid`] if the user has no data folder and the variable is not set.
pub fn runs_folder() -> Result<PathBuf> {
    let set = env::var_os("RANKSCOPE_RUNS").filter(|value| !value.is_empty()).map(PathBuf::from);
    set.or_else(|| dirs::data_dir().map(|data| data.join("rankscope/runs"))).ok_or_else(|| {
        let expected = "RANKSCOPE_RUNS set to a folder";
        Error::invalid("data folder of this user", "missing (HOME is not set)", expected)
    })
}

/// The folder of runs that are shipped with the program; `None` if its files are not found.
pub fn shipped() -> Option<PathBuf> {
    assets::folder("runs")
}

/// The run called `name`: a folder given by its path, or one below [`runs_folder`].
///
/// # Errors
/// [`Error::Invalid`] naming it if there is none.
pub fn find(name: &str) -> Result<PathBuf> {
    let below = runs_folder()?.join(name);
    let places = [Path::new(name), &below];
    let found = places.into_iter().find(|path| path.join(super::ABOUT).is_file());
    found.map(Path::to_owned).ok_or_else(|| {
        let expected = "a name that `rankscope runs list` shows, or the folder of a run";
        Error::invalid("run", format!("{name:?}"), expected)
    })
}

/// A folder below [`runs_folder`] that does not exist yet, for a run of `preset` called `name`.
///
/// # Errors
/// As [`runs_folder`].
pub fn new_folder(preset: &str, name: &str) -> Result<PathBuf> {
    let plain = |c: char| if c.is_alphanumeric() || "=.-_".contains(c) { c } else { '-' };
    let name: String =
        if name.is_empty() { "run".into() } else { name.chars().map(plain).take(80).collect() };
    let folder = runs_folder()?.join(preset);
    let numbered = (2..).map(|number| folder.join(format!("{name}-{number}")));
    let mut all = std::iter::once(folder.join(&name)).chain(numbered);
    Ok(all.find(|path| !path.exists()).expect("there are more numbers than folders"))
}

/// Deletes the run called `name`, and returns its folder.
///
/// # Errors
/// As [`find`]; [`Error::Invalid`] while a process trains in it; [`Error::Io`] if it cannot be deleted.
pub fn remove(name: &str) -> Result<PathBuf> {
    let path = find(name)?;
    let _lock = super::lock(&path)?;
    fs::remove_dir_all(&path).map_err(|error| Error::io(&path, error))?;
    Ok(path)
}

/// Every run below `folder`, by name.
///
/// # Errors
/// [`Error::Io`] if a folder cannot be read.
pub fn list(folder: &Path) -> Result<Vec<RunSummary>> {
    /// The levels of folders: a run, the runs of its seeds, and those of a twin.
    const DEPTH: usize = 3;
    let mut found = Vec::new();
    walk(folder, DEPTH, &mut found)?;
    let named = |path: PathBuf| {
        let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        Ok(RunSummary { name, ..summary(&path)? })
    };
    let mut runs: Vec<RunSummary> = found.into_iter().map(named).collect::<Result<_>>()?;
    runs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(runs)
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if folder.join(super::ABOUT).is_file() {
        found.push(folder.to_owned());
        return Ok(());
    }
    if depth == 0 || !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(|error| Error::io(folder, error))? {
        let path = entry.map_err(|error| Error::io(folder, error))?.path();
        if path.is_dir() {
            walk(&path, depth - 1, found)?;
        }
    }
    Ok(())
}

/// The run in a folder.
///
/// # Errors
/// [`Error::Format`] or [`Error::Io`] if there is none, or its tables cannot be read.
pub fn summary(path: &Path) -> Result<RunSummary> {
    let about = about(path)?;
    let steps = table(path, Table::Steps)?;
    let number = |row: &Vec<String>, column: usize| row.get(column)?.parse::<f64>().ok();
    let losses: Vec<f64> = steps.iter().filter_map(|row| number(row, 1)).collect();
    let tail = &losses[losses.len() - (losses.len() / 100).max(10).min(losses.len())..];
    let evaluation = table(path, Table::Evaluation)?;
    Ok(RunSummary {
        name: path.display().to_string(),
        path: path.to_owned(),
        about,
        step: steps.last().and_then(|row| row.first()?.parse().ok()).unwrap_or(0),
        held_out_loss: evaluation.last().and_then(|row| number(row, 1)),
        training_loss: (!tail.is_empty()).then(|| tail.iter().sum::<f64>() / tail.len() as f64),
    })
}
