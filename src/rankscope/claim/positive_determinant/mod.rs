//! Claim: a causal attention matrix always has a positive determinant.

mod certified;
mod plots;
mod point;

use super::draw::{differential_weights, sigmoid_weights, sink_weights, tolerance};
use super::prelude::*;
use certified::{Certified, DIGITS, certify};
use point::{Look, Mechanism, Point};

pub(super) static CLAIM: Claim = Claim {
    about: About {
        id: "positive-determinant",
        group: Group::Matrices,
        statement: "A causal attention matrix always has a positive determinant.",
        source: "Su Jianlin, kexue.fm 9529 (2023), on softmax; differential attention: Ye et al. 2024 (arXiv 2410.05258)",
        exact: "A causal matrix is lower triangular, so its determinant is the product of its diagonal. The weights of \
                softmax are positive, with a learned sink too, and so are those of a sigmoid: their determinant is \
                positive. Differential attention is A₁ − λA₂, and an entry a₁ − λa₂ of its diagonal may have any sign. \
                It is causal all the same, and singular for a null set of inputs only; at λ = 1 its first row is 0, and \
                it is always singular.",
        reconsider: "Differential attention with scores so near 0 that no a₂ exceeds a₁/λ: there the diagonal is positive \
                     again (scale=0.01).",
    },
    parameters: &[
        set("n", "positions", Integer(2, 1024), ["64", "128"]),
        set("head_size", "head size D of each softmax", Integer(1, 1024), ["16"; 2]),
        set("scale", "factor on the logits after 1/√D", Number(0.0, 1000.0), ["1"; 2]),
        set("lambdas", "λ of A₁ − λA₂", Numbers(0.0, 1.0), LAMBDAS),
        set("sink", "logit of the learned sink", Number(-100.0, 100.0), ["2"; 2]),
        set("seeds", "draws", Integer(2, 10_000), ["200", "400"]),
    ],
    decide,
};

const LAMBDAS: [&str; 2] =
    ["0.05,0.1,0.2,0.5,0.8,0.95,1", "0.01,0.05,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,0.95,1"];

/// The computations of the CPU in experiments on another device.
const ON_CPU: &str = "the certified determinants in multi-precision, and all spectra in f64";

/// The largest logit scale at which no weight on a diagonal underflows, not even in f32.
const LARGEST_SCALE: f64 = 2.0;

fn decide(settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let points = points(settings, run)?;
    let certified = certify(settings, &points, run)?;
    let mut evidence = Evidence::new(settings);
    for point in &points {
        report(&mut evidence, point, settings)?;
    }
    certified::report(&mut evidence, &certified, settings)?;
    plots::over_lambda(&mut evidence, &points);
    plots::over_n(&mut evidence, &points);
    evidence.note_cpu(settings, ON_CPU);
    let verdict = Verdict::of(Some(exact(&points, &certified)), Some(floating(&points)), None);
    Ok((evidence, verdict))
}

/// The queries and keys of both softmaxes.
fn draws(settings: &Settings, seed: u64) -> Result<[Draw; 2]> {
    let (n, head_size) = (settings.integer("n")?, settings.integer("head_size")?);
    Ok([0, 1].map(|layer| Draw::of_layer(n, head_size, seed, layer)))
}

fn points(settings: &Settings, run: &Run) -> Result<Vec<Point>> {
    let (scale, sink, device) = (settings.number("scale")?, settings.number("sink")?, settings.device());
    let mut lambdas = settings.numbers("lambdas")?;
    lambdas.sort_by(f64::total_cmp);
    lambdas.dedup();
    let mechanisms = [Mechanism::Softmax, Mechanism::Sink, Mechanism::Sigmoid].into_iter();
    let mechanisms: Vec<_> = mechanisms.chain(lambdas.into_iter().map(Mechanism::Differential)).collect();
    let seeds = settings.seeds("seeds")?;
    let all: Vec<_> = mechanisms.iter().flat_map(|&of| seeds.iter().map(move |&seed| (of, seed))).collect();
    let looks = rank::many(&all, "determinants", run, |&(mechanism, seed)| {
        let draws = draws(settings, seed)?;
        let weights = match mechanism {
            Mechanism::Softmax => draws[0].weights(scale, &Mask::causal(), device),
            Mechanism::Sink => sink_weights(&draws[0], scale, sink, device),
            Mechanism::Sigmoid => sigmoid_weights(&draws[0], scale, device),
            Mechanism::Differential(lambda) => differential_weights(&draws, scale, lambda, device),
        };
        Look::of(weights?.view(), tolerance(device))
    })?;
    let mut looks = looks.into_iter();
    let point = |mechanism| Point { mechanism, looks: looks.by_ref().take(seeds.len()).collect() };
    Ok(mechanisms.into_iter().map(point).collect())
}

fn report(evidence: &mut Evidence, point: &Point, settings: &Settings) -> Result<()> {
    let (name, n, mechanism) = (point.mechanism.name(), point.n(), point.mechanism);
    let (negative, nonpositive) = (point.negative(n), point.nonpositive(n));
    let (draws, ranks) = (point.looks.len(), point.sample(|look| look.rank));
    let (effective, nearest) =
        (point.sample(|look| look.effective_rank), point.sample(|look| look.nearest().log10()));
    let text = format!(
        "{}: of {draws} determinants at n = {n}, {} are negative and {} are 0; {} diagonals have an entry of 0 or less; the \
         entry nearest to 0 has a size of {} (median); effective rank {effective}",
        mechanism.at(),
        point.count(-1.0),
        point.count(0.0),
        nonpositive.count_where(|is| is == 1.0),
        short(10f64.powf(nearest.median())),
    );
    let finding = evidence.weigh(point.outcome() == Outcome::Holds, text);
    match mechanism {
        Mechanism::Softmax | Mechanism::Sigmoid => finding.at("mechanism", &*name),
        Mechanism::Sink => finding.at("sink", settings.number("sink")?),
        Mechanism::Differential(lambda) => finding.at("lambda", lambda),
    };
    let known = match mechanism {
        Mechanism::Differential(1.0) => Some((1.0, "the first row of A₁ − A₂ is 0")),
        _ if mechanism.is_open() || settings.number("scale")? > LARGEST_SCALE => None,
        _ => Some((0.0, "every weight on the diagonal is positive")),
    };
    for (what, share, known) in [
        ("negative_determinant_share", &negative, known.map(|(_, source)| (0.0, source))),
        ("nonpositive_diagonal_share", &nonpositive, known),
    ] {
        let measured = evidence.record(format!("{what}_{name}"), share);
        if let Some((share, source)) = known {
            measured.expect(share, 0.0, source);
        }
    }
    evidence.record(format!("effective_rank_{name}"), &effective);
    evidence.record(format!("numerical_rank_{name}"), &ranks);
    if nearest.median().is_finite() {
        evidence.record_median(format!("log10_smallest_diagonal_{name}"), &nearest);
    }
    if let Mechanism::Differential(_) = mechanism {
        for size in point.sizes() {
            evidence.record(format!("negative_determinant_share_{name}_n{size}"), &point.negative(size));
            evidence.record(format!("nonpositive_diagonal_share_{name}_n{size}"), &point.nonpositive(size));
        }
    }
    Ok(())
}

/// Whether a counterexample is certain.
fn exact(points: &[Point], certified: &[Certified]) -> (Exact, String) {
    if let Some(Certified { lambda, seed, log10, .. }) = certified.iter().find(|of| of.sign == Some(-1)) {
        let because = format!(
            "The draw of seed {seed} has det(A₁ − λA₂) = −10^{log10:.1} at λ = {lambda}, certified in {DIGITS} digits: an \
             entry a₁ − λa₂ of the diagonal may be negative. With softmax, with a sink and with the sigmoid every entry is \
             positive, so there it is a theorem."
        );
        return (Exact::Refuted, because);
    }
    if points.iter().any(|point| point.mechanism == Mechanism::Differential(1.0)) {
        let because = "At λ = 1 the first row of A₁ − A₂ is 0, as the first token sees itself alone in both: the determinant \
                       is 0 for all inputs.";
        return (Exact::Refuted, because.to_owned());
    }
    if !points.iter().any(|point| point.mechanism.is_open()) {
        let because = "With softmax, with a sink, with the sigmoid and at λ = 0 every weight on the diagonal is positive, and \
                       the determinant is their product.";
        return (Exact::Proved, because.to_owned());
    }
    let because = "An entry a₁ − λa₂ of the diagonal may be negative for some inputs, but no draw here has a negative \
                   determinant.";
    (Exact::Open, because.to_owned())
}

/// The points at which every draw has a positive determinant.
fn floating(points: &[Point]) -> (Floating, String) {
    let (holds, fails): (Vec<&Point>, Vec<&Point>) =
        points.iter().partition(|point| point.outcome() == Outcome::Holds);
    let (n, draws) = (points[0].n(), points[0].looks.len());
    let mut sentences = Vec::new();
    if !holds.is_empty() {
        let at: Vec<_> = holds.iter().map(|point| point.mechanism.at()).collect();
        sentences.push(format!("All {draws} determinants at n = {n} are positive {}.", at.join(", ")));
    }
    for (sign, word) in [(-1.0, "negative"), (0.0, "0")] {
        let found = fails.iter().map(|point| (point.count(sign), point.mechanism.at()));
        let mut found = found.filter(|(count, _)| *count > 0);
        let Some((count, at)) = found.next() else { continue };
        let others: String = found.map(|(count, at)| format!(", {count} {at}")).collect();
        sentences.push(format!("{count} of {draws} are {word} {at}{others}."));
    }
    (Floating::over(points.iter().map(Point::outcome)), sentences.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::tests::settings;
    use crate::rank::{exact_rank, log_abs_det, lu_determinant};

    /// The first token sees itself alone in both softmaxes, so its row of A₁ − A₂ is 0: singular whatever the inputs.
    #[test]
    fn at_lambda_one_the_first_row_is_zero_and_the_rank_below_n() {
        for (n, seed) in [(2, 0), (7, 1), (33, 2)] {
            let draws = [0, 1].map(|layer| Draw::of_layer(n, 5, seed, layer));
            let weights = differential_weights(&draws, 1.0, 1.0, &Device::Cpu).unwrap();
            assert!(weights.row(0).iter().all(|&weight| weight == 0.0));
            let look = Look::of(weights.view(), Tolerance::F64).unwrap();
            assert!(look.sign(n) == 0.0 && look.rank < n as f64, "{n}");
            let det = log_abs_det(weights.view()).unwrap();
            assert_eq!(det.reason.unwrap(), "−∞: entry (0, 0) is 0 as stored");
            let exact = exact_rank(weights.mapv(|weight| weight != 0.0).view());
            let bound = format!("at most {}", n - 1);
            assert!(exact.rank == Some(n - 1) || exact.reason.contains(&bound), "{exact:?}");
            // With λ reduced by an eighth, the row is no longer zero.
            let nearly = differential_weights(&draws, 1.0, 0.875, &Device::Cpu).unwrap();
            assert_eq!(nearly[(0, 0)], 0.125);
        }
    }

    /// The sign of the product of the diagonal is that of LU with pivoting, also for the leading blocks.
    #[test]
    fn the_sign_of_a_determinant_is_that_of_lu() {
        let mut found = [0; 2];
        for seed in 0..12 {
            let draws = [0, 1].map(|layer| Draw::of_layer(9, 4, seed, layer));
            let weights = differential_weights(&draws, 1.0, 0.7, &Device::Cpu).unwrap();
            let look = Look::of(weights.view(), Tolerance::F64).unwrap();
            for size in [2, 5, 9] {
                let lu = lu_determinant(weights.slice(ndarray::s![..size, ..size])).unwrap();
                assert_eq!(look.sign(size), f64::from(lu.sign), "seed {seed}, {size}");
                found[usize::from(lu.sign > 0)] += 1;
            }
        }
        assert!(found.iter().all(|&count| count > 5), "{found:?}");
    }

    fn point(mechanism: Mechanism, diagonals: &[&[f64]]) -> Point {
        let look = |diagonal: &&[f64]| Look { diagonal: diagonal.to_vec(), rank: 2.0, effective_rank: 2.0 };
        Point { mechanism, looks: diagonals.iter().map(look).collect() }
    }

    #[test]
    fn shares_and_words_by_hand() {
        let half = Mechanism::Differential(0.5);
        let open =
            point(half, &[&[0.5, -0.25, 0.5], &[0.5, -0.125, -0.5], &[0.5, 0.0, 1.0], &[0.5, 1.0, 2.0]]);
        assert_eq!(open.negative(3).values(), [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(open.negative(2).values(), [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(open.nonpositive(3).values(), [1.0, 1.0, 1.0, 0.0]);
        assert_eq!(open.nonpositive(1).values(), [0.0; 4]);
        assert_eq!((open.count(0.0), open.hardest(), open.sizes()), (1, vec![2, 0], vec![2]));
        let softmax = || point(Mechanism::Softmax, &[&[1.0, 0.5, 0.25]]);
        assert_eq!(floating(&[softmax()]).0, Floating::Everywhere);
        assert_eq!(floating(&[softmax(), open]).0, Floating::InOneRegion);
        let positive = || point(half, &[&[0.5, 1.0, 2.0]]);
        assert_eq!(exact(&[softmax(), positive()], &[]).0, Exact::Open);
        let negative = Certified { lambda: 0.5, seed: 3, sign: Some(-1), log10: -2.0, found: -1.0 };
        let unknown = Certified { sign: None, ..negative };
        assert_eq!(exact(&[positive()], &[unknown]).0, Exact::Open);
        let (ruling, because) = exact(&[positive()], &[negative]);
        assert!(ruling == Exact::Refuted && because.contains("−10^-2.0 at λ = 0.5"), "{because}");
        assert_eq!(exact(&[softmax()], &[]).0, Exact::Proved);
        assert_eq!(exact(&[point(Mechanism::Differential(1.0), &[&[0.0, 1.0]])], &[]).0, Exact::Refuted);
    }

    /// Multi-precision uses the same draws, and another λ gives another determinant.
    #[test]
    fn certified_determinants_are_those_of_the_draws() {
        let settings = settings("positive-determinant", &[("n", "8"), ("lambdas", "0.25,0.5,0.75")]);
        let run = Run::default();
        let points = points(&settings, &run).unwrap();
        let certified = certify(&settings, &points, &run).unwrap();
        assert!(certified.len() >= 3);
        for Certified { lambda, seed, sign, log10, found } in certified {
            let is_it = |point: &&Point| point.mechanism == Mechanism::Differential(lambda);
            let diagonal = &points.iter().find(is_it).unwrap().looks[seed as usize].diagonal;
            let expected: f64 = diagonal.iter().map(|entry| entry.abs().log10()).sum();
            let is_close = (log10 - expected).abs() < 1e-9;
            assert!(is_close && sign.map(f64::from) == Some(found), "{lambda}, {seed}");
        }
    }
}
