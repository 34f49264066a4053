//! One stored draw, whose exact numbers are known: what each number format makes of it.

use ndarray::Array2;
use serde_json::Value;

use crate::array::read_matrix_from;
use crate::claim::{Evidence, Sample, Settings, attention_weights, gaussian};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};
use crate::mask::Mask;
use crate::numbers::short;
use crate::rank::precise::{self, SigmaMin, Triangular};
use crate::rank::{Lens, LuDeterminant, Spectrum, Tolerance, lu_determinant, spectrum_in_f32};
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
    let [q, k] = files.map(|(name, bytes)| read_matrix_from(name.as_ref(), bytes));
    Ok([q?, k?])
}

/// What the reference says about them.
fn facts() -> Result<Value> {
    let text = include_str!("../../tests/fixtures/claims/causal_n128_d16.json");
    serde_json::from_str(text).map_err(|error| Error::format("causal_n128_d16.json", error))
}

/// What each arithmetic makes of the stored draw.
pub(super) struct Stored {
    log_det: f64,
    sigma: SigmaMin,
    /// log₁₀ of the exact singular values, where the digits suffice.
    exact: Vec<Option<f64>>,
    double: Spectrum,
    single: Spectrum,
    lu: LuDeterminant,
    /// LU after changes of last digits.
    variants: Vec<LuDeterminant>,
    /// The rank of the weights rounded to each format, and what counts as zero there.
    lenses: Vec<(Lens, usize, f64)>,
    blocks: Vec<[f64; 6]>,
}

pub(super) fn measure(run: &Run) -> Result<Stored> {
    let [q, k] = queries_and_keys()?;
    run.step("stored draw", 0, 1)?;
    let weights = attention_weights(&q, &k, 1.0, &Mask::causal(), &Device::Cpu)?;
    let at = |digits| precise::attention_weights(q.view(), k.view(), 1.0, &Mask::causal(), digits, run);
    let triangular = Triangular::new(at, run)?;
    run.check()?;
    let lens = |&lens: &Lens| {
        let spectrum = Spectrum::of(lens.round(weights.view()).view())?;
        let tolerance = lens.tolerance(weights.nrows())?;
        Ok((lens, spectrum.numerical_rank(tolerance), spectrum.threshold(tolerance)))
    };
    let variants = (0..VARIANTS).map(|seed| lu_determinant(last_digit_changed(&weights, seed).view()));
    let stored = Stored {
        log_det: triangular.log_det(),
        sigma: triangular.sigma_min()?,
        exact: triangular.log10_singular_values()?,
        double: Spectrum::of(weights.view())?,
        single: spectrum_in_f32(weights.view())?,
        lu: lu_determinant(weights.view())?,
        variants: variants.collect::<Result<_>>()?,
        lenses: Lens::ALL.iter().map(lens).collect::<Result<_>>()?,
        blocks: blocks(&weights, &triangular, run)?,
    };
    run.step("stored draw", 1, 1)?;
    Ok(stored)
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

impl Stored {
    pub fn report(self, evidence: &mut Evidence, settings: &Settings) -> Result<()> {
        self.singular_values(evidence)?;
        self.determinant(evidence)?;
        self.through_lenses(evidence);
        self.picture_lenses(evidence, settings);
        picture_blocks(evidence, settings, &self.blocks);
        Ok(())
    }

    fn singular_values(&self, evidence: &mut Evidence) -> Result<()> {
        let facts = facts()?;
        let known = |name: &str| number(&facts["causal"][name]);
        let Stored { sigma, double, single, .. } = self;
        let reported = [double, single].map(|spectrum| spectrum.sigma_min().unwrap_or(0.0));
        let text = format!(
            "stored draw: σ_min is {} exactly; the decomposition in f64 reports {}, the one in f32 {}",
            short(sigma.value()),
            short(reported[0]),
            short(reported[1])
        );
        evidence.weigh(reported[0] < 2.0 * sigma.value(), text);
        let largest = double.sigma_max().unwrap_or(0.0);
        evidence.measure("stored_sigma_max", largest, "").expect(known("sigma_max")?, 1e-12, SOURCE);
        evidence.measure("stored_log10_sigma_min", sigma.log10, "");
        // The bracket is given to six digits.
        let between = &facts["causal"]["sigma_min_true_between"];
        let (low, high) = (number(&between[0])?.log10(), number(&between[1])?.log10());
        evidence
            .measure("stored_log10_sigma_min_at_least", sigma.log10_at_least, "")
            .expect(low, 1e-5, SOURCE);
        evidence
            .measure("stored_log10_sigma_min_at_most", sigma.log10_at_most, "")
            .expect(high, 1e-4, SOURCE);
        evidence.measure("stored_log10_sigma_min_f64_svd", reported[0].log10(), "");
        evidence.measure("stored_log10_sigma_min_f32_svd", reported[1].log10(), "");
        for (name, tolerance) in [("f64", Tolerance::F64), ("f32", Tolerance::F32)] {
            let measured =
                evidence.measure(format!("stored_rank_{name}"), double.numerical_rank(tolerance) as f64, "");
            measured.expect(known(&format!("numerical_rank_{name}"))?, 0.0, SOURCE);
        }
        let effective = evidence.measure("stored_effective_rank", double.effective_rank(), "");
        effective.expect(known("effective_rank")?, 1e-9, SOURCE);
        let log_det = evidence.measure("stored_log_det", self.log_det, "nats");
        log_det.expect(known("log_det_exact")?, 1e-9, SOURCE);
        Ok(())
    }

    /// LU of the same weights, each changed in its last binary digit or not: what is left of sign and size. The
    /// processor's BLAS decides both, so nothing is expected of them.
    fn determinant(&self, evidence: &mut Evidence) -> Result<()> {
        let Stored { lu, variants, .. } = self;
        let wrong: Sample = variants.iter().map(|lu| f64::from(u8::from(lu.sign != 1))).collect();
        // A pivot of exactly 0 has no logarithm; its sign, 0, counts as wrong.
        let logs: Sample = variants.iter().map(|lu| lu.log).filter(|log| log.is_finite()).collect();
        let (count, zero) = (wrong.count_where(|wrong| wrong == 1.0), variants.len() - logs.count());
        let text = format!(
            "stored draw: ln det A is {} exactly, and the sign +; LU gives {} and {}, and after a change of last \
             digits the wrong sign in {count} of {VARIANTS} cases, an exact 0 in {zero} of these, and {logs} else: its \
             sign is a coin toss, which also falls differently on different processors",
            short(self.log_det),
            short(lu.log),
            if lu.sign == 1 { "+" } else { "−" },
        );
        evidence.weigh(count == 0 && lu.sign == 1, text);
        evidence.measure("stored_lu_sign", f64::from(lu.sign), "");
        if lu.log.is_finite() {
            evidence.measure("stored_lu_log", lu.log, "nats");
        }
        evidence.measure_sample("stored_lu_wrong_sign_share", wrong, "");
        if logs.count() > 0 {
            evidence.measure_sample("stored_lu_log_varied", logs, "nats");
        }
        Ok(())
    }

    /// One matrix at the tolerances of f16, f32 and f64, and exactly.
    fn through_lenses(&self, evidence: &mut Evidence) {
        for (lens, rank, _) in &self.lenses {
            evidence.measure(format!("lens_rank_{}", lens.name()), *rank as f64, "");
        }
        let n = self.exact.len();
        let count = self.exact.iter().flatten().filter(|log10| log10.is_finite()).count();
        evidence.measure("lens_rank_exact", count as f64, "").expect(n as f64, 0.0, "det A > 0");
        let ranks: Vec<_> =
            self.lenses.iter().map(|(lens, rank, _)| format!("{rank} in {}", lens.name())).collect();
        let text = format!(
            "stored draw: the weights rounded to each format have numerical rank {}; exactly {count} of {n} singular \
             values are not zero",
            ranks.join(", ")
        );
        evidence.weigh(false, text);
    }

    fn picture_lenses(&self, evidence: &mut Evidence, settings: &Settings) {
        let reference = |(lens, rank, threshold): &(Lens, usize, f64)| {
            let name = format!("{} tolerance: rank {rank}", lens.name());
            match lens {
                // What the arithmetic of these weights rounds away.
                Lens::F64 => Reference::floor(name, *threshold),
                _ => Reference::level(name, *threshold),
            }
        };
        let truth = self.exact.iter().map(|log10| log10.map_or(f64::NAN, |log10| 10f64.powf(log10)));
        let curves = vec![
            Curve::new("exact", Kind::Causal, indexed(truth)),
            Curve::new("f64 arithmetic", Kind::Plain, indexed(self.double.values().iter().copied())),
            Curve::new("f32 arithmetic", Kind::Plain, indexed(self.single.values().iter().copied())),
        ];
        let figure = Lines {
            title: "One causal matrix through four number formats".into(),
            x: PlotAxis::linear("index i"),
            y: PlotAxis::log("singular value"),
            curves,
            references: self.lenses.iter().map(reference).collect(),
            settings: settings.record(),
        };
        let caption = "Singular values of the stored draw's causal weights (n = 128, D = 16): exact, by \
                       multi-precision, and as decompositions in f64 and in f32 arithmetic find them. Dashed: what each \
                       format counts as zero, n · ε · σ₁, with the rank that it leaves; shaded: below the rounding \
                       floor of f64.";
        evidence.show("lens", caption, figure);
    }
}

/// A number, or a text that is one.
fn number(value: &Value) -> Result<f64> {
    let text = || value.as_str().and_then(|text| text.parse().ok());
    let missing = || Error::format("causal_n128_d16.json", "a number is missing");
    value.as_f64().or_else(text).ok_or_else(missing)
}

/// Values above zero with their indices from 1 on; a zero or an unknown has no place on a logarithmic axis.
fn indexed(values: impl Iterator<Item = f64>) -> Vec<(f64, f64)> {
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

fn picture_blocks(evidence: &mut Evidence, settings: &Settings, blocks: &[[f64; 6]]) {
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
