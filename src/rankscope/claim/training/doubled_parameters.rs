//! Claim: encoder-decoders win only by doubled parameters.

use super::prelude::*;
use crate::train::scaling::{self, Scaling, ScalingPoint};
use crate::train::{self, twin::TwinPreset};

pub(in super::super) static CLAIM: Claim = Claim {
    about: About {
        id: "doubled-parameters",
        group: Group::Training,
        statement: "Encoder-decoders win by doubled parameters alone.",
        source: "Su 2023 (kexue.fm 9529): T5 has twice the parameters of a decoder of equal cost; RedLLM (arXiv 2510.26622)",
        exact: "An encoder-decoder of L + L layers takes about the operations of a decoder of L layers, and about twice its \
                parameters. At equal parameters it takes about half the operations.",
        reconsider: "Another rule than equal loss by which one wins: adaptation, longer inputs, cost of serving.",
    },
    parameters: &[SEEDS, steps("50", "200"), SET],
    decide: super::decide,
};

pub(super) static EXPERIMENT: Experiment = Experiment {
    twins: TWINS,
    more: |plan| Ok(sizes(plan)?.as_flattened().concat()),
    read,
    published: PUBLISHED,
};

/// Evaluated at twice the length too, which rotary positions allow.
const LONGER: &str = "evaluate_lengths=[128],config.max_position_embeddings=128";

/// An encoder-decoder compared with a decoder: the claim says that it is better at equal operations, but not at equal
/// parameters.
pub(super) const TWINS: &[Tried] = &[
    Tried::new("equal operations", "stacks-equal-operations", Says::Better).with(LONGER),
    Tried::new("equal parameters", "stacks-equal-parameters", Says::NotBetter).with(LONGER),
    Tried::new("equal parameters, twice the length", "stacks-equal-parameters", Says::NotBetter)
        .with(LONGER)
        .by("loss_at_128", 0.02),
];

/// Widths of the fit, as multiples of the width of the claim's runs.
const WIDTHS: [f64; 3] = [0.5, 1.0, 1.5];
const HEADS: usize = 4;

/// The runs of both families at all widths, with the same number of layers for each token.
fn sizes(plan: &Plan) -> Result<[[Vec<Course>; WIDTHS.len()]; 2]> {
    let base = plan.run(&TwinPreset::find("stacks-equal-operations")?.base(), LONGER)?;
    let courses = |family: &str, share: f64| {
        let width = ((base.width as f64 * share) as usize / (2 * HEADS)).max(1) * 2 * HEADS;
        let feed_forward = base.feed_forward.map(|f| (f * width).div_ceil(base.width));
        plan.courses(&train::Settings { family: family.into(), width, feed_forward, ..base.clone() }, &[])
    };
    Ok(["decllm", "redllm"].map(|family| WIDTHS.map(|share| courses(family, share))))
}

fn read(reading: &mut Reading) -> Result<()> {
    reading.weigh_all(TWINS)?;
    locality(reading)?;
    let (mut families, mut texts) = (Vec::new(), Vec::new());
    for widths in sizes(&reading.plan)? {
        let mut points = Vec::new();
        for courses in &widths {
            let settings = &courses[0].stages()[0];
            let (parameters, operations) = scaling::size(settings)?;
            let losses = courses.iter().map(|course| reading.course(course)?[0].metric("loss"));
            let losses = losses.collect::<Result<_>>()?;
            points.push(ScalingPoint { width: settings.width, parameters, operations, losses });
        }
        // Small widths are rounded to the same one.
        points.dedup_by_key(|point| point.width);
        let scaling = Scaling { settings: widths[0][0].stages()[0].clone(), points };
        let ([_, law], family) = (scaling.laws()?, &scaling.settings.family);
        reading.evidence.measure(format!("exponent_{family}"), law.exponent, "");
        texts.push(format!("{family}: {}", with_interval(law.exponent, law.interval)));
        families.push(scaling);
    }
    reading.evidence.note(format!("loss = factor · operations^−α with α of {}", texts.join(", of ")));
    let caption = "Both families at three widths, as many layers for each token.";
    reading.evidence.plot("scaling", caption, scaling::figure(&families));
    Ok(())
}

/// "0.200 (95 % interval 0.180 to 0.220)".
fn with_interval(value: f64, (low, high): (f64, f64)) -> String {
    format!("{} (95 % interval {} to {})", short(value), short(low), short(high))
}

/// Measures how far from the end of the input cross-attention looks; this is not part of the verdict. Both twins have
/// the same encoder-decoder.
fn locality(reading: &mut Reading) -> Result<()> {
    let results = reading.results(&TWINS[0])?;
    let Ok(distance) = results.sample(1, "cross_distance") else {
        reading.evidence.note("these runs did not record how far cross-attention looks");
        return Ok(());
    };
    reading.evidence.record("cross_distance", &distance);
    let interval = distance.interval(0.95).unwrap_or((f64::NAN, f64::NAN));
    reading.evidence.note(format!(
        "mean distance of cross-attention from the last token of the input, beside that of uniform weights, \
         Σ A[t, s] (S − 1 − s) over Σ (S − 1) / 2: {}; local attention is below 1, and 0 on the last token",
        with_interval(distance.mean(), interval)
    ));
    Ok(())
}

const PUBLISHED: &[Published] = &[
    Published {
        says: "perplexity falls with the operations to the power of minus 0.20 (DecLLM) and 0.24 (RedLLM), with the parameters \
               to that of 0.17 and 0.18; DecLLM dominates the compute-optimal frontier",
        source: "RedLLM, arXiv 2510.26622, RedPajama",
        parameters: Some(8e9),
    },
    Published {
        says: "encoder-decoder of 11.0 billion parameters against decoders of 4.8 billion, equal operations, after multitask \
               finetuning: T0 tasks 60.6 against 55.2 and 51.4",
        source: "Wang et al. 2022, arXiv 2204.05832, table 8, single runs",
        parameters: Some(1.1e10),
    },
];
