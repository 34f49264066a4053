//! The pictures: ranks over n, and spectra at the largest n.

use super::point::{Place, Point};
use crate::claim::{Evidence, Settings};
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Series, SpectrumFigure};
use crate::rank::Spectrum;

/// All of them.
pub(super) fn show(evidence: &mut Evidence, settings: &Settings, found: &[(Place, Vec<Point>)]) {
    ranks_over_n(evidence, settings, found);
    spectra(evidence, settings, found);
}

/// Numerical ranks against n, a bidirectional curve for each head size; nothing to draw for a single n.
fn ranks_over_n(evidence: &mut Evidence, settings: &Settings, found: &[(Place, Vec<Point>)]) {
    let mut sizes: Vec<usize> = found.iter().map(|(place, _)| place.head_size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let curve = |label: &str, kind, head_size: usize, measured: &str| {
        let places = found.iter().map(|(place, _)| place).filter(|place| place.head_size == head_size);
        let point = |place: &Place| Some((place.n as f64, evidence.value(&place.name(measured)).ok()?));
        let mut points: Vec<(f64, f64)> = places.filter_map(point).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.dedup();
        Curve::new(format!("{label}, D = {head_size}"), kind, points)
    };
    // More than a few head sizes would be more legend than picture.
    let shown = || sizes.iter().rev().take(4);
    let mut curves: Vec<Curve> = shown()
        .map(|&size| curve("bidirectional", Kind::Bidirectional, size, "rank_bidirectional"))
        .collect();
    curves.extend(sizes.first().map(|&size| curve("causal", Kind::Causal, size, "rank_causal")));
    if curves.iter().all(|curve| curve.points.len() < 2) {
        return;
    }
    let caption = "Numerical rank of linear attention with elu + 1 against the number of positions n: bidirectional, \
                   it stops at D; causal, it is n.";
    let figure = Lines {
        title: "Numerical rank of linear attention over n".into(),
        x: PlotAxis::log("positions n"),
        y: PlotAxis::log("numerical rank"),
        curves,
        references: Vec::new(),
        settings: settings.record(),
    };
    evidence.show("rank-over-n", caption, figure);
}

/// Spectra at the largest n and a head size in the middle: linear attention, and softmax of the same draw.
fn spectra(evidence: &mut Evidence, settings: &Settings, found: &[(Place, Vec<Point>)]) {
    let Some(n) = found.iter().map(|(place, _)| place.n).max() else { return };
    let largest: Vec<_> = found.iter().filter(|(place, _)| place.n == n).collect();
    let Some((place, points)) = largest.get((largest.len() - 1) / 2) else { return };
    let Some(point) = points.first() else { return };
    let Place { head_size, .. } = *place;
    let series = |name: &str, kind, spectrum: &Spectrum| Series {
        name: name.into(),
        kind,
        spectrum: spectrum.clone(),
    };
    let linear = vec![
        series("causal", Kind::Causal, &point.causal),
        series("bidirectional", Kind::Bidirectional, &point.bidirectional),
        series("causal, block of later queries and earlier keys", Kind::Plain, &point.block),
    ];
    let softmax = vec![
        series("softmax, causal", Kind::Causal, &point.softmax_causal),
        series("softmax, bidirectional", Kind::Bidirectional, &point.softmax_bidirectional),
    ];
    let captions = [
        (
            "linear",
            linear,
            format!(
                "Singular values of linear attention with elu + 1, n = {n}, D = {head_size}, one draw. Bidirectional, \
                 {} of them are not rounding; causal, all {n}. The block in which the later half of the queries \
                 meets the earlier half of the keys has no more than the bidirectional matrix.",
                place.bound()
            ),
        ),
        (
            "softmax",
            softmax,
            format!(
                "Singular values of softmax attention of the same queries and keys, n = {n}, D = {head_size}: \
                 without the bound."
            ),
        ),
    ];
    for (kind, series, caption) in captions {
        let title = format!("{kind} attention, n = {n}, D = {head_size}: singular values");
        let figure = SpectrumFigure { title, series, settings: settings.record() };
        evidence.show(format!("spectra-{kind}"), caption, figure);
    }
}
