//! The checklists of `CONTRIBUTING.md` name files and tests that exist.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What stands between backticks, outside blocks of code, with its line.
fn quoted(text: &str) -> Vec<(usize, &str)> {
    let mut is_block = false;
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        is_block ^= line.trim_start().starts_with("```");
        if !is_block {
            found.extend(line.split('`').skip(1).step_by(2).map(|part| (number + 1, part)));
        }
    }
    found
}

/// Every file of a folder, deep.
fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, all) } else { all.push(path) }
    }
}

#[test]
fn every_file_and_every_test_that_a_checklist_names_is_there() {
    let root = root();
    let text = std::fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let folders = ["src/", "assets/", "notebooks/", "book/", ".ci/"];
    let is_path =
        |part: &str| folders.iter().any(|folder| part.starts_with(folder)) && !part.contains([' ', '<', '*']);
    let is_test = |part: &str| {
        part.matches('_').count() >= 3
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let mut sources = Vec::new();
    files(&root.join("src"), &mut sources);
    let is_code = |path: &&PathBuf| path.extension().is_some_and(|end| end == "rs");
    let code: Vec<String> =
        sources.iter().filter(is_code).map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let (mut paths, mut tests, mut absent) = (0, 0, Vec::new());
    for (line, part) in quoted(&text) {
        let is_there = if is_path(part) {
            paths += 1;
            root.join(part).exists()
        } else if is_test(part) {
            tests += 1;
            code.iter().any(|code| code.contains(&format!("fn {part}(")))
        } else {
            true
        };
        if !is_there {
            absent.push(format!("CONTRIBUTING.md:{line}: {part}"));
        }
    }
    assert!(absent.is_empty(), "{absent:#?}");
    assert!(paths > 30 && tests > 10, "{paths} paths and {tests} tests were found to look for");
}
