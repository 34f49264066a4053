//! Labels: their widths, the format of numbers, and characters that cannot be shown.

use std::sync::LazyLock;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

use crate::label::{is_invisible, visible};
use crate::numbers::short;

/// The embedded face first; the others are fallbacks for viewers without it and for characters that
/// it lacks.
pub(super) const FAMILY: &str = "DejaVu Sans, Verdana, Noto Sans, Noto Sans CJK SC, Noto Emoji, sans-serif";

static FONT: &[u8] = include_bytes!("../../../assets/fonts/DejaVuSans-rankscope.ttf");

/// Whether the embedded face is ready; it is registered before the first drawing.
static READY: LazyLock<bool> = LazyLock::new(|| register_font(FAMILY, FontStyle::Normal, FONT).is_ok());

/// The face at `size` pixels per em, corrected for the size that plotters takes for one em.
pub(super) fn font(size: f64) -> FontDesc<'static> {
    assert!(*READY, "the embedded font file is broken");
    FontDesc::new(FontFamily::Name(FAMILY), size, FontStyle::Normal)
}

/// Pixels per em over the height from ascender to descender, the height by which plotters scales
/// the face.
pub(super) const EM_PER_HEIGHT: f64 = 1.164;

/// The width of `text` at `size` pixels per em, generous where the embedded face lacks a character.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(|c| char_width(c) * size).sum()
}

fn char_width(c: char) -> f64 {
    if is_invisible(c) {
        return 0.0;
    }
    if !is_in_face(c) {
        return 1.05; // CJK and emoji fill one em, and so does the box that stands for them.
    }
    const SIZE: f64 = 1000.0;
    match font(SIZE * EM_PER_HEIGHT).layout_box(c.encode_utf8(&mut [0; 4])) {
        Ok((_, (width, _))) => f64::from(width) / SIZE,
        Err(_) => 1.05,
    }
}

/// The ranges that the embedded subset was made from.
fn is_in_face(c: char) -> bool {
    matches!(u32::from(c),
        0x20..=0x2ff | 0x370..=0x4ff | 0x1d30..=0x1d5b | 0x1d5d..=0x1d6a | 0x1e00..=0x1eff | 0x2010..=0x203a | 0x2070..=0x209f
        | 0x20a0..=0x20bf | 0x2100..=0x214f | 0x2190..=0x22ff | 0x2308..=0x230b | 0x2400..=0x2426 | 0x2581..=0x2588
        | 0x25a0..=0x25ff | 0xfffd)
}

/// `text` for bitmaps, without characters that the embedded face would draw as a second box.
pub(super) fn drawable(text: &str) -> String {
    text.chars().filter(|&c| !is_invisible(c)).map(|c| if is_in_face(c) { c } else { '□' }).collect()
}

/// `label` with visible blanks, cut with an ellipsis if it is wider than `room`.
pub(super) fn fit(label: &str, size: f64, room: f64) -> String {
    let label = visible(label);
    if width(&label, size) <= room {
        return label;
    }
    let mut cut = String::new();
    let mut used = width("…", size);
    for c in label.chars() {
        used += char_width(c) * size;
        if used > room {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    cut
}

/// 10ᵏ as text, such as 10⁻³.
pub(super) fn power_of_ten(exponent: i32) -> String {
    let digits = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let raised = |c: char| c.to_digit(10).map_or('⁻', |digit| digits[digit as usize]);
    "10".chars().chain(exponent.to_string().chars().map(raised)).collect()
}

/// As [`short`], with the signs of a picture: −1.50, 1.53 × 10⁻⁵.
pub(super) fn number(value: f64) -> String {
    let text = short(value);
    let power = |exponent: &str| exponent.parse().map_or_else(|_| exponent.to_owned(), power_of_ten);
    let text = match text.split_once('e') {
        Some((mantissa, exponent)) => format!("{mantissa} × {}", power(exponent)),
        None => text,
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        let cases = [
            (0.0, "0"),
            (0.25, "0.250"),
            (12.34, "12.3"),
            (99.96, "100"),
            (1234.5, "1234"),
            (-0.5, "−0.500"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(1.53e-5), "1.53 × 10⁻⁵");
        assert_eq!(number(9.999e-4), "0.00100");
        assert_eq!(number(123456.0), "1.23 × 10⁵");
        assert_eq!(number(f64::NEG_INFINITY), "−∞");
        assert_eq!(power_of_ten(-10), "10⁻¹⁰");
    }

    #[test]
    fn what_the_face_lacks_is_one_box_a_character() {
        assert_eq!(drawable("猫e\u{301}👩\u{200d}🚀"), "□e□□");
    }

    #[test]
    fn long_labels_are_cut_to_the_room() {
        let cut = fit("internationalisation", 15.0, 80.0);
        assert!(cut.ends_with('…') && width(&cut, 15.0) <= 80.0 && width(&cut, 15.0) > 60.0, "{cut}");
        assert_eq!(fit("cat", 15.0, 80.0), "cat");
    }

    #[test]
    fn the_face_knows_its_proportions() {
        // Digits are tabular in this face, so columns of numbers line up.
        assert!((width("1", 100.0) - width("8", 100.0)).abs() < 1e-9);
        assert!((width("0", 100.0) - 63.6).abs() < 1.0, "{}", width("0", 100.0));
        assert!(width("猫", 100.0) > width("W", 100.0));
    }
}
