//! Draws at the points of an experiment, and their curves.

use std::fmt;

use super::{Finding, Sample, Settings};
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};
use crate::rank;
use crate::run::Run;

/// A sample over the seeds for each of the numbers that `look` returns.
pub(super) fn draws<const N: usize>(
    seeds: &[u64],
    stage: &str,
    run: &Run,
    look: impl Fn(u64) -> Result<[f64; N]> + Sync,
) -> Result<[Sample; N]> {
    Ok(columns(&rank::many(seeds, stage, run, |&seed| look(seed))?))
}

/// For every point, a sample over the seeds for each of the numbers that `look` returns there.
pub(super) fn sweep<P: Sync, const N: usize>(
    points: impl IntoIterator<Item = P>,
    seeds: &[u64],
    stage: &str,
    run: &Run,
    look: impl Fn(&P, u64) -> Result<[f64; N]> + Sync,
) -> Result<Vec<(P, [Sample; N])>> {
    let points: Vec<P> = points.into_iter().collect();
    let places = (0..points.len()).flat_map(|place| seeds.iter().map(move |&seed| (place, seed)));
    let places: Vec<(usize, u64)> = places.collect();
    let found = rank::many(&places, stage, run, |&(place, seed)| look(&points[place], seed))?;
    Ok(points.into_iter().zip(found.chunks(seeds.len().max(1)).map(columns)).collect())
}

/// A sample of each number over all rows.
pub(super) fn columns<const N: usize>(rows: &[[f64; N]]) -> [Sample; N] {
    std::array::from_fn(|column| rows.iter().map(|row| row[column]).collect())
}

/// Both masks by name, with the kinds of their curves.
pub(super) const MASKS: [(&str, Kind); 2] =
    [("causal", Kind::Causal), ("bidirectional", Kind::Bidirectional)];

/// The description of the setting `scales`.
pub(super) const LOGIT_SCALES: &str = "factors on the logits after 1/√D";

/// A head size and a factor on the logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub head_size: usize,
    pub scale: f64,
}

impl Place {
    /// All places that the settings `head_sizes` and `scales` name, in the order of head sizes.
    pub fn all(settings: &Settings) -> Result<Vec<Place>> {
        let (head_sizes, scales) = (settings.integers("head_sizes")?, settings.numbers("scales")?);
        let of = |head_size| scales.iter().map(move |&scale| Place { head_size, scale });
        Ok(head_sizes.into_iter().flat_map(of).collect())
    }

    /// Adds this place to a finding, as the place of its measurement.
    pub fn locate(&self, finding: &mut Finding) {
        finding.at("head_size", self.head_size).at("scale", self.scale);
    }

    /// The name of a measurement here.
    pub fn name(&self, what: &str) -> String {
        format!("{what}_d{}_scale_{}", self.head_size, self.scale)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "D = {}, scale {}", self.head_size, self.scale)
    }
}

/// For each scale, a number of each point over the head sizes; scales and head sizes are ascending, each once.
pub(super) fn by_scale<'a, const N: usize>(
    points: &'a [(Place, [Sample; N])],
    which: usize,
) -> impl Iterator<Item = (f64, Vec<(f64, Sample)>)> + 'a {
    let mut scales: Vec<f64> = points.iter().map(|(place, _)| place.scale).collect();
    scales.sort_by(f64::total_cmp);
    scales.dedup();
    scales.into_iter().map(move |scale| {
        let here = points.iter().filter(|(place, _)| place.scale == scale);
        let mut here: Vec<_> =
            here.map(|(at, samples)| (at.head_size as f64, samples[which].clone())).collect();
        here.sort_by(|a, b| a.0.total_cmp(&b.0));
        here.dedup_by(|a, b| a.0 == b.0);
        (scale, here)
    })
}

/// A curve of means with their standard deviations as error bars.
pub(super) fn curve(
    name: impl Into<String>,
    kind: Kind,
    points: impl IntoIterator<Item = (f64, Sample)>,
) -> Curve {
    let points: Vec<_> = points.into_iter().collect();
    means(name, kind, points.iter().cloned()).with_spread(points.iter().map(|(_, sample)| sample.sd()))
}

/// A curve of means only.
pub(super) fn means(
    name: impl Into<String>,
    kind: Kind,
    points: impl IntoIterator<Item = (f64, Sample)>,
) -> Curve {
    Curve::new(name, kind, points.into_iter().map(|(x, sample)| (x, sample.mean())))
}

/// A figure of curves; [`Evidence::plot`](super::Evidence) adds its settings.
pub(super) fn lines(
    title: impl Into<String>,
    [x, y]: [PlotAxis; 2],
    curves: Vec<Curve>,
    references: Vec<Reference>,
) -> Lines {
    Lines { title: title.into(), x, y, curves, references, settings: serde_json::Value::Null }
}
