//! Head size 1: scores of rank one, whose softmax has a rank that is known exactly.

use super::*;

/// The error of ln |det| at which the digits suffice.
pub(super) const GOAL: f64 = 1e-10;

/// The determinant, whose digits are doubled until its error bound is small.
pub(super) fn certain_determinant(draw: &Draw, run: &Run) -> Result<Determinant> {
    let mut digits = 50;
    loop {
        let (q, k) = (draw.q.view(), draw.k.view());
        let weights = precise::attention_weights(q, k, 1.0, &Mask::bidirectional(), digits, run)?;
        let det = precise::determinant(&weights, run)?;
        if det.error < GOAL || 2 * digits > MOST_DIGITS / 4 {
            return Ok(det);
        }
        digits *= 2;
    }
}

/// The sign of the permutation that sorts `values`: −1 for an odd number of inversions.
///
/// exp(x·y) with ascending x and y has a positive determinant, and each swap changes its sign.
pub(super) fn sign_of_order(values: &[f64]) -> i8 {
    let pairs = (0..values.len()).flat_map(|i| (0..i).map(move |j| (j, i)));
    let inversions = pairs.filter(|&(j, i)| values[j] > values[i]).count();
    if inversions % 2 == 0 { 1 } else { -1 }
}

/// Scores of rank one, whose softmax has a rank that is known exactly; determinants check it where this rank is full.
pub(super) fn head_size_one(
    evidence: &mut Evidence,
    settings: &Settings,
    run: &Run,
) -> Result<(Exact, String)> {
    let (distinct, seeds) = (settings.integer("distinct")?, settings.seeds("seeds")?);
    let sizes = settings.integers("exact_sizes")?;
    let look = |&n: &usize, seed| {
        let draw = tokens(n, distinct, seed);
        // In f64 on the CPU, like the determinant beside it.
        let spectrum = Spectrum::of(draw.weights(1.0, &Mask::bidirectional(), &Device::Cpu)?.view())?;
        let sign = |values: &Array2<f64>| sign_of_order(&values.iter().copied().collect::<Vec<_>>());
        let exact = exact_ranks(&draw)[1];
        let det = if exact == n { Some(certain_determinant(&draw, run)?) } else { None };
        // Without determinants nothing is counted.
        let is = |of: &dyn Fn(&Determinant) -> bool| {
            det.as_ref().map_or(f64::NAN, |det| f64::from(u8::from(of(det))))
        };
        Ok([
            exact as f64,
            spectrum.numerical_rank(Tolerance::F64) as f64,
            spectrum.numerical_rank(Tolerance::F32) as f64,
            spectrum.effective_rank(),
            det.as_ref().map_or(f64::NAN, |det| det.log / std::f64::consts::LN_10),
            is(&|det| det.is_certain()),
            is(&|det| det.sign == sign(&draw.q) * sign(&draw.k)),
        ])
    };
    let found = sweep(sizes.clone(), &seeds, "determinants of head size 1", run, look)?;
    let all = |column: usize| -> Sample {
        let values = found.iter().flat_map(|(_, samples)| samples[column].values().to_vec());
        values.filter(|value| !value.is_nan()).collect()
    };
    let (certain, as_predicted) = (all(5), all(6));
    if certain.count() > 0 {
        let count = |is: &Sample| is.count_where(|is| is == 1.0);
        let text = format!(
            "D = 1: {} of {} softmax matrices of distinct tokens are certainly nonsingular, by a determinant whose error \
             bound excludes zero, though their scores have rank 1; {} signs are those that the order of queries and keys \
             predicts",
            count(&certain),
            certain.count(),
            count(&as_predicted)
        );
        evidence.weigh(false, text).at("n", sizes.last().copied()).at("head_size", 1).at("scale", 1.0);
        let source = "exp(x·y) is strictly totally positive";
        evidence.record("certainly_nonsingular_share", &certain).expect(1.0, 0.0, source);
        evidence.record("sign_as_predicted_share", &as_predicted).expect(1.0, 0.0, source);
    }
    for (n, [exact, f64s, f32s, effective, log_det, ..]) in &found {
        let text = format!(
            "D = 1, n = {n}: of exact rank {}, f64 sees {f64s} and f32 {f32s}; effective rank {effective}",
            exact.mean()
        );
        evidence.weigh(f64s.mean() < *n as f64, text).at("n", *n).at("head_size", 1).at("scale", 1.0);
        if exact.extremes().0 == *n as f64 {
            evidence.record(format!("log10_det_n{n}"), log_det);
        }
        evidence.record(format!("one_rank_f64_n{n}"), f64s);
        evidence.record(format!("one_rank_f32_n{n}"), f32s);
        evidence.record(format!("one_effective_rank_n{n}"), effective);
    }
    let column = |which: usize| found.iter().map(move |(n, samples)| (*n as f64, samples[which].clone()));
    let curves = vec![
        means("exact rank", Kind::Bidirectional, column(0)),
        curve("numerical rank, f64", Kind::Plain, column(1)),
        curve("numerical rank, f32", Kind::Plain, column(2)),
        curve("effective rank", Kind::Plain, column(3)),
    ];
    let caption = "Rank of the bidirectional softmax of scores of rank one, over the positions: exact (a theorem, \
                   checked by determinants in multi-precision), numerical and effective; mean and standard deviation \
                   over draws.";
    let axes = [PlotAxis::linear("positions n"), PlotAxis::linear("rank")];
    let references = vec![Reference::level("rank of the scores", 1.0)];
    let title = "Head size 1: softmax of a matrix of rank one";
    evidence.plot("head-size-one", caption, lines(title, axes, curves, references));

    let low = found.iter().find(|(n, [exact, ..])| exact.extremes().0 < *n as f64);
    if let Some((n, [exact, ..])) = low {
        let rank = exact.extremes().0;
        let because = format!(
            "Tokens with the same query and key have the same weights. With D = 1 and {rank} distinct tokens of {n}, the \
             softmax has rank {rank}: exp(x·y) is strictly totally positive, so the distinct ones alone count."
        );
        return Ok((Exact::Proved, because));
    }
    let because = format!(
        "With D = 1 the scores have rank 1, and the softmax has full rank in all {} draws of up to {} tokens, the \
         determinants (down to 10^{:.0}) certified not to be 0. It has at every n where all queries and all keys differ, \
         and for almost all inputs of larger heads.",
        found.len() * seeds.len(),
        sizes.into_iter().max().unwrap_or(0),
        all(4).extremes().0
    );
    Ok((Exact::Refuted, because))
}
