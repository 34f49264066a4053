//! What follows from a state: the pieces of the answer.

use std::sync::Arc;

use rankscope::Result;
use rankscope::claim::Phases;
use rankscope::rank::{ExactRank, Lens, LuDeterminant, RankReport, Spectrum, Tolerance};

use super::mechanism::Mechanism;
use super::state::Which;
use crate::heatmap::Matrix;
use crate::lab::Part;

/// Weights under one mask, with their ranks.
#[derive(Clone, Debug)]
pub struct Weighed {
    /// The weights.
    pub matrix: Arc<Matrix>,
    /// Their ranks.
    pub report: Arc<RankReport>,
}

/// The weights that are shown, in several number formats.
#[derive(Clone, Debug)]
pub struct Sight {
    /// Rounded to f16, then computed in f64.
    pub f16: Spectrum,
    /// Computed in f32.
    pub f32: Spectrum,
    /// Computed in f64.
    pub f64: Spectrum,
    /// The determinant by LU with pivoting.
    pub lu: LuDeterminant,
    /// ln |det|: Σ ln aᵢᵢ where the weights are triangular, by LU otherwise.
    pub log_det: Option<f64>,
    /// Whether the determinant is exactly the product of the diagonal.
    pub is_triangular: bool,
    /// The sign of the diagonal's product, where that is the determinant.
    pub sign: Option<i8>,
}

impl Sight {
    /// The spectrum in a format.
    pub fn spectrum(&self, lens: Lens) -> &Spectrum {
        match lens {
            Lens::F16 => &self.f16,
            Lens::F32 => &self.f32,
            Lens::F64 => &self.f64,
        }
    }

    /// The number of singular values that a format distinguishes from 0.
    pub fn rank(&self, lens: Lens) -> usize {
        self.tolerance(lens).map_or(0, |tolerance| self.spectrum(lens).numerical_rank(tolerance))
    }

    /// The smallest singular value that a format distinguishes from 0.
    pub fn threshold(&self, lens: Lens) -> f64 {
        self.tolerance(lens).map_or(0.0, |tolerance| self.spectrum(lens).threshold(tolerance))
    }

    fn tolerance(&self, lens: Lens) -> Result<Tolerance> {
        lens.tolerance(self.f64.rows().max(self.f64.cols()))
    }
}

/// The singular values of the stored weights, with as many digits as they need.
#[derive(Clone, Debug)]
pub enum ExactSight {
    /// Not asked for.
    Off,
    /// It cannot be computed, with the reason.
    Not(String),
    /// log₁₀ σᵢ in descending order, and the digits that it took.
    Found(Vec<Option<f64>>, usize),
}

/// A block of the weights under one mask.
#[derive(Clone, Debug)]
pub struct BlockRank {
    /// The mask.
    pub which: Which,
    /// Its ranks.
    pub report: RankReport,
    /// Its share of ‖A‖_F².
    pub share: f64,
}

/// A mechanism under the mask that is shown.
#[derive(Clone, Debug)]
pub struct MechanismRank {
    /// The mechanism.
    pub mechanism: Mechanism,
    /// The theorem, or why there is none.
    pub theorem: ExactRank,
    /// The ranks of its weights.
    pub report: RankReport,
    /// The smallest |aᵢᵢ|.
    pub smallest_diagonal: f64,
}

/// A piece of the answer.
#[derive(Clone, Debug)]
pub enum News {
    /// The scores.
    Scores(Arc<Matrix>),
    /// The weights that are shown, before their ranks are known.
    Weights(Arc<Matrix>),
    /// The weights of a mask with their ranks.
    Weighed(Which, Weighed),
    /// Number formats.
    Sight(Box<Sight>),
    /// Multi-precision.
    Exact(ExactSight),
    /// The block under each mask.
    Blocks(Vec<BlockRank>),
    /// The mechanisms.
    Mechanisms(Vec<MechanismRank>),
    /// The phase map.
    Phases(Arc<Phases>),
}

/// All that the views show.
#[derive(Debug, Default)]
pub struct Answer {
    /// The scores.
    pub scores: Part<Arc<Matrix>>,
    /// The weights that are shown.
    pub weights: Part<Arc<Matrix>>,
    /// Each mask with its ranks.
    pub weighed: [Part<Weighed>; 4],
    /// Number formats.
    pub sight: Part<Sight>,
    /// Multi-precision.
    pub exact: Part<ExactSight>,
    /// The block under each mask.
    pub blocks: Part<Vec<BlockRank>>,
    /// The mechanisms.
    pub mechanisms: Part<Vec<MechanismRank>>,
    /// The phase map.
    pub phases: Part<Arc<Phases>>,
}

impl Answer {
    /// A mask with its ranks.
    pub fn of(&self, which: Which) -> Option<&Weighed> {
        self.weighed[which as usize].get()
    }
}
