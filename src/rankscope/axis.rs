//! Named axes: every tensor says what each of its dimensions means.
//!
//! T (queries) and S (keys) stay apart even in self-attention, so that a matrix that was transposed
//! by mistake is an error and not a wrong picture. One alphabet serves docs, shaders and the book.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The meaning of one dimension of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Axis {
    /// B: sequences in a batch.
    Batch,
    /// T: queries, the positions that attend (also the positions of a hidden state).
    Query,
    /// S: keys, the positions attended to.
    Key,
    /// H: query heads.
    Head,
    /// G: key/value heads.
    KvHead,
    /// D: size of one head.
    HeadSize,
    /// H·D: all query heads side by side.
    HeadWidth,
    /// G·D: all key/value heads side by side.
    KvWidth,
    /// C: width of the residual stream.
    Width,
    /// F: width inside the feed-forward network.
    FeedForward,
    /// V: vocabulary.
    Vocab,
    /// P: entries of a learned position table.
    Position,
    /// L: layers.
    Layer,
    /// E: experts of a mixture.
    Expert,
    /// N: rows of a matrix without a further meaning.
    Row,
    /// M: columns of a matrix without a further meaning.
    Column,
}

impl Axis {
    /// The letter used for this axis in docs, shaders and exports.
    pub fn letter(self) -> &'static str {
        match self {
            Axis::Batch => "B",
            Axis::Query => "T",
            Axis::Key => "S",
            Axis::Head => "H",
            Axis::KvHead => "G",
            Axis::HeadSize => "D",
            Axis::HeadWidth => "HD",
            Axis::KvWidth => "GD",
            Axis::Width => "C",
            Axis::FeedForward => "F",
            Axis::Vocab => "V",
            Axis::Position => "P",
            Axis::Layer => "L",
            Axis::Expert => "E",
            Axis::Row => "N",
            Axis::Column => "M",
        }
    }
}

/// The axes of a tensor with their sizes, outermost first; storage is always row-major and dense.
///
/// ```
/// use rankscope::{Axis, Shape};
/// let weights = Shape::new([(Axis::Head, 2), (Axis::Query, 3), (Axis::Key, 5)]);
/// assert_eq!(weights.to_string(), "[H=2, T=3, S=5]");
/// assert_eq!(weights.len(), 30);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape(Vec<(Axis, usize)>);

impl Shape {
    /// A shape from `(axis, size)` pairs, outermost first.
    pub fn new(axes: impl Into<Vec<(Axis, usize)>>) -> Self {
        Shape(axes.into())
    }

    /// The `(axis, size)` pairs, outermost first.
    pub fn axes(&self) -> &[(Axis, usize)] {
        &self.0
    }

    /// The sizes alone.
    pub fn sizes(&self) -> Vec<usize> {
        self.0.iter().map(|&(_, size)| size).collect()
    }

    /// How many dimensions.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// How many elements: the product of the sizes.
    pub fn len(&self) -> usize {
        self.0.iter().map(|&(_, size)| size).product()
    }

    /// Whether some axis has size 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size of `axis`, if the tensor has it.
    pub fn size(&self, axis: Axis) -> Option<usize> {
        self.0.iter().find(|&&(a, _)| a == axis).map(|&(_, size)| size)
    }

    /// The innermost axis and its size.
    pub fn last(&self) -> Option<(Axis, usize)> {
        self.0.last().copied()
    }

    /// The shape without its innermost axis.
    pub fn outer(&self) -> &[(Axis, usize)] {
        &self.0[..self.0.len().saturating_sub(1)]
    }

    /// The letters alone, as in `[B, T, C]`.
    pub fn letters(&self) -> String {
        let letters: Vec<_> = self.0.iter().map(|(axis, _)| axis.letter()).collect();
        format!("[{}]", letters.join(", "))
    }

    /// The sizes, after checking that the axes are exactly `expected`.
    ///
    /// # Errors
    /// [`Error::Axes`] naming `op` and `argument`.
    pub fn expect<const N: usize>(
        &self,
        op: &'static str,
        argument: &'static str,
        expected: [Axis; N],
    ) -> Result<[usize; N]> {
        if self.0.iter().map(|&(axis, _)| axis).eq(expected) {
            return Ok(std::array::from_fn(|i| self.0[i].1));
        }
        let expected = Shape::new(expected.map(|axis| (axis, 0)).to_vec()).letters();
        Err(Error::Axes { op, argument, expected, got: self.letters() })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axes: Vec<_> = self.0.iter().map(|(axis, size)| format!("{}={size}", axis.letter())).collect();
        write!(f, "[{}]", axes.join(", "))
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
