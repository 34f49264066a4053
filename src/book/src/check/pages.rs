//! The finished pages: everything that they refer to exists, and nothing is fetched from elsewhere.

use std::path::Path;

use super::links::{Anchors, attributes};
use crate::fault::Fault;
use crate::markup::line_of;

/// References of the pages in `folder` that lead nowhere, or out of the book.
pub fn check(folder: &Path, anchors: &Anchors) -> Vec<Fault> {
    let mut faults = Vec::new();
    for name in anchors.0.keys() {
        let Ok(page) = std::fs::read_to_string(folder.join(name)) else { continue };
        let mut references = attributes(&page, "href");
        references.extend(attributes(&page, "src"));
        references.sort_unstable();
        references.dedup();
        for target in references {
            let file = target.split(['#', '?']).next().unwrap_or_default();
            let is_there = match target.contains("://") || target.starts_with("//") {
                true => false,
                false if target.starts_with("data:image/") => true, // part of the page itself
                false if file.is_empty() || file.ends_with(".html") => anchors.has(name, target),
                false => folder.join(file).is_file(),
            };
            if !is_there {
                let at = page.find(&format!("\"{target}\"")).unwrap_or(0);
                let (line, what) = (line_of(&page, at), format!("the page refers to {target:?}"));
                faults.push(Fault::new(name, line, what, "a file or an id of the book"));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_that_are_not_there_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let page = "<p id=\"x\">\n<a href=\"#x\"><a href=\"#y\">\n<img src=\"a.css\"> <img src=\"b.css\"> <img src=\"data:image/png;base64,AA==\"> <a href=\"https://a.b\">";
        std::fs::write(folder.path().join("p.html"), page).unwrap();
        std::fs::write(folder.path().join("a.css"), "").unwrap();
        let faults = check(folder.path(), &Anchors::of_pages(folder.path()));
        let found: Vec<_> = faults.iter().map(|fault| (fault.line, fault.what.as_str())).collect();
        let refers = |target: &str| format!("the page refers to {target:?}");
        assert_eq!(found, [(2, &*refers("#y")), (3, &*refers("b.css")), (3, &*refers("https://a.b"))]);
    }
}
