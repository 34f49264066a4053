//! The state of the Theorem 1 lab, and every edit of it.

use std::path::Path;

use ndarray::Array2;
use rankscope::express::{Factors, Target, permutation_head, permutation_scale};
use rankscope::random::gaussian;
use rankscope::{Mask, Result, Run};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compute::{Answer, Memory, News};
use super::export;
use crate::lab::{self, Export, Machine, Stamp};
use crate::labs::logits::Logits;
use crate::labs::within;

/// The most positions: fits of all head sizes take seconds then.
pub const MOST_POSITIONS: usize = 24;
/// The largest logit of a painted cell.
pub const MOST_STRENGTH: f64 = 8.0;
/// The largest seed.
pub const MOST_SEED: u64 = 9999;
/// The weight that a permutation leaves for the other keys; two of them get nearly all of it.
pub const REST: f64 = 1e-3;

/// The lab's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TheoremLab {
    /// n, the positions of a pattern that is not from a file.
    pub n: usize,
    /// Whether the pattern is wanted under the causal mask.
    pub causal: bool,
    /// D.
    pub head_size: usize,
    /// The pattern before it was painted.
    pub source: Source,
    /// Logits that were painted over it.
    pub painted: Logits,
    /// Whether the curve, which answers a lesson's question, waits for a prediction.
    pub veiled: bool,
}

impl Default for TheoremLab {
    fn default() -> Self {
        TheoremLab {
            n: 12,
            causal: false,
            head_size: 3,
            source: Source::default(),
            painted: Logits::default(),
            veiled: false,
        }
    }
}

/// Where a pattern comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The softmax of normally distributed logits.
    Drawn {
        /// Their standard deviation.
        scale: f64,
        /// The seed of the draw.
        seed: u64,
    },
    /// Every key alike.
    Uniform,
    /// Each query attends to a key of its own, in drawn order; the rest of its weight falls off along a circle.
    Permutation {
        /// The seed of the order.
        seed: u64,
    },
    /// A matrix in a file: `.npy`, `.npz`, `.safetensors`, `.csv`.
    File {
        /// Its path.
        path: String,
    },
}

impl Default for Source {
    fn default() -> Self {
        Source::Drawn { scale: 2.0, seed: 7 }
    }
}

/// Every edit of the lab's state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// Positions.
    N(usize),
    /// The causal mask, or none.
    Causal(bool),
    /// Head size.
    HeadSize(usize),
    /// The pattern before it was painted.
    Source(Source),
    /// A painted cell: query, key, logit.
    Paint(usize, usize, f64),
    /// Removes the paint.
    Unpaint,
    /// Shows the curve that waits for a prediction, or hides it.
    Veil(bool),
}

impl TheoremLab {
    /// The mask under which the pattern is wanted.
    pub fn mask(causal: bool) -> Mask {
        if causal { Mask::causal() } else { Mask::bidirectional() }
    }

    /// The key that each query attends to under a permutation.
    pub fn order(&self, seed: u64) -> Vec<usize> {
        let draw = gaussian(self.n, 1, seed, 9);
        let mut order: Vec<usize> = (0..self.n).collect();
        order.sort_by(|&a, &b| draw[(a, 0)].total_cmp(&draw[(b, 0)]));
        order
    }

    /// The head with D = 2 that gives nearly all weight to the keys of a permutation: keys on a circle.
    ///
    /// # Errors
    /// None for a valid state.
    pub fn circle(&self, seed: u64) -> Result<Factors> {
        permutation_head(&self.order(seed), permutation_scale(self.n, REST))
    }

    /// The logits of the pattern; softmax ignores a constant that is added to a row.
    ///
    /// # Errors
    /// Errors of a file.
    pub fn logits(&self) -> Result<Array2<f64>> {
        let n = self.n;
        let mut logits = match &self.source {
            Source::Drawn { scale, seed } => {
                Target::random(n, *scale, &Mask::bidirectional(), *seed)?.log_weights().clone()
            }
            Source::Uniform => Array2::zeros((n, n)),
            Source::Permutation { seed } => self.circle(*seed)?.logits(),
            Source::File { path } => Target::load_either(Path::new(path))?.0.log_weights().clone(),
        };
        self.painted.over(&mut logits);
        Ok(logits)
    }

    /// The pattern of `logits` under a mask.
    ///
    /// # Errors
    /// None for logits of a lab's state.
    pub fn target(logits: &Array2<f64>, causal: bool) -> Result<Target> {
        let mask = Self::mask(causal);
        let mut weights = logits.clone();
        for (query, mut row) in weights.rows_mut().into_iter().enumerate() {
            let sees = |key: usize| mask.may_attend(query, key);
            let largest =
                row.indexed_iter().filter(|(key, _)| sees(*key)).map(|(_, x)| *x).fold(f64::MIN, f64::max);
            row.indexed_iter_mut()
                .for_each(|(key, x)| *x = if sees(key) { (*x - largest).exp() } else { 0.0 });
            let sum = row.sum();
            row /= sum;
        }
        Target::new(weights, &mask)
    }

    /// The head size from which almost every pattern is reached.
    pub fn threshold(n: usize, causal: bool) -> usize {
        if causal { n / 2 } else { n.saturating_sub(1) }.max(1)
    }
}

impl lab::State for TheoremLab {
    type Edit = Edit;
    type Answer = Answer;
    type News = News;
    type Memory = Memory;

    fn memory(_machine: &Machine) -> Memory {
        Memory::default()
    }

    fn check(&self) -> std::result::Result<(), String> {
        within("n", self.n, 2, MOST_POSITIONS)?;
        within("head size", self.head_size, 1, MOST_POSITIONS)?;
        match &self.source {
            Source::Drawn { scale, seed } => {
                within("scale", *scale, 0.0, 8.0)?;
                within("seed", *seed, 0, MOST_SEED)?;
            }
            Source::Permutation { seed } => within("seed", *seed, 0, MOST_SEED)?,
            Source::Uniform | Source::File { .. } => {}
        }
        for (query, key, logit) in self.painted.iter() {
            within("position of a painted cell", query.max(key), 0, MOST_POSITIONS - 1)?;
            within("painted logit", logit, -MOST_STRENGTH, MOST_STRENGTH)?;
        }
        Ok(())
    }

    fn update(&mut self, edit: Edit) -> std::result::Result<(), String> {
        match edit {
            Edit::N(n) => self.n = n,
            Edit::Causal(causal) => self.causal = causal,
            Edit::HeadSize(size) => self.head_size = size,
            Edit::Source(source) => {
                if std::mem::discriminant(&source) != std::mem::discriminant(&self.source) {
                    self.painted = Logits::default();
                }
                self.source = source;
            }
            Edit::Paint(query, key, logit) => self.painted.set(query, key, logit),
            Edit::Unpaint => self.painted = Logits::default(),
            Edit::Veil(veiled) => self.veiled = veiled,
        }
        Ok(())
    }

    fn is_answered_by(&self, sent: &Self) -> bool {
        TheoremLab { veiled: sent.veiled, ..self.clone() } == *sent
    }

    fn compute(&self, memory: &mut Memory, run: &Run, tell: &mut dyn FnMut(News)) -> Result<()> {
        memory.compute(self, run, tell)
    }

    fn take(answer: &mut Answer, news: News, stamp: Stamp) {
        match news {
            News::Target(target) => answer.target.put(target, stamp),
            News::Reached(reached) => answer.reached.put(reached, stamp),
            News::Curves(curves) => answer.curves.put(curves, stamp),
        }
    }

    fn dropped(&self, path: &Path) -> Option<Edit> {
        let extension = path.extension()?.to_string_lossy().to_lowercase();
        let is_matrix = ["npy", "npz", "safetensors", "csv", "txt"].contains(&extension.as_str());
        is_matrix.then(|| Edit::Source(Source::File { path: path.to_string_lossy().into_owned() }))
    }

    fn about(&self, _answer: &Answer) -> String {
        format!("n = {}, D = {}; f64 on the CPU", self.n, self.head_size)
    }

    fn exports(&self, answer: &Answer, lesson: &Value) -> Vec<Export> {
        export::exports(self, answer, lesson)
    }

    fn cell(&self) -> String {
        export::cell(self)
    }
}
