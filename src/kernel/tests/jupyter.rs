//! The kernel under a real Jupyter client: conformance, exchanges, a short stress, the displays in JupyterLab, the notebooks.
//!
//! They need a Python with `jupyter_kernel_test` and `nbclient`: `RANKSCOPE_JUPYTER_PYTHON`, or an environment that
//! is made beside the build, for which pip must reach its index. `RANKSCOPE_SKIP_JUPYTER=1` skips them, and says so.
//! JupyterLab is tested where there is a Chromium.

#[path = "../../rankscope/tests/support/skip.rs"]
mod skip;

use std::path::{Path, PathBuf};
use std::process::Command;

const KERNEL: &str = env!("CARGO_BIN_EXE_rankscope-kernel");
/// The variables that a Jupyter gets, beside PATH.
const HANDED_ON: [&str; 5] = ["HOME", "USER", "LANG", "TMPDIR", "XDG_RUNTIME_DIR"];

/// A kernel that is installed in a folder of the tests, and a Python that can talk to it.
struct Jupyter {
    python: PathBuf,
    prefix: tempfile::TempDir,
}

impl Jupyter {
    fn install(python: PathBuf) -> Self {
        // Outside the checkout: cargo must not take a cell's folder for a part of this workspace.
        let jupyter = Jupyter { python, prefix: tempfile::tempdir().unwrap() };
        jupyter.succeed(Command::new(KERNEL).args(["install", "--prefix"]).arg(jupyter.prefix.path()));
        // One test uses spares; in the others, a spare would make them wait for its compiler.
        jupyter.succeed(Command::new(KERNEL).args(["spare", "off"]));
        jupyter
    }

    /// A command in the environment of a Jupyter that was not started by cargo: a handful of variables.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let kept = |name: &str| HANDED_ON.contains(&name) || name.starts_with("RANKSCOPE_");
        command.env_clear().envs(std::env::vars().filter(|(name, _)| kept(name)));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_rusts = |folder: &PathBuf| folder.join("cargo").exists() && !folder.join("sh").exists();
        let folders = std::env::split_paths(&path).filter(|folder| !is_rusts(folder));
        command.env("PATH", std::env::join_paths(folders).unwrap());
        command
    }

    fn succeed(&self, command: &mut Command) -> String {
        let prefix = self.prefix.path();
        command
            .env("JUPYTER_PATH", prefix.join("share/jupyter"))
            .env("JUPYTER_RUNTIME_DIR", prefix.join("runtime"))
            .env("IPYTHONDIR", prefix.join("ipython"))
            .env("RANKSCOPE_KERNEL_HOME", prefix.join("share/rankscope/kernel"))
            .env("RANKSCOPE_KERNEL_RUNNING", prefix.join("running"))
            .env("RANKSCOPE_KERNEL_PREFERENCES", prefix.join("preferences"));
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
        println!("{out}\n{err}");
        out
    }

    fn script(&self, name: &str, arguments: &[PathBuf]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
        self.succeed(self.command(&self.python).arg(script).args(arguments))
    }
}

/// What the Python must have: modules, and the packages that bring them.
const CLIENT: (&str, &[&str]) = (
    "jupyter_kernel_test, nbclient, nbformat",
    &["jupyter_kernel_test==0.7.0", "nbclient==0.11.0", "nbformat"],
);
/// What it must also have for JupyterLab in a browser.
const LAB: (&str, &[&str]) = (
    "jupyterlab, anywidget, websocket",
    &["jupyterlab==4.6.6", "anywidget==0.11.0", "websocket-client==1.9.2"],
);

fn has(python: &Path, (modules, _): (&str, &[&str])) -> bool {
    let import = format!("import {modules}");
    Command::new(python).args(["-c", &import]).output().is_ok_and(|output| output.status.success())
}

/// Whether a browser is there that `browser.py` drives.
fn has_chromium() -> bool {
    let starts = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    ["chromium", "chromium-browser", "google-chrome"].iter().any(starts)
}

fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("RANKSCOPE_JUPYTER_PYTHON") {
        let python = PathBuf::from(python);
        assert!(has(&python, CLIENT), "{} has no jupyter_kernel_test and nbclient", python.display());
        return python;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("jupyter");
    let python = folder.join("bin/python");
    let wanted = if has_chromium() { &[CLIENT, LAB][..] } else { &[CLIENT] };
    for missing in wanted.iter().filter(|wanted| !has(&python, **wanted)) {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&folder).status();
        let is_made = made.is_ok_and(|status| status.success());
        assert!(is_made, "`python3 -m venv` failed: is Python's venv installed?");
        let _ = Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(missing.1).status();
    }
    assert!(
        has(&python, CLIENT),
        "pip could not install jupyter_kernel_test: name a Python that has it and nbclient in \
         RANKSCOPE_JUPYTER_PYTHON, or set RANKSCOPE_SKIP_JUPYTER=1"
    );
    python
}

// One test: kernels side by side would each wait for the other's compiler.
#[test]
fn jupyter_is_content() {
    if skip::is_asked_for("RANKSCOPE_SKIP_JUPYTER", "no Jupyter") {
        return;
    }
    let jupyter = Jupyter::install(python());
    for script in ["conformance.py", "compile.py", "streams.py", "spare.py"] {
        jupyter.script(script, &[]);
    }
    let stress = jupyter.script("stress.py", &["40".into()]);
    let measured: serde_json::Value = serde_json::from_str(stress.lines().last().unwrap()).unwrap();
    assert!(measured["memory_mib"].as_f64().unwrap() < 600.0, "{measured}");

    match (has_chromium(), has(&jupyter.python, LAB)) {
        (true, true) => drop(jupyter.script("browser.py", &[])),
        (false, _) => skip::skipped("no Chromium"),
        (_, false) => skip::skipped("no JupyterLab with anywidget, or no websocket-client"),
    }

    let notebooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../notebooks");
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(notebooks).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "ipynb"));
    found.sort();
    assert!(found.len() >= 3, "{found:?}");
    jupyter.script("notebooks.py", &found);

    let (prefix, running) = (jupyter.prefix.path(), jupyter.prefix.path().join("running"));
    let status = || {
        let mut status = jupyter.command(Path::new(KERNEL));
        status.args(["status", "--prefix"]).arg(prefix).env("RANKSCOPE_KERNEL_RUNNING", &running);
        status
    };
    let said = jupyter.succeed(&mut status());
    assert!(said.lines().any(|line| line.starts_with("a cell") && line.ends_with("(ok)")), "{said}");
    // A library that the loader refuses is as bad as none: only a cell that runs can tell.
    let name = format!("{}rankscope_cells{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    std::fs::write(prefix.join("share/rankscope/kernel/library").join(name), "no library").unwrap();
    let output = status().output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("cannot load") && said.contains("librankscope_cells"), "{said}");
    assert_eq!(std::fs::read_dir(running).unwrap().count(), 0, "no kernel left anything");
}
