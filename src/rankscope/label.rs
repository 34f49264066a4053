//! Pieces of text as labels: what cannot be seen is made visible.

/// A text on one line with visible blanks: `␣` for a space at either end, `↵` for a line's end, `⇥` for a tab, and a
/// sign for every other control character.
///
/// ```
/// use rankscope::label::visible;
/// assert_eq!([visible(" sang"), visible("sang"), visible("a b\n"), visible("")], ["␣sang", "sang", "a b↵", "∅"]);
/// ```
pub fn visible(text: &str) -> String {
    if text.is_empty() {
        return "∅".to_owned();
    }
    let inner = text.trim_matches(' ');
    let start = text.len() - text.trim_start_matches(' ').len();
    let end = text.trim_end_matches(' ').len();
    let show = |(at, c): (usize, char)| match c {
        ' ' if at < start || at >= end || inner.is_empty() => '␣',
        '\n' => '↵',
        '\t' => '⇥',
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        _ => c,
    };
    text.char_indices().map(show).collect()
}

/// Up to three of `names` that could have become `name` by a typing error, the most similar first.
///
/// ```
/// use rankscope::label::alike;
/// assert_eq!(alike("GPT_2 XL", ["bert-base", "gpt2-xl", "gpt2-large"].into_iter()), ["gpt2-xl"]);
/// ```
pub fn alike<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    /// Names with a smaller share of letters in the same place are not alike.
    const LEAST: f64 = 0.6;
    let plain = |name: &str| name.trim().to_lowercase().replace(['_', ' '], "-");
    let name = plain(name);
    let likeness = |known| (strsim::normalized_damerau_levenshtein(&name, &plain(known)), known);
    let mut alike: Vec<(f64, &str)> = names.map(likeness).filter(|(score, _)| *score >= LEAST).collect();
    alike.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    alike.into_iter().take(3).map(|(_, name)| name).collect()
}

/// The code point of a character that cannot be drawn, as `U+200D`.
pub fn code(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

/// Whether a character is a mark, a joiner or a sign of direction, which cannot be drawn alone.
pub fn is_invisible(c: char) -> bool {
    matches!(u32::from(c), 0x300..=0x36f | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0x20d0..=0x20ff
        | 0xfe00..=0xfe0f | 0xfeff)
}

/// `text` escaped for HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_controls_are_visible() {
        assert_eq!(visible(" the cat "), "␣the cat␣");
        assert_eq!(visible("  "), "␣␣");
        assert_eq!(visible("a\n\u{1}\u{7f}"), "a↵␁\u{fffd}");
        assert_eq!(visible(""), "∅");
        assert_eq!([code('\u{200D}'), code('🦀')], ["U+200D", "U+1F980"]);
    }
}
