//! Determinants: by LU, by their logarithm, and where they underflow.

use crate::claim::{Draw, Evidence, Sample, Settings};
use crate::device::Device;
use crate::error::Result;
use crate::mask::Mask;
use crate::rank::{self, lu_determinant};
use crate::run::Run;

/// Positions that suffice for the determinant to underflow in f64 at unit scale.
const UNDERFLOW_POSITIONS: usize = 256;
/// Who predicts ln det A.
pub(super) const FORMULA: &str = "−ln n! − n·scale²/2, leading order";

/// −ln n! − n·scale²/2, the leading order of E ln det A for scores of standard deviation `scale`.
///
/// ln aᵢᵢ = sᵢᵢ − ln Σⱼ exp sᵢⱼ, where sᵢᵢ has mean 0 and the sum of i terms is near i · exp(scale²/2).
pub(super) fn predicted_log_det(n: usize, scale: f64) -> f64 {
    -(1..=n).map(|i| (i as f64).ln()).sum::<f64>() - n as f64 * scale * scale / 2.0
}

/// How far the mean of `draws` may be from the formula: the diagonal scores are independent with standard
/// deviation `scale`, and the next order grows like ln n.
fn tolerance(n: usize, scale: f64, draws: usize) -> f64 {
    let n = n as f64;
    4.0 * scale * (n / draws as f64).sqrt() + 2.0 * scale * scale * (1.0 + n.ln()) + 1e-9
}

/// ln det A at n by the formula and its tolerance, where it is meant to hold: up to unit scale.
pub(super) fn formula(settings: &Settings) -> Result<Option<(f64, f64)>> {
    let (n, scale) = (settings.integer("n")?, settings.number("scale")?);
    let tolerance = tolerance(n, scale, settings.integer("seeds")?);
    let is_meant_to_hold = scale <= 1.0 && settings.integer("head_size")? >= 8;
    Ok(is_meant_to_hold.then(|| (predicted_log_det(n, scale), tolerance)))
}

/// What LU with pivoting makes of the determinants.
pub(super) struct ByLu {
    wrong_sign: Sample,
    error: Sample,
}

/// How often LU gets the sign wrong, and by how much the logarithm.
pub(super) fn by_lu(settings: &Settings, run: &Run) -> Result<ByLu> {
    let (n, scale) = (settings.integer("n")?, settings.number("scale")?);
    let head_size = settings.integer("head_size")?;
    let results = rank::many(&settings.seeds("lu_draws")?, "LU", run, |&seed| {
        let weights = Draw::independent(n, head_size, seed).weights(scale, &Mask::causal(), &Device::Cpu)?;
        let exact: f64 = weights.diag().iter().map(|entry| entry.ln()).sum();
        let lu = lu_determinant(weights.view())?;
        Ok((f64::from(u8::from(lu.sign != 1)), lu.log - exact))
    })?;
    // A pivot of exactly 0 has no logarithm.
    let error = results.iter().map(|result| result.1).filter(|error| error.is_finite()).collect();
    Ok(ByLu { wrong_sign: results.iter().map(|result| result.0).collect(), error })
}

impl ByLu {
    /// Where rounding decides, the processor's BLAS does: these numbers are shown, and nothing is expected.
    pub fn report(self, evidence: &mut Evidence, settings: &Settings) -> Result<()> {
        let wrong = self.wrong_sign.count_where(|wrong| wrong == 1.0);
        let text = format!(
            "LU with pivoting, given the matrix by columns as numpy does, gets the determinant's sign wrong in {wrong} \
             of {} draws at n = {}, and its logarithm off by {} nats; other processors get other signs",
            self.wrong_sign.count(),
            settings.integer("n")?,
            self.error
        );
        evidence.weigh(wrong == 0, text);
        evidence.measure_sample("lu_wrong_sign_share", self.wrong_sign, "");
        if self.error.count() > 0 {
            evidence.measure_sample("lu_log_error", self.error, "nats");
        }
        Ok(())
    }
}

/// Where det A itself, a product, leaves a number format: the first n, in each draw that gets there.
pub(super) struct Underflow([Option<Sample>; 4]);

/// The names of [`Underflow`]'s columns, and the logarithm of the number below which det A is subnormal or 0.
/// Half of the smallest subnormal number, 2⁻¹⁰⁷⁴ in f64, rounds to zero.
fn limits() -> [(&'static str, f64); 4] {
    let ln2 = std::f64::consts::LN_2;
    [
        ("det_subnormal_f64_from_n", f64::MIN_POSITIVE.ln()),
        ("det_zero_f64_from_n", -1075.0 * ln2),
        ("det_subnormal_f32_from_n", f64::from(f32::MIN_POSITIVE).ln()),
        ("det_zero_f32_from_n", -150.0 * ln2),
    ]
}

/// The leading blocks of one causal matrix are the causal matrices of its first tokens, so one draw gives the
/// determinant for every n.
pub(super) fn underflow(settings: &Settings, run: &Run) -> Result<Underflow> {
    let (head_size, scale) = (settings.integer("head_size")?, settings.number("scale")?);
    let diagonals = rank::many(&settings.seeds("seeds")?, "underflow", run, |&seed| {
        let draw = Draw::independent(UNDERFLOW_POSITIONS, head_size, seed);
        Ok(draw.weights(scale, &Mask::causal(), &Device::Cpu)?.diag().to_vec())
    })?;
    Ok(Underflow([0, 1, 2, 3].map(|which| diagonals.iter().map(|d| underflows(d, which)).collect())))
}

/// The first n at which the running product of the diagonal is subnormal in f64 (0) or zero (1), subnormal
/// in f32 (2) or zero (3).
fn underflows(diagonal: &[f64], which: usize) -> Option<f64> {
    let double = running_products(diagonal.iter().copied());
    let single = running_products(diagonal.iter().map(|&entry| entry as f32));
    let found = match which {
        0 => double.iter().position(|&det| det < f64::MIN_POSITIVE),
        1 => double.iter().position(|&det| det == 0.0),
        2 => single.iter().position(|&det| det < f32::MIN_POSITIVE),
        _ => single.iter().position(|&det| det == 0.0),
    };
    found.map(|index| (index + 1) as f64)
}

fn running_products<T: num_traits::Float>(entries: impl Iterator<Item = T>) -> Vec<T> {
    let multiply = |product: &mut T, entry: T| {
        *product = *product * entry;
        Some(*product)
    };
    entries.scan(T::one(), multiply).collect()
}

impl Underflow {
    pub fn report(self, evidence: &mut Evidence, settings: &Settings) -> Result<()> {
        let (scale, is_predicted) = (settings.number("scale")?, formula(settings)?.is_some());
        for ((name, limit), places) in limits().into_iter().zip(self.0) {
            let predicted = (1..=UNDERFLOW_POSITIONS).find(|&n| predicted_log_det(n, scale) < limit);
            let (Some(places), Some(predicted)) = (places, predicted) else { continue };
            if name == "det_zero_f64_from_n" {
                let text = format!(
                    "the product Π aᵢᵢ is 0 in f64 from n = {places} on, so a determinant computed as a number says \
                     nothing there; its logarithm does"
                );
                evidence.weigh(false, text);
            }
            let measured = evidence.measure_sample(name, places, "positions");
            if is_predicted {
                // One more position costs ln n + scale²/2 nats.
                let nats = tolerance(predicted, scale, settings.integer("seeds")?);
                let positions = 1.0 + nats / ((predicted as f64).ln() + scale * scale / 2.0);
                let source = "−ln n! − n·scale²/2 against the smallest numbers of f64 and f32";
                measured.expect(predicted as f64, positions, source);
            }
        }
        Ok(())
    }
}
