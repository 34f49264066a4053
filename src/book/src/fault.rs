//! [`Fault`]: an error in a chapter, and its place.

use std::fmt;

/// One fault of the book: file, line, what is wrong, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file, from the root of the repository.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub expected: String,
}

impl Fault {
    /// A fault at a line of a file.
    pub fn new(file: &str, line: usize, what: impl Into<String>, expected: impl Into<String>) -> Self {
        Fault { file: file.to_owned(), line, what: what.into(), expected: expected.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { file, line, what, expected } = self;
        write!(f, "{file}:{line}: {what}; expected {expected}")
    }
}
