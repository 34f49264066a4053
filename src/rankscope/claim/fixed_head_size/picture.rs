//! The bottleneck over the number of heads.

use super::super::{Evidence, Sample, Settings};
use super::budget::{Curves, Plan};
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};

/// Where a divergence that is rounding alone is drawn.
const FLOOR: f64 = 1e-17;

pub(super) fn curves(
    evidence: &mut Evidence,
    settings: &Settings,
    plan: &Plan,
    curves: &Curves,
) -> Result<()> {
    let most = plan.most();
    let curve = |name: String, points: &[(usize, Sample)]| {
        let points = points.iter().map(|(heads, kl)| (*heads as f64, kl.mean().max(FLOOR)));
        Curve::new(name, Kind::Plain, points)
    };
    let fixed: Vec<_> = curves.usual.iter().map(|(heads, _)| (*heads, curves.fixed.clone())).collect();
    let (width, narrow) = (most.usual.width(), most.equal.width());
    let budget = width * width / narrow;
    let figure = Lines {
        title: "Divergence of the best heads from drawn patterns".into(),
        x: PlotAxis::log("heads H"),
        y: PlotAxis::log("KL to the pattern, nats"),
        curves: vec![
            curve(format!("C = {width}, D = {width}/H"), &curves.usual),
            curve(format!("C = {narrow}, D = {budget}/H: as many parameters"), &curves.equal),
            curve(format!("C = {width}, D = {}: more parameters", most.fixed.head_size()), &fixed),
        ],
        references: vec![Reference::level("counts as reached", settings.number("tolerance")?)],
        settings: settings.record(),
    };
    let caption = format!(
        "How far the best head stays from a drawn pattern of {} positions over the number of heads: with the \
         usual head size, with as many parameters on a narrower width, and with a fixed head size. What lies \
         below 1e-17 nats is drawn there.",
        plan.n
    );
    evidence.show("kl-over-heads", caption, figure);
    Ok(())
}
