//! The book of this repository is sound: it builds, and the check finds nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_book_has_no_faults() {
    let out = tempfile::tempdir().unwrap();
    let mut builder = Command::new(env!("CARGO_BIN_EXE_rankscope-book"));
    let output = builder.arg("--check").arg("--out").arg(out.path().join("book")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(out.path().join("book/index.html").is_file());
}

#[test]
fn every_chapter_is_compiled_with_its_code() {
    let [summary, modules] = ["book/src/SUMMARY.md", "src/book/src/chapters.rs"]
        .map(|file| std::fs::read_to_string(root().join(file)).unwrap());
    for file in summary.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(modules.contains(&format!("book/src/{file}\"")), "src/book/src/chapters.rs lacks {file}");
    }
}
