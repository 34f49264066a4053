//! The library's one error type.
//!
//! Every message names the thing that was wrong and what would be right, on one line, so that a
//! command line, a window and a notebook cell can show it unchanged.

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
    // Not called `source`: the cause is in the message already, and would be shown twice.
    #[error("{}: {}", plain(path.display()), in_words(error))]
    Io { path: PathBuf, error: std::io::Error },

    /// A file whose content is not what its format asks for.
    #[error("{}: {problem}", plain(path.display()))]
    Format { path: PathBuf, problem: String },

    /// A model that is not installed, or of a family that is not implemented.
    #[error("{0}")]
    Model(String),

    /// No usable graphics adapter.
    #[error("no GPU: {0}")]
    NoAdapter(String),

    /// A kernel or tensor that the GPU refused or lost, by its name.
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
    pub fn io(path: impl Into<PathBuf>, error: std::io::Error) -> Self {
        Error::Io { path: path.into(), error }
    }

    /// A file with unexpected content.
    pub fn format(path: impl Into<PathBuf>, problem: impl ToString) -> Self {
        Error::Format { path: path.into(), problem: plain(problem) }
    }
}

/// The meaning of a file system error in plain words; other errors keep the system's message.
fn in_words(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    let words = match error.kind() {
        ErrorKind::NotFound => "no such file or folder",
        ErrorKind::PermissionDenied => "permission denied; choose a place that you may use",
        ErrorKind::IsADirectory => "is a folder, expected a file",
        ErrorKind::NotADirectory => "is inside something that is not a folder",
        ErrorKind::StorageFull => "no space left on the disk",
        ErrorKind::ReadOnlyFilesystem => "the disk is read-only; choose another place",
        _ => return plain(error),
    };
    words.to_owned()
}

/// The most characters of a value that an error shows.
const EXCERPT: usize = 100;

/// The beginning of `text` on one line, as plain text.
pub(crate) fn excerpt(text: impl ToString) -> String {
    let mut text = plain(text);
    if let Some((end, _)) = text.char_indices().nth(EXCERPT) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The most characters of a message.
const MOST: usize = 1000;

/// The text on one line of at most [`MOST`] characters: files may hold line breaks, codes for the terminal, and a
/// megabyte where a word was expected. Of a long text both ends stay, because an error of a parser ends with the place.
fn plain(text: impl ToString) -> String {
    let mut text = text.to_string();
    if text.chars().any(char::is_control) {
        let show = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        text = text.chars().map(show).collect();
    }
    let count = text.chars().count();
    if count <= MOST {
        return text;
    }
    let start: String = text.chars().take(MOST * 3 / 4).collect();
    let end: String = text.chars().skip(count - MOST / 4).collect();
    format!("{start} … {end}")
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

    #[test]
    fn a_message_stays_readable_however_long_its_parts() {
        let found = format!("start{}end", "é".repeat(100_000));
        let messages = [
            Error::format("m.json", format!("{found} at line 1 column 2")).to_string(),
            Error::invalid(&found, &found, &found).to_string(),
            Error::format(&found, "not an index").to_string(),
        ];
        for message in &messages {
            assert!(message.chars().count() < 2200 && message.starts_with(['m', 's']), "{message}");
        }
        assert!(messages[0].ends_with("end at line 1 column 2"), "{}", messages[0]);
    }
}
