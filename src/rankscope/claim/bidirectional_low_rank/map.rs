//! Causal minus bidirectional effective rank over head size and logit scale.

use super::super::{Ahead, Evidence, PhaseGrid, PhasePoint, Phases, Settings, phase_map};
use super::numerical::NUMPY;
use crate::error::Result;
use crate::run::Run;

/// Mean and standard deviation over draws.
type Spread = (f64, f64);

/// D, scale, and what numpy gives for independent Q and K at n = 128: causal, bidirectional.
const REFERENCE: &[(usize, f64, Spread, Spread)] = &[
    (4, 0.1, (32.75, 0.154), (2.203, 0.0596)),
    (4, 0.5, (38.84, 0.777), (10.53, 0.623)),
    (4, 1.0, (44.24, 1.91), (22.05, 1.12)),
    (4, 4.0, (40.29, 4.02), (31.69, 3.52)),
    (16, 0.1, (33.06, 0.17), (4.875, 0.135)),
    (16, 0.5, (44.51, 0.626), (35.35, 0.989)),
    (16, 1.0, (56.02, 1.3), (62.59, 1.17)),
    (16, 4.0, (60.75, 3.23), (71.31, 2.79)),
    (64, 0.1, (33.12, 0.151), (11.11, 0.165)),
    (64, 0.5, (47.79, 0.512), (56.79, 0.587)),
    (64, 1.0, (60.76, 0.994), (81.44, 0.86)),
    (64, 4.0, (66.33, 2.2), (85.21, 2.39)),
];

/// The grid that the settings ask for.
fn grid(settings: &Settings) -> Result<PhaseGrid> {
    let mut head_sizes = settings.integers("head_sizes")?;
    head_sizes.sort_unstable();
    head_sizes.dedup();
    let mut scales = settings.numbers("scales")?;
    scales.sort_by(f64::total_cmp);
    scales.dedup();
    Ok(PhaseGrid {
        n: settings.integer("n")?,
        head_sizes,
        scales,
        alignment: settings.number("alignment")?,
        seed: settings.seed()?,
        seeds: settings.integer("seeds")?,
    })
}

/// The map, its borders, and the points that a reference knows.
pub(super) fn over_head_sizes_and_scales(
    evidence: &mut Evidence,
    settings: &Settings,
    run: &Run,
) -> Result<()> {
    let map = phase_map(&grid(settings)?, settings.device(), run)?;
    let counts = [
        ("points_bidirectional_lower", Ahead::Causal),
        ("points_bidirectional_higher", Ahead::Bidirectional),
        ("points_undecided", Ahead::Neither),
    ];
    for (name, ahead) in counts {
        evidence.measure(name, map.count(ahead) as f64, "");
    }
    for &head_size in &map.grid().head_sizes {
        if let Some(scale) = map.border(head_size) {
            evidence.measure(format!("border_scale_d{head_size}"), scale, "");
        }
    }
    record_points(evidence, &map)?;
    weigh(evidence, &map);
    let caption = format!(
        "Causal minus bidirectional effective rank at n = {}, mean over {} draws per cell, both masks on the same \
         queries and keys. Where it is positive, bidirectional attention has the lower effective rank; on the \
         line the two are equal.",
        map.grid().n,
        map.grid().seeds
    );
    evidence.show("phase-map", caption, map.figure(settings.record()));
    Ok(())
}

/// Points that the reference knows, and every point of a small map.
fn record_points(evidence: &mut Evidence, map: &Phases) -> Result<()> {
    let is_small = map.points().len() <= 4;
    for point in map.points() {
        let known = REFERENCE.iter().find(|known| (known.0, known.1) == (point.head_size, point.scale));
        if known.is_none() && !is_small {
            continue;
        }
        let place = format!("d{}_scale_{}", point.head_size, point.scale);
        let names = ["causal", "bidirectional"].map(|mask| format!("effective_rank_{mask}_{place}"));
        evidence.measure_sample(&names[0], point.causal.clone(), "");
        evidence.measure_sample(&names[1], point.bidirectional.clone(), "");
        evidence.measure_sample(format!("difference_{place}"), point.difference(), "");
        if let (Some(known), 128, 0.0) = (known, map.grid().n, map.grid().alignment) {
            for (name, (mean, sd)) in names.iter().zip([known.2, known.3]) {
                evidence.expect_mean(name, (mean, sd, 40), NUMPY)?;
            }
        }
    }
    Ok(())
}

/// The points where either mask is ahead by most.
fn weigh(evidence: &mut Evidence, map: &Phases) {
    let points = map.points().len();
    let order = |a: &&PhasePoint, b: &&PhasePoint| a.difference().mean().total_cmp(&b.difference().mean());
    for (supports, ahead, word) in [(true, Ahead::Causal, "lower"), (false, Ahead::Bidirectional, "higher")] {
        let count = map.count(ahead);
        let side = map.points().iter().filter(|point| point.ahead() == ahead);
        let most = if supports { side.max_by(order) } else { side.min_by(order) };
        let Some(most) = most else { continue };
        let text = format!(
            "at {count} of {points} points of the map the bidirectional effective rank is the {word} one, most so \
             at D = {} and scale {}: {} against {} causal",
            most.head_size, most.scale, most.bidirectional, most.causal
        );
        evidence.weigh(supports, text);
    }
}
