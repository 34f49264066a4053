//! Numbers as the book prints them: three significant digits, powers of ten with raised exponents, a true minus sign.

use rankscope::numbers::short;

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Three significant digits.
    Short,
    /// `:.2`, with this number of decimals.
    Decimals(usize),
    /// `:e1`, a power of ten whose factor has this number of decimals.
    Power(usize),
}

impl Format {
    /// Reads `.2` or `e1`.
    pub fn read(text: &str) -> Option<Self> {
        let digits = |text: &str| text.parse().ok().filter(|&digits: &usize| digits <= 12);
        match text.split_at_checked(1)? {
            (".", count) => digits(count).map(Format::Decimals),
            ("e", count) => digits(count).map(Format::Power),
            _ => None,
        }
    }

    /// The number as text; a whole number of the default format has no decimals.
    pub fn write(self, value: f64) -> String {
        let plain = match self {
            Format::Short if value.fract() == 0.0 && value.abs() < 1e4 => format!("{value}"),
            Format::Short => short(value),
            Format::Decimals(count) => format!("{value:.count$}"),
            Format::Power(count) => format!("{value:.count$e}"),
        };
        typeset(&plain)
    }
}

/// `text` with its numbers typeset: `1.5e-4` and `10^-33` with raised exponents, `-` before a digit as a minus sign.
pub fn typeset(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let word = |at: usize| chars.get(at).is_some_and(|c| c.is_alphanumeric() || *c == '_');
    let mut set = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let sign = usize::from(chars.get(at + 1) == Some(&'-'));
        let digits = |from: usize| (from..).find(|&end| !digit(end)).unwrap_or(chars.len());
        let mut end = digits(at + 1 + sign);
        if chars.get(end) == Some(&'.') && digit(end + 1) {
            end = digits(end + 1);
        }
        let has_exponent = end > at + 1 + sign && !word(end);
        let exponent = || chars[at + 1..end].iter().collect::<String>();
        match chars[at] {
            'e' if at > 0 && digit(at - 1) && has_exponent && is_number_before(&chars[..at]) => {
                set += &format!(" × 10{}", raised(&exponent()));
                at = end;
            }
            '^' if at >= 2 && chars[at - 2..at] == ['1', '0'] && has_exponent => {
                set += &raised(&exponent());
                at = end;
            }
            '-' if digit(at + 1) && (at == 0 || !word(at - 1) && chars[at - 1] != '-') => {
                set.push('−');
                at += 1;
            }
            c => {
                set.push(c);
                at += 1;
            }
        }
    }
    set
}

/// Whether `chars` ends with a number by itself, not with the end of a name.
fn is_number_before(chars: &[char]) -> bool {
    let start = chars.iter().rposition(|c| !c.is_ascii_digit() && *c != '.').map_or(0, |at| at + 1);
    start == 0 || !(chars[start - 1].is_alphanumeric() || chars[start - 1] == '_')
}

/// Digits and minus as superscripts.
fn raised(exponent: &str) -> String {
    let raise = |c| match c {
        '-' => '⁻',
        // There is no raised full stop.
        '.' => '·',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32('⁰' as u32 + (digit as u32 - '0' as u32)).unwrap_or(digit),
    };
    exponent.chars().map(raise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_and_written() {
        for (format, value, text) in [
            ("", 17.26, "17.3"),
            ("", -0.00012345, "−1.23 × 10⁻⁴"),
            ("", 16.0, "16"),
            ("", 12345.0, "1.23 × 10⁴"),
            (".2", 0.5, "0.50"),
            (".0", 11.6, "12"),
            ("e1", 123.0, "1.2 × 10²"),
        ] {
            let read = if format.is_empty() { Some(Format::Short) } else { Format::read(format) };
            assert_eq!(read.unwrap().write(value), text);
        }
        for wrong in ["", "2", ".x", "e", "f2", ".99"] {
            assert_eq!(Format::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sentences_are_typeset_and_names_are_left_alone() {
        let text = "minilm-l6 and glass-en: 1.15e-4 of 2.52e4, det A = −10^-24.0, 10^-33; R² -0.0161, x2e4, cache-2, f64-1e";
        let set = "minilm-l6 and glass-en: 1.15 × 10⁻⁴ of 2.52 × 10⁴, det A = −10⁻²⁴·⁰, 10⁻³³; R² −0.0161, x2e4, cache-2, f64-1e";
        assert_eq!(typeset(text), set);
    }
}
