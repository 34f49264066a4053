//! Tokens as a person reads them; numbers are in `rankscope::numbers`, but for those that must be exact.

/// Every digit that tells this f32 from its neighbours.
pub fn exact(value: f32) -> String {
    if value != 0.0 && value.abs() < 1e-3 { format!("{value:e}") } else { format!("{value}") }
}

/// A token as a label: white space made visible or trimmed, at most `limit` characters.
pub fn label(piece: &str, limit: usize) -> String {
    let trimmed = piece.trim();
    if trimmed.is_empty() {
        let marks = piece.chars().map(|c| if c == '\n' { '↵' } else { '␣' });
        return if piece.is_empty() { "∅".to_owned() } else { marks.take(limit).collect() };
    }
    if trimmed.chars().all(is_invisible) {
        return codes(trimmed).chars().take(limit).collect();
    }
    let visible = |c: char| if c.is_control() { '\u{FFFD}' } else { c };
    if trimmed.chars().count() <= limit {
        return trimmed.chars().map(visible).collect();
    }
    trimmed.chars().take(limit.saturating_sub(1)).map(visible).chain(['…']).collect()
}

/// The characters by number, for what has no picture: U+200D.
pub fn codes(text: &str) -> String {
    text.chars().map(|c| format!("U+{:04X}", u32::from(c))).collect::<Vec<_>>().join(" ")
}

/// Joiners, direction marks and variation selectors, which have no picture of their own.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}')
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

    #[test]
    fn labels_show_white_space_and_are_cut_by_characters() {
        assert_eq!(label(" Alice", 8), "Alice");
        assert_eq!(label(" ", 8), "␣");
        assert_eq!(label("\n\n", 8), "↵↵");
        assert_eq!(label("", 8), "∅");
        assert_eq!(label("爱丽丝坐在姐姐身边", 5), "爱丽丝坐…");
        assert_eq!(label("a\u{0}b", 8), "a\u{FFFD}b");
        assert_eq!(label("\u{200D}", 8), "U+200D");
    }

    #[test]
    fn chinese_is_wide_and_latin_is_not() {
        assert!(is_wide("今") && is_wide("한국") && is_wide("ひ"));
        assert!(!is_wide("Alice") && !is_wide("") && !is_wide("今a") && !is_wide("U+200D"));
    }
}
