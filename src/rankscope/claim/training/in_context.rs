//! Claim: decoders learn better in context.

use super::bidirectional_input::LAST;
use super::prelude::*;

pub(in super::super) static CLAIM: Claim = Claim {
    about: About {
        id: "in-context",
        group: Group::Training,
        statement: "Decoders learn better in context than models that read the context in both directions.",
        source: "The popular account: few-shot learning came with decoders",
        exact: "In-context linear regression: a prefix that is read in both directions reaches the optimum, a causal one \
                the steps of online gradient descent (arXiv 2308.06912, for linear attention). There are counting tasks \
                that no decoder does and that an encoder does (arXiv 2410.01600).",
        reconsider: "Models that have seen many kinds of tasks, and more examples in a context.",
    },
    parameters: &[SEEDS, steps("60", "300"), SET],
    decide: super::decide,
};

pub(super) static EXPERIMENT: Experiment =
    Experiment { twins: TWINS, more: NONE, read, published: PUBLISHED };

/// A causal reading of the context compared with a bidirectional one in the same stack, and with an encoder-decoder.
pub(super) const TWINS: &[Tried] = &[
    shots("regression, 2 examples", "in-context-mask", TWO),
    shots("regression, 4 examples", "in-context-mask", FOUR),
    shots("regression, 8 examples", "in-context-mask", EIGHT),
    shots("encoder and decoder, 2 examples", "in-context-stacks", TWO),
    shots("encoder and decoder, 4 examples", "in-context-stacks", FOUR),
    shots("encoder and decoder, 8 examples", "in-context-stacks", EIGHT),
    Tried::new("recall", "input-mask-query-last", Says::Worse).with(LAST).chance(0.167),
    Tried::new("counting", "input-mask-count", Says::Worse).chance(0.125),
];

const TWO: &str = "data=regression(dimensions=1,points=2,bins=8)";
const FOUR: &str = "data=regression(dimensions=1,points=4,bins=8)";
const EIGHT: &str = "data=regression(dimensions=1,points=8,bins=8)";

const fn shots(name: &'static str, preset: &'static str, data: &'static str) -> Tried {
    Tried::new(name, preset, Says::Worse).with(data).chance(1.0)
}

fn read(reading: &mut Reading) -> Result<()> {
    reading.weigh_all(TWINS)?;
    let mut curves = Vec::new();
    for (variant, twins, name, kind) in [
        (0, &TWINS[..3], "causal", Kind::Causal),
        (1, &TWINS[..3], "prefix", Kind::Prefix),
        (1, &TWINS[3..6], "encoder and decoder", Kind::Bidirectional),
    ] {
        let mut points = Vec::new();
        for (tried, shots) in twins.iter().zip([2.0, 4.0, 8.0]) {
            points.push((shots, reading.results(tried)?.sample(variant, "error_over_variance")?));
        }
        curves.push(curve(name, kind, points));
    }
    let title = "Error over the number of examples in the context";
    let axes = ["examples in the context", "squared error over variance"].map(PlotAxis::linear);
    let figure = lines(title, axes, curves, vec![Reference::level("guessing", 1.0)]);
    let caption = "Linear regression in context, with a standard deviation over seeds.";
    reading.evidence.plot("examples", caption, figure);
    Ok(())
}

const PUBLISHED: &[Published] = &[
    Published {
        says: "in-context linear regression: a prefix model reaches the optimum, a causal one does not (a theorem, and \
               small experiments; abstract)",
        source: "arXiv 2308.06912",
        parameters: None,
    },
    Published {
        says: "decoders cannot do Count3, while encoders that predict one token can (abstract)",
        source: "arXiv 2410.01600",
        parameters: None,
    },
];
