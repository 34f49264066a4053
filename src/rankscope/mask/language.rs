//! The text form of masks: `causal & window(16) | !prefix(4)`, also `prefix:4`.
//!
//! `heads(causal, anti-causal)` takes masks. `!` binds tighter than `&`, `&` tighter than `|`; parentheses
//! group. [`Mask::parse`] reads the text that [`Display`](fmt::Display) prints back to an equal mask (except custom
//! matrices, which have no text form).

use std::fmt;
use std::str::FromStr;

use super::registry::Build;
use super::{MASKS, MAX_NUMBER, Mask, Rule};
use crate::error::{Error, Result, excerpt};

/// How deeply `!` and parentheses may nest; far more than a user needs, and far less than the stack allows.
const MAX_DEPTH: usize = 64;
/// How long a mask text may be.
const MAX_LENGTH: usize = 4096;

impl Mask {
    /// Reads a mask such as `causal`, `prefix:4`, `window(16)` or `causal & !window(2)`.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the position of the error and the expected text.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_LENGTH {
            let expected = format!("at most {MAX_LENGTH} characters");
            return Err(Error::invalid("mask text length", text.len(), expected));
        }
        let mut parser = Parser { text, at: 0, depth: 0 };
        let mask = parser.either()?;
        match parser.peek() {
            None => Ok(mask),
            Some(_) => Err(parser.unexpected("the end, '&' or '|'")),
        }
    }
}

impl FromStr for Mask {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Mask::parse(text)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn either(&mut self) -> Result<Mask> {
        let mut mask = self.both()?;
        while self.take('|') {
            mask = mask | self.both()?;
        }
        Ok(mask)
    }

    fn both(&mut self) -> Result<Mask> {
        let mut mask = self.one()?;
        while self.take('&') {
            mask = mask & self.one()?;
        }
        Ok(mask)
    }

    fn one(&mut self) -> Result<Mask> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::invalid("mask nesting", self.depth, format!("at most {MAX_DEPTH} levels")));
        }
        let mask = if self.take('!') {
            !self.one()?
        } else if self.take('(') {
            let mask = self.either()?;
            self.expect(')')?;
            mask
        } else {
            self.named()?
        };
        self.depth -= 1;
        Ok(mask)
    }

    fn named(&mut self) -> Result<Mask> {
        self.skip_space();
        let start = self.at;
        let name = self.word(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_').replace('_', "-");
        let Some(kind) = MASKS.iter().find(|kind| kind.name == name) else {
            self.at = start;
            let names: Vec<_> = MASKS.iter().map(|kind| kind.name).collect();
            return Err(self.unexpected(&format!("one of {}", names.join(", "))));
        };
        let built = match kind.build {
            Build::Numbers(build) => {
                let numbers = self.arguments()?;
                build(&numbers)
            }
            Build::Masks(build) => {
                self.expect('(')?;
                let mut masks = vec![self.either()?];
                while self.take(',') {
                    masks.push(self.either()?);
                }
                self.expect(')')?;
                build(masks)
            }
        };
        built.map_err(|error| match error {
            Error::Invalid { what, got, expected } => {
                let form =
                    if kind.parameters.is_empty() { String::new() } else { format!("({})", kind.parameters) };
                Error::Invalid { what: format!("{}{form}: {what}", kind.name), got, expected }
            }
            other => other,
        })
    }

    /// `(1, 2)`, `:1,2`, or nothing.
    fn arguments(&mut self) -> Result<Vec<usize>> {
        if self.take('(') {
            let numbers = self.numbers()?;
            self.expect(')')?;
            Ok(numbers)
        } else if self.take(':') {
            self.numbers()
        } else {
            Ok(Vec::new())
        }
    }

    fn numbers(&mut self) -> Result<Vec<usize>> {
        let mut numbers = Vec::new();
        loop {
            self.skip_space();
            let start = self.at;
            let number =
                self.word(|c| c.is_ascii_digit()).parse().ok().filter(|&number| number <= MAX_NUMBER);
            let Some(number) = number else {
                self.at = start;
                return Err(self.unexpected("a whole number of at most 2^31"));
            };
            numbers.push(number);
            if !self.take(',') {
                return Ok(numbers);
            }
        }
    }

    fn word(&mut self, wanted: impl Fn(char) -> bool) -> &str {
        let rest = &self.text[self.at..];
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn skip_space(&mut self) {
        self.word(char::is_whitespace);
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_space();
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<()> {
        if self.take(wanted) { Ok(()) } else { Err(self.unexpected(&format!("'{wanted}'"))) }
    }

    fn unexpected(&mut self, expected: &str) -> Error {
        let found = match self.peek() {
            Some(_) => format!("{:?}", &self.text[self.at..]),
            None => "the end".to_owned(),
        };
        let column = self.text[..self.at].chars().count() + 1;
        let text = excerpt(format!("{:?}", self.text));
        Error::invalid(format!("mask {text}, character {column},"), found, expected)
    }
}

/// How tightly an operator binds, the loosest first.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Level {
    Or,
    And,
    Not,
}

impl Mask {
    fn level(&self) -> Level {
        match self.0 {
            Rule::Or(_) => Level::Or,
            Rule::And(_) => Level::And,
            _ => Level::Not,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, around: Level) -> fmt::Result {
        if self.level() < around {
            return write!(f, "({self})");
        }
        write!(f, "{self}")
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pair = |pair: &(Mask, Mask), sign: &str, level: Level| {
            pair.0.write(f, level)?;
            write!(f, " {sign} ")?;
            // Operators of one level group to the left, so the same level on the right needs parentheses.
            if pair.1.level() == level { write!(f, "({})", pair.1) } else { pair.1.write(f, level) }
        };
        match &self.0 {
            Rule::Bidirectional => f.write_str("bidirectional"),
            Rule::Causal => f.write_str("causal"),
            Rule::AntiCausal => f.write_str("anti-causal"),
            Rule::Prefix(length) => write!(f, "prefix({length})"),
            Rule::Window(size) => write!(f, "window({size})"),
            Rule::TwoSidedWindow(size) => write!(f, "two-sided-window({size})"),
            Rule::Dilated { count, step } => write!(f, "dilated({count}, {step})"),
            Rule::Strided(stride) => write!(f, "strided({stride})"),
            Rule::Global(count) => write!(f, "global({count})"),
            Rule::Random { percent, seed } => write!(f, "random({percent}, {seed})"),
            Rule::Padding(length) => write!(f, "padding({length})"),
            Rule::Blocks(lengths) => {
                let lengths: Vec<_> = lengths.iter().map(usize::to_string).collect();
                write!(f, "blocks({})", lengths.join(", "))
            }
            Rule::Heads(masks) => {
                let masks: Vec<_> = masks.iter().map(Mask::to_string).collect();
                write!(f, "heads({})", masks.join(", "))
            }
            Rule::Custom(allowed) => write!(f, "custom({} x {})", allowed.nrows(), allowed.ncols()),
            Rule::And(masks) => pair(masks, "&", Level::And),
            Rule::Or(masks) => pair(masks, "|", Level::Or),
            Rule::Not(mask) => {
                f.write_str("!")?;
                mask.write(f, Level::Not)
            }
        }
    }
}
