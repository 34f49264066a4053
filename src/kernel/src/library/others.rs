//! Dependencies whose types occur in the library's signatures: for rustc they are empty, since the shared library
//! contains them; rust-analyzer reads their sources.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result};
use serde_json::Value;

use super::facade::{SEEN, copy_sources};
use super::succeeded;

/// `ndarray`, and the crates whose types occur in its signatures.
const NAMES: [&str; 5] = ["ndarray", "num-complex", "num-integer", "num-traits", "rawpointer"];

/// Writes the crates into `folder`, in the versions that the library's package in `sources` uses.
///
/// # Errors
/// If cargo does not know the library's package, or a file cannot be copied.
pub fn write(sources: &Path, folder: &Path) -> Result<()> {
    let metadata = metadata(sources)?;
    for found in crates(&metadata) {
        let target = folder.join(found.name);
        let source = found.folder.join("src");
        copy_sources(&source, &target.join("src"))
            .with_context(|| format!("cannot copy {}", source.display()))?;
        let root = target.join("src/lib.rs");
        let text = fs::read_to_string(&root).with_context(|| format!("no {}", root.display()))?;
        fs::write(&root, format!("{}{text}", SEEN.replace("#[", "#![") + "\n"))?;
        fs::write(target.join("Cargo.toml"), found.manifest())?;
    }
    Ok(())
}

/// The line in the facade's manifest that depends on `ndarray`, the first of these crates.
pub fn dependency(folder: &str) -> String {
    format!("{} = {{ path = \"{folder}/{}\" }}\n", NAMES[0], NAMES[0])
}

/// `cargo metadata` of the library's package, for this system only, as crates of other systems have not been fetched.
/// If a crate of this system is missing, because no build needed it, cargo fetches it.
fn metadata(sources: &Path) -> Result<Value> {
    let host = host()?;
    let ask = |offline: &[&str]| -> Result<Output> {
        let mut cargo = Command::new("cargo");
        cargo.args(["metadata", "--format-version=1", "--filter-platform", &host, "--manifest-path"]);
        succeeded("metadata", cargo.arg(sources.join("Cargo.toml")).args(offline).output())
    };
    let output = ask(&["--offline"]).or_else(|_| ask(&[]))?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The name of this machine's system, as rustc prints it.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").current_dir("/").output().context("rustc does not run")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}

/// One of the crates as cargo resolved it.
struct Found<'a> {
    name: &'a str,
    folder: PathBuf,
    edition: &'a str,
    features: Vec<&'a str>,
    uses: Vec<&'a str>,
}

impl Found<'_> {
    fn manifest(&self) -> String {
        let names = self.features.iter().filter(|name| **name != "default");
        let all = names.clone().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let each: String = names.map(|name| format!("{name} = []\n")).collect();
        let uses = self.uses.iter().map(|name| format!("{name} = {{ path = \"../{name}\" }}\n"));
        format!(
            "[package]\nname = \"{}\"\nversion = \"0.0.0\"\nedition = \"{}\"\n\n[features]\ndefault = [{all}]\n{each}\n\
             [lints.rust]\nunexpected_cfgs = \"allow\"\n\n[dependencies]\n{}",
            self.name,
            self.edition,
            uses.collect::<String>()
        )
    }
}

fn list(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(Vec::new, |list| list.iter().collect())
}

/// The crates of [`NAMES`] in the metadata, without features that only switch on another dependency.
fn crates(metadata: &Value) -> Vec<Found<'_>> {
    let names: HashMap<&str, &Value> = list(&metadata["packages"])
        .into_iter()
        .filter_map(|package| Some((package["id"].as_str()?, package)))
        .collect();
    let wanted = |id: &Value| -> Option<(&str, &Value)> {
        let package = *names.get(id.as_str()?)?;
        let name = NAMES.into_iter().find(|name| package["name"] == *name)?;
        Some((name, package))
    };
    let nodes = list(&metadata["resolve"]["nodes"]).into_iter();
    nodes
        .filter_map(|node| {
            let (name, package) = wanted(&node["id"])?;
            let deps: Vec<&Value> = list(&node["dependencies"]);
            let uses: Vec<&str> = deps.iter().filter_map(|id| Some(wanted(id)?.0)).collect();
            let left_out = deps.iter().filter_map(|id| names.get(id.as_str()?)?["name"].as_str());
            let left_out: Vec<&str> = left_out.filter(|name| !uses.contains(name)).collect();
            let features = list(&node["features"]).into_iter().filter_map(Value::as_str);
            Some(Found {
                name,
                folder: Path::new(package["manifest_path"].as_str()?).parent()?.to_owned(),
                edition: package["edition"].as_str()?,
                features: features.filter(|feature| !left_out.contains(feature)).collect(),
                uses,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn manifests_say_what_cargo_resolved() {
        let package = |id: &str, name: &str| json!({ "id": id, "name": name, "manifest_path": format!("/r/{name}/Cargo.toml"), "edition": "2021" });
        let metadata = json!({
            "packages": [package("a", "ndarray"), package("b", "num-traits"), package("c", "rayon")],
            "resolve": { "nodes": [
                { "id": "a", "dependencies": ["b", "c"], "features": ["default", "rayon", "std"] },
                { "id": "b", "dependencies": [], "features": [] },
                { "id": "c", "dependencies": [], "features": [] },
            ] },
        });
        let found = crates(&metadata);
        assert_eq!(found.iter().map(|found| found.name).collect::<Vec<_>>(), ["ndarray", "num-traits"]);
        assert_eq!(found[0].folder, Path::new("/r/ndarray"));
        let manifest = found[0].manifest();
        assert!(manifest.contains("default = [\"std\"]\nstd = []\n"), "{manifest}");
        let end = "[dependencies]\nnum-traits = { path = \"../num-traits\" }\n";
        assert!(manifest.ends_with(end), "{manifest}");
    }

    #[test]
    fn the_librarys_own_package_brings_all_of_them() {
        let folder = tempfile::tempdir().unwrap();
        write(&crate::library::own_sources().unwrap(), folder.path()).unwrap();
        for name in NAMES {
            let root = fs::read_to_string(folder.path().join(name).join("src/lib.rs")).unwrap();
            assert!(root.starts_with("#![cfg(rust_analyzer)]\n"), "{name}");
        }
    }
}
