//! Causal minus bidirectional effective rank over head size and logit scale.

use super::{NUMPY, ascending};
use crate::claim::{Ahead, Evidence, Known, PhaseGrid, PhasePoint, Phases, Settings, phase_map};
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

/// The map that the settings ask for.
pub(super) fn measure(settings: &Settings, run: &Run) -> Result<Phases> {
    let mut scales = settings.numbers("scales")?;
    scales.sort_by(f64::total_cmp);
    scales.dedup();
    let grid = PhaseGrid {
        n: settings.integer("n")?,
        head_sizes: ascending(settings.integers("head_sizes")?),
        scales,
        alignment: settings.number("alignment")?,
        seed: settings.seed()?,
        seeds: settings.integer("seeds")?,
    };
    phase_map(&grid, settings.device(), run)
}

/// The head sizes at which the map has a border, each with its logit scale.
pub(super) fn borders(map: &Phases) -> Vec<(usize, f64)> {
    let at = |&head_size: &usize| Some((head_size, map.border(head_size)?));
    map.grid().head_sizes.iter().filter_map(at).collect()
}

/// The map, its borders, and the points that a reference knows.
pub(super) fn report(evidence: &mut Evidence, settings: &Settings, map: &Phases) {
    let counts = [
        ("points_bidirectional_lower", Ahead::Causal),
        ("points_bidirectional_higher", Ahead::Bidirectional),
        ("points_undecided", Ahead::Neither),
    ];
    for (name, ahead) in counts {
        evidence.measure(name, map.count(ahead) as f64, "points");
    }
    for (head_size, scale) in borders(map) {
        evidence.measure(format!("border_scale_d{head_size}"), scale, "");
    }
    let is_small = map.points().len() <= 4;
    for point in map.points() {
        let known = REFERENCE.iter().find(|known| (known.0, known.1) == (point.head_size, point.scale));
        if known.is_some() || is_small {
            let known = known.filter(|_| map.grid().n == 128 && map.grid().alignment == 0.0);
            report_point(evidence, point, known.map(|known| [known.2, known.3]));
        }
    }
    weigh(evidence, map);
    let caption = format!(
        "Causal minus bidirectional effective rank at n = {}, mean over {} draws per cell, both masks on the same \
         queries and keys. Where it is positive, bidirectional attention has the lower effective rank; on the \
         line the two are equal.",
        map.grid().n,
        map.grid().seeds
    );
    evidence.show("phase-map", caption, map.figure(settings.record()));
}

fn report_point(evidence: &mut Evidence, point: &PhasePoint, known: Option<[Spread; 2]>) {
    let place = format!("d{}_scale_{}", point.head_size, point.scale);
    for (which, (mask, sample)) in
        [("causal", &point.causal), ("bidirectional", &point.bidirectional)].into_iter().enumerate()
    {
        let measured = evidence.measure_sample(format!("effective_rank_{mask}_{place}"), sample.clone(), "");
        if let Some((mean, sd)) = known.map(|known| known[which]) {
            measured.expect_mean(Known::new(mean, sd, 40), NUMPY);
        }
    }
    evidence.measure_sample(format!("difference_{place}"), point.difference(), "");
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
