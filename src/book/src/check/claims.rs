//! Every claim is on trial in exactly one chapter.

use crate::book::Chapter;
use crate::fault::Fault;
use crate::markup::{self, What};

/// Claims without a chapter, and claims that are on trial twice.
pub fn check(chapters: &[Chapter], ids: &[&str]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut places: Vec<(String, String)> = Vec::new();
    for chapter in chapters {
        for piece in markup::read(&chapter.text).pieces {
            let What::Placeholder { text, .. } = &piece.what else { continue };
            let Some(id) = text.strip_prefix("trial:") else { continue };
            if let Some((_, first)) = places.iter().find(|(known, _)| known == id) {
                let what = format!("the claim {id} is on trial here and in {first}");
                faults.push(chapter.fault(piece.range.start, what, "one chapter for each claim"));
            }
            places.push((id.to_owned(), chapter.name.clone()));
        }
    }
    let absent = ids.iter().filter(|id| !places.iter().any(|(known, _)| known == *id));
    faults.extend(absent.map(|id| {
        let expected = format!("{{{{trial:{id}}}}} in the chapter that argues it");
        Fault::new("book/src/SUMMARY.md", 1, format!("the claim {id} has no chapter"), expected)
    }));
    faults
}

#[cfg(test)]
mod tests {
    use super::super::chapter;
    use super::*;

    #[test]
    fn each_claim_has_one_chapter() {
        let text = "{{trial:a}}\n\n{{trial:b}}\n";
        assert_eq!(check(&[chapter(text)], &["a", "b"]), []);
        let faults = check(&[chapter(text)], &["a", "b", "c"]);
        assert!(faults.len() == 1 && faults[0].what.contains("c has no chapter"), "{faults:?}");
        let faults = check(&[chapter(text), chapter("x\n\n{{trial:a}}\n")], &["a", "b"]);
        assert!(faults.len() == 1 && faults[0].line == 3, "{faults:?}");
        assert!(faults[0].what.contains("03-rank.md"), "{faults:?}");
    }
}
