//! The faults that the book may have.
//!
//! Computed numbers and pictures are not committed, so none can be out of date. Names in a chapter can be: a
//! measurement, a preset, a figure's lab, notebook or kind, a command, a file. The builder finds numbers, formulas and
//! commands that do not exist; the rest is found here, and the code of the chapters runs as tests of the documentation.

mod blocks;
mod claims;
mod figures;
mod links;
mod pages;
mod prose;

use std::path::Path;

use crate::book::Book;
use crate::fault::Fault;
use crate::trials;

pub use links::Anchors;

/// Every fault, except those that the builder found; the pages are in `out`.
pub fn all(book: &Book, out: &Path) -> Vec<Fault> {
    let mut faults = book.faults.clone();
    let absent = |(line, name): &(usize, String)| {
        let what = format!("the chapter {name} is not written");
        Fault::new("book/src/SUMMARY.md", *line, what, "its file in book/src")
    };
    faults.extend(book.missing.iter().map(absent));
    faults.extend(prose::check(&book.chapters, &book.allowed));
    faults.extend(claims::check(&book.chapters, &trials::ids().collect::<Vec<_>>()));
    let has_notebook = |start: &str| book.notebook(start).is_some();
    faults.extend(figures::check(&book.chapters, |lab| book.has_lab(lab), has_notebook));
    faults.extend(book.chapters.iter().flat_map(blocks::check));
    let anchors = Anchors::of_pages(out);
    faults.extend(links::check(&book.chapters, &anchors));
    faults.extend(pages::check(out, &anchors));
    faults
}

#[cfg(test)]
fn chapter(text: &str) -> crate::book::Chapter {
    crate::book::Chapter { name: "03-rank.md".to_owned(), text: text.to_owned() }
}
