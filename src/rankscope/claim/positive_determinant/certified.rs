//! Determinants near 0 in multi-precision.

use super::point::Point;
use super::*;
use crate::rank::precise;

/// The number of decimal digits of the certified determinants.
pub(super) const DIGITS: usize = 60;

/// A determinant of differential attention in multi-precision.
pub(super) struct Certified {
    pub(super) lambda: f64,
    /// The seed of its draw.
    pub(super) seed: u64,
    /// Its sign, if the digits suffice to know it.
    pub(super) sign: Option<i8>,
    /// log₁₀ |det A|.
    pub(super) log10: f64,
    /// Its sign in the experiment.
    pub(super) found: f64,
}

/// The determinants whose signs are the hardest to know, in multi-precision; none at λ = 0 and λ = 1, where theorems
/// give the sign.
pub(super) fn certify(settings: &Settings, points: &[Point], run: &Run) -> Result<Vec<Certified>> {
    let (scale, seeds) = (settings.number("scale")?, settings.seeds("seeds")?);
    let mut certified = Vec::new();
    for point in points {
        let Some(lambda) = point.mechanism.lambda().filter(|_| point.mechanism.is_open()) else { continue };
        for draw in point.hardest() {
            let of = |Draw { q, k }: &Draw| {
                precise::attention_weights(q.view(), k.view(), scale, &Mask::causal(), DIGITS, run)
            };
            let [first, second] = draws(settings, seeds[draw])?;
            let weights = of(&first)?.minus(lambda, &of(&second)?)?;
            certified.push(Certified {
                lambda,
                seed: seeds[draw],
                sign: weights.diagonal_sign(),
                log10: weights.log_diagonal() * std::f64::consts::LOG10_E,
                found: point.looks[draw].sign(point.n()),
            });
        }
    }
    Ok(certified)
}

/// Reports the results in multi-precision.
pub(super) fn report(evidence: &mut Evidence, certified: &[Certified], settings: &Settings) -> Result<()> {
    if certified.is_empty() {
        return Ok(());
    }
    let count = |sign| certified.iter().filter(|of| of.sign == sign).count();
    let (negative, positive, unknown) = (count(Some(-1)), count(Some(1)), count(None));
    let agrees = certified.iter().filter(|of| of.sign.map(f64::from) == Some(of.found)).count();
    let text = format!(
        "of the {} determinants with an entry nearest to 0, {DIGITS} digits certify {negative} as negative and {positive} as \
         positive, and leave {unknown} open; {agrees} have the sign that the experiment found",
        certified.len()
    );
    evidence.weigh(negative == 0, text);
    let share = agrees as f64 / certified.len() as f64;
    let measured = evidence.measure("certified_sign_agrees_share", share, "");
    if *settings.device() == Device::Cpu && settings.number("scale")? <= LARGEST_SCALE {
        measured.expect(1.0, 0.0, "the same sign in multi-precision");
    }
    Ok(())
}
