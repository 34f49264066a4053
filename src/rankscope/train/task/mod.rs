//! Tasks with known answers: examples are drawn at random, and a tenth of them is held out.

mod bins;
mod brackets;
mod count;
mod induction;
mod instructions;
mod list;
mod mixing;
mod modular;
mod options;
mod recall;
mod registry;
mod regression;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

pub use options::{TaskOption, Values};
pub use registry::{TASKS, TaskKind};

use super::{Example, Examples, Part, Vocabulary, named};
use crate::error::{Error, Result};
use options::Options;

/// The number of draws after which a part counts as having no example.
const TRIES: usize = 10_000;

/// A task: an input is drawn, and its output is computed from it.
///
/// **Conventions**: an example is `input <separator> | output`, then padding; the tokens before the bar are given.
/// Example `index` is the first draw from (seed, part, index) whose input belongs to the part; the inputs of a tenth of
/// all hashes are held out.
///
/// ```
/// use rankscope::train::{Examples, Part};
/// use rankscope::train::task::Task;
/// let task = Task::parse("reverse(items=3)")?;
/// let example = task.example(Part::Training, 0, 0, 10)?;
/// let mut answer = example.input()[..3].to_vec();
/// answer.reverse();
/// assert_eq!(example.output()[..3], answer);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub struct Task {
    kind: &'static TaskKind,
    options: Options,
    rule: Box<dyn Rule>,
    pieces: Vec<String>,
}

/// An input, its output, and the part that it belongs to: `None` if it belongs to no part.
struct Drawn {
    input: Vec<u32>,
    output: Vec<u32>,
    part: Option<Part>,
}

impl Drawn {
    /// An example whose part follows from the hash of its input.
    fn new(input: Vec<u32>, output: Vec<u32>) -> Self {
        let part = Some(part_of(&input));
        Drawn { input, output, part }
    }
}

/// The rule of a task.
trait Rule: Send + Sync {
    /// The names of its symbols, token 0 first.
    fn pieces(&self) -> Vec<String>;

    /// The most tokens of an input and of an output.
    fn sizes(&self) -> (usize, usize);

    /// Draws an input, and computes its output.
    fn draw(&self, random: &mut ChaCha8Rng) -> Drawn;

    /// The number that each symbol stands for.
    fn values(&self) -> Option<&[f64]> {
        None
    }
}

/// The part of an input: it is held out if its hash is in a fixed tenth of all hashes.
fn part_of(input: &[u32]) -> Part {
    let mut hash = Sha256::new();
    for token in input {
        hash.update(token.to_le_bytes());
    }
    let first = hash.finalize()[..8].iter().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
    if first.is_multiple_of(10) { Part::HeldOut } else { Part::Training }
}

impl Task {
    /// Reads a task such as `copy` or `recall(pairs=8, query=before)`; options that are not named have their default.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the unknown task, option or value, and what is expected.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, inner) = split(text);
        let kind = named(TASKS, |kind| kind.name, name, "task", format!("{name:?}"))?;
        let Some(inner) = inner else {
            let expected = format!("{name}, or {name}(option=value, …)");
            return Err(Error::invalid("task", format!("{text:?}"), expected));
        };
        let options = Options::parse(kind, inner)?;
        let rule = (kind.build)(&options)?;
        let pieces = rule.pieces();
        Ok(Task { kind, options, rule, pieces })
    }

    /// Whether a text begins with the name of a task.
    pub fn is_named(text: &str) -> bool {
        TASKS.iter().any(|kind| kind.name == split(text).0)
    }

    /// The entry of the registry.
    pub fn kind(&self) -> &'static TaskKind {
        self.kind
    }

    /// The most tokens of an example, which is the smallest allowed length.
    pub fn size(&self) -> usize {
        let (input, output) = self.rule.sizes();
        input + 1 + output
    }
}

/// The name, and the text in the parentheses after it; `None` if the parentheses are wrong.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.trim().split_once('(') {
        None => (text.trim(), Some("")),
        Some((name, rest)) => (name.trim(), rest.strip_suffix(')')),
    }
}

impl FromStr for Task {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Task::parse(text)
    }
}

impl fmt::Display for Task {
    /// The text form with all options.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.kind.name, self.options)
    }
}

impl Examples for Task {
    fn vocabulary(&self) -> Vocabulary {
        Vocabulary { symbols: self.pieces.len() }
    }

    fn example(&self, part: Part, seed: u64, index: u64, length: usize) -> Result<Example> {
        if length < self.size() {
            return Err(Error::invalid("length", length, format!("at least {} for {self}", self.size())));
        }
        let mut random = part.draws(seed, index);
        let mut draws = (0..TRIES).map(|_| self.rule.draw(&mut random));
        let Some(Drawn { input: mut tokens, output, .. }) = draws.find(|drawn| drawn.part == Some(part))
        else {
            let part = if part == Part::Training { "training" } else { "held-out" };
            let expected = format!("more inputs: none of its few is in the {part} part");
            return Err(Error::invalid("task", self, expected));
        };
        let vocabulary = self.vocabulary();
        tokens.push(vocabulary.separator());
        let given = tokens.len();
        tokens.extend(output);
        tokens.resize(length, vocabulary.padding());
        Ok(Example { tokens, given })
    }

    fn piece(&self, token: u32) -> String {
        let special = self.vocabulary().special();
        let mut pieces = self.pieces.iter().chain(&special);
        pieces.nth(token as usize).cloned().unwrap_or_else(|| format!("<{token}>"))
    }

    fn values(&self) -> Option<&[f64]> {
        self.rule.values()
    }
}

/// `0`, `1`, …
fn numbers(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| number.to_string())
}

/// `a` to `z`, then `aa`, `ab`, …
fn letters(count: usize) -> impl Iterator<Item = String> {
    fn name(index: usize) -> String {
        let before = if index < 26 { String::new() } else { name(index / 26 - 1) };
        format!("{before}{}", char::from(b'a' + (index % 26) as u8))
    }
    (0..count).map(name)
}
