//! One stored draw, whose exact numbers are known: what each number format makes of it.

use ndarray::Array2;
use serde_json::Value;

use super::super::{Evidence, Sample, Settings, attention_weights, gaussian};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};
use crate::mask::Mask;
use crate::numbers::short;
use crate::rank::precise::{self, Triangular};
use crate::rank::{Lens, Spectrum, Tolerance, lu_determinant, npy, spectrum_in_f32};
use crate::run::Run;

const SOURCE: &str = "200-digit reference of the stored draw";
/// Changes of last digits that LU is tried on.
const VARIANTS: u64 = 40;
/// Leading blocks of the stored draw, in the figure of the smallest singular value.
const BLOCKS: [usize; 12] = [2, 4, 8, 12, 16, 24, 32, 48, 64, 80, 104, 128];

/// Queries and keys `[128, 16]`, standard normal.
pub(super) fn queries_and_keys() -> Result<[Array2<f64>; 2]> {
    let files: [(&str, &[u8]); 2] = [
        ("causal_n128_d16_q.npy", include_bytes!("../../tests/fixtures/claims/causal_n128_d16_q.npy")),
        ("causal_n128_d16_k.npy", include_bytes!("../../tests/fixtures/claims/causal_n128_d16_k.npy")),
    ];
    let [q, k] = files.map(|(name, bytes)| npy::read_from(name.as_ref(), bytes));
    Ok([q?, k?])
}

/// What the reference says about them.
fn facts() -> Result<Value> {
    let text = include_str!("../../tests/fixtures/claims/causal_n128_d16.json");
    serde_json::from_str(text).map_err(|error| Error::format("causal_n128_d16.json", error))
}

pub(super) fn experiment(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let [q, k] = queries_and_keys()?;
    run.step("stored draw", 0, 1)?;
    let weights = attention_weights(&q, &k, 1.0, &Mask::causal(), &Device::Cpu)?;
    let at = |digits| precise::attention_weights(q.view(), k.view(), 1.0, &Mask::causal(), digits, run);
    let triangular = Triangular::new(at, run)?;
    run.check()?;
    singular_values(evidence, &weights, &triangular)?;
    determinant(evidence, &weights, &triangular)?;
    lenses(evidence, settings, &weights, &triangular)?;
    let blocks = blocks(&weights, &triangular, run)?;
    picture_blocks(evidence, settings, blocks);
    expect(evidence)?;
    run.step("stored draw", 1, 1)
}

fn singular_values(evidence: &mut Evidence, weights: &Array2<f64>, triangular: &Triangular) -> Result<()> {
    let (double, single) = (Spectrum::of(weights.view())?, spectrum_in_f32(weights.view())?);
    let sigma = triangular.sigma_min()?;
    let reported = (double.sigma_min().unwrap_or(0.0), single.sigma_min().unwrap_or(0.0));
    evidence.weigh(
        reported.0 < 2.0 * sigma.value(),
        format!(
            "stored draw: σ_min is {} exactly; the decomposition in f64 reports {}, the one in f32 {}",
            short(sigma.value()),
            short(reported.0),
            short(reported.1)
        ),
    );
    evidence.measure("stored_sigma_max", double.sigma_max().unwrap_or(0.0), "");
    evidence.measure("stored_log10_sigma_min", sigma.log10, "");
    evidence.measure("stored_log10_sigma_min_at_least", sigma.log10_at_least, "");
    evidence.measure("stored_log10_sigma_min_at_most", sigma.log10_at_most, "");
    evidence.measure("stored_log10_sigma_min_f64_svd", reported.0.log10(), "");
    evidence.measure("stored_log10_sigma_min_f32_svd", reported.1.log10(), "");
    evidence.measure("stored_rank_f64", double.numerical_rank(Tolerance::F64) as f64, "");
    evidence.measure("stored_rank_f32", double.numerical_rank(Tolerance::F32) as f64, "");
    evidence.measure("stored_effective_rank", double.effective_rank(), "");
    Ok(())
}

/// LU of the same weights, each changed in its last binary digit or not: what is left of sign and size.
fn determinant(evidence: &mut Evidence, weights: &Array2<f64>, triangular: &Triangular) -> Result<()> {
    let lu = lu_determinant(weights.view())?;
    let variants = (0..VARIANTS).map(|seed| lu_determinant(last_digit_changed(weights, seed).view()));
    let variants = variants.collect::<Result<Vec<_>>>()?;
    let wrong: Sample = variants.iter().map(|lu| f64::from(u8::from(lu.sign != 1))).collect();
    // A pivot of exactly 0 has no logarithm; its sign, 0, counts as wrong.
    let logs: Sample = variants.iter().map(|lu| lu.log).filter(|log| log.is_finite()).collect();
    let zero = VARIANTS as usize - logs.count();
    let count = wrong.count_where(|wrong| wrong == 1.0);
    evidence.weigh(
        count == 0 && lu.sign == 1,
        format!(
            "stored draw: ln det A is {} exactly, and the sign +; LU gives {} and {}, and after a change of last \
             digits the wrong sign in {count} of {VARIANTS} cases, an exact 0 in {zero} of these, and {logs} else: its \
             sign is a coin toss, which also falls differently on different processors",
            short(triangular.log_det()),
            short(lu.log),
            if lu.sign == 1 { "+" } else { "−" },
        ),
    );
    evidence.measure("stored_log_det", triangular.log_det(), "nats");
    evidence.measure("stored_lu_sign", f64::from(lu.sign), "");
    evidence.measure("stored_lu_log", lu.log, "nats");
    evidence.measure_sample("stored_lu_wrong_sign_share", wrong, "");
    evidence.measure_sample("stored_lu_log_varied", logs, "nats");
    Ok(())
}

/// `weights` with each nonzero entry moved to the next number up, down, or not at all.
pub(super) fn last_digit_changed(weights: &Array2<f64>, seed: u64) -> Array2<f64> {
    let (rows, cols) = weights.dim();
    let changes = gaussian(rows, cols, seed, 3);
    let change = |(&weight, &change): (&f64, &f64)| match change {
        _ if weight == 0.0 => 0.0,
        up if up > 0.5 => weight.next_up(),
        down if down < -0.5 => weight.next_down(),
        _ => weight,
    };
    let entries = weights.iter().zip(&changes).map(change).collect();
    Array2::from_shape_vec((rows, cols), entries).expect("an entry for each")
}

/// One matrix at the tolerances of f16, f32 and f64, and exactly.
fn lenses(
    evidence: &mut Evidence,
    settings: &Settings,
    weights: &Array2<f64>,
    triangular: &Triangular,
) -> Result<()> {
    let n = weights.nrows();
    let mut ranks = Vec::new();
    let mut references = Vec::new();
    for lens in Lens::ALL {
        let spectrum = Spectrum::of(lens.round(weights.view()).view())?;
        let tolerance = lens.tolerance(n)?;
        let rank = spectrum.numerical_rank(tolerance);
        evidence.measure(format!("lens_rank_{}", lens.name()), rank as f64, "");
        ranks.push(format!("{rank} in {}", lens.name()));
        let name = format!("{} tolerance: rank {rank}", lens.name());
        let threshold = spectrum.threshold(tolerance);
        references.push(match lens {
            // What the arithmetic of these weights rounds away.
            Lens::F64 => Reference::floor(name, threshold),
            _ => Reference::level(name, threshold),
        });
    }
    let exact = triangular.log10_singular_values()?;
    let count = exact.iter().flatten().filter(|log10| log10.is_finite()).count();
    evidence.measure("lens_rank_exact", count as f64, "");
    let text = format!(
        "stored draw: the weights rounded to each format have numerical rank {}; exactly {count} of {n} singular \
         values are not zero",
        ranks.join(", ")
    );
    evidence.weigh(false, text);
    let values = |spectrum: Spectrum| indexed(spectrum.values().to_vec());
    let truth = exact.into_iter().map(|log10| log10.map_or(f64::NAN, |log10| 10f64.powf(log10))).collect();
    let curves = vec![
        Curve::new("exact", Kind::Causal, indexed(truth)),
        Curve::new("f64 arithmetic", Kind::Plain, values(Spectrum::of(weights.view())?)),
        Curve::new("f32 arithmetic", Kind::Plain, values(spectrum_in_f32(weights.view())?)),
    ];
    let figure = Lines {
        title: "One causal matrix through four number formats".into(),
        x: PlotAxis::linear("index i"),
        y: PlotAxis::log("singular value"),
        curves,
        references,
        settings: settings.record(),
    };
    let caption = "Singular values of the stored draw's causal weights (n = 128, D = 16): exact, by multi-precision, and \
                   as decompositions in f64 and in f32 arithmetic find them. Dashed: what each format counts as zero, \
                   n · ε · σ₁, with the rank that it leaves; shaded: below the rounding floor of f64.";
    evidence.show("lens", caption, figure);
    Ok(())
}

/// Values above zero with their indices from 1 on; a zero or an unknown has no place on a logarithmic axis.
fn indexed(values: Vec<f64>) -> Vec<(f64, f64)> {
    (1..).map(f64::from).zip(values).filter(|point| point.1 > 0.0).collect()
}

/// Per leading block: n, true σ_min, what f64 and f32 report, and their tolerances.
fn blocks(weights: &Array2<f64>, triangular: &Triangular, run: &Run) -> Result<Vec<[f64; 6]>> {
    let look = |&n: &usize| {
        run.check()?;
        let block = weights.slice(ndarray::s![..n, ..n]);
        let reported = |spectrum: Spectrum| spectrum.sigma_min().unwrap_or(0.0);
        let truth = triangular.leading_sigma_min(n)?.value();
        let (double, single) = (Spectrum::of(block)?, spectrum_in_f32(block)?);
        let tolerances = [Tolerance::F64, Tolerance::F32].map(|tolerance| double.threshold(tolerance));
        Ok([n as f64, truth, reported(double), reported(single), tolerances[0], tolerances[1]])
    };
    BLOCKS.iter().map(look).collect()
}

fn picture_blocks(evidence: &mut Evidence, settings: &Settings, blocks: Vec<[f64; 6]>) {
    let curve = |name: &str, kind, column: usize| {
        // A reported zero has no place on a logarithmic axis.
        let points = blocks.iter().map(|row| (row[0], row[column])).filter(|point| point.1 > 0.0);
        Curve::new(name, kind, points)
    };
    let tolerance =
        |name: &str, column: usize| Reference::curve(name, blocks.iter().map(|row| (row[0], row[column])));
    let curves = vec![
        curve("exact", Kind::Causal, 1),
        curve("as f64 reports it", Kind::Plain, 2),
        curve("as f32 reports it", Kind::Plain, 3),
    ];
    let figure = Lines {
        title: "The smallest singular value of causal attention".into(),
        x: PlotAxis::linear("positions n"),
        y: PlotAxis::log("smallest singular value"),
        curves,
        references: vec![tolerance("f64 tolerance", 4), tolerance("f32 tolerance", 5)],
        settings: settings.record(),
    };
    let caption = "The smallest singular value of the stored draw's first n tokens: exact, by multi-precision, and as \
                   decompositions in f64 and f32 report it. Where those turn flat they show their own rounding. Dashed: \
                   what f64 and f32 count as zero, n · ε · σ₁.";
    evidence.show("smallest-singular-value", caption, figure);
}

fn expect(evidence: &mut Evidence) -> Result<()> {
    let facts = facts()?;
    let causal = &facts["causal"];
    let number = |value: &Value| {
        let text = || value.as_str().and_then(|text| text.parse().ok());
        let missing = || Error::format("causal_n128_d16.json", "a number is missing");
        value.as_f64().or_else(text).ok_or_else(missing)
    };
    // The bracket is given to six digits. What LU makes of rounding noise depends on the processor: the sign
    // that the reference found, −1, is no more to be expected than the other, and the size to a few nats.
    let expected = [
        ("stored_log_det", number(&causal["log_det_exact"])?, 1e-9),
        ("stored_log10_sigma_min_at_least", number(&causal["sigma_min_true_between"][0])?.log10(), 1e-5),
        ("stored_log10_sigma_min_at_most", number(&causal["sigma_min_true_between"][1])?.log10(), 1e-4),
        ("stored_sigma_max", number(&causal["sigma_max"])?, 1e-12),
        ("stored_rank_f64", number(&causal["numerical_rank_f64"])?, 0.0),
        ("stored_rank_f32", number(&causal["numerical_rank_f32"])?, 0.0),
        ("stored_effective_rank", number(&causal["effective_rank"])?, 1e-9),
        ("stored_lu_log", number(&causal["lu_sign_and_log"][1])?, 5.0),
    ];
    for (name, value, tolerance) in expected {
        evidence.expect(name, value, tolerance, SOURCE);
    }
    Ok(())
}
