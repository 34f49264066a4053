//! The standard library's sources: rust-analyzer needs them to infer types, and not every toolchain has them.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::machine::Machine;
use crate::manager::{Manager, Rights};

/// The packages with these sources, by package manager, the better one first: Debian has a newer Rust for browsers.
const PACKAGES: &[(&str, &[&str])] =
    &[("apt-get", &["rust-web-src", "rust-src"]), ("dnf", &["rust-src"]), ("pacman", &["rust-src"])];

/// The folder of these sources, found as the kernel finds it.
pub fn find(machine: &dyn Machine) -> Option<PathBuf> {
    let sysroot = machine.output(&["rustc", "--print", "sysroot"])?;
    let own = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    let packed = machine.list(Path::new("/usr/src")).into_iter().rev().map(|folder| folder.join("library"));
    let named = machine.var("RUST_SRC_PATH").map(PathBuf::from);
    // A distribution packs the dependencies of the standard library as well.
    let mut places = named.into_iter().chain(packed).chain([own]);
    places.find(|folder| machine.exists(&folder.join("std/src/lib.rs")))
}

/// Installs these sources if they are missing: as a package of the system, or else with rustup.
///
/// # Errors
/// If neither works, with what to do by hand.
pub fn bring(machine: &dyn Machine) -> Result<()> {
    if find(machine).is_some() {
        return Ok(());
    }
    for command in ways(machine) {
        eprintln!("The standard library's sources are missing: {}", command.join(" "));
        if machine.install(&command) && find(machine).is_some() {
            return Ok(());
        }
    }
    bail!(
        "the standard library's sources are missing: `rustup component add rust-src`, \
         or Debian's package rust-web-src"
    )
}

/// The commands that may install them, the best first.
fn ways(machine: &dyn Machine) -> Vec<Vec<String>> {
    let mut ways = Vec::new();
    if let Some(manager) = Manager::of(machine) {
        let rights = Rights::of(machine, manager, false);
        let names = PACKAGES.iter().filter(|(program, _)| *program == manager.program);
        let names = names.flat_map(|(_, names)| names.iter().copied()).filter(|_| rights != Rights::None);
        let mut installs = names.map(|name| manager.install_command(rights, &[name])).peekable();
        // A fresh machine has no list of packages yet.
        ways.extend(manager.refresh_command(rights).filter(|_| installs.peek().is_some()));
        ways.extend(installs);
    }
    if machine.program("rustup").is_some() {
        ways.push(["rustup", "component", "add", "rust-src"].map(str::to_owned).to_vec());
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Os;
    use crate::machine::fake::Fake;

    const SOURCES: &str = "/t/lib/rustlib/src/rust/library/std/src/lib.rs";

    fn with_toolchain() -> Fake {
        Fake::new(Os::Linux).with_output("rustc --print sysroot", "/t\n")
    }

    #[test]
    fn rustup_brings_them_once() {
        let machine = with_toolchain().with_programs(&["rustup", "apt-get"]).arriving(SOURCES, "");
        bring(&machine).unwrap();
        bring(&machine).unwrap();
        assert_eq!(machine.installed.borrow().as_slice(), ["rustup component add rust-src"]);
    }

    #[test]
    fn without_rustup_the_systems_packages_are_tried_in_turn() {
        let machine = with_toolchain().with_programs(&["apt-get"]).with_output("id -u", "0\n");
        let error = bring(&machine).unwrap_err().to_string();
        assert!(error.contains("rustup component add rust-src"), "{error}");
        let tried = machine.installed.borrow();
        assert_eq!(tried.len(), 3, "{tried:?}");
        assert!(tried[0].contains("apt-get update"), "{tried:?}");
        assert!(tried[1].ends_with("rust-web-src") && tried[2].ends_with(" rust-src"), "{tried:?}");
    }

    #[test]
    fn sources_that_somebody_named_are_enough() {
        let machine = with_toolchain().with_var("RUST_SRC_PATH", "/s").with_file("/s/std/src/lib.rs", "");
        assert_eq!(find(&machine).unwrap(), Path::new("/s"));
        bring(&machine).unwrap();
        assert!(machine.installed.borrow().is_empty());
    }
}
