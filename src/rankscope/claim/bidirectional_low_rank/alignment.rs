//! What alignment of keys with queries does to the comparison, at unit scale.

use super::NUMPY;
use crate::claim::chart::curve;
use crate::claim::{Evidence, Known, PhaseGrid, Sample, Settings, phase_map};
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Lines, PlotAxis, Reference};
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

/// Causal minus bidirectional effective rank, for each of [`HEAD_SIZES`] over [`ALIGNMENTS`].
pub(super) struct Alignments(Vec<Vec<Sample>>);

/// Differences of effective rank from independent keys to K = Q.
pub(super) fn measure(settings: &Settings, run: &Run) -> Result<Alignments> {
    let mut by_size: Vec<Vec<Sample>> = vec![Vec::new(); HEAD_SIZES.len()];
    for alignment in ALIGNMENTS {
        let grid = PhaseGrid {
            n: settings.integer("n")?,
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
    Ok(Alignments(by_size))
}

impl Alignments {
    pub fn report(self, evidence: &mut Evidence, settings: &Settings) -> Result<()> {
        let n = settings.integer("n")?;
        for (head_size, differences) in HEAD_SIZES.into_iter().zip(&self.0) {
            report_size(evidence, n, head_size, differences);
        }
        let caption = format!(
            "Causal minus bidirectional effective rank at n = {n} and unit scale, mean ± sd over draws, while keys \
             turn from independent of the queries (0) to equal to them (1)."
        );
        evidence.show("over-alignment", caption, picture(settings, &self.0));
        Ok(())
    }
}

fn report_size(evidence: &mut Evidence, n: usize, head_size: usize, differences: &[Sample]) {
    for (alignment, difference) in ALIGNMENTS.into_iter().zip(differences) {
        let name = format!("difference_d{head_size}_alignment_{alignment}");
        let measured = evidence.measure_sample(name, difference.clone(), "");
        let known = REFERENCE.iter().find(|known| n == 128 && (known.0, known.1) == (head_size, alignment));
        if let Some(&(_, _, mean, sd)) = known {
            measured.expect_mean(Known::new(mean, sd, 40), NUMPY);
        }
    }
    if let [independent, .., aligned] = differences {
        let text = format!(
            "n = {n}, D = {head_size}, unit scale: causal minus bidirectional effective rank is {independent} for \
             independent keys and {aligned} for K = Q"
        );
        evidence.weigh(independent.mean() > 0.0 && aligned.mean() > 0.0, text);
    }
}

fn picture(settings: &Settings, by_size: &[Vec<Sample>]) -> Lines {
    let of = |(head_size, differences): (usize, &Vec<Sample>)| {
        let points: Vec<_> = ALIGNMENTS.into_iter().zip(differences.iter().cloned()).collect();
        curve(format!("D = {head_size}"), Kind::Plain, &points)
    };
    Lines {
        title: "Causal minus bidirectional effective rank over alignment".into(),
        x: PlotAxis::linear("alignment of keys with queries"),
        y: PlotAxis::linear("causal − bidirectional effective rank"),
        curves: HEAD_SIZES.into_iter().zip(by_size).map(of).collect(),
        references: vec![Reference::level("equal", 0.0)],
        settings: settings.record(),
    }
}
