//! The options of a task, such as `pairs=8, query=before`.

use std::fmt;

use super::TaskKind;
use crate::error::{Error, Result};

/// One option of a task.
pub struct TaskOption {
    /// Its name in the text form.
    pub name: &'static str,
    /// Its meaning.
    pub meaning: &'static str,
    /// The allowed values.
    pub values: Values,
}

/// The allowed values of an option.
#[derive(Clone, Copy)]
pub enum Values {
    /// A whole number.
    Number {
        /// The default.
        usual: usize,
        /// The smallest value.
        least: usize,
        /// The largest value.
        most: usize,
    },
    /// One of several words; the first is the default.
    Word(&'static [&'static str]),
}

impl TaskOption {
    /// An option that is a number.
    pub(super) const fn number(
        name: &'static str,
        meaning: &'static str,
        [usual, least, most]: [usize; 3],
    ) -> Self {
        TaskOption { name, meaning, values: Values::Number { usual, least, most } }
    }

    /// An option that is a word.
    pub(super) const fn word(
        name: &'static str,
        meaning: &'static str,
        words: &'static [&'static str],
    ) -> Self {
        TaskOption { name, meaning, values: Values::Word(words) }
    }

    /// The default, as text.
    pub fn usual(&self) -> String {
        match self.values {
            Values::Number { usual, .. } => usual.to_string(),
            Values::Word(words) => words[0].to_owned(),
        }
    }

    /// The allowed values, in words.
    pub fn allowed(&self) -> String {
        match self.values {
            Values::Number { least, most, .. } => format!("{least} to {most}"),
            Values::Word(words) => words.join(" or "),
        }
    }

    fn allows(&self, value: &str) -> bool {
        match self.values {
            Values::Number { least, most, .. } => {
                value.parse().is_ok_and(|value: usize| (least..=most).contains(&value))
            }
            Values::Word(words) => words.contains(&value),
        }
    }
}

/// The options of one task with their values.
pub(super) struct Options {
    task: &'static str,
    values: Vec<(&'static str, String)>,
}

impl Options {
    /// Reads the text in the parentheses.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the unknown option or value, or an option that is given twice.
    pub(super) fn parse(kind: &'static TaskKind, text: &str) -> Result<Self> {
        let mut given: Vec<(&str, &str)> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((name, value)) = part.split_once('=').map(|(name, value)| (name.trim(), value.trim()))
            else {
                let what = format!("option of {}", kind.name);
                return Err(Error::invalid(what, format!("{part:?}"), "option=value"));
            };
            let Some(option) = kind.options.iter().find(|option| option.name == name) else {
                return Err(unknown(kind, name));
            };
            let what = format!("option {name} of {}", kind.name);
            if given.iter().any(|(other, _)| *other == name) {
                return Err(Error::invalid(what, "there twice", "once"));
            }
            if !option.allows(value) {
                return Err(Error::invalid(what, value, option.allowed()));
            }
            given.push((name, value));
        }
        let value = |option: &TaskOption| {
            let given = given.iter().find(|(name, _)| *name == option.name);
            (option.name, given.map_or_else(|| option.usual(), |(_, value)| (*value).to_owned()))
        };
        Ok(Options { task: kind.name, values: kind.options.iter().map(value).collect() })
    }

    /// The value of an option of the task that is a number.
    pub(super) fn number(&self, name: &str) -> usize {
        self.word(name).parse().expect("options were checked when they were read")
    }

    /// The value of an option of the task that is a word.
    pub(super) fn word(&self, name: &str) -> &str {
        let found = self.values.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| value.as_str()).expect("a task asks for its own options")
    }

    /// An error unless option `small` is at most option `large`.
    pub(super) fn expect_at_most(&self, small: &str, large: &str) -> Result<()> {
        let (got, most) = (self.number(small), self.number(large));
        if got <= most {
            return Ok(());
        }
        let expected = format!("at most {large}, {most}");
        Err(Error::invalid(format!("option {small} of {}", self.task), got, expected))
    }
}

fn unknown(kind: &TaskKind, name: &str) -> Error {
    let what = format!("option of {}", kind.name);
    if kind.options.is_empty() {
        return Error::invalid(what, format!("{name:?}"), "none");
    }
    let names: Vec<_> = kind.options.iter().map(|option| option.name).collect();
    Error::invalid(what, format!("{name:?}"), format!("one of {}", names.join(", ")))
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<_> = self.values.iter().map(|(name, value)| format!("{name}={value}")).collect();
        f.write_str(&values.join(", "))
    }
}
