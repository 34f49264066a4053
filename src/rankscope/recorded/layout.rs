//! Finds the array and the matrix for each layer, sequence and head.

use std::path::Path;

use super::At;
use super::choose::Chosen;
use crate::array::Array;
use crate::error::{Error, Result};

/// L, B, H, T, S, and the place of each matrix.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub layers: usize,
    pub sequences: usize,
    pub heads: usize,
    pub queries: usize,
    pub keys: usize,
    /// Whether one array holds all layers.
    pub is_stacked: bool,
    /// Whether each head is an array of its own.
    by_head: bool,
}

/// One matrix of one array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub array: usize,
    pub matrix: usize,
}

const ONE: &str = "[T, S], [H, T, S], [L, H, T, S] or [L, B, H, T, S]";
const MANY: &str = "[T, S], [H, T, S] or [B, H, T, S]";

impl Layout {
    pub fn of(path: &Path, chosen: &[Chosen], arrays: &[Array]) -> Result<Self> {
        let wrong = |problem: String| Error::format(path, problem);
        let [first, rest @ ..] = arrays else { return Err(wrong("holds no weights".into())) };
        if let Some(other) = rest.iter().find(|other| other.shape() != first.shape()) {
            let (name, expected) = (other.name(), format!("{:?} as {} is", first.shape(), first.name()));
            return Err(wrong(format!("{name} is {:?}, expected {expected}", other.shape())));
        }
        let expected = if rest.is_empty() { ONE } else { MANY };
        let shape =
            |expected: &str| wrong(format!("{} is {:?}, expected {expected}", first.name(), first.shape()));
        let [leading @ .., queries, keys] = first.shape() else { return Err(shape(expected)) };
        let (queries, keys) = (*queries, *keys);
        if first.shape().contains(&0) {
            return Err(shape("at least one layer, head, query and key"));
        }
        let is_one = rest.is_empty();
        let (layers, sequences, heads) = match (leading, is_one) {
            ([], true) => (1, 1, 1),
            ([heads], true) => (1, 1, *heads),
            ([layers, heads], true) => (*layers, 1, *heads),
            ([layers, sequences, heads], true) => (*layers, *sequences, *heads),
            ([], false) => return Layout::by_head(path, chosen, queries, keys),
            ([heads], false) => (arrays.len(), 1, *heads),
            ([sequences, heads], false) => (arrays.len(), *sequences, *heads),
            _ => return Err(shape(expected)),
        };
        let is_stacked = is_one && leading.len() > 1;
        expect_one_number(path, chosen)?;
        Ok(Layout { layers, sequences, heads, queries, keys, is_stacked, by_head: false })
    }

    /// Arrays `[T, S]`: one for each layer, or one for each layer and head if two numbers differ in their names.
    fn by_head(path: &Path, chosen: &[Chosen], queries: usize, keys: usize) -> Result<Self> {
        let one = |layers, heads, by_head| Layout {
            layers,
            sequences: 1,
            heads,
            queries,
            keys,
            is_stacked: false,
            by_head,
        };
        let [layer, head] = differing(chosen)[..] else {
            expect_one_number(path, chosen)?;
            return Ok(one(chosen.len(), 1, false));
        };
        let heads =
            chosen.iter().take_while(|other| other.numbers[layer] == chosen[0].numbers[layer]).count();
        let fits = |(place, other): (usize, &Chosen)| {
            let (row, column) = (place / heads, place % heads);
            other.numbers[layer] == chosen[row * heads].numbers[layer]
                && other.numbers[head] == chosen[column].numbers[head]
        };
        if chosen.len().is_multiple_of(heads) && chosen.iter().enumerate().all(fits) {
            return Ok(one(chosen.len() / heads, heads, true));
        }
        let names = (chosen[0].entry.name(), chosen[chosen.len() - 1].entry.name());
        let problem = format!(
            "{} arrays from {} to {}, expected as many heads in every layer",
            chosen.len(),
            names.0,
            names.1
        );
        Err(Error::format(path, problem))
    }

    pub fn cell(&self, at: At) -> Cell {
        let At { layer, sequence, head } = at;
        if self.by_head {
            return Cell { array: layer * self.heads + head, matrix: 0 };
        }
        let matrix = sequence * self.heads + head;
        match self.is_stacked {
            true => Cell { array: 0, matrix: layer * self.sequences * self.heads + matrix },
            false => Cell { array: layer, matrix },
        }
    }

    pub fn in_words(&self, arrays: &[Array]) -> String {
        let (first, last) = (&arrays[0], &arrays[arrays.len() - 1]);
        let sizes = [self.layers, self.sequences, self.heads, self.queries, self.keys];
        let letters = ["L", "B", "H", "T", "S"];
        let shown = match first.shape().len() {
            5 => vec![0, 1, 2, 3, 4],
            4 if self.is_stacked => vec![0, 2, 3, 4],
            4 => vec![1, 2, 3, 4],
            3 => vec![2, 3, 4],
            _ => vec![3, 4],
        };
        let shape: Vec<String> = shown.iter().map(|&i| format!("{}={}", letters[i], sizes[i])).collect();
        let shape = format!("{} [{}]", first.number(), shape.join(", "));
        match arrays.len() {
            1 => format!("{}: {shape}", first.name()),
            count => format!("{count} arrays {} … {}, each {shape}", first.name(), last.name()),
        }
    }
}

/// The positions of the numbers in the names that are not the same in all names.
fn differing(chosen: &[Chosen]) -> Vec<usize> {
    let count = chosen.first().map_or(0, |first| first.numbers.len());
    (0..count).filter(|&i| chosen.iter().any(|other| other.numbers[i] != chosen[0].numbers[i])).collect()
}

fn expect_one_number(path: &Path, chosen: &[Chosen]) -> Result<()> {
    if differing(chosen).len() < 2 {
        return Ok(());
    }
    let names = (chosen[0].entry.name(), chosen[1].entry.name());
    let problem = format!(
        "names such as {} and {} differ in two numbers, expected the layer's alone",
        names.0, names.1
    );
    Err(Error::format(path, problem))
}
