//! Figures that lack something, or name something that does not exist.

use crate::book::Chapter;
use crate::fault::Fault;
use crate::figure::{KINDS, Spec};
use crate::markup;

/// The least number of characters of a text alternative.
const LEAST_ALT: usize = 30;

/// Figures without a caption or a text alternative, ids that are used twice, and labs, notebooks and kinds that do not exist.
pub fn check(
    chapters: &[Chapter],
    has_lab: impl Fn(&str) -> bool,
    has_notebook: impl Fn(&str) -> bool,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut ids: Vec<String> = Vec::new();
    for chapter in chapters {
        for (at, spec) in chapter.figures(&markup::read(&chapter.text)) {
            // The builder reports a block that cannot be read.
            let Ok(Spec { id, kind, caption, alt, lab, notebook, .. }) = spec else { continue };
            let mut fault = |what: &str, expected: &str| {
                faults.push(chapter.fault(at, format!("the figure {id} {what}"), expected));
            };
            if caption.trim().is_empty() {
                fault("has no caption", "`caption`, a sentence");
            }
            if alt.chars().count() < LEAST_ALT || alt == caption {
                let expected = "`alt`, what there is to see, in words other than the caption's";
                fault("has no text alternative", expected);
            }
            if !KINDS.contains(&kind.as_str()) {
                fault(&format!("is of the kind {kind:?}, which does not exist"), &KINDS.join(", "));
            }
            if !has_lab(&lab) {
                let what = format!("names the lab {lab:?}, which does not exist");
                fault(&what, "a folder of src/app/src/labs");
            }
            if !has_notebook(&notebook) {
                let what = format!("names the notebook {notebook:?}, which does not exist");
                fault(&what, "the start of one file's name in notebooks");
            }
            if ids.contains(&id) {
                fault("has the id of another", "an id that no other figure has");
            }
            ids.push(id);
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::chapter;
    use super::*;

    const SOUND: &str = "id = \"a\"\nkind = \"mask\"\nmask = \"causal\"\ncaption = \"A mask.\"\n\
                         alt = \"A lower triangle of cells that may attend.\"\nlab = \"mask\"\nnotebook = \"02\"\n";

    fn faults(blocks: &[&str]) -> Vec<String> {
        let text: String = blocks.iter().map(|block| format!("```figure\n{block}```\n\n")).collect();
        let found = check(&[chapter(&text)], |lab| lab == "mask", |notebook| notebook == "02");
        found.into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn a_sound_figure_has_no_fault() {
        assert!(faults(&[SOUND]).is_empty());
    }

    #[test]
    fn what_is_missing_or_gone_is_found() {
        for (from, to, what) in [
            ("caption = \"A mask.\"", "caption = \" \"", "caption"),
            ("alt = \"A lower triangle of cells that may attend.\"", "", "text alternative"),
            ("alt = \"A lower triangle of cells that may attend.\"", "alt = \"A mask.\"", "text alternative"),
            ("kind = \"mask\"", "kind = \"picture\"", "kind \"picture\""),
            ("lab = \"mask\"", "lab = \"old\"", "lab \"old\""),
            ("notebook = \"02\"", "notebook = \"99\"", "notebook \"99\""),
        ] {
            let found = faults(&[&SOUND.replace(from, to)]);
            assert!(found.len() == 1 && found[0].contains(what), "{what}: {found:?}");
        }
        assert!(faults(&[SOUND, SOUND])[0].contains("id of another"));
    }
}
