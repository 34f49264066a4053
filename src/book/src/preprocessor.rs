//! From chapters to pages: our own pass over every chapter, then mdBook.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result};
use mdbook_driver::MDBook;
use mdbook_driver::config::Config;
use mdbook_preprocessor::{Preprocessor, PreprocessorContext};
use mdbook_summary::{Summary, SummaryItem, parse_summary};

use crate::book::{Book, Chapter};
use crate::fault::Fault;

/// Builds the pages into `out`; returns the faults of the chapters. Chapters that are not written yet are left out.
///
/// # Errors
/// If mdBook cannot build.
pub fn build(book: Rc<Book>, out: &Path) -> Result<Vec<Fault>> {
    let folder = book.root.join("book").canonicalize()?;
    let mut config = Config::from_disk(folder.join("book.toml"))?;
    config.build.build_dir = std::path::absolute(out)?;
    let mut summary = parse_summary(&std::fs::read_to_string(folder.join("src/SUMMARY.md"))?)?;
    keep_written(&mut summary, &folder.join("src"));
    let mut pages = MDBook::load_with_config_and_summary(&folder, config, summary)?;
    let faults = Rc::new(RefCell::new(Vec::new()));
    pages.with_preprocessor(Computed { book, faults: faults.clone() });
    pages.build().context("mdBook could not build the pages")?;
    Ok(faults.take())
}

/// Drops the chapters whose files do not exist.
fn keep_written(summary: &mut Summary, folder: &Path) {
    let is_written = |item: &SummaryItem| match item {
        SummaryItem::Link(link) => link.location.as_ref().is_some_and(|path| folder.join(path).is_file()),
        _ => true,
    };
    for part in [&mut summary.prefix_chapters, &mut summary.numbered_chapters, &mut summary.suffix_chapters] {
        part.retain(is_written);
    }
}

/// Puts the computed numbers and figures into every chapter.
struct Computed {
    book: Rc<Book>,
    faults: Rc<RefCell<Vec<Fault>>>,
}

impl Preprocessor for Computed {
    fn name(&self) -> &str {
        "computed"
    }

    fn run(
        &self,
        _: &PreprocessorContext,
        mut pages: mdbook_preprocessor::book::Book,
    ) -> Result<mdbook_preprocessor::book::Book> {
        pages.for_each_chapter_mut(|page| {
            let Some(name) = page.path.as_ref().and_then(|path| path.to_str()) else { return };
            let chapter = Chapter { name: name.to_owned(), text: std::mem::take(&mut page.content) };
            let (text, faults) = self.book.render(&chapter);
            page.content = text;
            self.faults.borrow_mut().extend(faults);
        });
        Ok(pages)
    }
}
