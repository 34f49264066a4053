//! The true smallest singular value beside the one that f32 and f64 report.

use super::super::{Draw, Evidence, Sample, Settings};
use super::{is_reference, seeds};
use crate::device::Device;
use crate::error::Result;
use crate::mask::Mask;
use crate::numbers::short;
use crate::rank::precise::{self, Triangular};
use crate::rank::{Spectrum, spectrum_in_f32};
use crate::run::Run;

/// One draw, in three arithmetics.
struct Seen {
    /// Whether every diagonal entry is positive in multi-precision.
    is_nonsingular: bool,
    log_det: f64,
    log10_true: f64,
    log10_f64: f64,
    log10_f32: f64,
    /// log₁₀ of f64's rounding floor.
    log10_floor: f64,
    digits: usize,
}

pub(super) fn experiment(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let n = settings.integer("n")?;
    let mut draws = Vec::new();
    let seeds = seeds(settings, "seeds")?;
    for (index, &seed) in seeds.iter().enumerate() {
        draws.push(look(settings, seed, run)?);
        run.step("multi-precision", index + 1, seeds.len())?;
    }
    let over = |of: fn(&Seen) -> f64| draws.iter().map(of).collect::<Sample>();
    let exact = over(|seen| f64::from(u8::from(seen.is_nonsingular)));
    let (log_det, truth) = (over(|seen| seen.log_det), over(|seen| seen.log10_true));
    let (double, single) = (over(|seen| seen.log10_f64), over(|seen| seen.log10_f32));
    let floor = over(|seen| seen.log10_floor);
    let digits = draws.iter().map(|seen| seen.digits).max().unwrap_or(0);
    evidence.weigh(
        exact.mean() == 1.0,
        format!(
            "{} of {} determinants at n = {n} are positive in exact arithmetic: ln det A = Σ ln aᵢᵢ = {log_det}",
            exact.count_where(|is| is == 1.0),
            draws.len()
        ),
    );
    // A number below the floor says only that it is below.
    let is_visible = truth.values().iter().zip(floor.values()).all(|(truth, floor)| truth > floor);
    let seen = if is_visible { "f64 sees it" } else { "f64 cannot see it" };
    evidence.weigh(
        is_visible,
        format!(
            "n = {n}: the true log₁₀ σ_min is {truth} ({digits} digits or fewer); the decomposition in f64 reports \
             {double}, the one in f32 {single}; {seen}: its rounding floor is at {}",
            short(floor.mean())
        ),
    );
    evidence.measure_sample("exactly_nonsingular_share", exact, "");
    evidence.measure_sample(format!("log_det_n{n}"), log_det, "nats");
    evidence.measure_sample("log10_sigma_min", truth, "");
    evidence.measure_sample("log10_sigma_min_f64_svd", double, "");
    evidence.measure_sample("log10_sigma_min_f32_svd", single, "");
    evidence.measure("digits", digits as f64, "");
    evidence.expect("exactly_nonsingular_share", 1.0, 0.0, "det A = Π aᵢᵢ > 0");
    if is_reference(settings)? && n == 128 {
        let mean = (-552.29, 12.7, 40);
        evidence.expect_mean("log_det_n128", mean, "numpy, 40 draws at n = 128, D = 16, unit scale")?;
    }
    super::determinant::expect_formula(evidence, settings)
}

fn look(settings: &Settings, seed: u64, run: &Run) -> Result<Seen> {
    let (n, scale) = (settings.integer("n")?, settings.number("scale")?);
    let draw = Draw::independent(n, settings.integer("head_size")?, seed);
    let weights = |digits| {
        precise::attention_weights(draw.q.view(), draw.k.view(), scale, &Mask::causal(), digits, run)
    };
    let triangular = Triangular::new(weights, run)?;
    // Always in f64 on the CPU: f32 numbers from a GPU would be another matrix.
    let rounded = draw.weights(scale, &Mask::causal(), &Device::Cpu)?;
    let (double, single) = (Spectrum::of(rounded.view())?, spectrum_in_f32(rounded.view())?);
    let log10_of_smallest = |spectrum: &Spectrum| spectrum.sigma_min().unwrap_or(0.0).log10();
    let log_det = triangular.log_det();
    Ok(Seen {
        is_nonsingular: log_det.is_finite() && triangular.matrix().has_positive_diagonal(),
        log_det,
        log10_true: triangular.sigma_min()?.log10,
        log10_f64: log10_of_smallest(&double),
        log10_f32: log10_of_smallest(&single),
        log10_floor: double.rounding_floor().log10(),
        digits: triangular.digits(),
    })
}
