//! One stored draw, whose exact numbers are known, in each number format.

use serde_json::Value;

use crate::array::read_matrix_from;
use crate::claim::prelude::*;
use crate::rank::precise::{self, Triangular};
use crate::rank::{Lens, lu_determinant, spectrum_in_f32};

const SOURCE: &str = "200-digit reference of the stored draw";
/// The sizes of the stored draw's leading blocks in the figure of the smallest singular value.
const BLOCKS: [usize; 12] = [2, 4, 8, 12, 16, 24, 32, 48, 64, 80, 104, 128];

/// Queries and keys `[128, 16]`, standard normal.
fn draw() -> Result<Draw> {
    let read = |name: &str, bytes: &[u8]| read_matrix_from(name.as_ref(), bytes);
    Ok(Draw {
        q: read("q.npy", include_bytes!("../../tests/fixtures/claims/causal_n128_d16_q.npy"))?,
        k: read("k.npy", include_bytes!("../../tests/fixtures/claims/causal_n128_d16_k.npy"))?,
    })
}

/// A number of the reference, which may be written as text.
fn known(value: &Value) -> Result<f64> {
    let text = || value.as_str().and_then(|text| text.parse().ok());
    value.as_f64().or_else(text).ok_or_else(|| Error::format("causal_n128_d16.json", "a number is missing"))
}

fn smallest(spectrum: &Spectrum) -> f64 {
    spectrum.sigma_min().unwrap_or(0.0)
}

/// Measures the stored draw in each arithmetic.
pub(super) fn measure(evidence: &mut Evidence, run: &Run) -> Result<()> {
    let draw = draw()?;
    run.step("stored draw", 0, 1)?;
    let weights = draw.weights(1.0, &Mask::causal(), &Device::Cpu)?;
    let (q, k) = (draw.q.view(), draw.k.view());
    let triangular =
        Triangular::new(|digits| precise::attention_weights(q, k, 1.0, &Mask::causal(), digits, run), run)?;
    run.check()?;
    let (double, single) = (Spectrum::of(weights.view())?, spectrum_in_f32(weights.view())?);
    let (sigma, log_det, lu) =
        (triangular.sigma_min()?, triangular.log_det(), lu_determinant(weights.view())?);
    let text = include_str!("../../tests/fixtures/claims/causal_n128_d16.json");
    let facts: Value =
        serde_json::from_str(text).map_err(|error| Error::format("causal_n128_d16.json", error))?;
    let facts = &facts["causal"];
    let between = &facts["sigma_min_true_between"];
    let rank = |tolerance| double.numerical_rank(tolerance) as f64;
    // The bracket of σ_min is given to six digits.
    for (name, value, wanted, tolerance) in [
        ("stored_sigma_max", double.sigma_max().unwrap_or(0.0), known(&facts["sigma_max"])?, 1e-12),
        ("stored_log10_sigma_min_at_least", sigma.log10_at_least, known(&between[0])?.log10(), 1e-5),
        ("stored_log10_sigma_min_at_most", sigma.log10_at_most, known(&between[1])?.log10(), 1e-4),
        ("stored_rank_f64", rank(Tolerance::F64), known(&facts["numerical_rank_f64"])?, 0.0),
        ("stored_rank_f32", rank(Tolerance::F32), known(&facts["numerical_rank_f32"])?, 0.0),
        ("stored_effective_rank", double.effective_rank(), known(&facts["effective_rank"])?, 1e-9),
        ("stored_log_det", log_det, known(&facts["log_det_exact"])?, 1e-9),
    ] {
        let unit = if name == "stored_log_det" { "nats" } else { "" };
        evidence.measure(name, value, unit).expect(wanted, tolerance, SOURCE);
    }
    evidence.measure("stored_log10_sigma_min", sigma.log10, "");
    evidence.measure("stored_log10_sigma_min_f64_svd", smallest(&double).log10(), "");
    evidence.measure("stored_log10_sigma_min_f32_svd", smallest(&single).log10(), "");
    let text = format!(
        "stored draw: σ_min is {} exactly; the decomposition in f64 reports {}, the one in f32 {}",
        short(sigma.value()),
        short(smallest(&double)),
        short(smallest(&single))
    );
    evidence.weigh(smallest(&double) < 2.0 * sigma.value(), text).at("draw", "stored");
    // The result of LU at the level of rounding depends on the processor's BLAS, so no value is expected.
    evidence.measure("stored_lu_sign", f64::from(lu.sign), "");
    if lu.log.is_finite() {
        evidence.measure("stored_lu_log", lu.log, "nats");
    }
    let text = format!(
        "stored draw: ln det A is {} exactly, and the sign +; LU gives {} and {}, and on another processor perhaps the \
         other sign",
        short(log_det),
        short(lu.log),
        if lu.sign == 1 { "+" } else { "−" },
    );
    evidence.weigh(lu.sign == 1 && (lu.log - log_det).abs() < 1e-6, text).at("draw", "stored");
    through_lenses(evidence, &weights, &triangular, [&double, &single])?;
    leading_blocks(evidence, &weights, &triangular, run)?;
    run.step("stored draw", 1, 1)
}

/// The rank of one matrix at the tolerances of f16, f32 and f64, and in exact arithmetic.
fn through_lenses(
    evidence: &mut Evidence,
    weights: &Array2<f64>,
    triangular: &Triangular,
    [double, single]: [&Spectrum; 2],
) -> Result<()> {
    let (mut references, mut ranks) = (Vec::new(), Vec::new());
    for lens in Lens::ALL {
        let spectrum = Spectrum::of(lens.round(weights.view()).view())?;
        let tolerance = lens.tolerance(weights.nrows())?;
        let (rank, threshold) = (spectrum.numerical_rank(tolerance), spectrum.threshold(tolerance));
        evidence.measure(format!("lens_rank_{}", lens.name()), rank as f64, "");
        let name = format!("{} tolerance: rank {rank}", lens.name());
        // In f64, values count as zero at the rounding floor of the arithmetic that computed these weights.
        let line = if matches!(lens, Lens::F64) { Reference::floor } else { Reference::level };
        references.push(line(name, threshold));
        ranks.push(format!("{rank} in {}", lens.name()));
    }
    let exact = triangular.log10_singular_values()?;
    let (n, count) = (exact.len(), exact.iter().flatten().filter(|log10| log10.is_finite()).count());
    evidence.measure("lens_rank_exact", count as f64, "").expect(n as f64, 0.0, "det A > 0");
    let text = format!(
        "stored draw: the weights rounded to each format have numerical rank {}; exactly {count} of {n} singular \
         values are not zero",
        ranks.join(", ")
    );
    evidence.weigh(false, text).at("draw", "stored");
    let exact = exact.iter().map(|log10| log10.map_or(f64::NAN, |log10| 10f64.powf(log10)));
    let indexed = |values: Vec<f64>| (1..).map(f64::from).zip(values);
    let curves = vec![
        positive("exact", Kind::Causal, indexed(exact.collect())),
        positive("f64 arithmetic", Kind::Plain, indexed(double.values().to_vec())),
        positive("f32 arithmetic", Kind::Plain, indexed(single.values().to_vec())),
    ];
    let axes = [PlotAxis::linear("index i"), PlotAxis::log("singular value")];
    let caption = "Singular values of the stored draw's causal weights (n = 128, D = 16): exact, by multi-precision, and \
                   as decompositions in f64 and in f32 arithmetic find them. Dashed: what each format counts as zero, \
                   n · ε · σ₁, with the rank that it leaves; shaded: below the rounding floor of f64.";
    let title = "One causal matrix through four number formats";
    evidence.plot("lens", caption, lines(title, axes, curves, references));
    Ok(())
}

/// σ_min of the first n tokens, exact and as computed in f64 and f32, with the values that these formats count as zero.
fn leading_blocks(
    evidence: &mut Evidence,
    weights: &Array2<f64>,
    triangular: &Triangular,
    run: &Run,
) -> Result<()> {
    let look = |&n: &usize| {
        run.check()?;
        let block = weights.slice(ndarray::s![..n, ..n]);
        let (double, single) = (Spectrum::of(block)?, spectrum_in_f32(block)?);
        let [f64s, f32s] = [Tolerance::F64, Tolerance::F32].map(|tolerance| double.threshold(tolerance));
        let exact = triangular.leading_sigma_min(n)?.value();
        Ok([n as f64, exact, smallest(&double), smallest(&single), f64s, f32s])
    };
    let blocks = BLOCKS.iter().map(look).collect::<Result<Vec<_>>>()?;
    let column = |column: usize| blocks.iter().map(move |row| (row[0], row[column]));
    let curves = vec![
        positive("exact", Kind::Causal, column(1)),
        positive("as f64 reports it", Kind::Plain, column(2)),
        positive("as f32 reports it", Kind::Plain, column(3)),
    ];
    let references =
        vec![Reference::curve("f64 tolerance", column(4)), Reference::curve("f32 tolerance", column(5))];
    let axes = [PlotAxis::linear("positions n"), PlotAxis::log("smallest singular value")];
    let caption = "The smallest singular value of the stored draw's first n tokens: exact, by multi-precision, and as \
                   decompositions in f64 and f32 report it. Where those turn flat they show their own rounding. Dashed: \
                   what f64 and f32 count as zero, n · ε · σ₁.";
    let title = "The smallest singular value of causal attention";
    evidence.plot("smallest-singular-value", caption, lines(title, axes, curves, references));
    Ok(())
}

/// A curve on a logarithmic axis, where zeros and unknown values are left out.
fn positive(name: &str, kind: Kind, points: impl Iterator<Item = (f64, f64)>) -> Curve {
    Curve::new(name, kind, points.filter(|point| point.1 > 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Column by column, LU eliminates, and its result is rounding, which depends on the processor. Row by row it has
    /// nothing to eliminate, and is exact on every processor, also after changes of the entries' last digits.
    #[test]
    fn lu_of_the_stored_draw_by_rows_is_exact() {
        let weights = draw().unwrap().weights(1.0, &Mask::causal(), &Device::Cpu).unwrap();
        for seed in 0..20 {
            let changes = gaussian(128, 128, seed, 3);
            let varied = ndarray::Zip::from(&weights).and(&changes).map_collect(|&w, &change| match change {
                _ if w == 0.0 => 0.0,
                up if up > 0.5 => w.next_up(),
                down if down < -0.5 => w.next_down(),
                _ => w,
            });
            assert!(varied.iter().zip(&weights).all(|(a, b)| (a - b).abs() <= f64::EPSILON * b));
            let rows = lu_determinant(varied.t()).unwrap();
            assert!(rows.sign == 1 && (rows.log + 527.758_266_268_504_7).abs() < 1e-9, "{rows:?}");
        }
    }
}
