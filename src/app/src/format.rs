//! Tokens and exact numbers as text; rounded numbers are in `rankscope::numbers`.

use rankscope::label::{code, is_invisible, visible};

/// `value` with enough digits to distinguish this f32 from its neighbours.
pub fn exact(value: f32) -> String {
    if value != 0.0 && value.abs() < 1e-3 { format!("{value:e}") } else { format!("{value}") }
}

/// A token in parts that are shown whole or not at all: characters, visible blanks, and for a character without a
/// picture (`has_picture`) its number, `U+1F980`.
pub fn parts(piece: &str, has_picture: impl Fn(char) -> bool) -> Vec<String> {
    let shown = visible(piece);
    if piece.is_empty() {
        return vec![shown];
    }
    let is_seen = piece.chars().any(|c| !is_invisible(c));
    let mut parts: Vec<String> = Vec::new();
    for (own, shown) in piece.chars().zip(shown.chars()) {
        match parts.last_mut() {
            // An invisible character belongs to the one before it.
            Some(last) if is_seen && is_invisible(own) => last.extend(has_picture(own).then_some(own)),
            _ if has_picture(shown) && !is_invisible(own) => parts.push(shown.to_string()),
            _ => parts.push(code(own)),
        }
    }
    parts
}

/// As many whole parts as `limit` characters have room for, and `…` in place of the others.
pub fn cut(parts: &[String], limit: usize) -> String {
    let whole = joined(parts);
    if whole.chars().count() <= limit {
        return whole;
    }
    let starts = (0..parts.len()).rev().map(|count| joined(&parts[..count]));
    let start = starts.into_iter().find(|start| start.chars().count() < limit).unwrap_or_default();
    format!("{start}…")
}

/// The parts side by side, with a space around each number.
fn joined(parts: &[String]) -> String {
    let is_number = |part: &String| part.starts_with("U+") && part.len() > 2;
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 && (is_number(part) || is_number(&parts[at - 1])) {
            text.push(' ');
        }
        text.push_str(part);
    }
    text
}

/// Whether all of `text` is in a script whose characters are as wide as high, and stand upright one by one.
pub fn is_wide(text: &str) -> bool {
    let wide = |c: char| {
        matches!(c, '\u{1100}'..='\u{11FF}' | '\u{2E80}'..='\u{A4CF}' | '\u{AC00}'..='\u{D7A3}'
            | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FF60}' | '\u{1F300}'..='\u{1FAFF}'
            | '\u{20000}'..='\u{3FFFD}')
    };
    !text.is_empty() && text.chars().all(wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_values_come_back() {
        for value in [0.1f32, 1.0 / 3.0, 1e-9, 0.0, 1.0] {
            assert_eq!(exact(value).parse::<f32>(), Ok(value));
        }
    }

    fn label(piece: &str, limit: usize) -> String {
        cut(&parts(piece, |c| c != '🦀' && !is_invisible(c)), limit)
    }

    #[test]
    fn labels_show_white_space_and_are_cut_by_characters() {
        assert_eq!(label(" Alice", 8), "␣Alice");
        assert_eq!(label("Alice", 8), "Alice");
        assert_eq!(label(" ", 8), "␣");
        assert_eq!(label("\n\n", 8), "↵↵");
        assert_eq!(label("", 8), "∅");
        assert_eq!(label("爱丽丝坐在姐姐身边", 5), "爱丽丝坐…");
        assert_eq!(label("a\u{0}b", 8), "a␀b");
    }

    #[test]
    fn numbers_of_characters_are_shown_whole_or_not_at_all() {
        assert_eq!(label("\u{200D}", 8), "U+200D");
        assert_eq!(label("a🦀b", 12), "a U+1F980 b");
        assert_eq!(label("🦀🦀🦀", 24), "U+1F980 U+1F980 U+1F980".chars().take(23).collect::<String>());
        for limit in 1..24 {
            let cut = label(" 🦀x🦀🦀", limit);
            assert!(cut.chars().count() <= limit, "{cut}");
            let whole = |part: &str| part == "…" || part == "␣" || part == "x" || part == "U+1F980";
            assert!(cut.trim_end_matches('…').split(' ').all(|part| part.is_empty() || whole(part)), "{cut}");
        }
    }

    #[test]
    fn chinese_is_wide_and_latin_is_not() {
        assert!(is_wide("今") && is_wide("한국") && is_wide("ひ"));
        assert!(!is_wide("Alice") && !is_wide("") && !is_wide("今a") && !is_wide("U+200D"));
    }
}
