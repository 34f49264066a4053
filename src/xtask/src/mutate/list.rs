//! The mutations, as `mutations.txt` lists them.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// One error in the code that a test must notice.
#[derive(Debug, Default)]
pub struct Mutation {
    /// `area.what`.
    pub name: String,
    /// The file, from the root of the source tree.
    pub file: String,
    /// A text that is in the file exactly once.
    pub old: String,
    /// The text that replaces it.
    pub new: String,
    /// The test program: `lib`, `kernel`, or an integration test of the library.
    pub suite: String,
    /// Parts of the names of the tests, one of which must fail.
    pub tests: Vec<String>,
}

/// All of them.
pub fn all() -> Result<Vec<Mutation>> {
    parse(include_str!("../../mutations.txt"))
}

/// Reads entries with blank lines between them; lines that begin with `#` are comments.
fn parse(text: &str) -> Result<Vec<Mutation>> {
    let text: String =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let entries = text.split("\n\n").map(|entry| entry.trim_matches('\n'));
    entries.filter(|entry| !entry.is_empty()).map(entry).collect()
}

fn entry(text: &str) -> Result<Mutation> {
    let mut lines = text.lines();
    let (name, file) = lines.next().and_then(|line| line.split_once("  ")).context("a name and a file")?;
    let (suite, tests) = lines.next().and_then(|line| line.split_once("  ")).context(name.to_owned())?;
    let lines: Vec<_> = lines.collect();
    let side = |sign| lines.iter().filter_map(|line| line.strip_prefix(sign)).collect::<Vec<_>>().join("\n");
    let (old, new) = (side('-'), side('+'));
    ensure!(!old.is_empty() && old != new && !tests.is_empty(), "{name} changes nothing or names no test");
    Ok(Mutation {
        name: name.to_owned(),
        file: Path::new("src").join(file).to_string_lossy().into_owned(),
        old,
        new,
        suite: suite.to_owned(),
        tests: tests.split(' ').map(str::to_owned).collect(),
    })
}

impl Mutation {
    /// Whether only a GPU can show it: it is in a shader, or in the code that calls one.
    pub fn is_on_gpu(&self) -> bool {
        self.file.ends_with(".wgsl") || self.file.ends_with("gpu.rs")
    }

    /// `text` after the mutation.
    pub fn apply(&self, text: &str) -> Result<String> {
        match text.matches(&self.old).count() {
            1 => Ok(text.replacen(&self.old, &self.new, 1)),
            count => bail!("its old text stands {count} times in {}, expected once", self.file),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_entry_is_read_and_its_name_is_unique() {
        let all = all().unwrap();
        let names: BTreeSet<_> = all.iter().map(|mutation| &mutation.name).collect();
        assert_eq!(names.len(), all.len());
        assert!(names.iter().all(|name| name.contains('.')), "{names:?}");
    }

    #[test]
    fn an_entry_is_applied_where_its_text_stands_once() {
        let text = "# a comment\n\na.b  c/d.rs\nlib  e f\n-if x\n-    < y\n+if x\n+    <= y\n\ng.h  i.wgsl\nj  k\n-l\n";
        let all = parse(text).unwrap();
        let [one, other] = &all[..] else { panic!("{all:?}") };
        assert_eq!((one.file.as_str(), one.suite.as_str()), ("src/c/d.rs", "lib"));
        assert_eq!(one.tests, ["e", "f"]);
        assert_eq!(one.apply("if x\n    < y {}").unwrap(), "if x\n    <= y {}");
        assert_eq!((other.apply("klm").unwrap().as_str(), other.is_on_gpu()), ("km", true));
        for (text, count) in [("", 0), ("l l", 2)] {
            let said = other.apply(text).unwrap_err().to_string();
            assert_eq!(said, format!("its old text stands {count} times in src/i.wgsl, expected once"));
        }
        for wrong in ["a.b", "a.b  c\nlib", "a.b  c\nlib  d", "a.b  c\nlib  d\n-e\n+e"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
