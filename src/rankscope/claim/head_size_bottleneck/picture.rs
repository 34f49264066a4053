//! What the fits look like.

use super::super::{Evidence, Settings};
use super::draws::Sweep;
use crate::error::Result;
use crate::express::{BestFit, Target};
use crate::figure::style::Kind;
use crate::figure::{Curve, Heatmap, Lines, PlotAxis, Reference, Scale};

/// Where a divergence that is rounding alone is drawn.
const FLOOR: f64 = 1e-17;

/// KL over the head size under both masks, and one pattern with its best small head.
pub(super) fn sweeps(evidence: &mut Evidence, settings: &Settings, sweeps: &[Sweep]) -> Result<()> {
    let tolerance = settings.number("tolerance")?;
    let mut references = vec![Reference::level("counts as reached", tolerance)];
    let mut curves = Vec::new();
    for (sweep, kind) in sweeps.iter().zip([Kind::Bidirectional, Kind::Causal]) {
        let sizes = sweep.head_sizes.iter().enumerate();
        let points = sizes.map(|(index, &size)| (size as f64, sweep.kl(index).mean().max(FLOOR)));
        curves.push(Curve::new(sweep.name, kind, points));
        let label = if kind == Kind::Causal { "⌊n/2⌋" } else { "n − 1" };
        references.push(Reference::at(label, sweep.theory as f64));
    }
    let n = settings.integer("n")?;
    let figure = Lines {
        title: format!("Divergence of the best head from a drawn pattern of {n} positions"),
        x: PlotAxis::linear("head size D"),
        y: PlotAxis::log("KL to the pattern, nats"),
        curves,
        references,
        settings: settings.record(),
    };
    let caption = format!(
        "How far the best head of size D stays from a drawn pattern of {n} positions, mean over {} patterns; \
         what lies below 1e-17 nats is drawn there. The vertical lines are the thresholds n − 1 and ⌊n/2⌋.",
        sweeps[0].targets.len()
    );
    evidence.show("kl-over-head-size", caption, figure);
    let index = sweeps[0].head_sizes.iter().position(|&size| size == 2).unwrap_or(0);
    let size = sweeps[0].head_sizes[index];
    fit(evidence, settings, ("drawn", &sweeps[0].targets[0]), (size, &sweeps[0].fits[index][0]));
    Ok(())
}

/// A pattern, and what a head that is too small makes of it.
pub(super) fn fit(
    evidence: &mut Evidence,
    settings: &Settings,
    (name, target): (&str, &Target),
    (size, best): (usize, &BestFit),
) {
    let n = target.positions();
    let top = target.weights().iter().fold(0.0f64, |top, &weight| top.max(weight));
    let labels = || (0..n).map(|position| position.to_string()).collect::<Vec<_>>();
    let heatmap = |title: String, values: ndarray::Array2<f64>| Heatmap {
        title,
        values,
        may_attend: Some(target.allowed().clone()),
        queries: labels(),
        keys: labels(),
        scale: Scale::AmountTo(top),
        unit: "attention weight".into(),
        settings: settings.record(),
    };
    let pattern = heatmap(format!("The {name} pattern"), target.weights().clone());
    evidence.show(format!("{name}-pattern"), format!("The {name} pattern of {n} positions."), pattern);
    let title = format!("The best head of size {size} for the {name} pattern");
    let caption = format!(
        "The weights of the best head of size {size} for that pattern: {:.3} nats away, with an entry off by {:.3}.",
        best.kl, best.max_error
    );
    let nearest = heatmap(title, best.factors.weights(target.allowed()));
    evidence.show(format!("{name}-pattern-d{size}"), caption, nearest);
}
