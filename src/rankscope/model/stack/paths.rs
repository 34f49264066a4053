//! A stack of attention as a sum over paths, by the length of the path.

use ndarray::Array2;

use super::{NormPlace, Stack};
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::run::Run;

/// The contributions to the last hidden state of all paths of one length, for every length.
///
/// A path takes one head in each layer, or skips the layer, where there is a skip. With Aₕ the attention weights of
/// head h in the pass and Wₕ = W_vʰᵀ·W_oʰᵀ, a path contributes A_{h_k}…A_{h_1}·X·W_{h_1}…W_{h_k}. With L layers of H
/// heads and a skip, C(L, k)·Hᵏ paths have length k; without a skip, all Hᴸ paths have length L.
///
/// **Source**: Dong, Cordonnier & Loukas 2021 (arXiv 2103.03404), section 2 (without the skip) and section 3.
#[derive(Clone, Debug)]
pub struct Paths {
    /// Per length k from 0 to L: the number of paths, and the sum of their contributions, `[T, C]`.
    pub by_length: Vec<(f64, Array2<f64>)>,
    /// The last hidden state, which the contributions add up to, `[T, C]`.
    pub output: Array2<f64>,
}

impl Stack {
    /// Splits the last hidden state of x into contributions by the length of paths, in f64.
    ///
    /// **Shapes**: x `[T, C]`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a stack with norm or feed-forward network, which are not linear under given
    /// weights; as [`forward_f64`](Self::forward_f64).
    pub fn paths(&self, x: &Array2<f64>, mask: &Mask, run: &Run) -> Result<Paths> {
        let architecture = self.architecture();
        if architecture.feed_forward.is_some() || architecture.norm != NormPlace::None {
            let expected = "attention with or without a skip, and nothing else";
            return Err(Error::invalid("stack to take apart", "with norm or feed-forward network", expected));
        }
        let mut by_length = vec![(1.0, x.as_standard_layout().into_owned())];
        for (layer, weights) in self.attention_weights(x, mask, run)?.iter().enumerate() {
            run.check()?;
            let heads = architecture.heads as f64;
            // Paths through a head of this layer are one longer.
            let through =
                by_length.iter().map(|(count, z)| (count * heads, self.mix(layer, weights.view(), z)));
            let through: Vec<_> = [(0.0, Array2::zeros(x.dim()))].into_iter().chain(through).collect();
            by_length.push((0.0, Array2::zeros(x.dim())));
            let past = if architecture.skip { 1.0 } else { 0.0 };
            for ((count, z), (more, update)) in by_length.iter_mut().zip(&through) {
                *count = past * *count + more;
                *z = &*z * past + update;
            }
        }
        let output = self.hidden_states(x, mask, run)?.pop().expect("the input at least");
        Ok(Paths { by_length, output })
    }
}
