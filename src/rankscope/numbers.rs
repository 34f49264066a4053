//! Numbers as text: three significant digits, in scientific notation where they are very small or large.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Three significant digits; scientific notation below 10⁻³ and from 10⁴ on.
///
/// ```
/// use rankscope::numbers::short;
/// assert_eq!([short(17.26), short(1.23456e-4), short(f64::INFINITY)], ["17.3", "1.23e-4", "∞"]);
/// ```
pub fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "∞"
        } else {
            "-∞"
        }
        .to_owned();
    }
    // Rounded first, so that 9.996 is 10.0 and not 10.00.
    let scientific = format!("{value:.2e}");
    let exponent: i32 = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    if !(-3..4).contains(&exponent) {
        return scientific;
    }
    format!("{value:.*}", (2 - exponent).max(0) as usize)
}

/// A number that is written to a file as text, because a reader of JSON may round numbers. It is read back exactly, NaN
/// included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Digits(pub(crate) f64);

impl Serialize for Digits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Digits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Digits).map_err(|_| D::Error::custom(format!("{text:?} is no number")))
    }
}

/// [`short`], or a dash where there is no number.
pub fn short_or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), short)
}

/// A count with a unit of thousands: `1.71 MB`, `22.7 M`.
pub fn scaled(value: f64, unit: &str) -> String {
    // The limits are where three digits would round up to the next unit.
    let (factor, prefix) = match value {
        v if v >= 999.5e15 => (1e18, "E"),
        v if v >= 999.5e12 => (1e15, "P"),
        v if v >= 999.5e9 => (1e12, "T"),
        v if v >= 999.5e6 => (1e9, "G"),
        v if v >= 999.5e3 => (1e6, "M"),
        v if v >= 1e3 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let digits = if factor == 1.0 { format!("{value}") } else { short(value / factor) };
    format!("{digits} {prefix}{unit}").trim_end().to_owned()
}

/// An exact count with commas between the thousands: `1,557,611,200`.
pub fn grouped(value: u128) -> String {
    let digits = value.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group));
    groups.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_significant_digits() {
        let cases = [
            (0.0, "0"),
            (1.0, "1.00"),
            (9.996, "10.0"),
            (0.00123456, "0.00123"),
            (0.001, "0.00100"),
            (0.000999, "9.99e-4"),
            (0.00099996, "0.00100"),
            (0.99951, "1.00"),
            (-99.96, "-100"),
            (-551.2, "-551"),
            (1234.5, "1234"),
            (9999.0, "1.00e4"),
            (f64::NEG_INFINITY, "-∞"),
            (f64::NAN, "NaN"),
            (17128.0, "1.71e4"),
            (4.5e15, "4.50e15"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn thousands_have_units() {
        assert_eq!(scaled(1_709_224.0, "B"), "1.71 MB");
        assert_eq!(scaled(853_888.0, ""), "854 k");
        assert_eq!(scaled(12.0, "B"), "12 B");
        assert_eq!(scaled(90_868_376.0, "B"), "90.9 MB");
        assert_eq!(
            [999.0, 1e3, 999_499.0, 999_500.0].map(|n| scaled(n, "")),
            ["999", "1.00 k", "999 k", "1.00 M"]
        );
        assert_eq!(
            [3.14e12, 2.5e17, 1e21].map(|n| scaled(n, "FLOP")),
            ["3.14 TFLOP", "250 PFLOP", "1000 EFLOP"]
        );
    }

    #[test]
    fn exact_counts_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (174_604_259_328, "174,604,259,328")];
        for (value, text) in cases {
            assert_eq!(grouped(value), text);
        }
    }
}
