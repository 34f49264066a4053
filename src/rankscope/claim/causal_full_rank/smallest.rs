//! The true smallest singular value beside the one that f32 and f64 report.

use super::{NUMPY, determinant};
use crate::claim::{Draw, Evidence, Known, Sample, Settings};
use crate::device::Device;
use crate::error::Result;
use crate::mask::Mask;
use crate::numbers::short;
use crate::rank::precise::{self, Triangular};
use crate::rank::{Spectrum, spectrum_in_f32};
use crate::run::Run;

/// Draws of causal attention in three arithmetics.
pub(super) struct Smallest {
    /// Whether every diagonal entry is positive in multi-precision, 1 or 0.
    pub nonsingular: Sample,
    pub log_det: Sample,
    pub log10_true: Sample,
    log10_f64: Sample,
    log10_f32: Sample,
    /// log₁₀ of f64's rounding floor.
    log10_floor: Sample,
    digits: usize,
}

pub(super) fn measure(settings: &Settings, run: &Run) -> Result<Smallest> {
    let seeds = settings.seeds("seeds")?;
    let (mut rows, mut digits) = (Vec::new(), 0);
    for (index, &seed) in seeds.iter().enumerate() {
        let (row, needed) = look(settings, seed, run)?;
        rows.push(row);
        digits = digits.max(needed);
        run.step("multi-precision", index + 1, seeds.len())?;
    }
    let [nonsingular, log_det, log10_true, log10_f64, log10_f32, log10_floor] =
        [0, 1, 2, 3, 4, 5].map(|column| rows.iter().map(|row| row[column]).collect());
    Ok(Smallest { nonsingular, log_det, log10_true, log10_f64, log10_f32, log10_floor, digits })
}

/// The numbers of one draw in the order of [`Smallest`], and the digits that they took.
fn look(settings: &Settings, seed: u64, run: &Run) -> Result<([f64; 6], usize)> {
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
    let is_nonsingular = log_det.is_finite() && triangular.matrix().has_positive_diagonal();
    let row = [
        f64::from(u8::from(is_nonsingular)),
        log_det,
        triangular.sigma_min()?.log10,
        log10_of_smallest(&double),
        log10_of_smallest(&single),
        double.rounding_floor().log10(),
    ];
    Ok((row, triangular.digits()))
}

impl Smallest {
    pub fn report(self, evidence: &mut Evidence, settings: &Settings, is_reference: bool) -> Result<()> {
        let (n, draws) = (settings.integer("n")?, self.nonsingular.count());
        let positive = self.nonsingular.count_where(|is| is == 1.0);
        let text = format!(
            "{positive} of {draws} determinants at n = {n} are positive in exact arithmetic: ln det A = Σ ln aᵢᵢ = {}",
            self.log_det
        );
        evidence.weigh(positive == draws, text);
        // A number below the floor says only that it is below.
        let pairs = self.log10_true.values().iter().zip(self.log10_floor.values());
        let is_visible = pairs.into_iter().all(|(truth, floor)| truth > floor);
        let text = format!(
            "n = {n}: the true log₁₀ σ_min is {} ({} digits or fewer); the decomposition in f64 reports {}, the one in \
             f32 {}; f64's rounding floor is at {}, so it {} it",
            self.log10_true,
            self.digits,
            self.log10_f64,
            self.log10_f32,
            short(self.log10_floor.mean()),
            if is_visible { "sees" } else { "cannot see" }
        );
        evidence.weigh(is_visible, text);
        let nonsingular = evidence.measure_sample("exactly_nonsingular_share", self.nonsingular, "");
        nonsingular.expect(1.0, 0.0, "det A = Π aᵢᵢ > 0");
        let log_det = evidence.measure_sample(format!("log_det_n{n}"), self.log_det, "nats");
        if is_reference {
            log_det.expect_mean(Known::new(-552.29, 12.7, 40), NUMPY);
        } else if let Some((value, tolerance)) = determinant::formula(settings)? {
            log_det.expect(value, tolerance, determinant::FORMULA);
        }
        evidence.measure_sample("log10_sigma_min", self.log10_true, "");
        // What the decompositions make of rounding depends on the processor: nothing is expected of it.
        evidence.measure_sample("log10_sigma_min_f64_svd", self.log10_f64, "");
        evidence.measure_sample("log10_sigma_min_f32_svd", self.log10_f32, "");
        evidence.measure("digits", self.digits as f64, "");
        Ok(())
    }
}
