//! Hadamard powers S∘…∘S of the scores, and the bound C(D+k−1, k) on their rank: how exp makes rank.

use crate::claim::softmax_rank::binomial;
use crate::claim::{Draw, Evidence, Settings};
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};
use crate::rank::{self, Spectrum, Tolerance};
use crate::run::Run;

const HEAD_SIZES: [usize; 4] = [1, 2, 3, 4];
const DEGREES: std::ops::RangeInclusive<usize> = 1..=6;

/// One power of one draw.
pub(super) struct Power {
    head_size: usize,
    degree: usize,
    rank: f64,
}

/// The most that the k-th Hadamard power of a matrix of rank `head_size` can have: (q·k)ᵏ is a sum over
/// the monomials of degree k in `head_size` variables.
pub(super) fn bound(head_size: usize, degree: usize, n: usize) -> f64 {
    binomial(head_size + degree - 1, degree).min(n as f64)
}

pub(super) fn measure(settings: &Settings, run: &Run) -> Result<Vec<Power>> {
    let (n, seed) = (settings.integer("powers_n")?, settings.seed()?);
    let cases: Vec<(usize, usize)> =
        HEAD_SIZES.iter().flat_map(|&head_size| DEGREES.map(move |degree| (head_size, degree))).collect();
    rank::many(&cases, "Hadamard powers", run, |&(head_size, degree)| {
        let power = Draw::independent(n, head_size, seed).scores(1.0).mapv(|score| score.powi(degree as i32));
        let rank = Spectrum::of(power.view())?.numerical_rank(Tolerance::F64) as f64;
        Ok(Power { head_size, degree, rank })
    })
}

pub(super) fn report(evidence: &mut Evidence, settings: &Settings, powers: &[Power]) -> Result<()> {
    let n = settings.integer("powers_n")?;
    for Power { head_size, degree, rank } in powers {
        let measured = evidence.measure(format!("power_rank_d{head_size}_k{degree}"), *rank, "");
        measured.expect(bound(*head_size, *degree, n), 0.0, "C(D+k−1, k), for almost all draws");
    }
    let count = |is: &dyn Fn(&Power) -> bool| powers.iter().filter(|power| is(power)).count();
    let raised = count(&|power| power.rank > power.head_size as f64);
    let reached = count(&|power| power.rank == bound(power.head_size, power.degree, n));
    let text = format!(
        "n = {n}: {reached} of {} Hadamard powers have exactly the rank that C(D+k−1, k) allows, {raised} of them more \
         than the scores: each term of exp adds rank, and only so much",
        powers.len()
    );
    evidence.weigh(reached == powers.len(), text);
    picture(evidence, settings, powers, n);
    Ok(())
}

fn picture(evidence: &mut Evidence, settings: &Settings, powers: &[Power], n: usize) {
    let curve = |&head_size: &usize| {
        let of_size = powers.iter().filter(move |power| power.head_size == head_size);
        Curve::new(
            format!("D = {head_size}"),
            Kind::Plain,
            of_size.map(|power| (power.degree as f64, power.rank)),
        )
    };
    let reference = |&head_size: &usize| {
        let points = DEGREES.map(|degree| (degree as f64, bound(head_size, degree, n)));
        Reference::curve(format!("C({}, k)", k_plus(head_size)), points)
    };
    let figure = Lines {
        title: "Rank of the Hadamard powers of the scores".into(),
        x: PlotAxis::linear("degree k"),
        y: PlotAxis::linear("numerical rank in f64"),
        curves: HEAD_SIZES.iter().map(curve).collect(),
        references: HEAD_SIZES.iter().map(reference).collect(),
        settings: settings.record(),
    };
    let caption = format!(
        "Numerical rank of the k-th Hadamard power of QKᵀ/√D at n = {n}, one draw for each head size, on the bounds \
         C(D+k−1, k)."
    );
    evidence.show("hadamard-powers", caption, figure);
}

/// D + k − 1 as it is written.
fn k_plus(head_size: usize) -> String {
    if head_size == 1 { "k".to_owned() } else { format!("k+{}", head_size - 1) }
}
