//! The copy of the source tree in which mutations are made.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// A copy of the working tree: the files that git tracks, and those that it would add.
pub struct Tree {
    root: PathBuf,
    target: PathBuf,
}

impl Tree {
    /// Brings the copy up to date with `source`; unchanged files keep their times, so builds stay small.
    pub fn copy(source: &Path) -> Result<Self> {
        let target = process::target_folder()?;
        let root = target.join("mutate/source");
        let files = listed(source)?;
        for file in &files {
            let bytes =
                fs::read(source.join(file)).with_context(|| format!("cannot read {}", file.display()))?;
            let copy = root.join(file);
            if fs::read(&copy).is_ok_and(|old| old == bytes) {
                continue;
            }
            fs::create_dir_all(copy.parent().context("a file in a folder")?)?;
            fs::write(&copy, bytes).with_context(|| format!("cannot write {}", copy.display()))?;
        }
        remove_others(&root, &root, &files)?;
        Ok(Tree { root, target })
    }

    /// The folder of the copy.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A cargo that works in the copy. Every mutation compiles the library anew, so it uses `opt-level` 1.
    pub fn cargo(&self) -> Command {
        let mut command = process::cargo();
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command.args(["--config", "profile.dev.package.rankscope.opt-level=1"]);
        command
    }

    /// Where the output of the tests under the mutation `name` is kept.
    pub fn log(&self, name: &str) -> Result<PathBuf> {
        let folder = self.target.join("mutate/logs");
        fs::create_dir_all(&folder)?;
        Ok(folder.join(format!("{name}.log")))
    }

    /// The text of a file of the copy.
    pub fn read(&self, file: &str) -> Result<String> {
        fs::read_to_string(self.root.join(file)).with_context(|| format!("cannot read {file}"))
    }

    /// Replaces a file of the copy.
    pub fn write(&self, file: &str, text: &str) -> Result<()> {
        fs::write(self.root.join(file), text).with_context(|| format!("cannot write {file}"))
    }
}

/// All Rust sources of the tree, one after the other.
pub fn rust_files(source: &Path) -> Result<String> {
    let is_rust = |file: &PathBuf| file.extension().is_some_and(|end| end == "rs");
    let files = listed(source)?.into_iter().filter(is_rust);
    files.map(|file| Ok(fs::read_to_string(source.join(file))?)).collect()
}

fn listed(source: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut git = Command::new("git");
    git.current_dir(source).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.output().with_context(|| process::cannot_start(&git))?;
    if !output.status.success() {
        bail!("{} is no git checkout", source.display());
    }
    let names = String::from_utf8(output.stdout).context("file names in UTF-8")?;
    let files = names.split_terminator('\0').map(PathBuf::from);
    // A file that was deleted and not yet committed is still listed.
    Ok(files.filter(|file| source.join(file).is_file()).collect())
}

/// Removes the files of an earlier copy that the source tree no longer has.
fn remove_others(root: &Path, folder: &Path, files: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(root, &path, files)?;
        } else if !files.contains(path.strip_prefix(root)?) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
