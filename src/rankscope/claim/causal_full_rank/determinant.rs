//! Determinants: by LU, by their logarithm, and where they underflow.

use super::super::{Draw, Evidence, Sample, Settings};
use super::{is_reference, seeds};
use crate::device::Device;
use crate::error::Result;
use crate::mask::Mask;
use crate::rank::{self, lu_determinant};
use crate::run::Run;

/// Positions that suffice for the determinant to underflow in f64 at unit scale.
const UNDERFLOW_POSITIONS: usize = 256;

/// −ln n! − n·scale²/2, the leading order of E ln det A for scores of standard deviation `scale`.
///
/// ln aᵢᵢ = sᵢᵢ − ln Σⱼ exp sᵢⱼ, where sᵢᵢ has mean 0 and the sum of i terms is near i · exp(scale²/2).
pub(super) fn predicted_log_det(n: usize, scale: f64) -> f64 {
    -(1..=n).map(|i| (i as f64).ln()).sum::<f64>() - n as f64 * scale * scale / 2.0
}

/// Expects ln det A at n by the formula, where it is meant to hold: up to unit scale.
pub(super) fn expect_formula(evidence: &mut Evidence, settings: &Settings) -> Result<()> {
    let (n, scale) = (settings.integer("n")?, settings.number("scale")?);
    if scale > 1.0 || settings.integer("head_size")? < 8 {
        return Ok(());
    }
    // The diagonal scores are independent with standard deviation `scale`; the next order grows like ln n.
    let draws = settings.integer("seeds")? as f64;
    let tolerance = 4.0 * scale * (n as f64 / draws).sqrt() + 2.0 * scale * scale * (1.0 + (n as f64).ln());
    let expected = predicted_log_det(n, scale);
    evidence.expect(
        format!("log_det_n{n}"),
        expected,
        tolerance + 1e-9,
        "−ln n! − n·scale²/2, leading order",
    );
    Ok(())
}

/// How often LU gets the sign wrong, and by how much the logarithm.
pub(super) fn by_lu(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let (n, scale) = (settings.integer("n")?, settings.number("scale")?);
    let head_size = settings.integer("head_size")?;
    let results = rank::many(&seeds(settings, "lu_draws")?, "LU", run, |&seed| {
        let weights = Draw::independent(n, head_size, seed).weights(scale, &Mask::causal(), &Device::Cpu)?;
        let exact: f64 = weights.diag().iter().map(|entry| entry.ln()).sum();
        let lu = lu_determinant(weights.view())?;
        Ok((f64::from(u8::from(lu.sign != 1)), lu.log - exact))
    })?;
    let wrong: Sample = results.iter().map(|result| result.0).collect();
    // A pivot of exactly 0 has no logarithm.
    let error: Sample = results.iter().map(|result| result.1).filter(|error| error.is_finite()).collect();
    let count = wrong.count_where(|wrong| wrong == 1.0);
    evidence.weigh(
        count == 0,
        format!(
            "LU with pivoting, given the matrix by columns as numpy does, gets the determinant's sign wrong in \
             {count} of {} draws at n = {n}, and its logarithm off by {error} nats",
            results.len()
        ),
    );
    evidence.measure_sample("lu_wrong_sign_share", wrong, "");
    evidence.measure_sample("lu_log_error", error, "nats");
    if is_reference(settings)? && n == 128 {
        evidence.expect_mean(
            "lu_wrong_sign_share",
            (0.55, 0.5, 40),
            "numpy: 22 of 40 draws at n = 128, D = 16",
        )?;
    }
    Ok(())
}

/// Where det A itself, a product, leaves f64 and f32.
///
/// The leading blocks of one causal matrix are the causal matrices of its first tokens, so one draw gives
/// the determinant for every n.
pub(super) fn underflow(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let (head_size, scale) = (settings.integer("head_size")?, settings.number("scale")?);
    let diagonals = rank::many(&seeds(settings, "seeds")?, "underflow", run, |&seed| {
        let draw = Draw::independent(UNDERFLOW_POSITIONS, head_size, seed);
        Ok(draw.weights(scale, &Mask::causal(), &Device::Cpu)?.diag().to_vec())
    })?;
    let limits = [
        ("det_subnormal_f64_from_n", f64::MIN_POSITIVE.ln()),
        // Half of the smallest subnormal number, 2⁻¹⁰⁷⁴, rounds to zero.
        ("det_zero_f64_from_n", -1075.0 * std::f64::consts::LN_2),
        ("det_subnormal_f32_from_n", f64::from(f32::MIN_POSITIVE).ln()),
        ("det_zero_f32_from_n", -150.0 * std::f64::consts::LN_2),
    ];
    for (index, (name, limit)) in limits.into_iter().enumerate() {
        let places: Option<Sample> = diagonals.iter().map(|diagonal| underflows(diagonal, index)).collect();
        let predicted = (1..=UNDERFLOW_POSITIONS).find(|&n| predicted_log_det(n, scale) < limit);
        let (Some(places), Some(predicted)) = (places, predicted) else { continue };
        let is_meant_to_hold = scale <= 1.0 && head_size >= 8;
        if index == 1 {
            let formula = if is_meant_to_hold { format!(" (predicted: {predicted})") } else { String::new() };
            let because = format!(
                "the product Π aᵢᵢ is 0 in f64 from n = {places} on{formula}, so a determinant computed as a number \
                 says nothing there; its logarithm does"
            );
            evidence.weigh(false, because);
        }
        evidence.measure_sample(name, places, "positions");
        if is_meant_to_hold {
            let tolerance = tolerance_in_positions(predicted, scale, settings.integer("seeds")?);
            let source = "−ln n! − n·scale²/2 against the smallest numbers of f64 and f32";
            evidence.expect(name, predicted as f64, tolerance, source);
        }
    }
    Ok(())
}

/// One more position costs ln n + scale²/2 nats, and the sum spreads by scale·√n and the next order.
fn tolerance_in_positions(predicted: usize, scale: f64, draws: usize) -> f64 {
    let n = predicted as f64;
    let nats = 4.0 * scale * (n / draws as f64).sqrt() + 2.0 * scale * scale * (1.0 + n.ln());
    1.0 + nats / (n.ln() + scale * scale / 2.0)
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
