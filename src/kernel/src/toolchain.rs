//! The compiler that cells are compiled with: the one that the shared library was made with, wherever a Jupyter starts.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::home::Home;

/// The variable that chooses the toolchain of rustup, and of its stand-ins for rustc and cargo.
const RUSTUP: &str = "RUSTUP_TOOLCHAIN";
/// The variables that choose the programs which rust-analyzer runs.
pub const CARGO: &str = "CARGO";
pub const RUSTC: &str = "RUSTC";
/// Where to look for programs, such as the linker, in an environment without PATH.
const USUAL: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// What to do where the library or its compiler is missing, or is another.
pub const ADVICE: &str = "run `cargo xtask notebook` or `rankscope-kernel install`";

/// A compiler, with its programs and libraries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toolchain {
    /// Its root folder.
    pub sysroot: PathBuf,
    /// Where the shared standard library is.
    pub libraries: PathBuf,
    /// Where rustc and cargo are.
    pub programs: Vec<PathBuf>,
    /// What `rustc --version` says.
    pub version: String,
}

impl Toolchain {
    /// The compiler of this environment: on PATH, or in cargo's usual folder.
    ///
    /// # Errors
    /// If there is none.
    pub fn find() -> Result<Self> {
        let places = places(cargo_home());
        let with = |name: &str| {
            let found = places.iter().find(|folder| folder.join(name).is_file());
            let missing = "on PATH and in ~/.cargo/bin: install Rust, https://rustup.rs";
            found.with_context(|| format!("no {name} {missing}"))
        };
        let rustc = with("rustc")?;
        let ask = |arguments: &[&str]| ask(&rustc.join("rustc"), arguments);
        let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?);
        let own = sysroot.join("bin");
        let mut programs = if own.join("rustc").is_file() { vec![own] } else { vec![rustc.clone()] };
        if !programs[0].join("cargo").is_file() {
            programs.push(with("cargo")?.clone());
        }
        let libraries = PathBuf::from(ask(&["--print", "target-libdir"])?);
        Ok(Toolchain { sysroot, libraries, programs, version: ask(&["--version"])? })
    }

    /// The compiler with which the library of `home` was made.
    ///
    /// # Errors
    /// If nothing is installed there, or the compiler has been removed or replaced.
    pub fn of(home: &Home) -> Result<Self> {
        let path = home.toolchain();
        let text = fs::read_to_string(&path)
            .with_context(|| format!("nothing is installed in {}: {ADVICE}", home.path().display()))?;
        let toolchain: Option<Self> = serde_json::from_str(&text).ok();
        let toolchain = toolchain.with_context(|| format!("{} is damaged: {ADVICE}", path.display()))?;
        if !toolchain.libraries.is_dir() {
            let place = toolchain.sysroot.display();
            bail!("the Rust that the library for cells was made with is gone from {place}: {ADVICE}");
        }
        Ok(toolchain)
    }

    /// Writes it into `home`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, home: &Home) -> Result<()> {
        let path = home.toolchain();
        fs::write(&path, serde_json::to_string_pretty(self)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Checks that the installed compiler is still this one.
    ///
    /// # Errors
    /// If it is another version, with what to do.
    pub fn check(&self) -> Result<()> {
        let now = ask(&self.program("rustc").unwrap_or_else(|| "rustc".into()), &["--version"])?;
        if now != self.version {
            bail!("the library for cells was made with {}, this is {now}: {ADVICE}", self.version);
        }
        Ok(())
    }

    /// The file of one of this toolchain's programs.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        self.programs.iter().map(|folder| folder.join(name)).find(|file| file.is_file())
    }

    /// Makes it the toolchain that every program started from here finds first, after the programs in `tools`;
    /// rust-analyzer finds it by its variables, without rustup. Called before there is a second thread.
    pub fn enter(&self, tools: Option<PathBuf>) {
        let rest = path().into_iter().filter(|folder| !self.programs.contains(folder));
        let all = tools.into_iter().chain(self.programs.iter().cloned()).chain(rest);
        let mut variables = vec![(RUSTUP, self.sysroot.clone().into_os_string())];
        variables.extend(std::env::join_paths(all).ok().map(|path| ("PATH", path)));
        let named = [(CARGO, "cargo"), (RUSTC, "rustc")];
        variables
            .extend(named.iter().filter_map(|(name, program)| Some((*name, self.program(program)?.into()))));
        // SAFETY: the caller makes sure that there is only one thread.
        variables.iter().for_each(|(name, value)| unsafe { std::env::set_var(name, value) });
    }
}

/// Cargo's home folder.
pub fn cargo_home() -> Option<PathBuf> {
    let named = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| Some(std::env::home_dir()?.join(".cargo")))
}

/// The folders on PATH, or the usual ones.
fn path() -> Vec<PathBuf> {
    let named: Vec<PathBuf> =
        std::env::var_os("PATH").map_or_else(Vec::new, |path| std::env::split_paths(&path).collect());
    if named.is_empty() { USUAL.map(PathBuf::from).to_vec() } else { named }
}

/// The folders on PATH, and cargo's.
fn places(cargo_home: Option<PathBuf>) -> Vec<PathBuf> {
    let mut places = path();
    places.extend(cargo_home.map(|home| home.join("bin")).filter(|folder| !places.contains(folder)));
    places
}

/// PATH without the folders of cargo and of toolchains, as it is in a desktop session.
pub fn path_without_rust() -> OsString {
    let is_rusts = |folder: &Path| {
        ["cargo", "rustc", "rustup"].iter().any(|name| folder.join(name).exists())
            && !folder.join("sh").exists()
    };
    let mut left = path();
    left.retain(|folder| !is_rusts(folder));
    std::env::join_paths(left).unwrap_or_default()
}

/// The output of a rustc; run in `/`, where no project chooses another toolchain.
fn ask(rustc: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(rustc).args(arguments).current_dir("/").output();
    let output = output.with_context(|| format!("{} does not run", rustc.display()))?;
    if !output.status.success() {
        bail!("rustc {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_is_found_again_and_one_that_is_gone_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::under(folder.path());
        fs::create_dir_all(home.path()).unwrap();
        assert!(Toolchain::of(&home).unwrap_err().to_string().starts_with("nothing is installed in"));
        let found = Toolchain::find().unwrap();
        assert!(found.libraries.starts_with(&found.sysroot));
        assert!(found.programs.iter().all(|folder| folder.is_dir()));
        found.write(&home).unwrap();
        assert_eq!(Toolchain::of(&home).unwrap(), found);
        found.check().unwrap();
        let other = Toolchain { version: "rustc 1.0.0".into(), ..found.clone() };
        assert!(other.check().unwrap_err().to_string().contains("made with rustc 1.0.0, this is rustc 1."));
        Toolchain { libraries: "/nowhere".into(), ..found }.write(&home).unwrap();
        assert!(Toolchain::of(&home).unwrap_err().to_string().contains("is gone from"));
    }
}
