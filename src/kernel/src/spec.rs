//! The kernelspec: the folder by which Jupyter knows a kernel.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::home;
use crate::home::Home;

/// The name of the kernel's folder, and what notebooks say they are written for.
pub const NAME: &str = "rankscope";
/// Where rust-analyzer finds the standard library's sources.
pub const SOURCES: &str = "RUST_SRC_PATH";

/// The folder under a prefix, such as a virtual environment.
pub fn under(prefix: &Path) -> PathBuf {
    prefix.join("share/jupyter/kernels").join(NAME)
}

/// The folder of this user, in which every Jupyter of theirs looks.
///
/// # Errors
/// If the user has no such folder.
pub fn of_user() -> Result<PathBuf> {
    let folder = match std::env::var_os("JUPYTER_DATA_DIR") {
        Some(folder) => PathBuf::from(folder),
        None if cfg!(target_os = "macos") => {
            dirs::home_dir().context("no home folder")?.join("Library/Jupyter")
        }
        None => dirs::data_dir().context("no data folder")?.join("jupyter"),
    };
    Ok(folder.join("kernels").join(NAME))
}

/// The content of `kernel.json`.
pub fn content(program: &Path, home: &Home) -> Value {
    json!({
        "argv": [program, "run", "--connection-file", "{connection_file}"],
        "display_name": "Rust (rankscope)",
        "language": "rust",
        "interrupt_mode": "message",
        "env": { (home::HOME): home.path(), (SOURCES): home.standard() },
        "metadata": { "debugger": false },
    })
}

/// Writes the kernelspec; a Jupyter that looks meanwhile sees the old one or the new one.
///
/// # Errors
/// If the folder cannot be written.
pub fn write(folder: &Path, content: &Value) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let aside = folder.join("kernel.json.new");
    fs::write(&aside, format!("{content:#}\n"))
        .with_context(|| format!("cannot write {}", aside.display()))?;
    fs::rename(&aside, folder.join("kernel.json"))?;
    Ok(())
}

/// The standard library's sources: of a distribution's package, or of the compiler.
///
/// # Errors
/// If there are none, with the commands that install them.
pub fn library_sources(sysroot: &Path) -> Result<PathBuf> {
    let named = std::env::var_os(SOURCES).map(PathBuf::from);
    sources_in(named, Path::new("/usr/src"), sysroot).context(
        "the standard library's sources are missing (rust-analyzer reads them to infer types): \
         `rustup component add rust-src`, or on Debian `apt install rust-web-src`",
    )
}

/// The first folder that holds them: `named`, one in `packed`, or the compiler's own.
fn sources_in(named: Option<PathBuf>, packed: &Path, sysroot: &Path) -> Option<PathBuf> {
    let own = sysroot.join("lib/rustlib/src/rust/library");
    let packed = fs::read_dir(packed).into_iter().flatten().flatten();
    let mut packed: Vec<PathBuf> = packed
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("rustc-"))
        .map(|entry| entry.path().join("library"))
        .collect();
    packed.sort();
    // A distribution packs the dependencies of the standard library as well.
    let mut places = named.into_iter().chain(packed.into_iter().rev()).chain([own]);
    places.find(|folder| folder.join("std/src/lib.rs").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernelspec_says_what_jupyter_needs() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::under(folder.path());
        let spec = under(folder.path());
        write(&spec, &content(Path::new("/bin/kernel"), &home)).unwrap();
        let text = fs::read_to_string(spec.join("kernel.json")).unwrap();
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["argv"][0], "/bin/kernel");
        assert_eq!(read["argv"][3], "{connection_file}");
        assert_eq!(read["interrupt_mode"], "message");
        assert_eq!(read["env"][home::HOME], home.path().to_string_lossy().as_ref());
        assert_eq!(read["env"][SOURCES], home.standard().to_string_lossy().as_ref());
        assert_eq!(fs::read_dir(&spec).unwrap().count(), 1);
    }

    #[test]
    fn named_sources_come_before_packed_ones_and_these_before_the_compilers_own() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let found = |named: &str| sources_in(Some(place(named)), &place("src"), &place("sysroot"));
        assert_eq!(found("named"), None);
        let places = ["sysroot/lib/rustlib/src/rust/library", "src/rustc-1.9.0/library", "named"];
        for library in places {
            fs::create_dir_all(place(library).join("std/src")).unwrap();
            fs::write(place(library).join("std/src/lib.rs"), "").unwrap();
            assert_eq!(found("named"), Some(place(library)));
        }
        assert_eq!(found("elsewhere"), Some(place(places[1])));
    }
}
