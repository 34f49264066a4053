//! [`Parameter`]: a parameter of an experiment, with its range.

use std::str::FromStr;

use serde::Serialize;

use crate::error::{Error, Result};

/// One parameter of a claim's experiment.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Parameter {
    /// Its name, such as `n` in `--set n=64`.
    pub name: &'static str,
    /// Its description, in one line.
    pub summary: &'static str,
    /// Its allowed values.
    pub allowed: Allowed,
    /// Its value in a quick run.
    pub quick: &'static str,
    /// Its value in a full run.
    pub full: &'static str,
}

/// The allowed values of a parameter; lists are written with commas.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Allowed {
    /// A whole number in a range, both ends included.
    Integer(u64, u64),
    /// Whole numbers in a range, at least one.
    Integers(u64, u64),
    /// A number in a range.
    Number(f64, f64),
    /// Numbers in a range, at least one.
    Numbers(f64, f64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text, such as the path of a file; empty for none.
    Text,
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A whole number.
    Integer(u64),
    /// Whole numbers.
    Integers(Vec<u64>),
    /// A number.
    Number(f64),
    /// Numbers.
    Numbers(Vec<f64>),
    /// A word or text.
    Text(String),
}

/// A parameter with its values in a quick and in a full run.
pub(super) const fn set(
    name: &'static str,
    summary: &'static str,
    allowed: Allowed,
    [quick, full]: [&'static str; 2],
) -> Parameter {
    Parameter { name, summary, allowed, quick, full }
}

/// The most items in a list: a longer list is taken for a typing error.
const MOST: usize = 1000;

impl Parameter {
    /// The value that `text` stands for.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the parameter, the text and what is allowed.
    pub fn parse(&self, text: &str) -> Result<Value> {
        let value = match self.allowed {
            Allowed::Integer(low, high) => within(text, low, high).map(Value::Integer),
            Allowed::Number(low, high) => within(text, low, high).map(Value::Number),
            Allowed::Integers(low, high) => list(text, |item| within(item, low, high)).map(Value::Integers),
            Allowed::Numbers(low, high) => list(text, |item| within(item, low, high)).map(Value::Numbers),
            Allowed::Word(words) => words.contains(&text).then(|| Value::Text(text.to_owned())),
            Allowed::Text => Some(Value::Text(text.to_owned())),
        };
        value.ok_or_else(|| Error::invalid(self.name, format!("{text:?}"), self.allowed.in_words()))
    }
}

impl Allowed {
    /// The allowed values in words, for errors and help texts.
    pub fn in_words(&self) -> String {
        match self {
            Allowed::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Allowed::Integers(low, high) => {
                format!("whole numbers from {low} to {high}, with commas between")
            }
            Allowed::Number(low, high) => format!("a number from {low} to {high}"),
            Allowed::Numbers(low, high) => format!("numbers from {low} to {high}, with commas between"),
            Allowed::Word(words) => format!("one of {}", words.join(", ")),
            Allowed::Text => "a text".to_owned(),
        }
    }
}

fn within<T: FromStr + PartialOrd>(text: &str, low: T, high: T) -> Option<T> {
    text.trim().parse().ok().filter(|value| (low..=high).contains(value))
}

fn list<T>(text: &str, item: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let items: Option<Vec<T>> = text.split(',').map(item).collect();
    items.filter(|items| items.len() <= MOST)
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        fn join<T: ToString>(items: &[T]) -> String {
            items.iter().map(T::to_string).collect::<Vec<_>>().join(",")
        }
        match self {
            Value::Integer(value) => write!(f, "{value}"),
            Value::Integers(values) => f.write_str(&join(values)),
            Value::Number(value) => write!(f, "{value}"),
            Value::Numbers(values) => f.write_str(&join(values)),
            Value::Text(text) => f.write_str(text),
        }
    }
}
