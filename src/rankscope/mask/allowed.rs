//! [`Allowed`]: a mask evaluated for the queries and keys at hand, one bit a pair.

use super::Mask;
use crate::axis::{Axis, Shape};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Where the queries stand; the key at index j stands at position j.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    /// Position of the first query.
    pub first_query: usize,
}

impl Positions {
    /// The queries are the last of the keys: query t stands at `S − T + t`. This is a full pass for
    /// T = S and a decoding step with a KV cache for T = 1.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there are more queries than keys.
    pub fn suffix(queries: usize, keys: usize) -> Result<Self> {
        match keys.checked_sub(queries) {
            Some(first_query) => Ok(Positions { first_query }),
            None => Err(Error::invalid("number of queries", queries, format!("at most the {keys} keys"))),
        }
    }
}

/// Which keys are real tokens, `[B, S]`; padding keys are attended to by nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Padding {
    real: Vec<bool>,
    keys: usize,
}

impl Padding {
    /// From `real[b·S + s]`, true for a token and false for padding.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the length is not a multiple of `keys`.
    pub fn new(real: Vec<bool>, keys: usize) -> Result<Self> {
        if keys == 0 || !real.len().is_multiple_of(keys) {
            return Err(Error::invalid("padding length", real.len(), format!("a multiple of S = {keys}")));
        }
        Ok(Padding { real, keys })
    }

    /// Sequences in the batch.
    pub fn batch(&self) -> usize {
        self.real.len() / self.keys
    }

    /// Whether every key is a token.
    pub fn is_trivial(&self) -> bool {
        self.real.iter().all(|&real| real)
    }

    /// Whether key `key` of sequence `batch` is a token.
    pub fn is_real(&self, batch: usize, key: usize) -> bool {
        self.real[batch * self.keys + key]
    }
}

/// One bit for each query and key, `[B, T, S]`, or `[T, S]` where all sequences share them.
///
/// **Layout**: rows of ⌈S/32⌉ words; bit `s mod 32` of word `s div 32` is key s; spare bits are 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    batch: Option<usize>,
    queries: usize,
    keys: usize,
    words: Vec<u32>,
}

impl Allowed {
    /// Evaluates `mask` for `queries` × `keys` at the given positions, intersected with the padding.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the mask does not fit `keys` positions or the padding has another S.
    pub fn new(
        mask: &Mask,
        queries: usize,
        keys: usize,
        at: Positions,
        padding: Option<&Padding>,
    ) -> Result<Self> {
        mask.check(keys)?;
        let padding = padding.filter(|padding| !padding.is_trivial());
        if let Some(padding) = padding.filter(|padding| padding.keys != keys) {
            return Err(Error::invalid("padding S", padding.keys, format!("the number of keys, {keys}")));
        }
        let batch = padding.map(Padding::batch);
        let shared =
            Self::fill(None, queries, keys, |_, query, key| mask.may_attend(at.first_query + query, key));
        Ok(match padding {
            None => shared,
            Some(padding) => Self::fill(batch, queries, keys, |sequence, query, key| {
                shared.get(0, query, key) && padding.is_real(sequence, key)
            }),
        })
    }

    fn fill(
        batch: Option<usize>,
        queries: usize,
        keys: usize,
        allow: impl Fn(usize, usize, usize) -> bool,
    ) -> Self {
        let row_words = keys.div_ceil(32);
        let mut words = vec![0; batch.unwrap_or(1) * queries * row_words];
        for row in 0..batch.unwrap_or(1) * queries {
            for key in 0..keys {
                if allow(row / queries, row % queries, key) {
                    words[row * row_words + key / 32] |= 1 << (key % 32);
                }
            }
        }
        Allowed { batch, queries, keys, words }
    }

    /// Sequences with rows of their own; `None` where all sequences share the rows.
    pub fn batch(&self) -> Option<usize> {
        self.batch
    }

    /// T, the number of queries.
    pub fn queries(&self) -> usize {
        self.queries
    }

    /// S, the number of keys.
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// The packed rows.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Words in a row: ⌈S/32⌉.
    pub fn row_words(&self) -> usize {
        self.keys.div_ceil(32)
    }

    /// The packed row of query `query` in sequence `sequence`.
    pub fn row(&self, sequence: usize, query: usize) -> &[u32] {
        let sequence = if self.batch.is_some() { sequence } else { 0 };
        let start = (sequence * self.queries + query) * self.row_words();
        &self.words[start..start + self.row_words()]
    }

    /// Whether query `query` of sequence `sequence` may attend to key `key`.
    pub fn get(&self, sequence: usize, query: usize, key: usize) -> bool {
        self.row(sequence, query)[key / 32] >> (key % 32) & 1 == 1
    }

    /// As a tensor of 0 and 1 on the CPU, `[B, T, S]` or `[T, S]`: what a probe sees.
    pub fn to_tensor(&self) -> Tensor {
        let mut axes = vec![(Axis::Query, self.queries), (Axis::Key, self.keys)];
        if let Some(batch) = self.batch {
            axes.insert(0, (Axis::Batch, batch));
        }
        let rows = self.batch.unwrap_or(1) * self.queries;
        let bits = (0..rows * self.keys).map(|i| {
            let (row, key) = (i / self.keys, i % self.keys);
            f32::from(u8::from(self.get(row / self.queries, row % self.queries, key)))
        });
        Tensor::on_cpu(Shape::new(axes), bits.collect())
    }

    /// From a tensor of 0 and 1, `[B, T, S]` or `[T, S]`: what a probe hands back.
    ///
    /// # Errors
    /// [`Error::Axes`] for other axes, [`Error::Invalid`] for a value other than 0 and 1.
    pub fn from_tensor(tensor: &Tensor) -> Result<Self> {
        let shape = tensor.shape();
        let (batch, [queries, keys]) = match shape.axes() {
            [(Axis::Batch, batch), rest @ ..] => {
                (Some(*batch), Shape::new(rest).expect("mask", "mask", [Axis::Query, Axis::Key])?)
            }
            _ => (None, shape.expect("mask", "mask", [Axis::Query, Axis::Key])?),
        };
        let values = tensor.to_vec()?;
        if let Some(value) = values.iter().find(|&&value| value != 0.0 && value != 1.0) {
            return Err(Error::invalid("mask entry", value, "0 (may not attend) or 1 (may attend)"));
        }
        Ok(Self::fill(batch, queries, keys, |sequence, query, key| {
            values[(sequence * queries + query) * keys + key] == 1.0
        }))
    }
}
