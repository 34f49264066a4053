//! What may be wrong with the book.
//!
//! Nothing that is computed is committed, so no number and no picture can be out of date. What can be is what a chapter
//! names: a measurement, a preset, a figure's lab, notebook or kind, a command, a file.

use std::path::Path;

use crate::book::Book;
use crate::fault::Fault;

/// Everything that is wrong, beside what building found; the pages are in `out`.
pub fn all(_book: &Book, _out: &Path) -> Vec<Fault> {
    Vec::new()
}
