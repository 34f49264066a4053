//! Claims: the causal mask carries position, and so tells a network the order of its tokens.

mod nets;
mod order;
mod permuted;
mod regression;
#[cfg(test)]
mod tests;

use super::verdict::sentence;
use super::{
    About, Allowed, Evidence, Exact, Experiment, Floating, Known, Outcome, Parameter, Sample, Settings,
    Verdict, chart,
};
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Lines, PlotAxis, Reference};
use crate::mask::Mask;
use crate::run::Run;
use nets::{Network, Sizes};
pub use order::MaskTellsOrder;

/// See the module.
pub struct MaskCarriesPosition;

const ABOUT: About = About {
    id: "mask-carries-position",
    statement: "The causal mask carries position.",
    source: "The popular account of decoder-only models; as commonly cited, Haviv et al. 2022 (arXiv 2203.16634) \
             for trained models",
    exact: "Without position embeddings a bidirectional network is equivariant, f(PX) = P·f(X) at any depth; a \
            causal one is not, because its mask changes when two tokens are swapped. Where all tokens are the \
            same, all rows are the same at every depth under either mask: something must break the tie.",
    reconsider: "A probe that is not linear, trained weights, or a token at the start that the bidirectional \
                 network can tell from the others by its place.",
};

const N: Parameter =
    Parameter { name: "n", summary: "tokens", allowed: Allowed::Integer(4, 64), quick: "32", full: "32" };
const WIDTH: Parameter = Parameter {
    name: "width",
    summary: "width C of the networks",
    allowed: Allowed::Integer(8, 128),
    quick: "64",
    full: "64",
};
const HEADS: Parameter = Parameter {
    name: "heads",
    summary: "heads H, a divisor of the width; D = C / H",
    allowed: Allowed::Integer(1, 32),
    quick: "4",
    full: "4",
};
const DEPTHS: Parameter = Parameter {
    name: "depths",
    summary: "layers after which is measured",
    allowed: Allowed::Integers(1, 16),
    quick: "1,2,4",
    full: "1,2,4,8,12",
};
const SEEDS: Parameter =
    Parameter { name: "seeds", summary: "draws", allowed: Allowed::Integer(2, 100), quick: "4", full: "20" };
const TRAIN: Parameter = Parameter {
    name: "train",
    summary: "sequences that the probe is fitted to",
    allowed: Allowed::Integer(2, 400),
    quick: "120",
    full: "200",
};
const HELD_OUT: Parameter = Parameter {
    name: "held_out",
    summary: "sequences that the probe is tested on",
    allowed: Allowed::Integer(1, 400),
    quick: "40",
    full: "100",
};

const PARAMETERS: &[Parameter] = &[N, WIDTH, HEADS, DEPTHS, SEEDS, TRAIN, HELD_OUT];

/// What numpy 2.4 gives for the same kind of network and 20 draws of its own generator, at n = 32, C = 64, H = 4.
const NUMPY: &str = "numpy, 20 other draws";

/// One mask at one depth, over draws.
struct Seen {
    /// ‖f(PX) − P·f(X)‖ / ‖f(X)‖ for a permutation P of all tokens.
    permuted: Sample,
    /// ‖second row − last row‖ for a start token and then one token, again and again.
    started: Sample,
    /// The same over the norm of the last row.
    started_relative: Sample,
    /// Held-out R² of the linear probe.
    probe: Sample,
}

/// Both masks at one depth.
struct Point {
    depth: usize,
    causal: Seen,
    bidirectional: Seen,
}

/// What the experiment finds.
pub struct Measured {
    rounding: f64,
    /// The first of two neighbours whose swap changes the mask, causal and bidirectional.
    swaps: [Option<usize>; 2],
    points: Vec<Point>,
    sizes: Sizes,
    sequences: (usize, usize),
}

impl Experiment for MaskCarriesPosition {
    type Measured = Measured;

    const ABOUT: About = ABOUT;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;

    fn measure(&self, settings: &Settings, run: &Run) -> Result<Measured> {
        measure([Mask::causal(), Mask::bidirectional()], settings, run)
    }

    fn judge(&self, measured: &Measured) -> Verdict {
        let (exact, because) = in_exact_arithmetic(measured);
        let floating = Floating::over(measured.points.iter().map(Point::outcome));
        Verdict::new().exact(exact, because).floating(floating, sentence(&measured.told()))
    }

    fn report(&self, measured: Measured, settings: &Settings) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        evidence.measure("rounding", measured.rounding, "");
        for point in &measured.points {
            for (mask, seen) in [("bidirectional", &point.bidirectional), ("causal", &point.causal)] {
                measured.report(&mut evidence, mask, point.depth, seen);
            }
        }
        measured.weigh(&mut evidence);
        measured.show(&mut evidence, settings);
        Ok(evidence)
    }
}

/// The experiment with these masks in the places of the causal and of the bidirectional one.
fn measure(masks: [Mask; 2], settings: &Settings, run: &Run) -> Result<Measured> {
    let sizes = Sizes::read(settings)?;
    let sequences = (settings.integer(TRAIN.name)?, settings.integer(HELD_OUT.name)?);
    let seeds = settings.seeds(SEEDS.name)?;
    // Per draw and mask, at every depth: the four numbers of `Seen`.
    let mut draws: Vec<[Vec<[f64; 4]>; 2]> = Vec::new();
    for (done, &seed) in seeds.iter().enumerate() {
        let network = Network::new(&sizes, settings.device(), seed)?;
        let under = |mask: &Mask| -> Result<Vec<[f64; 4]>> {
            let moved = permuted::all_and_started(&sizes, &network, mask, seed, run)?;
            let told = regression::probe(&sizes, &network, mask, sequences, seed, run)?;
            Ok(moved.into_iter().zip(told).map(|([a, b, c], r_squared)| [a, b, c, r_squared]).collect())
        };
        draws.push([under(&masks[0])?, under(&masks[1])?]);
        run.step("draws", done + 1, seeds.len())?;
    }
    let seen = |mask: usize, depth: usize| {
        let of = |what: usize| draws.iter().map(|draw| draw[mask][depth][what]).collect();
        Seen { permuted: of(0), started: of(1), started_relative: of(2), probe: of(3) }
    };
    let points = sizes.depths.iter().enumerate();
    Ok(Measured {
        rounding: sizes.rounding(settings.device()),
        swaps: [0, 1].map(|which| permuted::swap_that_changes(&masks[which].pattern(sizes.n), sizes.n)),
        points: points
            .map(|(index, &depth)| Point { depth, causal: seen(0, index), bidirectional: seen(1, index) })
            .collect(),
        sizes,
        sequences,
    })
}

/// Equal scores are the example: their weights follow from the mask alone, so where a swap of two tokens changes
/// the mask, it does more to the outputs than to swap them.
fn in_exact_arithmetic(measured: &Measured) -> (Exact, String) {
    let n = measured.sizes.n;
    let equivariant =
        "equivariant, f(PX) = P·f(X), because a swap of any two neighbours leaves the mask as it is";
    let [Some(first), bidirectional] = measured.swaps else {
        return (Exact::Refuted, format!("A network of {n} tokens under this mask is {equivariant}."));
    };
    let mut because = format!(
        "A causal network of {n} tokens is not equivariant: with equal scores, swapping tokens {} and {} does more \
         than to swap their outputs.",
        first + 1,
        first + 2
    );
    if bidirectional.is_none() {
        because += &format!(" A bidirectional one is {equivariant}.");
    }
    (Exact::Proved, because)
}

/// Held-out R² below this is no position worth speaking of.
const WORTH: f64 = 0.02;

/// Whether the probe tells the position: by more than two standard errors above [`WORTH`], or below; `None` where
/// the draws do not say.
fn tells(r_squared: &Sample) -> Option<bool> {
    let (above, clear) = (r_squared.mean() - WORTH, 2.0 * r_squared.standard_error());
    (above.abs() > clear).then_some(above > 0.0)
}

impl Point {
    /// The position is told under the causal mask, and not without it.
    fn outcome(&self) -> Outcome {
        match (tells(&self.causal.probe), tells(&self.bidirectional.probe)) {
            (Some(true), Some(false)) => Outcome::Holds,
            (Some(false), _) | (_, Some(true)) => Outcome::Fails,
            _ => Outcome::Unclear,
        }
    }
}

/// The depth, and numpy's mean and standard deviation under the causal mask: ‖f(PX) − P·f(X)‖ / ‖f(X)‖, the difference
/// after a start token, and R² for 120 sequences to fit and 40 held out.
type Known3 = (usize, [(f64, f64); 3]);
const REFERENCE: [Known3; 3] = [
    (1, [(0.4777, 0.0234), (5.632, 1.52), (0.1504, 0.0362)]),
    (2, [(0.6329, 0.0375), (8.504, 1.78), (0.283, 0.0443)]),
    (4, [(0.7976, 0.0532), (12.4, 2.19), (0.4055, 0.0466)]),
];

impl Measured {
    fn report(&self, evidence: &mut Evidence, mask: &str, depth: usize, seen: &Seen) {
        let name = |what: &str| format!("{what}_{mask}_depth{depth}");
        let is_zero = mask == "bidirectional";
        let known = REFERENCE.iter().find(|known| known.0 == depth && self.sizes.are_the_references());
        let known =
            known.filter(|_| !is_zero).map(|known| known.1.map(|(mean, sd)| Known::new(mean, sd, 20)));

        let permuted = evidence.measure_sample(name("permutation_error"), seen.permuted.clone(), "");
        match known {
            Some([known, ..]) => permuted.expect_mean(known, NUMPY),
            None if is_zero => permuted.expect(0.0, self.rounding, "equivariance"),
            None => permuted,
        };
        let started = evidence.measure_sample(name("started_difference"), seen.started.clone(), "");
        if let Some([_, known, _]) = known {
            started.expect_mean(known, NUMPY);
        }
        let relative = evidence.measure_sample(name("started_relative"), seen.started_relative.clone(), "");
        if is_zero {
            relative.expect(0.0, self.rounding, "equivariance");
        }
        let probe = evidence.measure_sample(name("probe_r2"), seen.probe.clone(), "");
        if let Some([.., known]) = known.filter(|_| self.sequences == (120, 40)) {
            probe.expect_mean(known, NUMPY);
        }
    }

    /// "after 1, 2, 4 layers".
    fn layers(&self) -> String {
        order::after_layers(self.points.iter().map(|point| point.depth))
    }

    /// The values of a quantity under one mask at every depth, in a list.
    fn list(&self, of: impl Fn(&Point) -> &Sample) -> String {
        self.points.iter().map(|point| of(point).to_string()).collect::<Vec<_>>().join(", ")
    }

    fn told(&self) -> String {
        format!(
            "a linear probe for the position in unseen sequences (a start token, then random ones; random \
             weights) has R² {} under the causal mask {}, and {} without it",
            self.list(|point| &point.causal.probe),
            self.layers(),
            self.list(|point| &point.bidirectional.probe)
        )
    }

    /// For and against.
    fn weigh(&self, evidence: &mut Evidence) {
        let every = |test: &dyn Fn(&Point) -> bool| self.points.iter().all(test);
        let text = format!(
            "permuted tokens: ‖f(PX) − P·f(X)‖ / ‖f(X)‖ is {} under the causal mask {}, and {} bidirectional",
            self.list(|point| &point.causal.permuted),
            self.layers(),
            self.list(|point| &point.bidirectional.permuted)
        );
        let breaks = |point: &Point| {
            point.causal.permuted.mean() > self.rounding
                && point.bidirectional.permuted.mean() < self.rounding
        };
        evidence.weigh(every(&breaks), text);
        evidence.weigh(every(&|point| point.outcome() == Outcome::Holds), self.told());
        let text = format!(
            "with a start token before them, the first and the last of the same tokens differ by {} under the \
             causal mask {}, and by {} bidirectional",
            self.list(|point| &point.causal.started),
            self.layers(),
            self.list(|point| &point.bidirectional.started)
        );
        let start_tells = |point: &Point| {
            point.causal.started_relative.mean() > self.rounding
                && point.bidirectional.started_relative.mean() < self.rounding
        };
        evidence.weigh(every(&start_tells), text);
    }

    /// What is known of the position, against the depth.
    fn show(&self, evidence: &mut Evidence, settings: &Settings) {
        let curve = |name: &str, kind: Kind, of: fn(&Point) -> &Sample| {
            let points = self.points.iter().map(|point| (point.depth as f64, of(point).clone()));
            chart::curve(name, kind, &points.collect::<Vec<_>>())
        };
        let figure = Lines {
            title: "Position told by a linear probe".into(),
            x: PlotAxis::linear("layers"),
            y: PlotAxis::linear("held-out R² of the position"),
            curves: vec![
                curve("causal", Kind::Causal, |point| &point.causal.probe),
                curve("bidirectional", Kind::Bidirectional, |point| &point.bidirectional.probe),
            ],
            references: vec![Reference::level("nothing told", 0.0)],
            settings: settings.record(),
        };
        let caption = "Held-out R² of a linear probe for the position in the hidden states of random networks \
                       without position embeddings; mean and standard deviation over draws of the network.";
        evidence.show("position-probe", caption, figure);
        let figure = Lines {
            title: "What permuted tokens change".into(),
            x: PlotAxis::linear("layers"),
            y: PlotAxis::linear("relative change"),
            curves: vec![
                curve("causal", Kind::Causal, |point| &point.causal.permuted),
                curve("bidirectional", Kind::Bidirectional, |point| &point.bidirectional.permuted),
            ],
            references: Vec::new(),
            settings: settings.record(),
        };
        let caption =
            "How far f(PX) is from P·f(X) when all tokens are permuted: 0 for bidirectional networks.";
        evidence.show("permuted-tokens", caption, figure);
    }
}
