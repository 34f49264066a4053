//! Claim: causal attention is always of full rank.
//!
//! The claim is a theorem in exact arithmetic; in floating point it depends on the settings. The experiment compares
//! the exact determinant and smallest singular value with those in f64, f32 and f16 for the same matrices.

mod stored;
mod underflow;

use super::prelude::*;
use crate::rank::precise::{self, Triangular};
use crate::rank::{lu_determinant, spectrum_in_f32};
use underflow::underflow;

pub(super) static CLAIM: Claim = Claim {
    about: About {
        id: "causal-full-rank",
        group: Group::Matrices,
        statement: "Causal attention is always of full rank.",
        source: "As commonly cited after Su Jianlin, kexue.fm 9529 (2023): a lower triangular matrix with a positive \
                 diagonal has a positive determinant",
        exact: "Causal weights are lower triangular with a positive diagonal, so det A = Π aᵢᵢ > 0: full rank, for \
                every input. The same holds for every mask inside the causal one that keeps the diagonal. How far \
                the matrix is from a singular one is another question, and σ_min answers it.",
        reconsider: "A logit scale at which the diagonal dominates, or arithmetic with more digits than f64.",
    },
    parameters: &[
        set("mask", "the mask on trial, in place of the causal one", Text, ["causal"; 2]),
        set("n", "positions of the matrices for multi-precision and LU", Integer(2, 256), ["128"; 2]),
        set("sizes", "positions n over which numerical ranks are followed", Integers(2, 2048), SIZES),
        set("head_size", "head size D", Integer(1, 1024), ["16"; 2]),
        // At 8 and n = 256, σ_min is near 10⁻⁶⁵⁰ and takes multi-precision many seconds.
        set("scale", "factor on the logits after 1/√D", Number(0.0, 8.0), ["1"; 2]),
        set("scales", "further factors, for the numerical rank at n", Numbers(0.0, 16.0), SCALES),
        set("seeds", "draws", Integer(2, 1000), ["6", "20"]),
        set("lu_draws", "draws whose determinant LU computes too", Integer(2, 1000), ["40", "400"]),
        trained::MODELS,
        trained::LARGEST,
        trained::TEXTS_FILE,
        trained::TOKENS,
    ],
    decide,
};

const SIZES: [&str; 2] = ["16,32,64,128,256,512", "16,32,64,128,256,512,1024"];
const SCALES: [&str; 2] = ["0,0.1,1,8", "0,0.1,0.5,1,2,4,8"];

/// The computations of the CPU in experiments on another device.
const ON_CPU: &str = "in multi-precision the exact determinants and singular values, in f64 the weights and spectra \
                      of all ranks but those of f32, of LU and of the stored draw; the device computes the weights \
                      behind lost_f32_causal and lost_f32_bidirectional";

fn decide(settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let (mask, n) = (Mask::parse(settings.text("mask")?)?, settings.integer("n")?);
    let mut evidence = Evidence::new(settings);
    let models = trained::each_under(Some(&mask), &mut evidence, settings, run, |subject| {
        subject.heads(&mask, run, look)
    })?;
    let (exact, mut theorem) = theorem(&mask, n)?;
    if exact != Exact::Open {
        evidence.weigh(exact == Exact::Proved, theorem.trim_end_matches('.'));
    }
    if mask == Mask::causal() {
        let sigma = multi_precision(&mut evidence, settings, run)?;
        theorem += &format!(" It may still be close to singular: σ_min is near 10^{sigma:.0} at n = {n}.");
        lu(&mut evidence, settings, run)?;
        underflow(&mut evidence, settings, run)?;
        stored::measure(&mut evidence, run)?;
    }
    let floating = floating(&mut evidence, settings, &mask, run)?;
    let trained = trained(&mut evidence, &mask, &models);
    evidence.note_cpu(settings, ON_CPU);
    Ok((evidence, Verdict::of(Some((exact, theorem)), Some(floating), Some(trained))))
}

/// What is known about all attention matrices of n tokens under `mask`: first from the positions of the positive
/// weights, then from the simplest inputs, equal scores.
fn theorem(mask: &Mask, n: usize) -> Result<(Exact, String)> {
    mask.check(n)?;
    let exact = mask.exact_rank(n);
    if let Some(rank) = exact.rank {
        let reason = exact.reason;
        let proof = format!(
            "Under the mask {mask} every matrix of weights is {reason}, so its determinant is a product of positive \
             numbers."
        );
        let refuted = format!("Under {mask} every matrix of {n} tokens has rank {rank}: {reason}.");
        return Ok(if rank == n { (Exact::Proved, proof) } else { (Exact::Refuted, refuted) });
    }
    let zero = Array2::zeros((n, 1));
    let weights = attention_weights(&zero, &zero, 1.0, mask, &Device::Cpu)?;
    let mut pairs = (1..n).flat_map(|row| (0..row).map(move |earlier| (earlier, row)));
    let Some((earlier, row)) = pairs.find(|&(earlier, row)| weights.row(earlier) == weights.row(row)) else {
        let because = format!(
            "The mask {mask} decides nothing by its pattern alone, and equal scores are no counterexample at n = {n}."
        );
        return Ok((Exact::Open, because));
    };
    let because = format!(
        "With equal scores, tokens {} and {} of {n} have the same weights under {mask}: two equal rows, so a \
         determinant of 0.",
        earlier + 1,
        row + 1
    );
    Ok((Exact::Refuted, because))
}

/// Causal weights of one draw, in f64 on the CPU: f32 numbers from a GPU would be a different matrix.
fn causal(settings: &Settings, n: usize, seed: u64) -> Result<(Draw, Array2<f64>)> {
    let draw = Draw::independent(n, settings.integer("head_size")?, seed);
    let weights = draw.weights(settings.number("scale")?, &Mask::causal(), &Device::Cpu)?;
    Ok((draw, weights))
}

/// −ln n! − n·scale²/2, the leading order of E ln det A for scores of standard deviation `scale`.
///
/// ln aᵢᵢ = sᵢᵢ − ln Σⱼ exp sᵢⱼ, where sᵢᵢ has mean 0 and the sum of i terms is near i · exp(scale²/2).
fn predicted_log_det(n: usize, scale: f64) -> f64 {
    -(1..=n).map(|i| (i as f64).ln()).sum::<f64>() - n as f64 * scale * scale / 2.0
}

/// The largest allowed difference of the mean over draws from [`predicted_log_det`]: the diagonal scores are
/// independent with standard deviation `scale`, and the next order grows like ln n. `None` where the formula does not
/// apply.
fn tolerance(settings: &Settings, n: usize) -> Result<Option<f64>> {
    let (n, scale, draws) = (n as f64, settings.number("scale")?, settings.integer("seeds")?);
    let tolerance = 4.0 * scale * (n / draws as f64).sqrt() + 2.0 * scale * scale * (1.0 + n.ln()) + 1e-9;
    Ok((scale <= 1.0 && settings.integer("head_size")? >= 8).then_some(tolerance))
}

/// Measures the determinant, and log₁₀ of the smallest singular value in exact arithmetic, f64 and f32; returns the
/// mean of the exact value.
fn multi_precision(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<f64> {
    let (n, scale, seeds) = (settings.integer("n")?, settings.number("scale")?, settings.seeds("seeds")?);
    let look = |seed| {
        let (draw, weights) = causal(settings, n, seed)?;
        let (q, k) = (draw.q.view(), draw.k.view());
        let at = |digits| precise::attention_weights(q, k, scale, &Mask::causal(), digits, run);
        let triangular = Triangular::new(at, run)?;
        let (double, single) = (Spectrum::of(weights.view())?, spectrum_in_f32(weights.view())?);
        let log10 = |spectrum: &Spectrum| spectrum.sigma_min().unwrap_or(0.0).log10();
        let log_det = triangular.log_det();
        let is_nonsingular = log_det.is_finite() && triangular.matrix().has_positive_diagonal();
        Ok([
            f64::from(u8::from(is_nonsingular)),
            log_det,
            triangular.sigma_min()?.log10,
            log10(&double),
            log10(&single),
            double.rounding_floor().log10(),
            triangular.digits() as f64,
        ])
    };
    let [nonsingular, log_det, exact, f64s, f32s, floor, digits] =
        draws(&seeds, "multi-precision", run, look)?;
    let positive = nonsingular.count_where(|is| is == 1.0);
    let text = format!(
        "{positive} of {} determinants at n = {n} are positive in exact arithmetic: ln det A = Σ ln aᵢᵢ = {log_det}",
        seeds.len()
    );
    evidence.weigh(positive == seeds.len(), text);
    // A computed value below the floor shows only that the true one is below it too.
    let is_visible = exact.minus(&floor).extremes().0 > 0.0;
    let digits = digits.extremes().1;
    let text = format!(
        "n = {n}: the true log₁₀ σ_min is {exact} ({digits} digits or fewer); the decomposition in f64 reports {f64s}, \
         the one in f32 {f32s}; f64's rounding floor is at {}, so it {} it",
        short(floor.mean()),
        if is_visible { "sees" } else { "cannot see" }
    );
    evidence.weigh(is_visible, text).at("exact", true);
    evidence.record("exactly_nonsingular_share", &nonsingular).expect(1.0, 0.0, "det A = Π aᵢᵢ > 0");
    let measured = evidence.measure_sample(format!("log_det_n{n}"), log_det, "nats");
    if let Some(tolerance) = tolerance(settings, n)? {
        measured.expect(predicted_log_det(n, scale), tolerance, "−ln n! − n·scale²/2, leading order");
    }
    evidence.record("log10_sigma_min", &exact);
    // The result of the decompositions at the level of rounding depends on the processor, so no value is expected.
    evidence.record("log10_sigma_min_f64_svd", &f64s);
    evidence.record("log10_sigma_min_f32_svd", &f32s);
    evidence.measure("digits", digits, "");
    Ok(exact.mean())
}

/// How often LU gets the sign of the determinant wrong, and the error of its logarithm.
fn lu(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let n = settings.integer("n")?;
    let [wrong, error] = draws(&settings.seeds("lu_draws")?, "LU", run, |seed| {
        let (_, weights) = causal(settings, n, seed)?;
        let exact: f64 = weights.diag().iter().map(|entry| entry.ln()).sum();
        let lu = lu_determinant(weights.view())?;
        Ok([f64::from(u8::from(lu.sign != 1)), lu.log - exact])
    })?;
    // A pivot of exactly 0 has no logarithm.
    let error: Sample = error.values().iter().copied().filter(|error| error.is_finite()).collect();
    let count = wrong.count_where(|wrong| wrong == 1.0);
    let text = format!(
        "LU with pivoting, given the matrix by columns as numpy does, gets the determinant's sign wrong in {count} of {} \
         draws at n = {n}, and its logarithm off by {error} nats; other processors get other signs",
        wrong.count()
    );
    evidence.weigh(count == 0, text);
    evidence.record("lu_wrong_sign_share", &wrong);
    if error.count() > 0 {
        evidence.measure_sample("lu_log_error", error, "nats");
    }
    Ok(())
}

/// Whether no direction is lost in any draw, or on any text.
fn is_full(lost: &Sample) -> bool {
    lost.count_where(|lost| lost > 0.0) == 0
}

/// The rank that is lost to rounding as the sequence grows, and over the logit scale.
fn floating(e: &mut Evidence, settings: &Settings, mask: &Mask, run: &Run) -> Result<(Floating, String)> {
    let (n, head_size) = (settings.integer("n")?, settings.integer("head_size")?);
    let (scale, seeds) = (settings.number("scale")?, settings.seeds("seeds")?);
    // Directions lost in f64 and in f32 as the device computes it, and the effective rank.
    let lost = |n: usize, scale: f64, mask: &Mask, seed: u64| -> Result<[f64; 3]> {
        let draw = Draw::independent(n, head_size, seed);
        let spectrum = Spectrum::of(draw.weights(scale, mask, &Device::Cpu)?.view())?;
        let lost = |spectrum: &Spectrum, tolerance| (n - spectrum.numerical_rank(tolerance)) as f64;
        let in_f32 = match settings.device() {
            Device::Cpu => lost(&spectrum, Tolerance::F32),
            gpu => lost(&Spectrum::of(draw.weights(scale, mask, gpu)?.view())?, Tolerance::F32),
        };
        Ok([lost(&spectrum, Tolerance::F64), in_f32, spectrum.effective_rank()])
    };
    let over = |mask: &Mask| {
        sweep(settings.integers("sizes")?, &seeds, "rank over n", run, |&n, seed| lost(n, scale, mask, seed))
    };
    let (sizes, both) = (over(mask)?, over(&Mask::bidirectional())?);
    let scales = sweep(settings.numbers("scales")?, &seeds, "rank over scales", run, |&scale, seed| {
        lost(n, scale, mask, seed)
    })?;
    let is_both = *mask == Mask::bidirectional();
    let mut curves = Vec::new();
    let masks = [(mask, Kind::Causal, &sizes), (&Mask::bidirectional(), Kind::Bidirectional, &both)];
    for (mask, kind, sizes) in masks.into_iter().take(if is_both { 1 } else { 2 }) {
        for (column, format) in ["f64", "f32"].into_iter().enumerate() {
            let points = sizes.iter().map(|(n, found)| (*n as f64, found[column].clone()));
            curves.push(curve(format!("{mask}, {format}"), kind, points));
        }
        for (n, [f64s, f32s, effective]) in sizes {
            e.measure_sample(format!("lost_f64_{mask}_n{n}"), f64s.clone(), "directions");
            e.measure_sample(format!("lost_f32_{mask}_n{n}"), f32s.clone(), "directions");
            e.record(format!("effective_rank_{mask}_n{n}"), effective);
        }
    }
    let (mut by_size, mut by_scale) = (Vec::new(), Vec::new());
    for (n, [f64s, f32s, _]) in &sizes {
        let text = format!("n = {n}: of {n} directions, {f64s} are lost to f64 and {f32s} to f32");
        e.weigh(is_full(f64s), text).at("n", *n);
        by_size.push(format!("{} of {n}", short(f64s.mean())));
    }
    for (scale, [lost, ..]) in &scales {
        let text = format!("logit scale {scale}, n = {n}: {lost} of {n} directions are lost to f64");
        e.weigh(is_full(lost), text).at("scale", *scale);
        e.measure_sample(format!("lost_f64_{mask}_scale_{scale}"), lost.clone(), "directions");
        by_scale.push(format!("{} at scale {scale}", short(lost.mean())));
    }
    let axes = [PlotAxis::log("positions n"), PlotAxis::linear("n − numerical rank")];
    let caption = format!(
        "How many of the n directions of {mask} attention count as zero at the tolerances of f64 and f32, mean and \
         standard deviation over draws; bidirectional attention of the same queries and keys beside it."
    );
    let figure = lines("Directions lost to rounding as the sequence grows", axes, curves, Vec::new());
    e.plot("lost-directions", caption, figure);
    let (by_size, by_scale) = (by_size.join(", "), by_scale.join(", "));
    let mut because = format!("f64 loses {by_size} directions to rounding, and at n = {n} {by_scale}.");
    if !is_both {
        let most = both.iter().map(|(_, lost)| lost[0].extremes().1).fold(0.0, f64::max);
        let most = if most == 0.0 { "none".to_owned() } else { format!("up to {most}") };
        because += &format!(" Bidirectional attention of the same draws loses {most}.");
    }
    let all = sizes.iter().map(|(_, lost)| &lost[0]).chain(scales.iter().map(|(_, lost)| &lost[0]));
    Ok((Floating::over(all.map(|lost| Outcome::of(is_full(lost)))), because))
}

/// The number of directions that a head loses at f32's tolerance, and of exact zeros on its diagonal.
fn look(weights: ArrayView2<f64>) -> Result<(f64, usize)> {
    let lost = weights.nrows() - Spectrum::of(weights)?.numerical_rank(Tolerance::F32);
    Ok((lost as f64, weights.diag().iter().filter(|&&weight| weight == 0.0).count()))
}

fn trained(e: &mut Evidence, mask: &Mask, models: &[Heads<(f64, usize)>]) -> (Trained, String) {
    let full =
        |model: &Heads<(f64, usize)>| model.over(|head| head.0).iter().filter(|lost| is_full(lost)).count();
    let zeros = |model: &Heads<(f64, usize)>| model.heads.iter().flatten().map(|head| head.1).sum::<usize>();
    for model in models {
        let (heads, full, zeros) = (model.heads.len(), full(model), zeros(model));
        let text = format!(
            "{}: {full} of {heads} heads keep every direction at f32's tolerance on every text; {zeros} diagonal \
             weights are exactly 0 in f32",
            model.name
        );
        let finding = e.weigh(full == heads && zeros == 0, text);
        finding.at("model", &*model.name).at("metric", "numerical_rank_f32");
        e.measure(model.measure("heads"), heads as f64, "heads");
        e.measure(model.measure("heads_of_full_rank"), full as f64, "heads");
        e.measure(model.measure("diagonal_zeros"), zeros as f64, "weights");
        e.measure_sample(model.measure("lost_f32"), model.means(|head| head.0), "directions");
    }
    let cases = models.iter().flat_map(|model| model.over(|head| head.0));
    let (ruling, because) = in_models(models, cases.map(|lost| Some(is_full(&lost))), "", |model| {
        let exactly = match zeros(model) {
            0 => "no weight on a diagonal is 0, so exactly all are full".to_owned(),
            zeros => format!("{zeros} weights on diagonals are 0 in f32"),
        };
        format!(
            "{} of {} heads of {} keep full rank at f32's tolerance on every text, and a head loses up to {} directions; \
             {exactly}",
            full(model),
            model.heads.len(),
            model.name,
            short(model.means(|head| head.0).extremes().1)
        )
    });
    let none = format!("None that was looked at was trained under {mask}.");
    (ruling, if models.is_empty() { none } else { because })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::trained::by_hand;

    #[test]
    fn the_theorem_knows_masks_by_hand() {
        let of = |mask: &str, n: usize| theorem(&Mask::parse(mask).unwrap(), n).unwrap().0;
        for (mask, n) in [("causal", 7), ("window(3)", 9), ("anti-causal", 5), ("prefix(1)", 6)] {
            assert_eq!(of(mask, n), Exact::Proved, "{mask}");
        }
        for (mask, n) in [("bidirectional", 3), ("prefix(4)", 9), ("padding(2)", 5)] {
            assert_eq!(of(mask, n), Exact::Refuted, "{mask}");
        }
        assert_eq!(of("two-sided-window(2)", 7), Exact::Open);
        assert!(theorem(&Mask::parse("prefix(8)").unwrap(), 6).is_err());
    }

    /// Heads made by hand go through the function that measures trained heads.
    #[test]
    fn every_word_about_trained_models_is_reached() {
        let ruling = |heads: &[&Array2<f64>]| {
            let heads = heads.iter().map(|head| vec![look(head.view()).unwrap()]).collect();
            trained(&mut Evidence::default(), &Mask::causal(), &by_hand(6, heads)).0
        };
        // A diagonal weight that f32 can store, but that counts as zero at its tolerance.
        let (full, mut sharp, mut zero) = (Array2::eye(6), Array2::eye(6), Array2::eye(5));
        sharp[(4, 4)] = 1e-30;
        sharp[(4, 0)] = 1.0;
        assert_eq!(ruling(&[&full, &full]), Trained::InAll);
        assert_eq!(ruling(&[&full, &sharp]), Trained::InSome);
        assert_eq!(ruling(&[&sharp]), Trained::InNone);
        assert_eq!(ruling(&[]), Trained::NoModel);
        zero[(2, 2)] = 0.0;
        assert_eq!(look(zero.view()).unwrap(), (1.0, 1));
    }

    #[test]
    fn the_determinant_is_predicted_to_underflow_at_the_quoted_positions() {
        let from = |limit: f64| (1..).find(|&n| predicted_log_det(n, 1.0) < -limit).unwrap();
        assert_eq!([708.0, 745.0, 87.3, 103.3].map(from), [156, 162, 30, 34]);
        assert!((predicted_log_det(128, 1.0) + 560.4).abs() < 0.1);
    }
}
