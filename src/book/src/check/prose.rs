//! Typed numbers: every decimal in the prose counts as typed, unless `book/allow.toml` says why it may be there.

use std::ops::Range;

use crate::book::Chapter;
use crate::fault::Fault;
use crate::markup;
use crate::quoted::Allowed;

/// Every typed decimal, every entry of the allow-list that allows nothing, and formulas that remained plain text.
pub fn check(chapters: &[Chapter], allowed: &[(usize, Allowed)]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut is_used = vec![false; allowed.len()];
    for chapter in chapters {
        let prose = markup::read(&chapter.text).prose;
        let mut free: Vec<Range<usize>> = Vec::new();
        for (index, (_, entry)) in allowed.iter().enumerate().filter(|(_, (_, e))| e.chapter == chapter.name)
        {
            let places: Vec<_> =
                chapter.text.match_indices(&entry.text).map(|(at, text)| at..at + text.len()).collect();
            is_used[index] = places.iter().any(|place| !decimals(&prose[place.clone()]).is_empty());
            free.extend(places);
        }
        for (at, _) in prose.match_indices('$') {
            faults.push(chapter.fault(at, "a formula that does not end", "$…$ with as many { as }"));
        }
        for decimal in decimals(&prose) {
            if free.iter().any(|place| place.start <= decimal.start && decimal.end <= place.end) {
                continue;
            }
            faults.push(chapter.fault(
                decimal.start,
                format!("the number {} was typed", &prose[decimal]),
                "a placeholder such as {{claim:ID.NAME:.2}} or {{quoted:SOURCE.key}}, or an entry in book/allow.toml",
            ));
        }
    }
    for ((line, entry), _) in allowed.iter().zip(is_used).filter(|(_, is_used)| !is_used) {
        let what = format!("{:?} stands in no prose of {} as a decimal", entry.text, entry.chapter);
        faults.push(Fault::new("book/allow.toml", *line, what, "no entry that is not needed"));
    }
    faults
}

/// The decimals of a text, and its powers of ten. Thousands that are set apart (10,000) are whole numbers.
fn decimals(text: &str) -> Vec<Range<usize>> {
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let digit = |at: usize| chars.get(at).is_some_and(|(_, c)| c.is_ascii_digit());
    let byte = |at: usize| chars.get(at).map_or(text.len(), |(byte, _)| *byte);
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if !digit(at) {
            at += 1;
            continue;
        }
        let is_point = |at: usize| matches!(chars.get(at), Some((_, '.' | ','))) && digit(at + 1);
        let end = (at..).find(|&end| !digit(end) && !is_point(end)).unwrap_or(chars.len());
        let number = &text[byte(at)..byte(end)];
        let is_power = number.ends_with("10")
            && matches!(chars.get(end), Some((_, '⁻' | '⁰' | '¹' | '²' | '³' | '⁴'..='⁹')));
        if is_power || (number.contains(['.', ',']) && !is_grouped(number)) {
            found.push(byte(at)..byte(end));
        }
        at = end;
    }
    found
}

/// Whether a number is whole, with commas between its thousands.
fn is_grouped(number: &str) -> bool {
    let mut groups = number.split(',');
    groups.next().is_some_and(|first| (1..=3).contains(&first.len()) && !first.contains('.'))
        && groups.all(|group| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::super::chapter;
    use super::*;

    fn entry(text: &str) -> (usize, Allowed) {
        (4, Allowed { chapter: "03-rank.md".into(), text: text.into(), why: "an example".into() })
    }

    #[test]
    fn a_typed_decimal_is_found_with_its_line() {
        let faults = check(&[chapter("# Rank\n\nIt is 12 of 16.\nIt loses 3.4 directions.\n")], &[]);
        assert_eq!(faults.len(), 1);
        let said = faults[0].to_string();
        assert_eq!(said.split(';').next().unwrap(), "book/src/03-rank.md:4: the number 3.4 was typed");
    }

    #[test]
    fn whole_numbers_code_maths_and_placeholders_are_free() {
        let sound = "Of 10,000 tokens in 2023, `0.5`, $0.25$ and {{claim:a.b0.1:.2}} are. Version 2, section 3.\n\n```text\n1.5\n```\n\n1. one\n2. two\n";
        assert_eq!(check(&[chapter(sound)], &[]), []);
        for wrong in ["1,5", "0.1", "GPT-3.5", "10⁻³", "3.4 × 10⁵", "1,0000"] {
            assert_eq!(check(&[chapter(wrong)], &[]).len(), 1 + usize::from(wrong.contains('×')), "{wrong}");
        }
    }

    #[test]
    fn a_formula_that_does_not_end_is_found() {
        let faults = check(&[chapter("It is $x$.\n\nIt is $\\frac{1$ of $y.")], &[]);
        assert!(faults.len() == 3 && faults.iter().all(|fault| fault.line == 3), "{faults:?}");
    }

    #[test]
    fn an_allowed_decimal_is_free_and_an_entry_for_nothing_is_a_fault() {
        let text = [chapter("At a scale of 0.5, and 0.5 again.")];
        assert_eq!(check(&text, &[entry("0.5")]), []);
        assert_eq!(check(&text, &[entry("scale of 0.5")]).len(), 1, "the second place");
        let faults = check(&text, &[entry("0.5"), entry("0.75"), entry("scale")]);
        let places: Vec<_> = faults.iter().map(|fault| (fault.file.as_str(), fault.line)).collect();
        assert_eq!(places, [("book/allow.toml", 4); 2]);
    }
}
