//! The standard library as rust-analyzer needs it to infer types: three crates, without what no cell names.
//!
//! The whole tree is 48 MB of Rust, and every kernel would read it, twice: half of it are the vendor's intrinsics
//! (`core::arch`), a tenth are tests. Without the tree's own manifest rust-analyzer knows the three crates by their
//! names and does not ask cargo about them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The crates, by their folders.
const CRATES: [&str; 3] = ["core", "alloc", "std"];

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
    for name in CRATES {
        let source = from.join(name).join("src");
        copy(&source, &to.join(name).join("src"))
            .with_context(|| format!("cannot copy {}", source.display()))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type()?.is_dir() {
            if name != "tests" && name != "benches" {
                copy(&path, &to.join(name))?;
            }
        } else if name != "tests.rs" && path.extension().is_some_and(|extension| extension == "rs") {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sources_of_the_three_crates_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("library"), folder.path().join("kept"));
        let files = [
            "Cargo.toml",
            "core/src/lib.rs",
            "core/src/num/mod.rs",
            "core/src/num/tests.rs",
            "core/benches/lib.rs",
            "alloc/src/lib.rs",
            "alloc/src/tests/mod.rs",
            "std/src/lib.rs",
            "std/src/notes.md",
            "stdarch/crates/core_arch/src/mod.rs",
        ];
        for file in files {
            fs::create_dir_all(from.join(file).parent().unwrap()).unwrap();
            fs::write(from.join(file), file).unwrap();
        }
        write(&from, &to).unwrap();
        write(&from, &to).unwrap();
        for file in files {
            let is_kept = ["core/src/lib.rs", "core/src/num/mod.rs", "alloc/src/lib.rs", "std/src/lib.rs"]
                .contains(&file);
            assert_eq!(to.join(file).exists(), is_kept, "{file}");
        }
        write(&to, &to).unwrap();
        assert!(to.join("core/src/lib.rs").exists(), "it is its own source");
        fs::remove_dir_all(from.join("std")).unwrap();
        assert!(write(&from, &to).unwrap_err().to_string().contains("std/src"));
    }
}
