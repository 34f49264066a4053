//! Links a cell's object file to a shared library, by a direct call of the linker.
//!
//! Called through the C compiler, as cargo has it, a linker reads the 50,000 names of the shared library and of BLAS for
//! every cell. Here the linker does not read them: the process of the cells has loaded these libraries with global symbols,
//! and the loader finds there what a cell uses.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::toolchain::Toolchain;

/// The system's libraries whose names have versions, which the loader has to know.
const SYSTEM: [&str; 3] = ["-lc", "-lm", "-lgcc_s"];
const HOW: &str =
    "-shared --eh-frame-hdr --gc-sections --strip-debug -znoexecstack -zrelro -znow -o {to} {from}";

/// The linker's program and arguments, with `{to}` and `{from}` for two files: Rust's own LLVM linker or another;
/// `None` where there is none.
pub fn command(toolchain: &Toolchain) -> Option<Vec<String>> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = |name: &'static str| std::env::split_paths(&path).map(move |folder| folder.join(name));
    let own = toolchain.libraries.with_file_name("bin").join("rust-lld");
    let (linker, flavor) = if own.is_file() {
        (own, "-flavor gnu")
    } else {
        (["mold", "ld.lld", "ld"].into_iter().flat_map(on_path).find(|file| file.is_file())?, "")
    };
    let folders = folders()?.into_iter().map(|folder| format!("-L{}", folder.display()));
    let words = flavor.split_whitespace().chain(HOW.split(' ')).map(str::to_owned);
    let words = words.chain(folders).chain(SYSTEM.map(str::to_owned));
    Some([linker.to_str()?.to_owned()].into_iter().chain(words).collect())
}

/// Where the C compiler has its linker look for libraries.
fn folders() -> Option<Vec<PathBuf>> {
    let said = Command::new("cc").arg("-print-search-dirs").env("LC_ALL", "C").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let folders = said.lines().find_map(|line| line.strip_prefix("libraries: ="))?;
    let folders = std::env::split_paths(folders).filter_map(|folder| folder.canonicalize().ok());
    let mut seen = HashSet::new();
    Some(folders.filter(|folder| seen.insert(folder.clone())).collect())
}

/// The command that links `from` to `to`.
pub fn link(words: &[String], from: &Path, to: &Path) -> Option<Command> {
    let (linker, words) = words.split_first()?;
    let mut command = Command::new(linker);
    for word in words {
        match word.as_str() {
            "{from}" => command.arg(from),
            "{to}" => command.arg(to),
            _ => command.arg(word),
        };
    }
    Some(command)
}
