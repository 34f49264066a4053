//! The kernel under a real Jupyter client: conformance, exchanges, a short stress, the notebooks.
//!
//! They need a Python with `jupyter_kernel_test` and `nbclient`: `RANKSCOPE_JUPYTER_PYTHON`, or an environment that
//! is made beside the build, for which pip must reach its index. Where that is not possible, the tests say that they
//! are skipped; with `CI` set they fail.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A kernel that is installed in a folder of the tests, and a Python that can talk to it.
struct Jupyter {
    python: PathBuf,
    prefix: tempfile::TempDir,
}

impl Jupyter {
    /// The one of all tests here; `None` if there is no Python for it.
    fn get() -> Option<&'static Jupyter> {
        static JUPYTER: OnceLock<Option<Jupyter>> = OnceLock::new();
        let jupyter = JUPYTER.get_or_init(|| Some(Jupyter::install(python()?))).as_ref();
        if jupyter.is_none() {
            assert!(std::env::var_os("CI").is_none(), "no Python with jupyter_kernel_test");
            eprintln!("skipped: no Python with jupyter_kernel_test and nbclient");
        }
        jupyter
    }

    fn install(python: PathBuf) -> Self {
        // Outside the checkout: cargo must not take a cell's folder for a part of this workspace.
        let jupyter = Jupyter { python, prefix: tempfile::tempdir().unwrap() };
        let mut install = Command::new(env!("CARGO_BIN_EXE_rankscope-kernel"));
        install.arg("install").arg("--prefix").arg(jupyter.prefix.path());
        jupyter.succeed(&mut install);
        jupyter
    }

    fn succeed(&self, command: &mut Command) -> String {
        let prefix = self.prefix.path();
        command
            .env("JUPYTER_PATH", prefix.join("share/jupyter"))
            .env("JUPYTER_RUNTIME_DIR", prefix.join("runtime"))
            .env("IPYTHONDIR", prefix.join("ipython"))
            .env("RANKSCOPE_KERNEL_HOME", prefix.join("share/rankscope/kernel"))
            .env("RANKSCOPE_KERNEL_RUNNING", prefix.join("running"));
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{command:?} failed\n{out}\n{err}");
        println!("{out}\n{err}");
        out
    }

    fn script(&self, name: &str, arguments: &[PathBuf]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
        self.succeed(Command::new(&self.python).arg(script).args(arguments))
    }
}

fn can_test(python: &Path) -> bool {
    let import = ["-c", "import jupyter_kernel_test, nbclient, nbformat"];
    Command::new(python).args(import).output().is_ok_and(|output| output.status.success())
}

fn python() -> Option<PathBuf> {
    if let Some(python) = std::env::var_os("RANKSCOPE_JUPYTER_PYTHON") {
        return Some(python.into());
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("jupyter");
    let python = folder.join("bin/python");
    if !can_test(&python) {
        Command::new("python3").args(["-m", "venv"]).arg(&folder).status().ok()?;
        let packages = ["jupyter_kernel_test==0.7.0", "nbclient", "nbformat"];
        Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(packages).status().ok()?;
    }
    can_test(&python).then_some(python)
}

// One test: kernels side by side would each wait for the other's compiler.
#[test]
fn jupyter_is_content() {
    let Some(jupyter) = Jupyter::get() else { return };
    jupyter.script("conformance.py", &[]);
    let stress = jupyter.script("stress.py", &["40".into()]);
    let measured: serde_json::Value = serde_json::from_str(stress.lines().last().unwrap()).unwrap();
    assert!(measured["resident_mib"].as_f64().unwrap() < 600.0, "{measured}");

    let notebooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../notebooks");
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(notebooks).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "ipynb"));
    found.sort();
    assert!(found.len() >= 3, "{found:?}");
    jupyter.script("notebooks.py", &found);

    let mut status = Command::new(env!("CARGO_BIN_EXE_rankscope-kernel"));
    status.arg("status").arg("--prefix").arg(jupyter.prefix.path());
    assert!(jupyter.succeed(&mut status).contains("(ok)"));
    let running = jupyter.prefix.path().join("running");
    assert_eq!(std::fs::read_dir(running).unwrap().count(), 0, "no kernel left anything");
}
