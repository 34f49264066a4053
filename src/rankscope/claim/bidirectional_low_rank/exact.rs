//! Exact rank: a matrix of full rank, certified in multi-precision.

use crate::claim::{Draw, Evidence};
use crate::error::Result;
use crate::mask::Mask;
use crate::numbers::short;
use crate::rank::precise::{self, Determinant};
use crate::run::Run;

/// Tokens of the example. Its scores have rank 1: no head is smaller.
const TOKENS: usize = 8;
/// Decimal digits: the determinant is near 10⁻²⁶.
const DIGITS: usize = 120;

/// What is known of the exact rank.
pub(super) enum Exactly {
    /// All logits are multiplied by 0: every weight is 1/n, and the rank 1, whatever the inputs.
    AllEqual,
    /// The determinant of one bidirectional matrix.
    Example(Determinant),
}

/// The example of the first draw; none is needed where every scale of the map is 0.
pub(super) fn measure(scales: &[f64], seed: u64, run: &Run) -> Result<Exactly> {
    if scales.iter().all(|&scale| scale == 0.0) {
        return Ok(Exactly::AllEqual);
    }
    example(&Draw::independent(TOKENS, 1, seed), run)
}

/// The determinant of bidirectional attention with these queries and keys.
pub(super) fn example(draw: &Draw, run: &Run) -> Result<Exactly> {
    let (q, k) = (draw.q.view(), draw.k.view());
    let weights = precise::attention_weights(q, k, 1.0, &Mask::bidirectional(), DIGITS, run)?;
    Ok(Exactly::Example(precise::determinant(&weights, run)?))
}

impl Exactly {
    pub fn report(&self, evidence: &mut Evidence) {
        let Exactly::Example(det) = self else { return };
        let text = format!(
            "n = {TOKENS}, D = 1, unit scale: ln |det A| = {} ± {} in {DIGITS} digits",
            short(det.log),
            short(det.error)
        );
        evidence.weigh(!det.is_certain(), text);
        if det.is_certain() {
            evidence.measure("example_log_det", det.log, "nats");
        }
    }

    /// The example in words, where it is one.
    pub fn in_words(&self) -> Option<String> {
        let Exactly::Example(det) = self else { return None };
        det.is_certain().then(|| {
            format!(
                "{TOKENS} drawn tokens with heads of size 1, the smallest there are, have det A = {}10^{:.1}, certified \
                 in {DIGITS} digits: full rank. So have almost all inputs at every n, as det A is an analytic function \
                 of them",
                if det.sign < 0 { "−" } else { "" },
                det.log / std::f64::consts::LN_10
            )
        })
    }
}
