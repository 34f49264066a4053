//! Checks what is installed by looking for files: this takes milliseconds and needs no package manager.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::machine::{Machine, Os};
use crate::requirement::{REQUIREMENTS, Requirement};
use crate::vulkan;

/// How to check whether a requirement is met.
#[derive(Debug)]
pub enum Check {
    /// One of these programs can be run.
    Program(&'static [&'static str]),
    /// The dynamic loader finds this library.
    Library(&'static str),
    /// A program can be linked with `-lopenblas`.
    OpenBlas,
    /// At least one Vulkan driver can be loaded.
    VulkanDriver,
    /// Python 3 can make virtual environments that have pip.
    PythonVenv,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is installed.
    Present,
    /// It is missing; holds what was looked for.
    Missing(String),
    /// It cannot be used, and no package would change that; holds the reason.
    Blocked(String),
}

/// A requirement that is not met.
pub struct Finding {
    /// The row of the table.
    pub requirement: &'static Requirement,
    /// The result of its check.
    pub state: State,
}

/// Every requirement of this machine's system that is not met.
pub fn survey(machine: &dyn Machine) -> Vec<Finding> {
    let libraries = Libraries::of(machine);
    REQUIREMENTS
        .iter()
        .filter(|requirement| requirement.on.contains(&machine.os()))
        .map(|requirement| Finding { requirement, state: requirement.check.state(machine, &libraries) })
        .filter(|finding| finding.state != State::Present)
        .collect()
}

impl Check {
    fn state(&self, machine: &dyn Machine, libraries: &Libraries) -> State {
        match self {
            Check::Program(names) => {
                let found = names.iter().any(|name| machine.program(name).is_some());
                present_or(found, || names.join(", "))
            }
            Check::Library(name) => present_or(libraries.has(machine, name), || (*name).into()),
            Check::OpenBlas => present_or(openblas(machine, libraries), || "development files".into()),
            Check::VulkanDriver => vulkan::driver(machine, libraries),
            Check::PythonVenv => python(machine),
        }
    }
}

fn present_or(found: bool, looked_for: impl FnOnce() -> String) -> State {
    if found { State::Present } else { State::Missing(looked_for()) }
}

fn openblas(machine: &dyn Machine, libraries: &Libraries) -> bool {
    let has = |folder: &str, file: &str| machine.exists(&Path::new(folder).join(file));
    match machine.os() {
        Os::Linux => {
            machine.output(&["pkg-config", "--exists", "openblas"]).is_some()
                || ["libopenblas.so", "libopenblas.a"].iter().any(|file| libraries.in_folders(machine, file))
        }
        Os::Mac => ["/opt/homebrew/opt/openblas/lib", "/usr/local/opt/openblas/lib"]
            .iter()
            .any(|folder| has(folder, "libopenblas.dylib")),
        Os::Windows => {
            machine.var("VCPKG_ROOT").is_some_and(|root| has(&root, "installed/x64-windows/lib/openblas.lib"))
        }
    }
}

fn python(machine: &dyn Machine) -> State {
    let name = if machine.os() == Os::Windows { "python" } else { "python3" };
    let Some(python) = machine.program(name) else { return State::Missing(name.into()) };
    if machine.output(&[name, "-c", "import ensurepip, venv"]).is_some() {
        State::Present
    } else if python.starts_with("/usr/bin") {
        State::Missing("modules ensurepip and venv".into())
    } else {
        State::Blocked(format!("{} has no modules ensurepip and venv", python.display()))
    }
}

/// The libraries that the dynamic loader and the linker find.
pub struct Libraries {
    cached: BTreeSet<String>,
    folders: Vec<PathBuf>,
}

impl Libraries {
    /// Asks the loader's cache once, for all checks.
    pub fn of(machine: &dyn Machine) -> Self {
        let arch = std::env::consts::ARCH;
        if machine.os() != Os::Linux {
            return Libraries { cached: BTreeSet::new(), folders: Vec::new() };
        }
        let listing = machine.output(&["ldconfig", "-p"]).unwrap_or_default();
        let own = machine.var("LD_LIBRARY_PATH").unwrap_or_default();
        let own = std::env::split_paths(&own).filter(|folder| folder.is_absolute());
        let standard = ["/usr/local/lib", "/usr/lib64", "/lib64", "/usr/lib", "/lib"].map(PathBuf::from);
        let triples = ["/usr/lib", "/lib"].map(|folder| PathBuf::from(format!("{folder}/{arch}-linux-gnu")));
        Libraries {
            cached: cached_names(&listing, arch),
            folders: own.chain(triples).chain(standard).collect(),
        }
    }

    /// Whether the loader would find a library of this name.
    pub fn has(&self, machine: &dyn Machine, name: &str) -> bool {
        self.cached.contains(name) || self.in_folders(machine, name)
    }

    /// Whether a standard library folder holds a file of this name.
    fn in_folders(&self, machine: &dyn Machine, name: &str) -> bool {
        self.folders.iter().any(|folder| machine.exists(&folder.join(name)))
    }
}

/// The names in a listing of `ldconfig -p`, without those for other architectures.
///
/// A line reads `libX11.so.6 (libc6,x86-64) => /lib/x86_64-linux-gnu/libX11.so.6`.
fn cached_names(listing: &str, arch: &str) -> BTreeSet<String> {
    // The cache's names of 64-bit architectures, whose machines may also have 32-bit libraries.
    let tag = match arch {
        "x86_64" => "x86-64",
        "aarch64" => "AArch64",
        _ => "",
    };
    let names = listing.lines().filter_map(|line| {
        let (left, _path) = line.split_once(" => ")?;
        let (name, kind) = left.trim().split_once(" (")?;
        kind.contains(tag).then(|| name.to_owned())
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fake::Fake;

    const LISTING: &str = "3 libs found in cache `/etc/ld.so.cache'\n\
        \tlibXi.so.6 (libc6,x86-64) => /lib/x86_64-linux-gnu/libXi.so.6\n\
        \tlibvulkan.so.1 (libc6) => /lib/i386-linux-gnu/libvulkan.so.1\n\
        \tlibm.so.6 (libc6,x86-64, OS ABI: Linux 3.2.0) => /lib/x86_64-linux-gnu/libm.so.6\n\
        Cache generated by: ldconfig (Debian GLIBC 2.36-9) stable release version 2.36\n";

    fn state(check: &Check, machine: &Fake) -> State {
        check.state(machine, &Libraries::of(machine))
    }

    #[test]
    fn the_loader_cache_is_read_for_one_architecture() {
        let names = |arch| cached_names(LISTING, arch).into_iter().collect::<Vec<_>>();
        assert_eq!(names("x86_64"), ["libXi.so.6", "libm.so.6"]);
        assert_eq!(names("x86"), ["libXi.so.6", "libm.so.6", "libvulkan.so.1"]);
        assert!(names("aarch64").is_empty());
        assert!(cached_names("", "x86_64").is_empty());
    }

    #[test]
    fn a_library_outside_the_cache_is_found_by_its_file() {
        let check = Check::Library("libXi.so.6");
        let bare = Fake::new(Os::Linux);
        assert_eq!(state(&check, &bare), State::Missing("libXi.so.6".into()));
        assert_eq!(state(&check, &bare.with_file("/usr/lib64/libXi.so.6", "")), State::Present);
        let own = Fake::new(Os::Linux).with_var("LD_LIBRARY_PATH", ":/opt/x/lib");
        assert_eq!(state(&check, &own.with_file("/opt/x/lib/libXi.so.6", "")), State::Present);
    }

    #[test]
    fn openblas_is_found_by_pkg_config_or_by_its_file_and_not_by_its_runtime_alone() {
        let runtime = || Fake::new(Os::Linux).with_file("/usr/lib/libopenblas.so.0", "");
        assert_eq!(state(&Check::OpenBlas, &runtime()), State::Missing("development files".into()));
        let known = runtime().with_output("pkg-config --exists openblas", "");
        assert_eq!(state(&Check::OpenBlas, &known), State::Present);
        let linkable = runtime().with_file("/usr/lib/libopenblas.so", "");
        assert_eq!(state(&Check::OpenBlas, &linkable), State::Present);
    }

    #[test]
    fn openblas_on_windows_and_macos_is_found_where_its_build_script_looks() {
        let file = "C:/vcpkg/installed/x64-windows/lib/openblas.lib";
        let windows = || Fake::new(Os::Windows).with_file(file, "");
        assert_ne!(state(&Check::OpenBlas, &windows()), State::Present);
        assert_eq!(state(&Check::OpenBlas, &windows().with_var("VCPKG_ROOT", "C:/vcpkg")), State::Present);
        let mac = Fake::new(Os::Mac).with_file("/usr/local/opt/openblas/lib/libopenblas.dylib", "");
        assert_eq!(state(&Check::OpenBlas, &mac), State::Present);
    }

    #[test]
    fn a_python_that_is_not_the_systems_is_not_ours_to_mend() {
        let bare = Fake::new(Os::Linux);
        assert_eq!(state(&Check::PythonVenv, &bare), State::Missing("python3".into()));
        let mut system = bare.with_programs(&["python3"]);
        assert_eq!(state(&Check::PythonVenv, &system), State::Missing("modules ensurepip and venv".into()));
        system.programs.insert("python3".into(), "/opt/py/bin/python3".into());
        let reason = "/opt/py/bin/python3 has no modules ensurepip and venv";
        assert_eq!(state(&Check::PythonVenv, &system), State::Blocked(reason.into()));
        let whole = system.with_output("python3 -c import ensurepip, venv", "");
        assert_eq!(state(&Check::PythonVenv, &whole), State::Present);
    }

    #[test]
    fn each_system_is_asked_only_for_what_it_needs() {
        let count = |os| survey(&Fake::new(os)).len();
        assert_eq!(count(Os::Linux), REQUIREMENTS.len());
        assert_eq!(count(Os::Mac), 2);
        assert_eq!(count(Os::Windows), 2);
    }
}
