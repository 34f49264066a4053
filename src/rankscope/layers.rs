//! The layers of the library, as README's map shows them: a module uses modules below it or on its own line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The line of the map that names each module, counted from the top.
fn layers(readme: &str) -> BTreeMap<&str, usize> {
    let map = readme.split("arrows only point down:\n\n```text\n").nth(1).expect("the map of the library");
    let map = map.split("```").next().expect("its end");
    let mut layers = BTreeMap::new();
    for (line, text) in map.lines().enumerate() {
        let names = text.split("  ").next().unwrap_or_default();
        for name in names.split(", ") {
            let module = name.split('/').next().unwrap_or_default();
            assert_eq!(layers.insert(module, line), None, "{module} stands twice in the map");
        }
    }
    layers
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["tests", "fuzz", "examples"].contains(&name.as_str()) {
            sources(&path, found);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// The modules that `crate::…` names in a source, without its tests and its comments.
fn uses(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let paths = code.split("crate::").skip(1);
    let name = |path: &str| path.split(|c: char| !c.is_alphanumeric() && c != '_').next().map(str::to_owned);
    paths
        .flat_map(|path| match path.strip_prefix('{') {
            Some(list) => {
                list.split('}').next().unwrap_or_default().split(',').filter_map(|p| name(p.trim())).collect()
            }
            None => name(path).into_iter().collect::<Vec<_>>(),
        })
        .collect()
}

#[test]
fn arrows_point_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("../../README.md")).unwrap();
    let layers = layers(&readme);
    let lib = std::fs::read_to_string(root.join("lib.rs")).unwrap();
    let declared = lib
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    let mut modules: Vec<&str> = declared.filter(|name| !["layers", "test_devices"].contains(name)).collect();
    modules.sort_unstable();
    assert_eq!(modules, layers.keys().copied().collect::<Vec<_>>(), "the map has every module");
    let mut files = Vec::new();
    sources(root, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let path = file.strip_prefix(root).unwrap();
        let module = path.iter().next().unwrap().to_string_lossy();
        let Some(&layer) = layers.get(module.trim_end_matches(".rs")) else { continue };
        for used in uses(&std::fs::read_to_string(&file).unwrap()) {
            if layers.get(used.as_str()).is_some_and(|&other| other < layer) {
                wrong.push(format!("{} uses {used}, which stands above it", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
