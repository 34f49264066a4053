//! What is certain: the head that a pattern needs at least, and heads that are built rather than searched for.

use ndarray::{Array2, array, s};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::fitting;
use crate::claim::{Evidence, Sample, Settings, attention_weights, gaussian};
use crate::error::Result;
use crate::express::{self, Represented, Target};
use crate::mask::Mask;
use crate::numbers::short;
use crate::rank::precise::{self, Precise};
use crate::run::Run;

/// Decimal digits of the determinants that certify ranks.
const DIGITS: usize = 100;

/// The least size of a head that reaches `target`, certified; `None` where the determinant cannot be told from 0.
///
/// Softmax fixes logits up to a constant on each row, so that in a block of k rows that all see k + 1 keys the
/// differences to the last of those keys are fixed, and their matrix has rank D at most. For a drawn pattern it has
/// rank k. Without a mask k = n − 1; under the causal mask the rows from ⌊n/2⌋ on see the keys up to ⌊n/2⌋, so
/// k = ⌊n/2⌋.
pub(in crate::claim) fn least_head(target: &Target, run: &Run) -> Result<Option<usize>> {
    let n = target.positions();
    let is_causal = n > 1 && !target.allowed()[(0, 1)];
    let (k, first) = if is_causal { (n / 2, n / 2) } else { (n - 1, 0) };
    // A last row of ones: the determinant of the differences, without rounding them.
    let mut bordered = Array2::ones((k + 1, k + 1));
    bordered.slice_mut(s![..k, ..]).assign(&target.log_weights().slice(s![first..first + k, ..=k]));
    let det = precise::determinant(&Precise::of(bordered.view(), DIGITS)?, run)?;
    Ok(det.is_certain().then_some(k))
}

/// n and D = C of the construction.
const SIZES: [(usize, usize); 6] = [(4, 4), (8, 8), (32, 32), (128, 128), (8, 12), (32, 64)];
/// What a permutation head leaves for the keys that it is not asked for.
const REST: f64 = 1e-3;

/// What was built.
pub(super) struct Built {
    theorem: Vec<Theorem>,
    counterexample: Counterexample,
    pub permutations: Vec<Permutation>,
}

/// Theorem 1 at one size: weights for a drawn pattern and drawn embeddings, where D = C is at least n.
struct Theorem {
    size: (usize, usize),
    error: f64,
    on_device: Option<f64>,
}

/// d = 1, n = 2, X = [1, 0]: the second token has no logits, whatever the weights.
struct Counterexample {
    narrow: f64,
    wide: f64,
    theory: f64,
}

/// Keys on a circle, each query pointing at its own.
pub(super) struct Permutation {
    pub n: usize,
    least: f64,
    pub scale: f64,
}

pub(super) fn measure(settings: &Settings, run: &Run) -> Result<Built> {
    let mut theorems = Vec::new();
    for (done, size) in SIZES.into_iter().enumerate() {
        run.step("construction", done, SIZES.len())?;
        theorems.push(theorem(settings, size)?);
    }
    let permutations = settings.integers("permutation_n")?.into_iter();
    Ok(Built {
        theorem: theorems,
        counterexample: counterexample(settings, run)?,
        permutations: permutations.map(|n| permutation(settings, n, run)).collect::<Result<_>>()?,
    })
}

fn theorem(settings: &Settings, (n, size): (usize, usize)) -> Result<Theorem> {
    let (seed, bidirectional) = (settings.seed()?, Mask::bidirectional());
    let target = Target::random(n, settings.number("scale")?, &bidirectional, seed)?;
    let x = gaussian(n, size, seed, 1);
    let Represented { factors, max_error, .. } = express::represent(&target, &x, size)?;
    let on_device = || -> Result<f64> {
        let weights =
            attention_weights(&factors.query, &factors.key, 1.0, &bidirectional, settings.device())?;
        Ok((weights - target.weights()).iter().fold(0.0f64, |most, x| most.max(x.abs())))
    };
    let on_device = if settings.device().is_gpu() { Some(on_device()?) } else { None };
    Ok(Theorem { size: (n, size), error: max_error, on_device })
}

fn counterexample(settings: &Settings, run: &Run) -> Result<Counterexample> {
    let (left, right) = (0.75f64, 0.25f64);
    let target = Target::new(array![[0.5, 0.5], [left, right]], &Mask::bidirectional())?;
    let run = run.clone().with_seed(settings.seed()?);
    let largest = |x: Array2<f64>| -> Result<f64> {
        let fit = fitting(settings)?.best_fit_on(&target, &x, 1, &run)?;
        Ok(fit.row_kl.into_iter().fold(0.0, f64::max))
    };
    let (narrow, wide) = (largest(array![[1.0], [0.0]])?, largest(Array2::eye(2))?);
    let theory = left * (left / 0.5).ln() + right * (right / 0.5).ln();
    Ok(Counterexample { narrow, wide, theory })
}

fn permutation(settings: &Settings, n: usize, run: &Run) -> Result<Permutation> {
    run.check()?;
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(settings.seed()?));
    let scale = express::permutation_scale(n, REST);
    let head = express::permutation_head(&order, scale)?;
    let weights = attention_weights(&head.query, &head.key, 1.0, &Mask::bidirectional(), settings.device())?;
    let least = order.iter().enumerate().fold(1.0, |least, (i, &j)| f64::min(least, weights[(i, j)]));
    Ok(Permutation { n, least, scale })
}

impl Built {
    pub fn report(&self, evidence: &mut Evidence, settings: &Settings) -> Result<()> {
        let largest = self.theorem.iter().map(|theorem| theorem.error).fold(0.0, f64::max);
        for Theorem { size: (n, size), error, on_device } in &self.theorem {
            let source = "Theorem 1: exact, up to rounding times the condition of X";
            evidence
                .measure(format!("construction_error_n{n}_d{size}"), *error, "")
                .expect(0.0, 1e-9, source);
            if let Some(error) = on_device {
                evidence.measure(format!("construction_error_on_device_n{n}_d{size}"), *error, "");
            }
        }
        let sizes = SIZES.map(|(n, size)| format!("{n}/{size}")).join(", ");
        let text = format!(
            "A head as large as the sequence reaches a drawn pattern by construction: largest error {} over n/D = \
             {sizes} (f64 on the CPU)",
            short(largest)
        );
        evidence.weigh(largest < 1e-6, text);
        self.counterexample.report(evidence, settings.number("tolerance")?);
        self.permutations.iter().for_each(|permutation| permutation.report(evidence));
        Ok(())
    }
}

impl Counterexample {
    fn report(&self, evidence: &mut Evidence, tolerance: f64) {
        let Counterexample { narrow, wide, theory } = *self;
        let kl = evidence.measure("counterexample_kl_nats", narrow, "nats");
        kl.expect(theory, 1e-9, "KL((3/4, 1/4) ‖ (1/2, 1/2))");
        evidence.measure("counterexample_width_2_kl_nats", wide, "nats");
        let text = format!(
            "n = 2, head size 1, embeddings [1, 0] of width 1: minimised over the weights, a row stays {} nats away",
            short(narrow)
        );
        evidence.weigh(narrow > tolerance, text);
        let text = format!(
            "with embeddings of width 2 the same head of size 1 comes within {} nats: that counterexample is about the \
             embedding, not the head",
            short(wide)
        );
        evidence.weigh(wide > tolerance, text);
    }
}

impl Permutation {
    fn report(&self, evidence: &mut Evidence) {
        let Permutation { n, least, scale } = *self;
        // Both neighbours leave REST together; with n = 2 there is one, and it leaves half as much.
        let theory = 1.0 / (1.0 + if n == 2 { REST / 2.0 } else { REST });
        let source = "the softmax of a key and its neighbours on the circle";
        evidence.measure(format!("permutation_attention_n{n}"), least, "").expect(theory, 1e-4, source);
        evidence.measure(format!("permutation_logit_scale_n{n}"), scale, "");
        let text = format!(
            "n = {n}: a head of size 2 gives every key of a drawn permutation at least {least:.5} of its query's \
             attention, at the price of logits of {}",
            short(scale)
        );
        evidence.weigh(least < 0.9, text);
    }
}

/// The threshold without a mask and without a search: the centred log P, cut to n − 2 and to n − 1.
pub(super) fn truncation(targets: &[Target]) -> Result<Vec<(usize, Sample)>> {
    let n = targets.first().map_or(0, Target::positions);
    let identity = Array2::eye(n);
    let at = |size| {
        let errors =
            targets.iter().map(|target| Ok(express::represent_centred(target, &identity, size)?.max_error));
        Ok((size, errors.collect::<Result<Vec<f64>>>()?.into_iter().collect()))
    };
    (n.saturating_sub(2).max(1)..n).map(at).collect()
}
