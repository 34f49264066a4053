//! What is built rather than searched for: Theorem 1, its counterexample, permutations.

use ndarray::{Array2, array};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::super::{Evidence, Settings, attention_weights, gaussian};
use super::fitting;
use crate::error::Result;
use crate::express::{self, Represented, Target};
use crate::mask::Mask;
use crate::numbers::short;
use crate::run::Run;

/// n and D = C of the construction.
const SIZES: [(usize, usize); 6] = [(4, 4), (8, 8), (32, 32), (128, 128), (8, 12), (32, 64)];

/// What a permutation head leaves for the keys that it is not asked for.
const REST: f64 = 1e-3;

/// Theorem 1: weights for a drawn pattern and drawn embeddings, where D = C is at least n.
pub(super) fn theorem(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let (seed, scale) = (settings.seed()?, settings.number("scale")?);
    let bidirectional = Mask::bidirectional();
    let mut largest = 0.0f64;
    for (done, (n, size)) in SIZES.into_iter().enumerate() {
        run.step("construction", done, SIZES.len())?;
        let target = Target::random(n, scale, &bidirectional, seed)?;
        let x = gaussian(n, size, seed, 1);
        let Represented { factors, max_error, .. } = express::represent(&target, &x, size)?;
        largest = largest.max(max_error);
        let name = format!("construction_error_n{n}_d{size}");
        let source = "Theorem 1: exact, up to rounding times the condition of X";
        evidence.measure(name, max_error, "").expect(0.0, 1e-9, source);
        if settings.device().is_gpu() {
            let weights =
                attention_weights(&factors.query, &factors.key, 1.0, &bidirectional, settings.device())?;
            let error = (weights - target.weights()).iter().fold(0.0f64, |most, x| most.max(x.abs()));
            evidence.measure(format!("construction_error_on_device_n{n}_d{size}"), error, "");
        }
    }
    evidence.measure("construction_error_largest", largest, "");
    let sizes = SIZES.map(|(n, size)| format!("{n}/{size}")).join(", ");
    evidence.weigh(
        largest < 1e-6,
        format!(
            "A head as large as the sequence reaches a drawn pattern by construction: largest error {} over \
             n/D = {sizes} (f64 on the CPU)",
            short(largest)
        ),
    );
    Ok(())
}

/// d = 1, n = 2, X = [1, 0]: the second token has no logits, whatever the weights.
pub(super) fn counterexample(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let (left, right) = (0.75f64, 0.25f64);
    let target = Target::new(array![[0.5, 0.5], [left, right]], &Mask::bidirectional())?;
    let run = run.clone().with_seed(settings.seed()?);
    let largest = |x: Array2<f64>| -> Result<f64> {
        let fit = fitting(settings)?.best_fit_on(&target, &x, 1, &run)?;
        Ok(fit.row_kl.into_iter().fold(0.0, f64::max))
    };
    let (narrow, wide) = (largest(array![[1.0], [0.0]])?, largest(Array2::eye(2))?);
    let theory = left * (left / 0.5).ln() + right * (right / 0.5).ln();
    let kl = evidence.measure("counterexample_kl_nats", narrow, "nats");
    kl.expect(theory, 1e-9, "KL((3/4, 1/4) ‖ (1/2, 1/2))");
    evidence.measure("counterexample_width_2_kl_nats", wide, "nats");
    let tolerance = settings.number("tolerance")?;
    evidence.weigh(
        narrow > tolerance,
        format!(
            "n = 2, head size 1, embeddings [1, 0] of width 1: minimised over the weights, a row stays {} nats \
             away",
            short(narrow)
        ),
    );
    evidence.weigh(
        wide > tolerance,
        format!(
            "with embeddings of width 2 the same head of size 1 comes within {} nats: that counterexample is \
             about the embedding, not the head",
            short(wide)
        ),
    );
    Ok(())
}

/// Keys on a circle, each query pointing at its own.
pub(super) fn permutations(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    for n in settings.integers("permutation_n")? {
        run.check()?;
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(settings.seed()?));
        let scale = express::permutation_scale(n, REST);
        let head = express::permutation_head(&order, scale)?;
        let mask = Mask::bidirectional();
        let weights = attention_weights(&head.query, &head.key, 1.0, &mask, settings.device())?;
        let least = order.iter().enumerate().fold(1.0, |least, (i, &j)| f64::min(least, weights[(i, j)]));
        let name = format!("permutation_attention_n{n}");
        // Both neighbours leave REST together; with n = 2 there is one, and it leaves half as much.
        let theory = 1.0 / (1.0 + if n == 2 { REST / 2.0 } else { REST });
        let source = "the softmax of a key and its neighbours on the circle";
        evidence.measure(name, least, "").expect(theory, 1e-4, source);
        evidence.measure(format!("permutation_logit_scale_n{n}"), scale, "");
        evidence.weigh(
            least < 0.9,
            format!(
                "n = {n}: a head of size 2 gives every key of a drawn permutation at least {least:.5} of its \
                 query's attention, at the price of logits of {}",
                short(scale)
            ),
        );
    }
    Ok(())
}
