//! Hadamard powers S∘…∘S of the scores, and the bound C(D+k−1, k) on their rank.

use super::super::{Draw, Evidence, Settings};
use super::binomial;
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};
use crate::rank::{self, Spectrum, Tolerance};
use crate::run::Run;

const HEAD_SIZES: [usize; 4] = [1, 2, 3, 4];
const DEGREES: std::ops::RangeInclusive<usize> = 1..=6;

/// The most that the k-th Hadamard power of a matrix of rank `head_size` can have: (q·k)ᵏ is a sum over
/// the monomials of degree k in `head_size` variables.
pub(super) fn bound(head_size: usize, degree: usize, n: usize) -> f64 {
    binomial(head_size + degree - 1, degree).min(n as f64)
}

pub(super) fn experiment(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let n = settings.integer("powers_n")?;
    let seed = settings.seed()?;
    let cases: Vec<(usize, usize)> =
        HEAD_SIZES.iter().flat_map(|&head_size| DEGREES.map(move |degree| (head_size, degree))).collect();
    let ranks = rank::many(&cases, "Hadamard powers", run, |&(head_size, degree)| {
        let power = Draw::independent(n, head_size, seed).scores(1.0).mapv(|score| score.powi(degree as i32));
        Ok(Spectrum::of(power.view())?.numerical_rank(Tolerance::F64) as f64)
    })?;
    for (&(head_size, degree), &rank) in cases.iter().zip(&ranks) {
        let name = format!("power_rank_d{head_size}_k{degree}");
        evidence.measure(&name, rank, "");
        evidence.expect(name, bound(head_size, degree, n), 0.0, "C(D+k−1, k), for almost all draws");
    }
    let (raised, total) =
        (cases.iter().zip(&ranks).filter(|(case, rank)| **rank > case.0 as f64).count(), cases.len());
    let reached = cases.iter().zip(&ranks).filter(|((d, k), rank)| **rank == bound(*d, *k, n)).count();
    evidence.weigh(
        reached == total,
        format!(
            "n = {n}: {reached} of {total} Hadamard powers have exactly the rank that C(D+k−1, k) allows, {raised} of \
             them more than the scores: each term of exp adds rank, and only so much"
        ),
    );
    let curve = |&head_size: &usize| {
        let of_size = cases.iter().zip(&ranks).filter(move |(case, _)| case.0 == head_size);
        let points = of_size.map(|(case, &rank)| (case.1 as f64, rank));
        Curve::new(format!("D = {head_size}"), Kind::Plain, points)
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
    Ok(())
}

/// D + k − 1 as it is written.
fn k_plus(head_size: usize) -> String {
    if head_size == 1 { "k".to_owned() } else { format!("k+{}", head_size - 1) }
}
