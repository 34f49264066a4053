//! Attention that another program computed: weights of every layer and head from a file, with their tokens.
//!
//! The input is `output_attentions` of transformers, saved as one array `[L, B, H, T, S]`, or as one array for each
//! layer under names with numbers, in `.npy`, `.npz` or `.safetensors`; see [`crate::array`] for the formats.
//!
//! **Source**: the shapes are those of transformers' `attentions`: a tuple of `[B, H, T, S]`, one for each layer.

mod check;
mod choose;
mod labels;
mod layout;
mod summary;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use ndarray::Array2;
use serde::Serialize;

pub use check::{Content, WeightCheck};
pub use summary::summary;

use crate::array::{Array, ArrayFile};
use crate::error::{Error, Result};
use crate::rank::{RankReport, many};
use crate::run::Run;
use layout::{Cell, Layout};

/// How to save attention from transformers, as five lines of Python.
pub const PYTHON: &str = r#"import numpy as np, transformers as hf
x = hf.AutoTokenizer.from_pretrained("gpt2")("The cat sat", return_tensors="pt")
model = hf.AutoModel.from_pretrained("gpt2", attn_implementation="eager")
maps = model(**x, output_attentions=True).attentions  # [B, H, T, S] each
np.savez("maps.npz", *[m.detach().float() for m in maps], tokens=x.tokens())"#;

/// Attention weights of all layers, sequences and heads.
///
/// # Conventions
/// Layers and sequences count from 0 in the order of the file, whose names are sorted by their numbers (10 comes
/// after 9). Queries are at the last T of the S positions, as with a cache.
#[derive(Clone, Debug)]
pub struct Recorded {
    path: PathBuf,
    arrays: Vec<Array>,
    layout: Layout,
    /// The tokens of every sequence, or one list.
    labels: Vec<Labels>,
}

/// The names of queries and keys.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Labels {
    /// T names; `None` if they are unknown.
    pub queries: Option<Vec<String>>,
    /// S names.
    pub keys: Option<Vec<String>>,
}

/// One matrix of weights, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // the names are clear
pub struct At {
    pub layer: usize,
    pub sequence: usize,
    pub head: usize,
}

/// The rank report and the check of one matrix.
#[derive(Clone, Debug, Serialize)]
pub struct RecordedHead {
    /// The name in the file of the array that it comes from.
    pub name: String,
    /// Its layer, sequence and head.
    #[serde(flatten)]
    pub at: At,
    /// Its rank analysis.
    #[serde(flatten)]
    pub report: RankReport,
    /// Whether these are attention weights, and whether they are causal.
    #[serde(flatten)]
    pub check: WeightCheck,
    /// A note about stored numbers that f64 cannot represent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Recorded {
    /// Reads the weights in `path`: all arrays that can be weights, or those called `name`, where `*` stands for
    /// any number. `tokens` is a file of tokens: a JSON array of strings (one array for each sequence, or an object
    /// with `queries` and `keys`), or one token on each line.
    ///
    /// # Errors
    /// As [`ArrayFile::open`]; [`Error::Format`] where no array, or more than one set of arrays, can be the
    /// weights; where shapes do not fit together; where there are not as many tokens as positions.
    pub fn open(path: &Path, name: Option<&str>, tokens: Option<&Path>) -> Result<Self> {
        let mut file = ArrayFile::open(path)?;
        let chosen = choose::layers(&file, name)?;
        let arrays = chosen.iter().map(|layer| file.load(&layer.entry)).collect::<Result<Vec<_>>>()?;
        let layout = Layout::of(path, &chosen, &arrays)?;
        let labels = match tokens {
            Some(tokens) => labels::from_file(tokens, &layout)?,
            None => labels::beside(&mut file, &layout)?,
        };
        Ok(Recorded { path: path.to_owned(), arrays, layout, labels })
    }

    /// The file's name without its extension.
    pub fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// L.
    pub fn layers(&self) -> usize {
        self.layout.layers
    }

    /// B.
    pub fn sequences(&self) -> usize {
        self.layout.sequences
    }

    /// H.
    pub fn heads(&self) -> usize {
        self.layout.heads
    }

    /// T.
    pub fn queries(&self) -> usize {
        self.layout.queries
    }

    /// S.
    pub fn keys(&self) -> usize {
        self.layout.keys
    }

    /// How the file was read: `12 arrays arr_0 … arr_11 of f32 [B=1, H=12, T=7, S=7]`.
    pub fn in_words(&self) -> String {
        self.layout.in_words(&self.arrays)
    }

    /// The tokens of one sequence, where they are known.
    pub fn labels(&self, sequence: usize) -> Labels {
        let only = self.labels.first().filter(|_| self.labels.len() == 1);
        self.labels.get(sequence).or(only).cloned().unwrap_or_default()
    }

    /// The name in the file of one layer's array, with the index in it if the array holds several layers.
    pub fn layer_name(&self, layer: usize) -> String {
        let cell = self.cell(At { layer, sequence: 0, head: 0 });
        let name = self.arrays[cell.array].name();
        if self.layout.is_stacked { format!("{name}[{layer}]") } else { name.to_owned() }
    }

    /// The weights at one place, `[T, S]` in f64, without rounding.
    ///
    /// # Errors
    /// [`Error::Format`] naming the place and the entry that is NaN or infinite.
    ///
    /// # Panics
    /// If there is no such layer, sequence or head.
    pub fn matrix(&self, at: At) -> Result<Array2<f64>> {
        let matrix = self.stored(at);
        self.expect_finite(at, &matrix)?;
        Ok(matrix)
    }

    /// As [`matrix`](Self::matrix), without a check: entries may be NaN or infinite.
    ///
    /// # Panics
    /// If there is no such layer, sequence or head.
    pub fn stored(&self, at: At) -> Array2<f64> {
        let Cell { array, matrix } = self.cell(at);
        self.arrays[array].matrix(matrix)
    }

    fn cell(&self, at: At) -> Cell {
        self.layout.cell(at)
    }

    /// Every place, in the order of layers, then sequences, then heads.
    pub fn places(&self) -> impl Iterator<Item = At> + '_ {
        let (sequences, heads) = (self.sequences(), self.heads());
        let layer = move |layer| {
            let sequence = move |sequence| (0..heads).map(move |head| At { layer, sequence, head });
            (0..sequences).flat_map(sequence)
        };
        (0..self.layers()).flat_map(layer)
    }

    /// The ranks and checks of the weights at one place.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix), and [`Error::Numeric`] where the singular values do not converge.
    pub fn report(&self, at: At) -> Result<RecordedHead> {
        let matrix = self.matrix(at)?;
        let report = RankReport::of(matrix.view(), None)?;
        let (name, check) = (self.layer_name(at.layer), self.check(at, &matrix));
        let Cell { array, matrix } = self.cell(at);
        let note = self.arrays[array].rounded(matrix).map(|rounded| rounded.to_string());
        Ok(RecordedHead { name, at, report, check, note })
    }

    /// The check of `matrix`, which is at this place, as attention weights.
    pub fn check(&self, at: At, matrix: &Array2<f64>) -> WeightCheck {
        WeightCheck::of(matrix.view(), self.arrays[self.cell(at).array].number().near_one())
    }

    /// As [`report`](Self::report) for each of `places`, one per thread.
    ///
    /// # Errors
    /// As [`report`](Self::report), and [`Error::Cancelled`].
    pub fn reports(&self, places: &[At], run: &Run) -> Result<Vec<RecordedHead>> {
        many(places, "rank", run, |&at| self.report(at))
    }

    fn expect_finite(&self, at: At, matrix: &Array2<f64>) -> Result<()> {
        let broken = || matrix.indexed_iter().filter(|(_, entry)| !entry.is_finite());
        let Some((place, entry)) = broken().next() else { return Ok(()) };
        let At { layer, sequence, head } = at;
        let sequence = if self.sequences() > 1 { format!(", sequence {sequence}") } else { String::new() };
        let hint = match *entry == f64::NEG_INFINITY {
            true => "; scores before softmax hold −∞ where a mask is: save the weights after softmax",
            false => "",
        };
        let count = match broken().count() {
            1 => String::new(),
            count => format!(", the first of {count} such entries"),
        };
        let problem = format!(
            "layer {layer}{sequence}, head {head}: entry {place:?} is {entry}{count}, expected a finite number{hint}"
        );
        Err(Error::format(&self.path, problem))
    }
}
