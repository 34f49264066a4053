//! The documents that a newcomer reads first: the files and tests that they name exist.

use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 4] = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "notebooks/README.md"];
/// Folders of the repository: a name that begins with one of them is a path.
const ROOTS: [&str; 6] = ["src/", "assets/", "book/", "notebooks/", ".ci/", ".cargo/"];
/// The most lines that the README may have.
const MOST_LINES: usize = 200;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(document: &str) -> String {
    let path = root().join(document);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The texts between `open` and the next `close`, wherever both are on one line.
fn between<'a>(text: &'a str, open: &str, close: char) -> Vec<&'a str> {
    let pieces = text.split(open).skip(1);
    pieces.filter_map(|piece| piece.split(close).next()).filter(|piece| !piece.contains('\n')).collect()
}

/// The code in a line of prose: every second piece between backticks, outside fenced blocks.
fn code(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    let lines = prose.flat_map(str::lines);
    lines.flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

fn sources(folder: &Path, found: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_file_and_every_link_that_a_document_names_is_there() {
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = read(document);
        let beside = root().join(document).parent().unwrap().to_owned();
        for link in between(&text, "](", ')').into_iter().filter(|link| !link.contains("://")) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !beside.join(file).exists() {
                missing.push(format!("{document}: the link {link}"));
            }
        }
        let is_path = |name: &&str| {
            ROOTS.iter().any(|root| name.starts_with(root))
                && !name.contains(['*', ' ', '<'])
                && !name.contains("NAME")
        };
        for name in code(&text).into_iter().filter(is_path) {
            if !root().join(name).exists() {
                missing.push(format!("{document}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A checklist names the test that fails when a step is forgotten: that test exists.
#[test]
fn every_test_that_a_checklist_names_is_there() {
    let mut all = String::new();
    sources(&root().join("src"), &mut all);
    let text = read("CONTRIBUTING.md");
    let is_test = |name: &&str| {
        name.matches('_').count() >= 2
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let names: Vec<&str> = code(&text).into_iter().filter(is_test).collect();
    assert!(names.len() >= 12, "{names:?}");
    let missing: Vec<&str> = names.into_iter().filter(|name| !all.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "no test is called {missing:?}");
}

#[test]
fn the_readme_is_short_and_its_map_names_every_folder_of_the_workspace() {
    let text = read("README.md");
    let lines = text.lines().count();
    assert!(lines <= MOST_LINES, "{lines} lines, expected at most {MOST_LINES}");
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(text.contains(&format!("`src/{name}`")), "the README's map lacks src/{name}");
    }
}
