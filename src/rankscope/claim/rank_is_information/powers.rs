//! Powers of a causal matrix: nonsingular in exact arithmetic, but soon all rows are nearly equal.

use super::*;

/// The highest power.
pub(super) const MOST: usize = 60;
/// The powers that are shown.
pub(super) const SHOWN: [usize; 7] = [1, 2, 5, 10, 20, 40, 60];
/// Distances from the limit below this are rounding.
pub(super) const FLOOR: f64 = 1e-11;

/// ‖A − 1e₁ᵀ‖_max: the distance of the rows from attending to the first token alone.
pub(super) fn distance_from_limit(power: &Array2<f64>) -> f64 {
    let entries = power.indexed_iter().map(|((_, col), entry)| (entry - f64::from(u8::from(col == 0))).abs());
    entries.fold(0.0, f64::max)
}

/// For the powers [`SHOWN`] of one causal matrix, the distance from the limit and the numerical rank in f64; then ln
/// det A; then the factor by which the distance falls from power to power, divided by the second largest eigenvalue.
pub(super) fn of_powers(weights: &Array2<f64>) -> Result<[f64; 16]> {
    let (mut power, mut distances, mut numbers) = (weights.clone(), Vec::new(), [0.0; 16]);
    for k in 1..=MOST {
        distances.push(distance_from_limit(&power));
        if let Some(index) = SHOWN.iter().position(|&shown| shown == k) {
            numbers[index] = distances[k - 1];
            numbers[7 + index] = Spectrum::of(power.view())?.numerical_rank(Tolerance::F64) as f64;
        }
        power = power.dot(weights);
    }
    let mut diagonal = weights.diag().to_vec();
    diagonal.sort_by(|a, b| b.total_cmp(a));
    numbers[14] = weights.diag().iter().map(|entry| entry.ln()).sum();
    // The factor is measured over the last half of the powers above rounding.
    let last = distances.iter().rposition(|&distance| distance > FLOOR).unwrap_or(0);
    let first = last / 2;
    numbers[15] = (distances[last] / distances[first]).powf(1.0 / (last - first).max(1) as f64) / diagonal[1];
    Ok(numbers)
}

/// Powers of a causal matrix: nonsingular in exact arithmetic, but soon all rows are nearly equal.
pub(super) fn powers(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let (n, head_size) = (settings.integer("powers_n")?, settings.integer("powers_head_size")?);
    // In f64 on the CPU for every device: rows that sum to 1 only in f32 would have another limit.
    let found = draws(&settings.seeds("seeds")?, "powers", run, |seed| {
        of_powers(&Draw::independent(n, head_size, seed).weights(1.0, &Mask::causal(), &Device::Cpu)?)
    })?;
    for (index, k) in SHOWN.into_iter().enumerate() {
        evidence.record(format!("power_distance_k{k}"), &found[index]);
        let rank = evidence.record(format!("power_rank_f64_k{k}"), &found[7 + index]);
        if k == 1 && n <= 32 {
            rank.expect(n as f64, 0.0, "det A > 0, and well above rounding at small n");
        }
    }
    let [.., log_det, rate] = &found;
    let log_det: Sample = log_det.values().iter().map(|log_det| MOST as f64 * log_det).collect();
    let (last, distance) = (&found[13], short(found[6].mean()));
    let text = format!(
        "A^{MOST} of a causal matrix, n = {n}: exactly of full rank, with log-determinant {log_det}, and numerical rank \
         {last} in f64; every row is within {distance} of attending to the first token alone"
    );
    evidence.weigh(last.mean() > n as f64 / 2.0, text).at("n", n).at("head_size", head_size).at("scale", 1.0);
    evidence.measure_sample("power_log_det", log_det, "nats");
    // Diagonal entries close to the second largest make the convergence slower at first.
    let source = "the eigenvalues of a triangular matrix are its diagonal, and the first is 1";
    evidence.record("power_rate_over_second_eigenvalue", rate).expect(1.0, 0.08, source);
    let points = SHOWN.iter().zip(&found[7..]).map(|(&k, rank)| (k as f64, rank.clone()));
    let curves = vec![
        Curve::new("exact rank", Kind::Causal, SHOWN.map(|k| (k as f64, n as f64))),
        curve("numerical rank, f64", Kind::Plain, points),
    ];
    let caption = format!(
        "Rank of the powers of a causal attention matrix, n = {n}: exact, by det Aᵏ = (det A)ᵏ > 0, and numerical; mean \
         and standard deviation over draws. All rows come to attend to the first token alone."
    );
    let axes = [PlotAxis::linear("power k"), PlotAxis::linear("rank of the k-th power")];
    let references = vec![Reference::level("rank one", 1.0)];
    evidence.plot("powers", caption, lines("Powers of a causal attention matrix", axes, curves, references));
    Ok(())
}
