//! The standard library as rust-analyzer needs it to infer types: four crates, without what cells never name.
//!
//! The whole tree is 48 MB of Rust, and every kernel would read it, twice. A third of it are the vendors' intrinsics
//! (`core::arch`), another third crates that only the insides of `std` use; the rest holds tests, benchmarks and
//! crates of the compiler. What is kept becomes a workspace of its own, with manifests that only list dependencies.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::cargo;
use super::facade::copy_sources;
use crate::toolchain::cargo_home;

/// The crates and their dependencies. Maps of `std` are wrappers around those of `hashbrown`.
const CRATES: [(&str, &[&str]); 4] = [
    ("core", &[]),
    ("alloc", &["core"]),
    ("hashbrown", &["core", "alloc"]),
    ("std", &["core", "alloc", "hashbrown"]),
];

/// Copies what is needed of the sources in `from` to `to`.
///
/// # Errors
/// If a file cannot be read or written.
pub fn write(from: &Path, to: &Path) -> Result<()> {
    // A kernel's own environment names the copy as the source.
    if from == to {
        return Ok(());
    }
    if to.exists() {
        fs::remove_dir_all(to).with_context(|| format!("cannot remove {}", to.display()))?;
    }
    for (name, uses) in CRATES {
        let (source, target) = (sources(from, name)?, to.join(name));
        copy_sources(&source, &target.join("src"))
            .with_context(|| format!("cannot copy {}", source.display()))?;
        fs::write(target.join("Cargo.toml"), manifest(name, uses))?;
    }
    fs::write(to.join("Cargo.toml"), WORKSPACE)?;
    // rust-analyzer does not write here, so the lock file has to be there.
    cargo(to, "generate-lockfile", &["--offline", "--quiet"])
}

/// The folder of a crate's sources: beside the other crates, in `vendor`, or in cargo's downloads.
fn sources(library: &Path, name: &str) -> Result<PathBuf> {
    let own = library.join(name).join("src");
    if own.is_dir() {
        return Ok(own);
    }
    let vendored = library.join("vendor");
    let found = fs::read_dir(&vendored).into_iter().flatten().flatten().find(|entry| {
        let version = entry.file_name().to_string_lossy().strip_prefix(name).map(str::to_owned);
        version.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    });
    let found = found.map_or_else(|| downloaded(library, name), |entry| Ok(entry.path()))?;
    Ok(found.join("src"))
}

/// A crate in the version that the library's lock file names, from cargo's downloads; cargo fetches it if it is not
/// there. rustup installs the library's sources without its dependencies.
fn downloaded(library: &Path, name: &str) -> Result<PathBuf> {
    let missing = || format!("{} has no {name}", library.display());
    let lock = fs::read_to_string(library.join("Cargo.lock")).with_context(missing)?;
    let entry = lock.split_once(&format!("name = \"{name}\"\nversion = \""));
    let version = entry.and_then(|(_, entry)| entry.split('"').next()).with_context(missing)?;
    let home = cargo_home().with_context(missing)?;
    let find = || {
        let registries = fs::read_dir(home.join("registry/src")).ok()?.flatten();
        registries
            .map(|registry| registry.path().join(format!("{name}-{version}")))
            .find(|path| path.is_dir())
    };
    if find().is_none() {
        fetch(name, version).with_context(missing)?;
    }
    find().with_context(missing)
}

/// Has cargo download a crate.
fn fetch(name: &str, version: &str) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("rankscope-fetch-{}", std::process::id()));
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "")?;
    // A workspace of its own, wherever the folder is.
    let manifest = format!(
        "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         {name} = {{ version = \"={version}\", default-features = false }}\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    let fetched = cargo(&folder, "fetch", &["--quiet"]);
    let _ = fs::remove_dir_all(&folder);
    fetched
}

const WORKSPACE: &str = "[workspace]\nresolver = \"3\"\nmembers = [\"std\"]\n";

fn manifest(name: &str, uses: &[&str]) -> String {
    let uses = uses.iter().map(|name| format!("{name} = {{ path = \"../{name}\" }}\n"));
    // The names of features are `hashbrown`'s, for use inside `std`; the others know none of them.
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[features]\n\
         default = [\"nightly\", \"raw-entry\", \"rustc-dep-of-std\", \"rustc-internal-api\"]\n\
         nightly = []\nraw-entry = []\nrustc-dep-of-std = []\nrustc-internal-api = []\n\n[dependencies]\n{}",
        uses.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: [&str; 5] = [
        "core/src/lib.rs",
        "core/src/num/mod.rs",
        "alloc/src/lib.rs",
        "std/src/lib.rs",
        "vendor/hashbrown-0.16.1/src/lib.rs",
    ];
    const LEFT: [&str; 7] = [
        "core/src/num/tests.rs",
        "core/benches/lib.rs",
        "alloc/src/tests/mod.rs",
        "std/src/notes.md",
        "stdarch/crates/core_arch/src/mod.rs",
        "vendor/hashbrown-0.16.1/tests/serde.rs",
        "vendor/hashbrowns-1.0.0/src/lib.rs",
    ];

    #[test]
    fn only_the_sources_of_the_four_crates_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("library"), folder.path().join("kept"));
        for file in KEPT.iter().chain(&LEFT) {
            fs::create_dir_all(from.join(file).parent().unwrap()).unwrap();
            fs::write(from.join(file), "").unwrap();
        }
        write(&from, &to).unwrap();
        write(&from, &to).unwrap();
        let place = |file: &str| to.join(file.replace("vendor/hashbrown-0.16.1", "hashbrown"));
        assert!(KEPT.iter().all(|file| place(file).is_file()));
        assert!(LEFT.iter().all(|file| !place(file).exists()));
        assert!(fs::read_to_string(to.join("Cargo.lock")).unwrap().contains("\"hashbrown\""));
        // The copy may be named as the source; then it stays as it is.
        write(&to, &to).unwrap();
        assert!(to.join("core/src/lib.rs").exists());
        fs::remove_dir_all(from.join("vendor")).unwrap();
        assert!(write(&from, &to).unwrap_err().to_string().ends_with("has no hashbrown"));
    }
}
