//! One draw of queries and keys, and the matrices that linear attention and softmax make of it.

use ndarray::{Array2, s};

use crate::claim::{Draw, linear_weights};
use crate::device::Device;
use crate::error::Result;
use crate::mask::Mask;
use crate::ops::FeatureMap;
use crate::rank::{Spectrum, Tolerance, exact_rank};
use crate::run::Run;

/// One length and one head size.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) n: usize,
    pub(super) head_size: usize,
}

impl Place {
    /// min(D, n): the bound on the bidirectional rank.
    pub(super) fn bound(&self) -> usize {
        self.head_size.min(self.n)
    }

    /// The bound on the rank of the block of later queries and earlier keys.
    pub(super) fn block_bound(&self) -> usize {
        self.head_size.min(self.n / 2)
    }

    /// `name` at this place.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{name}_n{}_d{}", self.n, self.head_size)
    }
}

/// What one draw gives.
pub(super) struct Point {
    /// elu + 1, bidirectional.
    pub(super) bidirectional: Spectrum,
    /// elu + 1, causal.
    pub(super) causal: Spectrum,
    /// The causal weights from the later half of the queries to the earlier half of the keys.
    pub(super) block: Spectrum,
    /// Whether the causal weights have full rank by theorem, from the places of their zeros.
    pub(super) is_full: bool,
    /// relu, bidirectional.
    pub(super) relu_bidirectional: Spectrum,
    /// relu, causal.
    pub(super) relu_causal: Spectrum,
    /// Tokens that share no relu feature with themselves: zeros on the diagonal.
    pub(super) relu_strangers: usize,
    /// Softmax of the same queries and keys, bidirectional.
    pub(super) softmax_bidirectional: Spectrum,
    /// Softmax of the same queries and keys, causal.
    pub(super) softmax_causal: Spectrum,
}

impl Point {
    pub(super) fn draw(place: Place, seed: u64, device: &Device, run: &Run) -> Result<Self> {
        let draw = Draw::independent(place.n, place.head_size, seed);
        let linear = |map, mask: Mask| linear_weights(&draw.q, &draw.k, map, &mask, device);
        let softmax = |mask: Mask| draw.weights(1.0, &mask, device);
        let spectrum = |matrix: Array2<f64>| {
            run.check()?; // each takes a while
            Spectrum::of(matrix.view())
        };
        let causal = linear(FeatureMap::EluPlusOne, Mask::causal())?;
        let relu = linear(FeatureMap::Relu, Mask::causal())?;
        let half = place.n / 2;
        Ok(Point {
            bidirectional: spectrum(linear(FeatureMap::EluPlusOne, Mask::bidirectional())?)?,
            block: Spectrum::of(causal.slice(s![half.., ..half]))?,
            is_full: is_full(&causal),
            causal: spectrum(causal)?,
            relu_bidirectional: spectrum(linear(FeatureMap::Relu, Mask::bidirectional())?)?,
            relu_strangers: relu.diag().iter().filter(|&&weight| weight == 0.0).count(),
            relu_causal: spectrum(relu)?,
            softmax_bidirectional: spectrum(softmax(Mask::bidirectional())?)?,
            softmax_causal: spectrum(softmax(Mask::causal())?)?,
        })
    }
}

/// Whether the places of the zeros alone prove full rank.
fn is_full(matrix: &Array2<f64>) -> bool {
    exact_rank(matrix.mapv(|weight| weight != 0.0).view()).rank == Some(matrix.nrows())
}

/// What counts as zero among singular values of weights that were computed on `device`.
pub(super) fn tolerance(device: &Device) -> Tolerance {
    if *device == Device::Cpu { Tolerance::F64 } else { Tolerance::F32 }
}
