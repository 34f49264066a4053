//! Numbers and tokens as a person reads them.

/// Three significant digits; scientific below 10⁻³ and from 10⁴ on.
///
/// ```text
/// 0.12345 → 0.123     0.00012345 → 1.23e-4     17.26 → 17.3     1234.5 → 1234
/// ```
pub fn number(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else if !value.is_finite() {
        if value.is_nan() { "NaN".to_owned() } else { format!("{}∞", if value < 0.0 { "-" } else { "" }) }
    } else {
        // Rounded first: 9.996 has the power of ten of 10.0.
        let rounded = format!("{value:.2e}");
        match rounded.split_once('e').and_then(|(_, power)| power.parse::<i32>().ok()) {
            Some(power @ -3..4) => format!("{value:.*}", 2_usize.saturating_add_signed(-power as isize)),
            _ => rounded,
        }
    }
}

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

/// 91 MB, 1.7 MB, 512 kB: powers of ten, as file managers count.
pub fn bytes(size: u64) -> String {
    match size {
        0..1_000 => format!("{size} B"),
        1_000..1_000_000 => format!("{} kB", size / 1_000),
        1_000_000..10_000_000 => format!("{:.1} MB", size as f64 / 1e6),
        _ => format!("{:.0} MB", size as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_significant_digits() {
        let cases = [
            (0.0, "0"),
            (0.12345, "0.123"),
            (0.0012345, "0.00123"),
            (0.00012345, "1.23e-4"),
            (17.26, "17.3"),
            (-1.5, "-1.50"),
            (1234.5, "1234"),
            (10434.0, "1.04e4"),
            (9.996, "10.0"),
            (-99.96, "-100"),
            (9999.6, "1.00e4"),
            (0.99951, "1.00"),
            (0.00099996, "0.00100"),
            (4.5e15, "4.50e15"),
            (f64::INFINITY, "∞"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text, "{value}");
        }
    }

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

    #[test]
    fn sizes_are_read_at_a_glance() {
        assert_eq!((bytes(90_868_376).as_str(), bytes(1_709_224).as_str()), ("91 MB", "1.7 MB"));
    }
}
