//! Claims: linear attention has a rank of at most D when bidirectional, and full rank when causal.

mod bidirectional;
mod causal;
mod recurrence;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use bidirectional::LinearAttentionRank;
pub use causal::LinearAttentionCausalRank;

use super::{Allowed, Evidence, Known, Parameter, Sample, Settings, chart};
use crate::device::Device;
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Lines, PlotAxis, Series, SpectrumFigure};
use crate::rank::{Spectrum, Tolerance};

const SOURCE: &str = "Su Jianlin, kexue.fm 9529 (2023), on the low rank of bidirectional attention; linear attention: \
                      Katharopoulos et al. 2020 (arXiv 2006.16236)";

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "lengths",
        summary: "numbers of positions n",
        allowed: Allowed::Integers(2, 1024),
        quick: "16,64,512",
        full: "16,32,64,128,256,512,1024",
    },
    Parameter {
        name: "head_sizes",
        summary: "head sizes D",
        allowed: Allowed::Integers(1, 1024),
        quick: "8,16,64",
        full: "2,4,8,16,32,64,128",
    },
    Parameter { name: "seeds", summary: "draws", allowed: Allowed::Integer(2, 1000), quick: "5", full: "10" },
];

const NUMPY: &str = "numpy, 20 other draws at n = 512";

/// A mean and standard deviation of numpy's draws.
const fn numpy(mean: f64, sd: f64) -> Known {
    Known::new(mean, sd, 20)
}

/// One length and one head size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    n: usize,
    head_size: usize,
}

impl Place {
    /// All that the settings name, head size by head size.
    fn all(settings: &Settings) -> Result<Vec<Place>> {
        let (lengths, head_sizes) = (settings.integers("lengths")?, settings.integers("head_sizes")?);
        let of = |head_size| lengths.iter().map(move |&n| Place { n, head_size });
        Ok(head_sizes.into_iter().flat_map(of).collect())
    }

    /// min(D, n): the bound on the bidirectional rank.
    fn bound(&self) -> usize {
        self.head_size.min(self.n)
    }

    /// `name` at this place.
    fn name(&self, name: &str) -> String {
        format!("{name}_n{}_d{}", self.n, self.head_size)
    }

    fn in_words(&self) -> String {
        format!("n = {}, D = {}", self.n, self.head_size)
    }
}

/// What counts as zero among singular values of weights that were computed on `device`.
fn tolerance(device: &Device) -> Tolerance {
    if *device == Device::Cpu { Tolerance::F64 } else { Tolerance::F32 }
}

fn ranks<'a>(spectra: impl Iterator<Item = &'a Spectrum>, zero: Tolerance) -> Sample {
    spectra.map(|spectrum| spectrum.numerical_rank(zero) as f64).collect()
}

fn effective<'a>(spectra: impl Iterator<Item = &'a Spectrum>) -> Sample {
    spectra.map(Spectrum::effective_rank).collect()
}

/// Ranks against n, a curve for each of up to four head sizes; nothing to draw for a single n.
fn show_over_n(
    evidence: &mut Evidence,
    settings: &Settings,
    (name, kind): (&str, Kind),
    ranks: impl Iterator<Item = (Place, Sample)>,
    caption: &str,
) {
    let mut by_size: BTreeMap<usize, Vec<(f64, Sample)>> = BTreeMap::new();
    for (place, sample) in ranks {
        by_size.entry(place.head_size).or_default().push((place.n as f64, sample));
    }
    // More than a few head sizes would be more legend than picture.
    let mut curves = Vec::new();
    for (head_size, mut points) in by_size.into_iter().rev().take(4) {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.dedup_by(|a, b| a.0 == b.0);
        curves.push(chart::curve(format!("{name}, D = {head_size}"), kind, &points));
    }
    if curves.iter().all(|curve| curve.points.len() < 2) {
        return;
    }
    let figure = Lines {
        title: format!("Numerical rank of linear attention over n, {name}"),
        x: PlotAxis::log("positions n"),
        y: PlotAxis::log("numerical rank"),
        curves,
        references: Vec::new(),
        settings: settings.record(),
    };
    evidence.show("rank-over-n", caption, figure);
}

/// Singular values of one draw.
fn show_spectra(
    evidence: &mut Evidence,
    settings: &Settings,
    place: Place,
    series: &[(&str, Kind, &Spectrum)],
    caption: &str,
) {
    let series = series.iter().map(|(name, kind, spectrum)| Series {
        name: (*name).into(),
        kind: *kind,
        spectrum: (*spectrum).clone(),
    });
    let title = format!("Linear attention and softmax, {}: singular values", place.in_words());
    let figure = SpectrumFigure { title, series: series.collect(), settings: settings.record() };
    evidence.show("spectra", format!("Singular values of one draw, {}. {caption}", place.in_words()), figure);
}

/// The place of the largest n, with a head size in the middle.
fn largest<T>(points: &[T], place: impl Fn(&T) -> Place) -> Option<&T> {
    let n = points.iter().map(|point| place(point).n).max()?;
    let largest: Vec<_> = points.iter().filter(|point| place(point).n == n).collect();
    largest.get((largest.len() - 1) / 2).copied()
}

/// "n = 16, D = 8; n = 64, D = 8".
fn places<'a, T: 'a>(points: impl Iterator<Item = &'a T>, place: impl Fn(&T) -> Place) -> String {
    points.map(|point| place(point).in_words()).collect::<Vec<_>>().join("; ")
}
