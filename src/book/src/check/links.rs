//! Links that lead nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::book::Chapter;
use crate::fault::Fault;
use crate::markup;

/// The places that can be linked to: the ids of every page, by the page's file name.
#[derive(Debug, Default)]
pub struct Anchors(pub BTreeMap<String, BTreeSet<String>>);

impl Anchors {
    /// Reads the pages of a folder.
    pub fn of_pages(folder: &Path) -> Self {
        let pages = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let read = |entry: std::fs::DirEntry| {
            let name = entry.file_name().into_string().ok().filter(|name| name.ends_with(".html"))?;
            let text = std::fs::read_to_string(entry.path()).ok()?;
            Some((name, attributes(&text, "id").into_iter().map(str::to_owned).collect()))
        };
        Anchors(pages.filter_map(read).collect())
    }

    /// Whether `target`, such as `04-triangle.html#trial-x`, is a place, seen from the page `from`.
    pub fn has(&self, from: &str, target: &str) -> bool {
        let (page, id) = target.split_once('#').unwrap_or((target, ""));
        let page = if page.is_empty() { from } else { page };
        self.0.get(page).is_some_and(|ids| id.is_empty() || ids.contains(id))
    }
}

/// The values of an attribute in a page.
pub fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let open = format!(" {name}=\"");
    let found = page.match_indices(&open).map(|(at, _)| &page[at + open.len()..]);
    found.filter_map(|rest| rest.split_once('"').map(|(value, _)| value)).collect()
}

/// Chapters without a page, links to chapters and anchors that do not exist, links out of the book, and pictures
/// without a text alternative.
pub fn check(chapters: &[Chapter], anchors: &Anchors) -> Vec<Fault> {
    let mut faults = Vec::new();
    for chapter in chapters {
        let from = page(&chapter.name);
        if !anchors.has("", &from) {
            let what = format!("the page {from} was not built");
            faults.push(chapter.fault(0, what, "a chapter that mdBook reads in SUMMARY.md"));
        }
        for link in markup::read(&chapter.text).links {
            let mut fault = |what: &str, expected: &str| {
                faults.push(chapter.fault(link.at, format!("the link {:?} {what}", link.target), expected));
            };
            if link.target.contains("://") {
                fault("leads out of the book", "{{cite:SOURCE}}, or the address as text in the bibliography");
                continue;
            }
            if link.alt.as_ref().is_some_and(|alt| alt.trim().is_empty()) {
                fault("is a picture without words", "![what it shows](…)");
            }
            let (file, id) = link.target.split_once('#').unwrap_or((&link.target, ""));
            if link.alt.is_none() && !anchors.has(&from, &format!("{}#{id}", page(file))) {
                fault("leads nowhere", "a chapter's file, and an id in it");
            }
        }
    }
    faults
}

/// The page of a chapter.
fn page(file: &str) -> String {
    file.strip_suffix(".md").map_or(file.to_owned(), |stem| format!("{stem}.html"))
}

#[cfg(test)]
mod tests {
    use super::super::chapter;
    use super::*;

    fn anchors() -> Anchors {
        let pages = [("03-rank.html", "fig-a"), ("04-triangle.html", "by-hand")];
        Anchors(pages.map(|(page, id)| (page.to_owned(), [id.to_owned()].into())).into())
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let sound = "[a](04-triangle.md) [b](04-triangle.md#by-hand) [c](#fig-a) ![words](a.png)";
        assert_eq!(check(&[chapter(sound)], &anchors()), []);
        for wrong in [
            "[a](05-limits.md)",
            "[a](04-triangle.md#gone)",
            "[a](#gone)",
            "[a](https://example.com)",
            "![](a.png)",
        ] {
            assert_eq!(check(&[chapter(wrong)], &anchors()).len(), 1, "{wrong}");
        }
    }

    #[test]
    fn a_chapter_without_a_page_is_found() {
        let absent = Chapter { name: "exercises.md".into(), text: String::new() };
        let faults = check(&[chapter(""), absent], &anchors());
        assert!(faults.len() == 1 && faults[0].file == "book/src/exercises.md", "{faults:?}");
    }

    #[test]
    fn ids_are_read_off_a_page() {
        assert_eq!(attributes("<p id=\"a\" class=\"b\"><b  id=\"c\">", "id"), ["a", "c"]);
    }
}
