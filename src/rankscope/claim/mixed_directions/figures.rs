//! The pictures: effective ranks over the head size, and spectra.

use super::{Pair, Point};
use crate::claim::{Evidence, Settings, chart};
use crate::figure::style::Kind;
use crate::figure::{Lines, PlotAxis, Series, SpectrumFigure};

/// Singular values of one draw at one point.
pub(super) fn spectra(
    evidence: &mut Evidence,
    settings: &Settings,
    (head_size, scale): (usize, f64),
    pair: Pair,
) {
    let series = |name: &str, kind, spectrum| Series { name: name.into(), kind, spectrum };
    let series = vec![
        series("one causal + one anti-causal", Kind::Custom, pair.mixed),
        series("two bidirectional", Kind::Bidirectional, pair.bidirectional),
        series("a causal head alone", Kind::Causal, pair.causal_alone),
        series("a bidirectional head alone", Kind::Plain, pair.bidirectional_alone),
    ];
    let title = format!("Mean of two heads of size {head_size} at scale {scale}: singular values");
    let caption = format!(
        "Singular values of the mean of two heads of size {head_size} with logits of scale {scale}, one draw: one \
         head causal and one anti-causal, against both bidirectional; and one head of either kind alone."
    );
    let figure = SpectrumFigure { title, series, settings: settings.record() };
    evidence.show(format!("spectra-d{head_size}"), caption, figure);
}

/// Effective ranks of the means against the head size, two curves for each scale; nothing for a single size.
pub(super) fn ranks(evidence: &mut Evidence, settings: &Settings, points: &[Point]) {
    let mut scales: Vec<f64> = points.iter().map(|point| point.scale).collect();
    scales.dedup();
    let mut curves = Vec::new();
    // More than a few scales would be more legend than picture.
    for &scale in scales.iter().take(3) {
        for (label, kind, which) in [("mixed", Kind::Custom, 0), ("bidirectional", Kind::Bidirectional, 1)] {
            let here = points.iter().filter(|point| point.scale == scale);
            let mut found: Vec<_> =
                here.map(|point| (point.head_size as f64, point.side_by_side[which].clone())).collect();
            found.sort_by(|a, b| a.0.total_cmp(&b.0));
            found.dedup_by(|a, b| a.0 == b.0);
            curves.push(chart::curve(format!("{label}, scale {scale}"), kind, &found));
        }
    }
    if curves.iter().all(|curve| curve.points.len() < 2) {
        return;
    }
    let caption = "Effective rank of the mean of two heads against the head size D, mean and standard deviation over \
                   the draws: one head causal and one anti-causal (mixed), or both bidirectional, at several scales \
                   of the logits.";
    let figure = Lines {
        title: "Effective rank of two heads over the head size".into(),
        x: PlotAxis::log("head size D"),
        y: PlotAxis::linear("effective rank"),
        curves,
        references: Vec::new(),
        settings: settings.record(),
    };
    evidence.show("rank-over-head-size", caption, figure);
}
