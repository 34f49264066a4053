//! Claim: bidirectional attention is of low rank.

mod map;

use super::phase_map::spectra;
use super::prelude::*;
use crate::rank::precise;
use map::{alignment, map};

pub(super) static CLAIM: Claim = Claim {
    about: About {
        id: "bidirectional-low-rank",
        group: Group::Matrices,
        statement: "Bidirectional attention is of low rank.",
        source: "Su Jianlin, kexue.fm 9529 (2023), the low-rank argument; FAQ in kexue.fm 9547",
        exact: "The determinant of softmax(QKᵀ/√D) is an analytic function of Q and K that is not zero everywhere: \
                for D = 1 and distinct qᵢ and kⱼ the kernel exp(qᵢkⱼ) is nonsingular at every n. So it is zero on \
                a null set only, and bidirectional attention of drawn queries and keys has full rank almost \
                surely. What can be low is its numerical rank at a stated tolerance, or its effective rank.",
        reconsider: "Trained queries and keys instead of drawn ones, another measure than the effective rank, or a \
                     map over other head sizes, scales and alignments.",
    },
    parameters: &[
        set("n", "positions, of the map and over alignments", Integer(2, 1024), ["128"; 2]),
        set("head_sizes", "head sizes D of the map", Integers(1, 1024), HEAD_SIZES),
        set("scales", "factors on the logits after 1/√D, of the map", Numbers(0.0, 100.0), SCALES),
        set("alignment", ALIGNMENT, Number(0.0, 1.0), ["0"; 2]),
        set("sizes", FOLLOWED, Integers(2, 1024), SIZES),
        set("seeds", "draws", Integer(2, 1000), ["3"; 2]),
        trained::MODELS,
        trained::LARGEST,
        trained::TEXTS_FILE,
        trained::TOKENS,
    ],
    decide,
};

const HEAD_SIZES: [&str; 2] =
    ["1,2,4,6,8,12,16,32,64,128", "1,2,3,4,5,6,8,10,12,14,16,20,24,32,40,48,64,80,96,128"];
const SCALES: [&str; 2] = [
    "0.05,0.1,0.2,0.35,0.5,0.7,1,2,4,8",
    "0.05,0.07,0.1,0.13,0.17,0.22,0.3,0.4,0.5,0.6,0.75,0.85,1,1.3,1.7,2.2,3,4,6,8",
];
const ALIGNMENT: &str = "of keys with queries in the map: 0 is independent, 1 is K = Q";
const FOLLOWED: &str = "positions n over which ranks are followed, at D = 16 and unit scale";
const SIZES: [&str; 2] = ["16,32,64,128,256", "16,32,64,128,256,512,1024"];

/// In exact arithmetic, low rank means a rank below n. In floating point, where rank is a matter of degree, it means an
/// effective rank below that of causal attention with the same queries and keys.
fn decide(settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    check_work(settings)?;
    let mut evidence = Evidence::new(settings);
    let models = trained::each(&mut evidence, settings, run, |subject| {
        let rank = |head: ArrayView2<f64>| Ok(Spectrum::of(head)?.effective_rank());
        Ok([subject.heads(&Mask::causal(), run, rank)?, subject.heads(&Mask::bidirectional(), run, rank)?])
    })?;
    let exact = match settings.numbers("scales")?.iter().all(|&scale| scale == 0.0) {
        true => (Exact::Proved, "With logits of 0 every weight is 1/n, and the rank is 1.".to_owned()),
        false => example(&mut evidence, &Draw::independent(TOKENS, 1, settings.seed()?), run)?,
    };
    coarse(&mut evidence, settings, run)?;
    let sizes = settings.ascending("sizes")?;
    let full = over_sizes(&mut evidence, settings, &sizes, run)?;
    uniform(&mut evidence, &sizes, run)?;
    let (floating, map) = map(&mut evidence, settings, run)?;
    alignment(&mut evidence, settings, run)?;
    let trained = trained(&mut evidence, &models);
    Ok((evidence, Verdict::of(Some(exact), Some((floating, format!("{map} {full}"))), Some(trained))))
}

/// The most multiplications of a run: about ten minutes of singular values on two cores.
const MOST_WORK: f64 = 4e12;

/// Refuses settings that would take hours: n³ for each matrix, two masks, every point and draw.
fn check_work(settings: &Settings) -> Result<()> {
    let cube = |n: usize| (n as f64).powi(3);
    let points = settings.integers("head_sizes")?.len() * settings.numbers("scales")?.len();
    let sizes: f64 = settings.integers("sizes")?.into_iter().map(cube).sum();
    let per_draw = 2.0 * (points as f64 * cube(settings.integer("n")?) + sizes);
    let work = per_draw * settings.integer("seeds")? as f64;
    if work <= MOST_WORK {
        return Ok(());
    }
    let given = format!("2 · seeds · (head_sizes · scales · n³ + Σ sizes³) = {}", short(work));
    Err(Error::invalid("work of the settings", given, format!("at most {}", short(MOST_WORK))))
}

/// The number of tokens of the example. Its scores have rank 1, since its head has the smallest possible size.
const TOKENS: usize = 8;
/// Decimal digits: the determinant is near 10⁻²⁶.
const DIGITS: usize = 120;

/// The determinant of one bidirectional matrix.
fn determinant(draw: &Draw, run: &Run) -> Result<precise::Determinant> {
    let (q, k) = (draw.q.view(), draw.k.view());
    let weights = precise::attention_weights(q, k, 1.0, &Mask::bidirectional(), DIGITS, run)?;
    precise::determinant(&weights, run)
}

fn example(evidence: &mut Evidence, draw: &Draw, run: &Run) -> Result<(Exact, String)> {
    let det = determinant(draw, run)?;
    let (log, error) = (short(det.log), short(det.error));
    let text = format!("n = {TOKENS}, D = 1, unit scale: ln |det A| = {log} ± {error} in {DIGITS} digits");
    evidence.weigh(!det.is_certain(), text).at("n", TOKENS).at("head_size", 1).at("scale", 1.0);
    if !det.is_certain() {
        return Ok((Exact::Open, "The determinant of the example cannot be told from 0.".to_owned()));
    }
    evidence.measure("example_log_det", det.log, "nats");
    let because = format!(
        "{TOKENS} drawn tokens with heads of size 1, the smallest there are, have det A = {}10^{:.1}, certified in \
         {DIGITS} digits: full rank. So have almost all inputs at every n, as det A is an analytic function of them.",
        if det.sign < 0 { "−" } else { "" },
        det.log / std::f64::consts::LN_10
    );
    Ok((Exact::Refuted, because))
}

/// The case where the argument holds best: a small head and small logits, at a coarse tolerance.
fn coarse(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let tolerance = Tolerance::relative(1e-3)?;
    let [causal, bidirectional] = draws(&settings.seeds("seeds")?, "ranks at n = 64", run, |seed| {
        let both = spectra(&Draw::independent(64, 2, seed), 0.5, &Device::Cpu, run)?;
        Ok(both.map(|spectrum| spectrum.numerical_rank(tolerance) as f64))
    })?;
    let text = format!(
        "n = 64, D = 2, logits halved: of 64 directions, {bidirectional} bidirectional and {causal} causal ones are \
         above 10⁻³ of the first (f64 on the CPU)"
    );
    let finding = evidence.weigh(causal.mean() > bidirectional.mean(), text);
    finding.at("n", 64).at("head_size", 2).at("scale", 0.5).at("tolerance", 1e-3);
    evidence.record("rank_at_1e-3_bidirectional", &bidirectional);
    evidence.record("rank_at_1e-3_causal", &causal);
    Ok(())
}

/// The head size at which ranks are followed over n, at unit scale.
const HEAD_SIZE: usize = 16;

/// Effective rank, and numerical rank in f32 and f64, as n grows, and the number of draws that keep full rank.
fn over_sizes(evidence: &mut Evidence, settings: &Settings, sizes: &[usize], run: &Run) -> Result<String> {
    // In turn causal and bidirectional: the rank in f32, the rank in f64, the effective rank.
    let found = sweep(sizes.to_vec(), &settings.seeds("seeds")?, "ranks over n", run, |&n, seed| {
        let both = spectra(&Draw::independent(n, HEAD_SIZE, seed), 1.0, &Device::Cpu, run)?;
        let ranks = |zero| both.each_ref().map(|spectrum| spectrum.numerical_rank(zero) as f64);
        let ([a, b], [c, d]) = (ranks(Tolerance::F32), ranks(Tolerance::F64));
        let [e, f] = both.each_ref().map(Spectrum::effective_rank);
        Ok([a, b, c, d, e, f])
    })?;
    // The rounding error of a computed singular value is below f64's tolerance, so a value above it is not zero.
    let (mut full, mut all) = (0, 0);
    for (n, samples) in &found {
        for (column, format) in [(0, "f32"), (2, "f64")] {
            for (mask, (name, _)) in MASKS.iter().enumerate() {
                evidence.record(format!("rank_{format}_{name}_n{n}"), &samples[column + mask]);
            }
        }
        full += samples[3].count_where(|rank| rank == *n as f64);
        all += samples[3].count();
    }
    let text = format!(
        "D = {HEAD_SIZE}: in {full} of {all} draws over all n, every singular value of the bidirectional matrix \
         exceeds n · 2⁻⁵² · σ₁, the tolerance under which rounding stays: none of these matrices is singular"
    );
    let place = Place { head_size: HEAD_SIZE, scale: 1.0 };
    place.locate(evidence.weigh(full < all, text).at("n", sizes.last().copied()));
    evidence.measure("share_full_rank_f64", full as f64 / all as f64, "");
    if let Some((n, samples)) = found.last() {
        for (column, format) in [(0, "f32"), (2, "f64")] {
            let (causal, both) = (&samples[column], &samples[column + 1]);
            let text = format!(
                "n = {n}, D = {HEAD_SIZE}, unit scale: numerical rank in {format} {both} bidirectional, {causal} causal \
                 (f64 on the CPU)"
            );
            place.locate(evidence.weigh(both.mean() < causal.mean(), text).at("n", *n));
        }
    }
    let mut curves = Vec::new();
    for (column, measure) in [(4, "effective"), (0, "numerical f32"), (2, "numerical f64")] {
        for (mask, (name, kind)) in MASKS.into_iter().enumerate() {
            let share = |(n, samples): &(usize, [Sample; 6])| {
                (*n as f64, samples[column + mask].values().iter().map(|rank| rank / *n as f64).collect())
            };
            curves.push(curve(format!("{name}, {measure}"), kind, found.iter().map(share)));
        }
    }
    let caption = format!(
        "Ranks of attention weights as a share of n, over n, at D = {HEAD_SIZE} and unit scale, mean ± sd over draws: \
         solid lines are the effective rank, dashed ones the numerical rank in f32, dotted ones in f64."
    );
    let axes = [PlotAxis::log("positions n"), PlotAxis::linear("rank / n")];
    let references = vec![Reference::level("exact rank", 1.0)];
    evidence.plot("over-n", caption, lines("Ranks of attention weights over n", axes, curves, references));
    let largest = sizes.last().copied().unwrap_or(0);
    Ok(format!("The numerical rank in f64 is full in {full} of {all} draws up to n = {largest}."))
}

/// n, and of the Cesàro matrix (cᵢⱼ = 1/i for j ≤ i) the effective rank and σ₁/σ_min, by numpy.
const CESARO: &[(usize, f64, f64)] = &[
    (16, 8.58371810, 39.9800953),
    (32, 13.6018806, 88.7984025),
    (64, 21.0640998, 191.327200),
    (128, 31.9967735, 403.795093),
    (256, 47.8209974, 840.206409),
    (512, 70.4955639, 1731.20087),
    (1024, 102.709132, 3542.58077),
];

/// The limit of small logits, where the argument is right: the matrix of 1/n, compared with the Cesàro matrix.
fn uniform(evidence: &mut Evidence, sizes: &[usize], run: &Run) -> Result<()> {
    let all = rank::many(sizes, "uniform attention", run, |&n| {
        spectra(&Draw::independent(n, 1, 0), 0.0, &Device::Cpu, run)
    })?;
    let rank_f64 = |spectrum: &Spectrum| spectrum.numerical_rank(Tolerance::F64) as f64;
    for (n, [causal, both]) in sizes.iter().zip(&all) {
        let known = CESARO.iter().find(|known| known.0 == *n);
        let condition = causal.condition().map_or(f64::INFINITY, |condition| condition.value);
        for (what, value, known) in [
            ("effective_rank", causal.effective_rank(), known.map(|known| known.1)),
            ("condition", condition, known.map(|known| known.2)),
        ] {
            let measured = evidence.measure(format!("uniform_{what}_causal_n{n}"), value, "");
            known.map(|known| measured.expect(known, 1e-6 * known, "the Cesàro matrix by numpy"));
        }
        let rank = evidence.measure(format!("uniform_rank_bidirectional_n{n}"), rank_f64(both), "");
        rank.expect(1.0, 0.0, "the matrix of 1/n is of rank 1");
    }
    let (Some(n), Some([causal, both])) = (sizes.last(), all.last()) else { return Ok(()) };
    let [of_uniform, of_cesaro] = [both, causal].map(rank_f64);
    let text = format!(
        "in the limit of zero logits and n = {n}, bidirectional attention is the matrix of 1/n with f64 rank \
         {of_uniform}, causal attention the Cesàro matrix with f64 rank {of_cesaro}"
    );
    evidence.weigh(of_uniform < of_cesaro, text).at("n", *n).at("head_size", 1).at("scale", 0.0);
    let share = causal.effective_rank() / *n as f64;
    let (rank, part) = (short(causal.effective_rank()), short(share));
    let text =
        format!("the full rank of that Cesàro matrix is an effective rank of {rank} of {n}, {part} of it");
    // Below a half, causal attention is of low effective rank too.
    evidence.weigh(share >= 0.5, text).at("n", *n).at("head_size", 1).at("scale", 0.0).at("mask", "causal");
    Ok(())
}

/// Trained heads: causal, bidirectional. One of the masks is that of their training; the other one is an override with
/// the same weights.
type Both = [Heads<f64>; 2];

/// Whether each head has a lower effective rank bidirectionally; `None` where the texts disagree.
fn is_lower([causal, both]: &Both) -> Vec<Option<bool>> {
    let pairs = causal.over(|rank| *rank).into_iter().zip(both.over(|rank| *rank));
    pairs.map(|(causal, both)| Ahead::of(&causal.minus(&both)).is_causal()).collect()
}

fn trained(evidence: &mut Evidence, models: &[Both]) -> (Trained, String) {
    let count = |model: &Both, wanted| is_lower(model).into_iter().filter(|is| *is == Some(wanted)).count();
    let words = |model: &Both| {
        let [Heads { name, trained, heads, .. }, _] = model;
        let (lower, higher) = (count(model, true), count(model, false));
        format!("in {lower} of {} heads of {name} (trained {trained}), higher in {higher}", heads.len())
    };
    for model in models {
        let ([causal, both], lower) = (model, count(model, true));
        let text = format!("the bidirectional effective rank is lower {}", words(model));
        evidence.weigh(lower == causal.heads.len(), text).at("model", &*causal.name);
        evidence.measure(causal.measure("heads"), causal.heads.len() as f64, "heads");
        evidence.measure(causal.measure("heads_bidirectional_lower"), lower as f64, "heads");
        evidence.record(causal.measure("effective_rank_causal"), &causal.means(|rank| *rank));
        evidence.record(both.measure("effective_rank_bidirectional"), &both.means(|rank| *rank));
    }
    let lead =
        "With the same trained weights under both masks, the bidirectional effective rank is the lower one ";
    in_models(models, models.iter().flat_map(is_lower), lead, words)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::claim::trained::by_hand;

    /// Two equal queries give two equal rows, and a determinant that no number of digits can tell from 0.
    #[test]
    fn an_example_that_is_singular_leaves_the_claim_open() {
        let draw = Draw { q: array![[1.0], [1.0], [0.5]], k: array![[0.3], [-2.0], [1.5]] };
        let (word, _) = example(&mut Evidence::default(), &draw, &Run::default()).unwrap();
        assert_eq!(word, Exact::Open);
    }

    /// The determinant of two tokens by hand: (e^{q₁k₁ + q₂k₂} − e^{q₁k₂ + q₂k₁}) over the sums of the rows.
    #[test]
    fn the_example_has_the_determinant_that_it_has() {
        let draw = Draw { q: array![[0.5], [-1.0]], k: array![[2.0], [0.25]] };
        let det = determinant(&draw, &Run::default()).unwrap();
        let e = |x: f64| x.exp();
        let by_hand = (e(1.0 - 0.25) - e(0.125 - 2.0)) / ((e(1.0) + e(0.125)) * (e(-2.0) + e(-0.25)));
        assert!(det.sign == 1 && (det.log - by_hand.ln()).abs() < 1e-12, "{det:?}");
    }

    /// Ranks set by hand, for each head causal and bidirectional on two texts, go through the same functions as those
    /// of trained heads.
    #[test]
    fn every_word_about_trained_models_is_reached() {
        let ruling = |heads: &[[[f64; 2]; 2]]| {
            let [causal, both] = [0, 1].map(|mask| heads.iter().map(|head| head[mask].to_vec()).collect());
            let models = by_hand(2, causal).into_iter().zip(by_hand(2, both)).map(|(a, b)| [a, b]);
            trained(&mut Evidence::default(), &models.collect::<Vec<_>>()).0
        };
        let (lower, higher) = ([[9.0, 8.0], [2.0, 1.5]], [[3.0, 4.0], [8.0, 8.5]]);
        let unclear = [[5.0, 6.0], [6.0, 5.0]];
        assert_eq!(ruling(&[lower, lower]), Trained::InAll);
        assert_eq!(ruling(&[lower, higher, unclear]), Trained::InSome);
        assert_eq!(ruling(&[higher, unclear]), Trained::InNone);
        assert_eq!(ruling(&[unclear]), Trained::NotResolved);
        assert_eq!(ruling(&[]), Trained::NoModel);
    }
}
