//! Two heads of one draw, put together in every way that the claim is about.

use ndarray::Array2;

use crate::claim::Draw;
use crate::device::Device;
use crate::error::Result;
use crate::mask::Mask;
use crate::rank::Spectrum;
use crate::run::Run;

/// The spectra of one draw.
pub(super) struct Pair {
    /// The mean of a causal and an anti-causal head: heads side by side.
    pub(super) mixed: Spectrum,
    /// The mean of the same two heads, both bidirectional.
    pub(super) bidirectional: Spectrum,
    /// An anti-causal head after a causal one: layers that alternate, each of one head, without skips.
    pub(super) layers_mixed: Spectrum,
    /// A bidirectional head after another.
    pub(super) layers_bidirectional: Spectrum,
    /// The first head alone, causal.
    pub(super) causal_alone: Spectrum,
    /// The first head alone, bidirectional.
    pub(super) bidirectional_alone: Spectrum,
}

/// Queries and keys of the two heads of draw `seed`.
pub(super) fn heads(n: usize, head_size: usize, seed: u64) -> [Draw; 2] {
    [Draw::independent(n, head_size, seed), Draw::independent(n, head_size, !seed)]
}

impl Pair {
    /// Of n positions, heads of size D, logits of this scale.
    pub(super) fn draw(
        (n, head_size, scale): (usize, usize, f64),
        seed: u64,
        device: &Device,
        run: &Run,
    ) -> Result<Self> {
        let [first, second] = heads(n, head_size, seed);
        let weights = |head: &Draw, mask: Mask| head.weights(scale, &mask, device);
        let (lower, upper) = (weights(&first, Mask::causal())?, weights(&second, Mask::anti_causal())?);
        let full = [weights(&first, Mask::bidirectional())?, weights(&second, Mask::bidirectional())?];
        let spectrum = |matrix: &Array2<f64>| {
            run.check()?; // each takes a while
            Spectrum::of(matrix.view())
        };
        Ok(Pair {
            mixed: spectrum(&((&lower + &upper) / 2.0))?,
            bidirectional: spectrum(&((&full[0] + &full[1]) / 2.0))?,
            layers_mixed: spectrum(&upper.dot(&lower))?,
            layers_bidirectional: spectrum(&full[1].dot(&full[0]))?,
            causal_alone: spectrum(&lower)?,
            bidirectional_alone: spectrum(&full[0])?,
        })
    }
}
