//! The dictionary at the start of a `.npy` file.
//!
//! The scanner reads this dictionary only. It takes linear time and does not recurse, whatever the
//! file holds.

use super::number::Number;
use crate::error::excerpt;

/// The kind of an array's entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Real numbers.
    Numbers(Number),
    /// Strings of `characters` characters, each of four bytes (Unicode) or of one.
    Text { characters: usize, unicode: bool },
    /// Anything else, with a description of it and of what is expected.
    Other(String),
}

/// The content of the dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub content: Content,
    pub big_endian: bool,
    pub column_major: bool,
    pub shape: Vec<usize>,
}

impl Header {
    /// Reads the dictionary; `None` if `text` is none that numpy writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut kind, mut column_major, mut shape) = (None, None, None);
        let mut scanner = Scanner(text);
        scanner.sign("{")?;
        while scanner.sign("}").is_none() {
            let key = scanner.quoted()?;
            scanner.sign(":")?;
            match key {
                // A list of fields: the rest of the dictionary does not matter.
                "descr" if scanner.sign("[").is_some() => return Some(Header::structured()),
                "descr" => kind = Some(content(scanner.quoted()?)),
                "fortran_order" => column_major = Some(scanner.boolean()?),
                "shape" => shape = Some(scanner.numbers()?),
                _ => return None,
            }
            if scanner.sign(",").is_none() {
                scanner.sign("}")?;
                break;
            }
        }
        let ((content, big_endian), column_major) = (kind?, column_major?);
        scanner.0.trim().is_empty().then_some(Header { content, big_endian, column_major, shape: shape? })
    }

    fn structured() -> Self {
        let what =
            "a structured array (several fields an entry), expected one number an entry; save one field";
        Header { content: Content::Other(what.into()), big_endian: false, column_major: false, shape: vec![] }
    }
}

/// The content that a type string such as `<f8` names, and whether it is big-endian.
fn content(descr: &str) -> (Content, bool) {
    let (code, big_endian) = match descr.split_at_checked(1) {
        Some(("<" | "|", code)) => (code, false),
        Some((">", code)) => (code, true),
        Some(("=", code)) => (code, cfg!(target_endian = "big")),
        _ => (descr, false),
    };
    let number = match code {
        "b1" | "?" | "bool" => Number::Bool,
        "i1" | "b" | "int8" => Number::I8,
        "i2" | "h" | "int16" => Number::I16,
        "i4" | "i" | "int32" => Number::I32,
        "i8" | "q" | "int64" => Number::I64,
        "u1" | "B" | "uint8" => Number::U8,
        "u2" | "H" | "uint16" => Number::U16,
        "u4" | "I" | "uint32" => Number::U32,
        "u8" | "Q" | "uint64" => Number::U64,
        "f2" | "e" | "half" | "float16" => Number::F16,
        "f4" | "f" | "single" | "float32" => Number::F32,
        "f8" | "d" | "double" | "float64" | "float" => Number::F64,
        "f12" | "float96" => Number::X87 { size: 12 },
        "f16" | "g" | "longdouble" | "float128" => Number::X87 { size: 16 },
        _ => return (other(descr, code), big_endian),
    };
    (Content::Numbers(number), big_endian)
}

fn other(descr: &str, code: &str) -> Content {
    if let Some((kind @ ("U" | "S" | "a"), count)) = code.split_at_checked(1)
        && let Ok(characters) = count.parse()
    {
        return Content::Text { characters, unicode: kind == "U" };
    }
    let (what, instead) = match code.split_at_checked(1).map_or(code, |(kind, _)| kind) {
        "c" | "F" | "D" | "G" => ("complex numbers", "real ones; save its abs(), .real or .imag"),
        "O" | "o" => {
            ("Python objects (a pickle, which is never executed)", "numbers; save array.astype(float)")
        }
        "U" | "S" | "a" | "s" => ("text", "numbers"),
        "M" | "m" | "t" | "d" => ("dates or spans of time", "numbers; save array.astype(float)"),
        "V" if code == "V2" => {
            ("raw bytes, two each (bfloat16 perhaps)", "numbers; save array.astype(numpy.float32)")
        }
        "V" | "v" => ("raw bytes", "numbers"),
        _ => ("entries of an unknown type", "numbers, such as '<f4' or '<f8'"),
    };
    Content::Other(format!("{what} ('{}'), expected {instead}", excerpt(descr)))
}

/// The text that is not yet read; every step skips white space first.
struct Scanner<'a>(&'a str);

impl<'a> Scanner<'a> {
    fn sign(&mut self, sign: &str) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(sign)?;
        Some(())
    }

    fn quoted(&mut self) -> Option<&'a str> {
        // Python 2 writes b'…' and u'…' for strings that are not of its default kind.
        self.0 = self.0.trim_start();
        self.0 = self.0.strip_prefix(['b', 'u']).unwrap_or(self.0);
        let quote = if self.sign("'").is_some() { '\'' } else { self.sign("\"").map(|()| '"')? };
        let (text, rest) = self.0.split_once(quote)?;
        self.0 = rest;
        Some(text)
    }

    fn boolean(&mut self) -> Option<bool> {
        self.sign("True").map(|()| true).or_else(|| self.sign("False").map(|()| false))
    }

    /// `(3, 4)`, `(3,)` or `()`; `(3L, 4L)` as Python 2 wrote it.
    fn numbers(&mut self) -> Option<Vec<usize>> {
        let mut numbers = Vec::new();
        self.sign("(")?;
        while self.sign(")").is_none() {
            let rest = self.0.trim_start();
            let (digits, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
            numbers.push(digits.parse().ok()?);
            self.0 = rest.strip_prefix('L').unwrap_or(rest);
            if self.sign(",").is_none() {
                self.sign(")")?;
                break;
            }
        }
        Some(numbers)
    }
}
