//! Powers of a causal matrix: exactly nonsingular, and soon one row repeated.

use ndarray::Array2;

use crate::claim::chart::curve;
use crate::claim::{Draw, Evidence, Sample, Settings};
use crate::device::Device;
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};
use crate::mask::Mask;
use crate::numbers::short;
use crate::rank::{self, Spectrum, Tolerance};
use crate::run::Run;

/// The highest power.
const MOST: usize = 60;
/// The powers whose rank is measured.
const SHOWN: [usize; 7] = [1, 2, 5, 10, 20, 40, 60];
/// Distances from the limit below it are rounding.
const FLOOR: f64 = 1e-11;

/// The powers of one draw.
pub(super) struct Powers {
    /// ‖Aᵏ − 1e₁ᵀ‖_max for k = 1 … MOST.
    distances: Vec<f64>,
    /// Numerical rank in f64 at the powers of [`SHOWN`].
    ranks: Vec<f64>,
    /// ln det A.
    log_det: f64,
    /// The second largest diagonal entry, which is the second largest eigenvalue.
    second: f64,
}

impl Powers {
    fn of(weights: &Array2<f64>) -> Result<Self> {
        let mut power = weights.clone();
        let (mut distances, mut ranks) = (Vec::new(), Vec::new());
        for k in 1..=MOST {
            distances.push(distance_from_limit(&power));
            if SHOWN.contains(&k) {
                ranks.push(Spectrum::of(power.view())?.numerical_rank(Tolerance::F64) as f64);
            }
            power = power.dot(weights);
        }
        let mut diagonal = weights.diag().to_vec();
        diagonal.sort_by(|a, b| b.total_cmp(a));
        let log_det = weights.diag().iter().map(|entry| entry.ln()).sum();
        Ok(Powers { distances, ranks, log_det, second: diagonal[1] })
    }

    /// The factor per power by which the distance falls, over the last half of the powers above rounding.
    fn rate(&self) -> f64 {
        let last = self.distances.iter().rposition(|&distance| distance > FLOOR).unwrap_or(0);
        let first = last / 2;
        (self.distances[last] / self.distances[first]).powf(1.0 / (last - first).max(1) as f64)
    }
}

/// ‖A − 1e₁ᵀ‖_max: how far the rows are from attending to the first token alone.
pub(super) fn distance_from_limit(power: &Array2<f64>) -> f64 {
    let entries =
        power.indexed_iter().map(|((_, col), &entry)| (entry - f64::from(u8::from(col == 0))).abs());
    entries.fold(0.0, f64::max)
}

pub(super) fn measure(settings: &Settings, run: &Run) -> Result<Vec<Powers>> {
    let (n, head_size) = (settings.integer("powers_n")?, settings.integer("powers_head_size")?);
    // In f64 on the CPU whatever the device: rows that sum to 1 only in f32 would have another limit.
    rank::many(&settings.seeds("seeds")?, "powers", run, |&seed| {
        Powers::of(&Draw::independent(n, head_size, seed).weights(1.0, &Mask::causal(), &Device::Cpu)?)
    })
}

pub(super) fn report(evidence: &mut Evidence, settings: &Settings, draws: &[Powers]) -> Result<()> {
    let n = settings.integer("powers_n")?;
    let over = |of: &dyn Fn(&Powers) -> f64| draws.iter().map(of).collect::<Sample>();
    for (index, k) in SHOWN.into_iter().enumerate() {
        evidence.measure_sample(format!("power_distance_k{k}"), over(&|draw| draw.distances[k - 1]), "");
        let rank =
            evidence.measure_sample(format!("power_rank_f64_k{k}"), over(&|draw| draw.ranks[index]), "");
        if k == 1 && n <= 32 {
            rank.expect(n as f64, 0.0, "det A > 0, and well above rounding at small n");
        }
    }
    let last = over(&|draw| draw.ranks[SHOWN.len() - 1]);
    let log_det = over(&|draw| MOST as f64 * draw.log_det);
    let text = format!(
        "A^{MOST} of a causal matrix, n = {n}: exactly of full rank, with log-determinant {log_det}, and numerical \
         rank {last} in f64; every row is within {} of attending to the first token alone",
        short(over(&|draw| draw.distances[MOST - 1]).mean())
    );
    evidence.weigh(last.mean() > n as f64 / 2.0, text);
    evidence.measure_sample("power_log_det", log_det, "nats");
    // Diagonal entries near the second largest slow the approach at first.
    let ratio = over(&|draw| draw.rate() / draw.second);
    evidence.measure_sample("power_rate_over_second_eigenvalue", ratio, "").expect(
        1.0,
        0.08,
        "the eigenvalues of a triangular matrix are its diagonal, and the first is 1",
    );
    picture(evidence, settings, draws, n);
    Ok(())
}

fn picture(evidence: &mut Evidence, settings: &Settings, draws: &[Powers], n: usize) {
    let mean = |index: usize| draws.iter().map(|draw| draw.ranks[index]).collect::<Sample>();
    let points: Vec<_> = SHOWN.iter().enumerate().map(|(index, &k)| (k as f64, mean(index))).collect();
    let exact = SHOWN.iter().map(|&k| (k as f64, n as f64));
    let figure = Lines {
        title: "Powers of a causal attention matrix".into(),
        x: PlotAxis::linear("power k"),
        y: PlotAxis::linear("rank of the k-th power"),
        curves: vec![
            Curve::new("exact rank", Kind::Causal, exact),
            curve("numerical rank, f64", Kind::Plain, &points),
        ],
        references: vec![Reference::level("rank one", 1.0)],
        settings: settings.record(),
    };
    let caption = format!(
        "Rank of the powers of a causal attention matrix, n = {n}: exact, by det Aᵏ = (det A)ᵏ > 0, and numerical; mean \
         and standard deviation over draws. All rows come to attend to the first token alone."
    );
    evidence.show("powers", caption, figure);
}
