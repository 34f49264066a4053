//! What alignment of keys with queries does to the comparison, at unit scale.

use super::super::{Evidence, PhaseGrid, Sample, Settings, phase_map};
use super::numerical::NUMPY;
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};
use crate::run::Run;

const ALIGNMENTS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
const HEAD_SIZES: [usize; 3] = [4, 16, 64];

/// D, alignment, and causal minus bidirectional effective rank at n = 128 and unit scale by numpy, ± sd.
const REFERENCE: &[(usize, f64, f64, f64)] = &[
    (4, 0.0, 22.19, 1.66),
    (16, 0.0, -6.567, 1.35),
    (64, 0.0, -20.67, 1.25),
    (4, 0.5, 25.92, 1.81),
    (16, 0.5, 5.991, 2.0),
    (64, 0.5, 7.246, 1.53),
    (4, 1.0, 37.7, 2.12),
    (16, 1.0, 13.51, 1.54),
    (64, 1.0, 0.621, 0.175),
];

/// Differences of effective rank from independent keys to K = Q.
pub(super) fn over_alignments(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let n = settings.integer("n")?;
    let mut by_size: Vec<Vec<Sample>> = vec![Vec::new(); HEAD_SIZES.len()];
    for alignment in ALIGNMENTS {
        let grid = PhaseGrid {
            n,
            head_sizes: HEAD_SIZES.to_vec(),
            scales: vec![1.0],
            alignment,
            seed: settings.seed()?,
            seeds: settings.integer("seeds")?,
        };
        let map = phase_map(&grid, settings.device(), run)?;
        for (differences, point) in by_size.iter_mut().zip(map.points()) {
            differences.push(point.difference());
        }
    }
    for (head_size, differences) in HEAD_SIZES.into_iter().zip(&by_size) {
        record(evidence, n, head_size, differences)?;
    }
    let caption = format!(
        "Causal minus bidirectional effective rank at n = {n} and unit scale, mean ± sd over draws, while keys \
         turn from independent of the queries (0) to equal to them (1)."
    );
    evidence.show("over-alignment", caption, picture(settings, &by_size));
    Ok(())
}

fn record(evidence: &mut Evidence, n: usize, head_size: usize, differences: &[Sample]) -> Result<()> {
    let name = |alignment: f64| format!("difference_d{head_size}_alignment_{alignment}");
    for (alignment, difference) in ALIGNMENTS.into_iter().zip(differences) {
        evidence.measure_sample(name(alignment), difference.clone(), "");
    }
    for &(_, alignment, mean, sd) in REFERENCE.iter().filter(|known| known.0 == head_size && n == 128) {
        evidence.expect_mean(&name(alignment), (mean, sd, 40), NUMPY)?;
    }
    if let [independent, .., aligned] = differences {
        let text = format!(
            "n = {n}, D = {head_size}, unit scale: causal minus bidirectional effective rank is {independent} for \
             independent keys and {aligned} for K = Q"
        );
        evidence.weigh(independent.mean() > 0.0 && aligned.mean() > 0.0, text);
    }
    Ok(())
}

fn picture(settings: &Settings, by_size: &[Vec<Sample>]) -> Lines {
    let curve = |(head_size, differences): (usize, &Vec<Sample>)| {
        let points = ALIGNMENTS.into_iter().zip(differences.iter().map(Sample::mean));
        Curve::new(format!("D = {head_size}"), Kind::Plain, points)
            .with_spread(differences.iter().map(Sample::sd))
    };
    Lines {
        title: "Causal minus bidirectional effective rank over alignment".into(),
        x: PlotAxis::linear("alignment of keys with queries"),
        y: PlotAxis::linear("causal − bidirectional effective rank"),
        curves: HEAD_SIZES.into_iter().zip(by_size).map(curve).collect(),
        references: vec![Reference::level("equal", 0.0)],
        settings: settings.record(),
    }
}
