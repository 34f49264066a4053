//! The pictures.

use super::point::{Place, Point};
use crate::claim::{Evidence, Settings};
use crate::figure::style::Kind;
use crate::figure::{Series, SpectrumFigure};
use crate::rank::Spectrum;

/// Spectra at the largest n and a head size in the middle: linear attention, and softmax of the same draw.
pub(super) fn show(evidence: &mut Evidence, settings: &Settings, found: &[(Place, Vec<Point>)]) {
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
