//! Where the determinant of causal attention is below the range of a number format.

use super::*;

/// A number of positions at which the determinant underflows in f64 at unit scale.
const UNDERFLOW_POSITIONS: usize = 256;

/// Where det A itself, a product, is below the range of a number format: the first n at which it is subnormal or zero.
///
/// The leading blocks of one causal matrix are the causal matrices of its first tokens, so one draw gives the
/// determinant for every n.
pub(super) fn underflow(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    // Half of the smallest subnormal number, 2⁻¹⁰⁷⁴ in f64, rounds to zero.
    let (scale, ln2) = (settings.number("scale")?, std::f64::consts::LN_2);
    let limits = [
        ("det_subnormal_f64_from_n", f64::MIN_POSITIVE.ln()),
        ("det_zero_f64_from_n", -1075.0 * ln2),
        ("det_subnormal_f32_from_n", f64::from(f32::MIN_POSITIVE).ln()),
        ("det_zero_f32_from_n", -150.0 * ln2),
    ];
    let found = draws(&settings.seeds("seeds")?, "underflow", run, |seed| {
        Ok(underflows(causal(settings, UNDERFLOW_POSITIONS, seed)?.1.diag().iter().copied()))
    })?;
    for ((name, limit), places) in limits.into_iter().zip(found) {
        let predicted = (1..=UNDERFLOW_POSITIONS).find(|&n| predicted_log_det(n, scale) < limit);
        let Some(predicted) = predicted.filter(|_| places.mean().is_finite()) else { continue };
        if name == "det_zero_f64_from_n" {
            let text = format!(
                "the product Π aᵢᵢ is 0 in f64 from n = {places} on, so a determinant computed as a number says \
                 nothing there; its logarithm does"
            );
            evidence.weigh(false, text).at("n", places.mean().round() as usize);
        }
        let measured = evidence.measure_sample(name, places, "positions");
        if let Some(nats) = tolerance(settings, predicted)? {
            // One more position costs ln n + scale²/2 nats.
            let positions = 1.0 + nats / ((predicted as f64).ln() + scale * scale / 2.0);
            let source = "−ln n! − n·scale²/2 against the smallest numbers of f64 and f32";
            measured.expect(predicted as f64, positions, source);
        }
    }
    Ok(())
}

/// The first n at which the running product is subnormal and zero in f64, and in f32; infinite where it is not.
fn underflows(diagonal: impl IntoIterator<Item = f64>) -> [f64; 4] {
    let (mut double, mut single, mut found) = (1.0f64, 1.0f32, [f64::INFINITY; 4]);
    for (index, entry) in diagonal.into_iter().enumerate() {
        double *= entry;
        single *= entry as f32;
        let is = [double < f64::MIN_POSITIVE, double == 0.0, single < f32::MIN_POSITIVE, single == 0.0];
        for (found, _) in found.iter_mut().zip(is).filter(|(_, is)| *is) {
            *found = found.min((index + 1) as f64);
        }
    }
    found
}
