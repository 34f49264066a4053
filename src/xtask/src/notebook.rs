//! `cargo xtask notebook`: from a fresh clone to JupyterLab on `notebooks/`, with the kernel installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::machine::{Here, Machine};
use crate::{library_sources, process, setup};

/// The options of `cargo xtask notebook`.
#[derive(clap::Args)]
pub struct Args {
    /// Install missing system packages without asking (which it never does for the standard library's sources).
    #[arg(long)]
    yes: bool,
    /// Set everything up, and open nothing.
    #[arg(long)]
    no_open: bool,
    /// Only report what is installed and what is missing, and whether a cell runs.
    #[arg(long)]
    check: bool,
}

/// Runs `cargo xtask notebook`.
pub fn run(args: &Args) -> Result<()> {
    let jupyter = Jupyter::of(&Here)?;
    if args.check {
        return check(&jupyter);
    }
    prepare(&jupyter, args.yes)?;
    let notebooks = folder()?;
    if args.no_open {
        eprintln!("Everything is there: {} {}", jupyter.lab().display(), notebooks.display());
        return Ok(());
    }
    process::run(Command::new(jupyter.lab()).arg(&notebooks), "JupyterLab ended with an error")
}

/// The options of `cargo xtask notebooks`.
#[derive(clap::Args)]
pub struct ExecuteArgs {
    /// The notebooks, by a part of their names; all of them where none is given.
    names: Vec<String>,
    /// Install missing system packages without asking.
    #[arg(long)]
    yes: bool,
}

/// Runs `cargo xtask notebooks`: executes each in a kernel of its own, writes its outputs, and shows what changed.
pub fn execute(args: &ExecuteArgs) -> Result<()> {
    let jupyter = Jupyter::of(&Here)?;
    let folder = folder()?;
    let found = std::fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut found = found.collect::<std::io::Result<Vec<_>>>()?;
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    found.retain(|path| {
        let is_wanted = |part: &String| name(path).contains(part.as_str());
        name(path).ends_with(".ipynb") && (args.names.is_empty() || args.names.iter().any(is_wanted))
    });
    found.sort();
    if found.is_empty() {
        bail!("no notebook in {} is called {}", folder.display(), args.names.join(" or "));
    }
    prepare(&jupyter, args.yes)?;
    let script = folder.join("../src/kernel/tests/notebooks.py");
    let mut python = Command::new(jupyter.program("python"));
    process::run(python.arg(script).arg("--write").args(&found), "a notebook does not run")?;
    let mut git = Command::new("git");
    process::run(git.args(["diff", "--stat", "--"]).arg(&folder), "git does not say what changed")
}

/// Sets up Jupyter, and installs the kernel as it is now.
fn prepare(jupyter: &Jupyter, yes: bool) -> Result<()> {
    setup::before_the_rest(yes)?;
    library_sources::bring(&Here)?;
    jupyter.install(&Here)?;
    eprintln!("Building the kernel.");
    let programs = process::build(&["--bin=rankscope-kernel"])?;
    let kernel = programs.get("rankscope-kernel").context("cargo built no rankscope-kernel")?;
    process::run(Command::new(kernel).arg("install"), "the kernel was not installed")
}

/// The folder of the notebooks.
fn folder() -> Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../notebooks").canonicalize()?)
}

/// A Python environment of our own, so that nothing of the user's is changed.
struct Jupyter {
    folder: PathBuf,
}

impl Jupyter {
    fn of(machine: &dyn Machine) -> Result<Self> {
        let home = || machine.var("HOME").map(|home| format!("{home}/.local/share"));
        let data = machine.var("XDG_DATA_HOME").or_else(home);
        let data = data.context("no data folder: set HOME or XDG_DATA_HOME")?;
        Ok(Jupyter { folder: Path::new(&data).join("rankscope/jupyter") })
    }

    fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    fn lab(&self) -> PathBuf {
        self.program("jupyter-lab")
    }

    /// The package that draws the controls of `interact` in JupyterLab.
    fn anywidget(&self) -> PathBuf {
        self.folder.join("share/jupyter/labextensions/anywidget")
    }

    /// Makes the environment, or completes it.
    fn install(&self, machine: &dyn Machine) -> Result<()> {
        if machine.exists(&self.lab()) && machine.exists(&self.anywidget()) {
            return Ok(());
        }
        eprintln!("Installing JupyterLab and anywidget in {}.", self.folder.display());
        let (python, packages) = (machine.program("python3"), ["jupyterlab", "anywidget"]);
        process::install_python(python, &self.folder, &packages, "JupyterLab could not be installed")
    }
}

/// Reports what is installed.
fn check(jupyter: &Jupyter) -> Result<()> {
    let mut missing = Vec::new();
    let mut say = |what: &'static str, found: Option<PathBuf>| {
        let place = found.as_ref().map_or("missing".into(), |path| path.to_string_lossy());
        println!("{what:<28} {place}");
        missing.extend(found.is_none().then_some(what));
    };
    say("JupyterLab", Some(jupyter.lab()).filter(|path| Here.exists(path)));
    say("anywidget, for sliders", Some(jupyter.anywidget()).filter(|path| Here.exists(path)));
    say("standard library's sources", library_sources::find(&Here));
    let kernel = process::target_folder()?.join("debug/rankscope-kernel");
    let built = Some(kernel.clone()).filter(|path| Here.exists(path));
    let is_built = built.is_some();
    say("kernel", built);
    if is_built {
        process::run(Command::new(kernel).arg("status"), "the kernel is not installed")?;
    }
    if missing.is_empty() { Ok(()) } else { bail!("missing: {}", missing.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Os;
    use crate::machine::fake::Fake;

    #[test]
    fn jupyter_has_a_folder_of_its_own_in_the_users_data() {
        let machine = Fake::new(Os::Linux).with_var("HOME", "/home/a");
        let lab = Jupyter::of(&machine).unwrap().lab();
        assert_eq!(lab, Path::new("/home/a/.local/share/rankscope/jupyter/bin/jupyter-lab"));
        let machine = machine.with_var("XDG_DATA_HOME", "/data");
        assert_eq!(Jupyter::of(&machine).unwrap().folder, Path::new("/data/rankscope/jupyter"));
        assert!(Jupyter::of(&Fake::new(Os::Linux)).is_err());
    }

    #[test]
    fn an_environment_that_is_there_is_left_alone() {
        let lab = "/home/a/.local/share/rankscope/jupyter/bin/jupyter-lab";
        let anywidget = "/home/a/.local/share/rankscope/jupyter/share/jupyter/labextensions/anywidget";
        // The machine has no Python: an attempt to use it would fail.
        let machine = Fake::new(Os::Linux).with_var("HOME", "/home/a").with_file(lab, "");
        let error = Jupyter::of(&machine).unwrap().install(&machine).unwrap_err();
        assert_eq!(error.to_string(), "Python 3 is missing", "one without anywidget is completed");
        let machine = machine.with_file(anywidget, "");
        Jupyter::of(&machine).unwrap().install(&machine).unwrap();
    }
}
