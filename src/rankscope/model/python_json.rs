//! JSON as Python writes it: `NaN`, `Infinity` and `-Infinity` are allowed as numbers.
//!
//! **Source**: Python's module `json`. Objects `{"__float__": "Infinity"}` are how `transformers` 5 writes the same
//! numbers for readers of standard JSON; here all these numbers become such objects.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// The key of an object that stands for a number which JSON cannot express.
const TAG: &str = "__float__";

/// Reads a text that Python's `json` can read.
///
/// **Conventions**: a number that is too large for f64 is infinite, as in Python. The line of an error is its line in
/// the text; its column may be too large if such a number comes before it on the line.
///
/// # Errors
/// The error of `serde_json`, with line and column.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_str(&tagged(text))
}

/// A value as it was written in the file: `Infinity`, not the object that stands for it.
pub(super) fn shown(value: &Value) -> String {
    match value.get(TAG) {
        Some(Value::String(word)) => word.clone(),
        _ => value.to_string(),
    }
}

/// The text with an object for every number that JSON cannot express.
fn tagged(text: &str) -> Cow<'_, str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_');
    let (mut made, mut copied, mut at) = (String::new(), 0, 0);
    while at < text.len() {
        let rest = &text[at..];
        let length = match rest.chars().next() {
            Some('"') => string(rest),
            Some(first) if !is_word(first) => first.len_utf8(),
            _ => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
        };
        if let Some(word) = not_finite(&rest[..length]) {
            made += &text[copied..at];
            made += &format!("{{\"{TAG}\": \"{word}\"}}");
            copied = at + length;
        }
        at += length;
    }
    if copied == 0 { Cow::Borrowed(text) } else { Cow::Owned(made + &text[copied..]) }
}

/// The length in bytes of the string at the beginning, including its quotes; of the whole text, if the string has no
/// end.
fn string(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !is_escaped => return at + 1,
            _ => is_escaped = c == '\\' && !is_escaped,
        }
    }
    text.len()
}

/// The token as Python's name of a number that is not finite, if it is one.
fn not_finite(token: &str) -> Option<&'static str> {
    match token {
        "NaN" => return Some("NaN"),
        "Infinity" => return Some("Infinity"),
        "-Infinity" => return Some("-Infinity"),
        _ => {}
    }
    let digits = token.strip_prefix('-').unwrap_or(token);
    let number = token.parse::<f64>().ok().filter(|_| digits.starts_with(|c: char| c.is_ascii_digit()))?;
    number.is_infinite().then_some(if number > 0.0 { "Infinity" } else { "-Infinity" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The result of Python 3.11's `json.loads` for each text; `None` where it raises an error.
    #[test]
    fn what_python_reads_is_read() {
        let cases = [
            (r#"[0.0, Infinity, -Infinity, NaN]"#, Some("[0.0, Infinity, -Infinity, NaN]")),
            (r#"{"a":Infinity}"#, Some(r#"{"a": Infinity}"#)),
            (r#"[1e999, -1e400, 12e-400]"#, Some("[Infinity, -Infinity, 0.0]")),
            (r#"["NaN", "a\"Infinity", "\\", NaN]"#, Some(r#"["NaN", "a\"Infinity", "\\", NaN]"#)),
            ("[\"ä NaN\",\n NaN ]", Some("[\"ä NaN\", NaN]")),
            ("NaN", Some("NaN")),
            ("[nan]", None),
            ("[+Infinity]", None),
            ("[Infinity5]", None),
            ("[inf]", None),
            ("[\"Infinity", None),
            ("[.5]", None),
            ("", None),
        ];
        for (text, expected) in cases {
            match expected {
                Some(expected) => assert_eq!(read(text), read(expected), "{text}"),
                None => assert!(parse::<Value>(text).is_err(), "{text}"),
            }
        }
        let tag = |word: &str| serde_json::json!({ "__float__": word });
        assert_eq!(read("[Infinity, -Infinity, NaN]")[0], tag("Infinity"));
        assert_eq!(read("[-1e999]")[0], tag("-Infinity"));
        assert_eq!(read(r#"[{"__float__": "NaN"}, NaN]"#), Value::from(vec![tag("NaN"), tag("NaN")]));
    }

    #[test]
    fn a_text_without_such_numbers_is_not_copied_and_errors_name_the_line() {
        assert!(matches!(tagged(r#"{"a": [1, -2.5e3, "NaN"]}"#), Cow::Borrowed(_)));
        let error = parse::<Value>("{\"a\": NaN,\n\"b\": nan}").unwrap_err();
        assert_eq!(error.line(), 2);
    }

    #[test]
    fn such_a_number_is_shown_as_it_was_written() {
        assert_eq!(shown(&read("-Infinity")), "-Infinity");
        assert_eq!(shown(&read(r#"{"a": 1}"#)), r#"{"a":1}"#);
        assert_eq!(shown(&read("2.5")), "2.5");
    }
}
