//! The crate `rankscope` as cells name it: for rustc one re-export, for rust-analyzer the library's sources.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{SHARED, others};
use crate::home::Home;

/// The attribute of every item in the facade's root: rust-analyzer sets this `cfg`, rustc does not.
pub const SEEN: &str = "#[cfg(rust_analyzer)]";

/// The folder of the dependencies, in the facade's folder.
const OTHERS: &str = "others";

/// Writes the facade of the library whose sources are in `sources`.
///
/// # Errors
/// If the sources cannot be read or the facade cannot be written.
pub fn write(home: &Home, sources: &Path) -> Result<()> {
    let folder = home.facade();
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    copy_sources(sources, &folder.join("src"))
        .with_context(|| format!("cannot copy {}", sources.display()))?;
    let root = folder.join("src/lib.rs");
    let text = fs::read_to_string(&root).with_context(|| format!("{} has no lib.rs", sources.display()))?;
    fs::write(&root, facade_from_root(&text))?;
    others::write(sources, &folder.join(OTHERS))?;
    fs::write(folder.join("Cargo.toml"), format!("{MANIFEST}{}", others::dependency(OTHERS)))?;
    fs::write(folder.join("build.rs"), build_script(home))?;
    Ok(())
}

/// The root of the facade from the root of the library.
fn facade_from_root(root: &str) -> String {
    let mut text = String::from("#![allow(unexpected_cfgs, missing_docs)]\n");
    for line in root.lines().filter(|line| !line.starts_with("//!")) {
        let is_item = ["pub ", "mod ", "use "].iter().any(|start| line.starts_with(start));
        if is_item {
            text.push_str(SEEN);
            text.push('\n');
        }
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(&format!("\n#[cfg(not(rust_analyzer))]\nextern crate {SHARED};\n"));
    text.push_str(&format!("#[cfg(not(rust_analyzer))]\npub use {SHARED}::*;\n"));
    text
}

/// Copies the files that rust-analyzer reads: Rust sources without tests.
pub fn copy_sources(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // The fuzz targets are a package of their own.
        if ["fuzz", "tests", "tests.rs", "benches", "target"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            copy_sources(&path, &to.join(name))?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

const MANIFEST: &str = r#"[package]
name = "rankscope"
version = "0.0.0"
edition = "2024"

[features]
default = ["notebook"]
notebook = []
hub = []

[workspace]

[dependencies]
"#;

/// Tells rustc where the shared library is, for this crate and for every cell that uses it.
fn build_script(home: &Home) -> String {
    let library = format!("cargo::rustc-link-search=all={}", home.library().display());
    let metadata = format!("cargo::rustc-link-search=dependency={}", home.metadata().display());
    format!(
        "fn main() {{\n    println!({library:?});\n    println!({metadata:?});\n    \
         println!(\"cargo::rerun-if-changed=build.rs\");\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_of_the_root_is_for_rust_analyzer_alone() {
        let root = "//! Docs.\n\npub mod axis;\n#[cfg(feature = \"x\")]\nmod blas;\n/// P.\npub mod prelude {\n    \
                    pub use crate::axis::Axis;\n}\nuse ndarray_linalg as _;\n";
        let facade = facade_from_root(root);
        assert_eq!(facade.matches(SEEN).count(), 4, "{facade}");
        assert!(facade.contains("#[cfg(feature = \"x\")]\n#[cfg(rust_analyzer)]\nmod blas;"), "{facade}");
        assert!(!facade.contains("//! Docs"));
        assert!(facade.ends_with(&format!("pub use {SHARED}::*;\n")));
    }

    #[test]
    fn the_library_as_it_is_becomes_a_facade() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::under(folder.path());
        write(&home, &crate::library::own_sources().unwrap()).unwrap();
        assert!(home.facade().join("src/mask/mod.rs").is_file());
        assert!(!home.facade().join("src/fuzz").exists());
        let root = fs::read_to_string(home.facade().join("src/lib.rs")).unwrap();
        let items = root.lines().filter(|line| line.starts_with("pub ") || line.starts_with("mod "));
        let guards = root.matches("#[cfg(rust_analyzer)]").count();
        assert!(guards > 15 && guards >= items.count() - 1, "{root}");
        assert!(fs::read_to_string(home.facade().join("build.rs")).unwrap().contains("dependency="));
    }
}
