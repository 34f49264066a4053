//! The folders: the shared home (library, facade, template) and the private folders of running kernels.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Overrides the shared home; the kernelspec sets it.
pub const HOME: &str = "RANKSCOPE_KERNEL_HOME";
/// Overrides the folder of the private workspaces.
pub const RUNNING: &str = "RANKSCOPE_KERNEL_RUNNING";
/// Overrides the folder of this user's settings.
pub const PREFERENCES: &str = "RANKSCOPE_KERNEL_PREFERENCES";

/// The files that `install` makes and all kernels share; kernels only read them.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

impl Home {
    /// The home under an installation prefix, `PREFIX/share/rankscope/kernel`.
    pub fn under(prefix: &Path) -> Self {
        Home(prefix.join("share/rankscope/kernel"))
    }

    /// `RANKSCOPE_KERNEL_HOME`, or the user's data folder.
    ///
    /// # Errors
    /// If there is neither.
    pub fn of_user() -> Result<Self> {
        folder(HOME, dirs::data_dir(), "data folder", "rankscope/kernel").map(Home)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The prebuilt shared library.
    pub fn library(&self) -> PathBuf {
        self.0.join("library")
    }

    /// Metadata of the crates that the shared library was built from; rustc reads it to compile a cell.
    pub fn metadata(&self) -> PathBuf {
        self.0.join("metadata")
    }

    /// The crate `rankscope` as cells name it.
    pub fn facade(&self) -> PathBuf {
        self.0.join("facade")
    }

    /// The sources of the standard library that rust-analyzer reads.
    pub fn standard(&self) -> PathBuf {
        self.0.join("standard")
    }

    /// The workspace that every kernel copies.
    pub fn template(&self) -> PathBuf {
        self.0.join("template")
    }

    /// evcxr's own settings.
    pub fn settings(&self) -> PathBuf {
        self.0.join("settings")
    }

    /// This program as Jupyter starts it: a copy, so that a cleaned checkout does not take it away.
    pub fn program(&self) -> PathBuf {
        self.0.join("bin/rankscope-kernel")
    }

    /// Which compiler the library was made with.
    pub fn toolchain(&self) -> PathBuf {
        self.0.join("toolchain.json")
    }

    /// The program and the compiler that made the library.
    pub fn stamp(&self) -> PathBuf {
        self.0.join("stamp.json")
    }
}

/// The folder of this user's settings, also where the library is installed for all users.
///
/// # Errors
/// If the user has no folder for settings.
pub fn preferences() -> Result<PathBuf> {
    folder(PREFERENCES, dirs::config_dir(), "folder for settings", "rankscope")
}

/// The folder in which every running kernel has its own.
///
/// # Errors
/// If the user has no cache folder.
pub fn running() -> Result<PathBuf> {
    folder(RUNNING, dirs::cache_dir(), "cache folder", "rankscope/kernels")
}

/// The folder that `variable` names, or `ours` in one of the user's; `what` says which that is.
fn folder(variable: &str, users: Option<PathBuf>, what: &str, ours: &str) -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(variable) {
        return Ok(std::path::absolute(named)?);
    }
    Ok(users.with_context(|| format!("no {what}: set HOME or {variable}"))?.join(ours))
}
