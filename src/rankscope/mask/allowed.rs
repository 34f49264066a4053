//! [`Allowed`]: a mask evaluated for the queries and keys of one call, one bit for each pair.

use std::ops::Range;

use super::Mask;
use super::tile::bits;
use crate::axis::{Axis, Shape};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The positions of the queries; the key at index j is at position j.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    /// Position of the first query.
    pub first_query: usize,
}

impl Positions {
    /// The queries are the last T of S positions: query t is at position `S − T + t`. This is a full pass for T = S and
    /// a decoding step with a KV cache for T = 1.
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

/// Which keys are real tokens, `[B, S]`; no query attends to padding keys.
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

    /// The padding of some sequences of the batch.
    pub(crate) fn part(&self, sequences: &Range<usize>) -> Padding {
        let real = &self.real[sequences.start * self.keys..sequences.end * self.keys];
        Padding { real: real.to_vec(), keys: self.keys }
    }

    /// An error unless the padding has the shape `[batch, keys]`.
    pub(crate) fn expect(&self, batch: usize, keys: usize) -> Result<()> {
        if self.keys != keys {
            return Err(Error::invalid("padding S", self.keys, format!("the number of keys, {keys}")));
        }
        if self.batch() != batch {
            let expected = format!("the number of sequences, {batch}");
            return Err(Error::invalid("padding B", self.batch(), expected));
        }
        Ok(())
    }

    /// Whether every key is a token.
    pub fn is_trivial(&self) -> bool {
        self.real.iter().all(|&real| real)
    }

    /// One bit for each of up to 32 keys of a sequence, set for tokens.
    pub(crate) fn word(&self, sequence: usize, keys: Range<usize>) -> u32 {
        bits(keys, |key| self.is_real(sequence, key))
    }

    /// One bit for each key, set for tokens: `[B, ⌈S/32⌉]`, as in [`Allowed`].
    pub(crate) fn words(&self) -> Vec<u32> {
        let rows = (0..self.batch())
            .flat_map(|sequence| (0..self.keys).step_by(32).map(move |first| (sequence, first)));
        rows.map(|(sequence, first)| self.word(sequence, first..(first + 32).min(self.keys))).collect()
    }

    /// Whether key `key` of sequence `batch` is a token.
    pub fn is_real(&self, batch: usize, key: usize) -> bool {
        self.real[batch * self.keys + key]
    }
}

/// One bit for each query and key: `[B, H, T, S]`, without B where all sequences share the rows and
/// without H where all heads do.
///
/// **Layout**: rows of ⌈S/32⌉ words; bit `s mod 32` of word `s div 32` is key s; spare bits are 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    batch: Option<usize>,
    heads: Option<usize>,
    queries: usize,
    keys: usize,
    words: Vec<u32>,
}

impl Allowed {
    /// Evaluates `mask` for `heads` heads and `queries` × `keys` at the given positions, intersected
    /// with the padding.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the mask does not fit `keys` positions or the padding has another S.
    pub fn new(
        mask: &Mask,
        heads: usize,
        queries: usize,
        keys: usize,
        at: Positions,
        padding: Option<&Padding>,
    ) -> Result<Self> {
        mask.check(keys)?;
        let padding = padding.filter(|padding| !padding.is_trivial());
        if let Some(padding) = padding {
            padding.expect(padding.batch(), keys)?;
        }
        let heads = mask.differs_by_head().then_some(heads);
        let masks: Vec<Mask> =
            (0..heads.unwrap_or(1)).map(|head| mask.for_head(head, heads.unwrap_or(1))).collect();
        // The mask is evaluated once for each head, not for each sequence.
        let shared = Self::fill(None, heads, queries, keys, |_, head, query, keys| {
            masks[head].word(at.first_query + query, keys)
        });
        Ok(match padding {
            None => shared,
            Some(padding) => {
                let (real, row_words) = (padding.words(), shared.row_words());
                Self::fill(Some(padding.batch()), heads, queries, keys, |sequence, head, query, keys| {
                    let word = keys.start / 32;
                    shared.row(0, head, query)[word] & real[sequence * row_words + word]
                })
            }
        })
    }

    /// Fills the rows; `word` gives the bits of up to 32 keys of a query in a head of a sequence.
    fn fill(
        batch: Option<usize>,
        heads: Option<usize>,
        queries: usize,
        keys: usize,
        word: impl Fn(usize, usize, usize, Range<usize>) -> u32,
    ) -> Self {
        let rows = batch.unwrap_or(1) * heads.unwrap_or(1) * queries;
        let mut words = Vec::with_capacity(rows * keys.div_ceil(32));
        for row in 0..rows {
            let (matrix, query) = (row / queries, row % queries);
            let (sequence, head) = (matrix / heads.unwrap_or(1), matrix % heads.unwrap_or(1));
            let starts = (0..keys).step_by(32);
            words.extend(starts.map(|first| word(sequence, head, query, first..(first + 32).min(keys))));
        }
        Allowed { batch, heads, queries, keys, words }
    }

    /// Sequences with rows of their own; `None` where all sequences share the rows.
    pub fn batch(&self) -> Option<usize> {
        self.batch
    }

    /// Heads with rows of their own; `None` where all heads share the rows.
    pub fn heads(&self) -> Option<usize> {
        self.heads
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

    /// The packed row of query `query` in head `head` of sequence `sequence`.
    pub fn row(&self, sequence: usize, head: usize, query: usize) -> &[u32] {
        let matrix =
            self.batch.map_or(0, |_| sequence) * self.heads.unwrap_or(1) + self.heads.map_or(0, |_| head);
        let start = (matrix * self.queries + query) * self.row_words();
        &self.words[start..start + self.row_words()]
    }

    /// Whether query `query` in head `head` of sequence `sequence` may attend to key `key`.
    pub fn get(&self, sequence: usize, head: usize, query: usize, key: usize) -> bool {
        self.row(sequence, head, query)[key / 32] >> (key % 32) & 1 == 1
    }

    /// As a tensor of 0 and 1 on the CPU, `[B, H, T, S]` with or without B and H: the form in which a probe visits it.
    pub fn to_tensor(&self) -> Tensor {
        let mut axes = Vec::new();
        axes.extend(self.batch.map(|batch| (Axis::Batch, batch)));
        axes.extend(self.heads.map(|heads| (Axis::Head, heads)));
        axes.extend([(Axis::Query, self.queries), (Axis::Key, self.keys)]);
        let row_words = self.row_words();
        let bits = self.words.chunks(row_words.max(1)).flat_map(|row| {
            (0..self.keys).map(|key| f32::from(u8::from(row[key / 32] >> (key % 32) & 1 == 1)))
        });
        Tensor::on_cpu(Shape::new(axes), bits.collect())
    }

    /// From a tensor of 0 and 1, `[B, H, T, S]` with or without B and H: the form in which a probe returns it.
    ///
    /// # Errors
    /// [`Error::Axes`] for other axes, [`Error::Invalid`] for a value other than 0 and 1.
    pub fn from_tensor(tensor: &Tensor) -> Result<Self> {
        let mut rest = tensor.shape().axes();
        let mut take = |axis| match rest {
            [(first, size), others @ ..] if *first == axis => {
                rest = others;
                Some(*size)
            }
            _ => None,
        };
        let (batch, heads) = (take(Axis::Batch), take(Axis::Head));
        let [queries, keys] = Shape::new(rest).expect("mask", "mask", [Axis::Query, Axis::Key])?;
        let values = tensor.to_vec()?;
        if let Some(value) = values.iter().find(|&&value| value != 0.0 && value != 1.0) {
            return Err(Error::invalid("mask entry", value, "0 (may not attend) or 1 (may attend)"));
        }
        Ok(Self::fill(batch, heads, queries, keys, |sequence, head, query, some| {
            let row = (sequence * heads.unwrap_or(1) + head) * queries + query;
            bits(some, |key| values[row * keys + key] == 1.0)
        }))
    }
}
