//! The library's one error type.
//!
//! Every message names the thing that was wrong and what would be right, on one line, so that a
//! command line, a window and a notebook cell can show it as it is.

use std::path::PathBuf;

use crate::axis::Axis;

/// What can go wrong, anywhere in the library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // the fields are named by the message above each variant
pub enum Error {
    /// An argument's axis has the wrong size.
    #[error("{op}: {argument} has {axis:?} ({}) = {got}, expected {expected}", axis.letter())]
    Size { op: &'static str, argument: &'static str, axis: Axis, expected: usize, got: usize },

    /// An argument has the wrong axes.
    #[error("{op}: {argument} has axes {got}, expected {expected}")]
    Axes { op: &'static str, argument: &'static str, expected: String, got: String },

    /// Two arguments live on different devices.
    #[error("{op}: {argument} is on {got}, the other arguments are on {expected}")]
    Placement { op: &'static str, argument: &'static str, expected: String, got: String },

    /// A value (a setting, an id, a text) outside what is allowed.
    #[error("{what} is {got}, expected {expected}")]
    Invalid { what: String, got: String, expected: String },

    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },

    /// A file whose content is not what its format asks for.
    #[error("{}: {problem}", path.display())]
    Format { path: PathBuf, problem: String },

    /// A model that is not installed, or of a family that is not implemented.
    #[error("{0}")]
    Model(String),

    /// No usable graphics adapter.
    #[error("no GPU: {0}")]
    NoAdapter(String),

    /// The GPU refused or lost something; names the kernel or tensor.
    #[error("GPU: {what}: {problem}")]
    Gpu { what: String, problem: String },

    /// LAPACK reported a failure.
    #[error("{what}: {problem}")]
    Numeric { what: String, problem: String },

    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}

/// The library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A value outside its range, with what would be right.
    ///
    /// ```
    /// let error = rankscope::Error::invalid("prefix", 9, "at most n = 4");
    /// assert_eq!(error.to_string(), "prefix is 9, expected at most n = 4");
    /// ```
    pub fn invalid(what: impl ToString, got: impl ToString, expected: impl ToString) -> Self {
        let (what, got, expected) = (plain(what), excerpt(got), plain(expected));
        Error::Invalid { what, got, expected }
    }

    /// A failed read or write of `path`.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Error::Io { path: path.into(), source }
    }

    /// A file with unexpected content.
    pub fn format(path: impl Into<PathBuf>, problem: impl ToString) -> Self {
        Error::Format { path: path.into(), problem: plain(problem) }
    }
}

/// Longer than any name or number that somebody would want to read in an error.
const EXCERPT: usize = 100;

/// The beginning of what was found, as plain text.
pub(crate) fn excerpt(text: impl ToString) -> String {
    let mut text = plain(text);
    if let Some((end, _)) = text.char_indices().nth(EXCERPT) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The text on one line: what files and people write may hold line breaks and codes for the terminal.
fn plain(text: impl ToString) -> String {
    let text = text.to_string();
    if !text.chars().any(char::is_control) {
        return text;
    }
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_a_file_holds() {
        let error = Error::format("m.safetensors", "tensor a\nb\u{1b}[2J is missing");
        assert_eq!(error.to_string(), r"m.safetensors: tensor a\nb\u{1b}[2J is missing");
        let error = Error::invalid("token", "é".repeat(1000), "a\tword");
        assert_eq!(error.to_string(), format!(r"token is {}…, expected a\tword", "é".repeat(100)));
    }
}
