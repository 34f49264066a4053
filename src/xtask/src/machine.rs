//! The machine that is set up, behind a small trait, so that every decision can be tested without a real machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The systems that the requirements tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Os {
    /// Linux, and other systems that draw windows through X11 or Wayland.
    Linux,
    /// macOS.
    Mac,
    /// Windows.
    Windows,
}

/// What set-up may ask a machine, and the one change that it may make: [`install`](Machine::install).
pub trait Machine {
    /// The operating system.
    fn os(&self) -> Os;
    /// An environment variable; `None` if it is unset or empty.
    fn var(&self, name: &str) -> Option<String>;
    /// Where a program is found.
    fn program(&self, name: &str) -> Option<PathBuf>;
    /// Standard output of a command, if it could be run and succeeded.
    fn output(&self, command: &[&str]) -> Option<String>;
    /// The files in a folder, sorted; none if it cannot be read.
    fn list(&self, folder: &Path) -> Vec<PathBuf>;
    /// The text of a file, if it can be read.
    fn read(&self, file: &Path) -> Option<String>;
    /// Whether a file exists.
    fn exists(&self, file: &Path) -> bool;
    /// Runs a command in the foreground, its output going to the user; whether it succeeded.
    fn install(&self, command: &[String]) -> bool;
}

/// The machine that this program runs on.
pub struct Here;

impl Machine for Here {
    fn os(&self) -> Os {
        match std::env::consts::OS {
            "windows" => Os::Windows,
            "macos" => Os::Mac,
            _ => Os::Linux,
        }
    }

    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    fn program(&self, name: &str) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        // ldconfig lives in sbin, which is not on every user's path.
        let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
        let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        folders.map(|folder| folder.join(&name)).find(|file| file.is_file())
    }

    fn output(&self, command: &[&str]) -> Option<String> {
        let (name, args) = command.split_first()?;
        let output = Command::new(self.program(name)?).args(args).stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn list(&self, folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
        files.sort();
        files
    }

    fn read(&self, file: &Path) -> Option<String> {
        std::fs::read_to_string(file).ok()
    }

    fn exists(&self, file: &Path) -> bool {
        file.exists()
    }

    fn install(&self, command: &[String]) -> bool {
        let Some((name, args)) = command.split_first() else { return false };
        Command::new(name).args(args).status().is_ok_and(|status| status.success())
    }
}

#[cfg(test)]
pub mod fake {
    //! A machine whose facts are maps.

    use std::cell::RefCell;
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// A machine with the facts of its fields; `install` adds the files of `arriving` and succeeds.
    pub struct Fake {
        pub os: Os,
        pub vars: BTreeMap<String, String>,
        pub programs: BTreeMap<String, PathBuf>,
        pub outputs: BTreeMap<String, String>,
        pub files: RefCell<BTreeMap<PathBuf, String>>,
        pub arriving: BTreeMap<PathBuf, String>,
        pub refusing: BTreeSet<String>,
        pub installed: RefCell<Vec<String>>,
    }

    impl Fake {
        pub fn new(os: Os) -> Self {
            Fake {
                os,
                vars: BTreeMap::new(),
                programs: BTreeMap::new(),
                outputs: BTreeMap::new(),
                files: RefCell::default(),
                arriving: BTreeMap::new(),
                refusing: BTreeSet::new(),
                installed: RefCell::default(),
            }
        }

        /// Adds a variable.
        pub fn with_var(mut self, name: &str, value: &str) -> Self {
            self.vars.insert(name.into(), value.into());
            self
        }

        /// Adds programs under /usr/bin.
        pub fn with_programs(mut self, names: &[&str]) -> Self {
            let placed = names.iter().map(|name| (name.to_string(), Path::new("/usr/bin").join(name)));
            self.programs.extend(placed);
            self
        }

        /// Adds a command and its output.
        pub fn with_output(mut self, command: &str, output: &str) -> Self {
            self.outputs.insert(command.into(), output.into());
            self
        }

        /// Adds a file.
        pub fn with_file(self, file: &str, text: &str) -> Self {
            self.files.borrow_mut().insert(file.into(), text.into());
            self
        }

        /// Adds a file that appears with the next installation.
        pub fn arriving(mut self, file: &str, text: &str) -> Self {
            self.arriving.insert(file.into(), text.into());
            self
        }
    }

    impl Machine for Fake {
        fn os(&self) -> Os {
            self.os
        }

        fn var(&self, name: &str) -> Option<String> {
            self.vars.get(name).cloned()
        }

        fn program(&self, name: &str) -> Option<PathBuf> {
            self.programs.get(name).cloned()
        }

        fn output(&self, command: &[&str]) -> Option<String> {
            self.outputs.get(&command.join(" ")).cloned()
        }

        fn list(&self, folder: &Path) -> Vec<PathBuf> {
            self.files.borrow().keys().filter(|file| file.parent() == Some(folder)).cloned().collect()
        }

        fn read(&self, file: &Path) -> Option<String> {
            self.files.borrow().get(file).cloned()
        }

        fn exists(&self, file: &Path) -> bool {
            self.files.borrow().contains_key(file)
        }

        fn install(&self, command: &[String]) -> bool {
            let command = command.join(" ");
            let succeeds = !self.refusing.contains(&command);
            if succeeds {
                self.files.borrow_mut().extend(self.arriving.clone());
            }
            self.installed.borrow_mut().push(command);
            succeeds
        }
    }
}
