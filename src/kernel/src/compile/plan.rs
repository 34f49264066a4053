//! How cargo had a cell compiled, for the cells after it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::rustc::EMIT;
use super::source::{fnv, shortened};
use super::types::Definitions;
use super::{linker, own_toolchain};
use crate::engine::prelude;
use crate::home::Home;
use crate::library;
use crate::times;
use crate::toolchain::cargo_home;

/// Stands for the folder of the cells in a plan, which may be copied with it.
const CELLS: &str = "{cells}";
/// The source of a cell, as cargo names it.
pub const SOURCE: &str = "src/lib.rs";
/// Where the shorter source is: evcxr knows a cell's source by the end of its name.
const SHORT: &str = "target/short/src/lib.rs";
/// Where rustc is to put what it makes.
const OUT: &str = "--out-dir";
/// Where cargo looks for settings, in a folder and in all above it.
const SETTINGS: &str = ".cargo/config.toml";

/// What the arguments of rustc depend on.
pub struct Key(String);

impl Key {
    /// The key of the build that evcxr asks for in `cells`. `None` if only cargo can build it: if it depends on sources
    /// of other crates than the facade, which may change at any time, or if the cell names libraries to be linked in.
    pub fn of(cells: &Path, home: &Home) -> Option<Self> {
        if fs::read_to_string(cells.join(SOURCE)).is_ok_and(|source| source.contains("#[link")) {
            return None;
        }
        let manifest = fs::read_to_string(cells.join("Cargo.toml")).ok()?;
        let facade = prelude::dependency(&home.facade());
        let (_, dependencies) = manifest.split_once("[dependencies]")?;
        if dependencies.lines().any(|line| line.contains("path") && line != facade) {
            return None;
        }
        let own_settings = fs::read_to_string(cells.join(SETTINGS)).unwrap_or_default();
        let names = ["RUSTC", "RUSTC_WRAPPER", "RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_BUILD_BUILD_DIR"];
        let variables = names.map(std::env::var_os);
        let settings = cells.ancestors().skip(1).map(|folder| folder.join(SETTINGS));
        let user = cargo_home().map(|home| home.join("config.toml"));
        let rustc = variables[0].as_ref().map(PathBuf::from);
        let files = settings.chain(user).chain(rustc).chain([library::file(home)]);
        let files: Vec<_> = files.filter_map(|file| Some((modified(&file)?, file))).collect();
        Some(Key(format!("{manifest}\n{own_settings}\n{variables:?}\n{files:?}")))
    }

    fn file(&self, cells: &Path) -> PathBuf {
        cells.join("target").join(format!("plan-{:016x}.json", fnv(self.0.as_bytes())))
    }
}

fn modified(file: &Path) -> Option<u128> {
    let time = fs::metadata(file).ok()?.modified().ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_nanos())
}

/// How cargo started rustc.
#[derive(Deserialize)]
struct Notes {
    arguments: Vec<String>,
    variables: BTreeMap<String, String>,
}

/// How rustc compiles a cell without cargo.
#[derive(Serialize, Deserialize)]
pub struct Plan {
    /// The key of the builds that this plan is for.
    key: String,
    /// Where cargo puts the cell's library.
    folder: String,
    /// Arguments of rustc.
    arguments: Vec<String>,
    /// The variables by which cargo describes the package to rustc.
    variables: BTreeMap<String, String>,
    /// The command of the linker; `None` if rustc links.
    linker: Option<Vec<String>>,
}

/// How a compilation ended.
pub enum Compiled {
    /// The shared library.
    To(PathBuf),
    /// With errors, which cargo will say.
    Refused,
    /// By a signal: an interrupt.
    Stopped(i32),
}

impl Plan {
    /// The plan for builds of this key in `cells`, if there is one.
    pub fn read(cells: &Path, key: &Key) -> Option<Self> {
        let text = fs::read_to_string(key.file(cells)).ok()?.replace(CELLS, &quoted(cells)?);
        serde_json::from_str(&text).ok().filter(|plan: &Plan| plan.key == key.0)
    }

    /// Makes a plan from the notes on cargo's compilation of the source in `cells`, and keeps it if the plan compiles
    /// the same source.
    ///
    /// # Errors
    /// If it does not compile it.
    pub fn learn(cells: &Path, key: &Key, notes: &Path) -> Result<()> {
        let Notes { arguments, variables } = serde_json::from_str(&fs::read_to_string(notes)?)?;
        let folder =
            arguments.iter().skip_while(|word| *word != OUT).nth(1).context("cargo named no folder")?;
        let folder = Path::new(folder).parent().and_then(Path::to_str).context("no folder")?.to_owned();
        // Code of other crates has to be linked in, and only rustc knows which.
        let is_alone = arguments.iter().filter(|word| *word == "--extern").count() <= 1;
        let linker = if is_alone { linker::command(&own_toolchain()?) } else { None };
        let arguments = without_cargos(arguments);
        let mut plan = Plan { key: key.0.clone(), folder, arguments, variables, linker };
        if !plan.try_on(cells)?.status.success() {
            plan.linker = None;
            let output = plan.try_on(cells)?;
            if !output.status.success() {
                bail!("rustc without cargo: {}", String::from_utf8_lossy(&output.stderr));
            }
        }
        let text =
            serde_json::to_string(&plan)?.replace(&quoted(cells).context("a path that is not UTF-8")?, CELLS);
        let aside = cells.join("target/plan.new");
        fs::write(&aside, text)?;
        fs::rename(aside, key.file(cells))?;
        Ok(())
    }

    /// Compiles the source that is in `cells` to where cargo puts it.
    ///
    /// # Errors
    /// If a program cannot be started, or a file cannot be read or written.
    pub fn compile(&self, cells: &Path) -> Result<Compiled> {
        let folder = Path::new(&self.folder);
        let source = fs::read_to_string(cells.join(SOURCE))?;
        let now = Definitions::of(&source);
        let status =
            self.run(cells, folder, |source| now.lose_changed(&Definitions::of_last(cells), &source))?.status;
        if status.success() {
            now.keep(cells)?;
        }
        Ok(match status.signal() {
            Some(signal) => Compiled::Stopped(signal),
            None if status.success() => Compiled::To(library(folder)),
            None => Compiled::Refused,
        })
    }

    fn try_on(&self, cells: &Path) -> Result<Output> {
        self.run(cells, &cells.join("target/trial"), |source| source)
    }

    /// Runs rustc, then the linker; returns the output of the last one. `change` is applied to the shortened source.
    fn run(&self, cells: &Path, folder: &Path, change: impl Fn(String) -> String) -> Result<Output> {
        let source = fs::read_to_string(cells.join(SOURCE))?;
        let has_library = self.arguments.iter().any(|word| word.starts_with("rankscope="));
        let source = match shortened(&source).filter(|_| has_library) {
            Some(source) => {
                fs::create_dir_all(cells.join(SHORT).parent().context("no folder")?)?;
                fs::write(cells.join(SHORT), change(source))?;
                SHORT
            }
            None => SOURCE,
        };
        fs::create_dir_all(folder)?;
        let mut rustc = Command::new(std::env::var_os("RUSTC").context("RUSTC is not set")?);
        rustc.arg(if self.linker.is_some() { "--emit=obj" } else { "--emit=link" });
        rustc.args(&self.arguments).arg(source).arg(OUT).arg(folder);
        rustc.envs(&self.variables).current_dir(cells).stdin(Stdio::null());
        times::begins("rustc");
        let output = rustc.output().context("rustc does not run")?;
        times::begins("linker");
        match &self.linker {
            Some(linker) if output.status.success() => {
                let command = linker::link(linker, &folder.join("ctx.o"), &library(folder));
                command.context("no linker")?.output().context("the linker does not run")
            }
            _ => Ok(output),
        }
    }
}

/// The library of a cell.
fn library(folder: &Path) -> PathBuf {
    let (start, end) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    folder.join(format!("{start}ctx{end}"))
}

/// A folder as JSON writes it, without the quotes.
fn quoted(folder: &Path) -> Option<String> {
    let text = serde_json::to_string(folder.to_str()?).ok()?;
    Some(text.trim_matches('"').to_owned())
}

/// Cargo's arguments without the source and the folder, and without those that cost time and help only the next build
/// of the same source. One unit of code generation: most cells are small.
fn without_cargos(words: Vec<String>) -> Vec<String> {
    let mut left = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let is_left_out = |next: &String| {
            word == "-C" && ["incremental=", "codegen-units="].iter().any(|name| next.starts_with(name))
        };
        if word == OUT || words.peek().is_some_and(is_left_out) {
            words.next();
        } else if word != SOURCE && word != EMIT {
            left.push(word);
        }
    }
    left.push("-Ccodegen-units=1".into());
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_arguments_without_what_is_its_own() {
        let words = "--crate-name ctx src/lib.rs --emit=dep-info,link -C codegen-units=16 -C metadata=x --out-dir /o \
                     -C incremental=/i -L a=b";
        let left = without_cargos(words.split(' ').map(str::to_owned).collect());
        assert_eq!(left.join(" "), "--crate-name ctx -C metadata=x -L a=b -Ccodegen-units=1");
    }

    #[test]
    fn a_path_that_may_change_is_for_cargo() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::under(folder.path());
        let facade = prelude::dependency(&home.facade());
        let key = |dependencies: &str| {
            let manifest = format!("[lib]\npath = \"src/lib.rs\"\n[dependencies]\n{dependencies}\n");
            fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
            Key::of(folder.path(), &home).map(|key| key.0)
        };
        let own = key(&facade).unwrap();
        assert_eq!(key(&facade).as_ref(), Some(&own));
        fs::create_dir_all(folder.path().join("src")).unwrap();
        fs::write(folder.path().join(SOURCE), "#[link(name = \"z\")] extern \"C\" {}").unwrap();
        assert_eq!(key(&facade), None);
        fs::write(folder.path().join(SOURCE), "fn f() {}").unwrap();
        assert_ne!(key(&format!("{facade}\nrand = \"0.10\"")), Some(own.clone()));
        assert_eq!(key(&format!("{facade}\nmine = {{ path = \"/mine\" }}")), None);
        fs::create_dir_all(home.library()).unwrap();
        fs::write(library::file(&home), "another").unwrap();
        assert_ne!(key(&facade), Some(own));
    }
}
