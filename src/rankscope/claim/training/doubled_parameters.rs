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
    more: |plan| Ok(sizes(plan)?.into_iter().map(|(.., course)| course).collect()),
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

/// Both families at all widths, with the same number of layers for each token: family, width, run.
fn sizes(plan: &Plan) -> Result<Vec<(&'static str, usize, Course)>> {
    let base = plan.run(&TwinPreset::find("stacks-equal-operations")?.base(), LONGER)?;
    let mut all = Vec::new();
    for family in ["decllm", "redllm"] {
        for share in WIDTHS {
            let width = ((base.width as f64 * share) as usize / (2 * HEADS)).max(1) * 2 * HEADS;
            let feed_forward = base.feed_forward.map(|f| (f * width).div_ceil(base.width));
            let run = train::Settings { family: family.into(), width, feed_forward, ..base.clone() };
            all.extend(plan.courses(&run, &[]).into_iter().map(|course| (family, width, course)));
        }
    }
    Ok(all)
}

fn read(reading: &mut Reading) -> Result<()> {
    reading.weigh_all(TWINS)?;
    locality(reading)?;
    let mut families: Vec<Scaling> = Vec::new();
    for (family, width, course) in sizes(&reading.plan)? {
        let settings = &course.stages()[0];
        if families.last().is_none_or(|scaling| scaling.settings.family != family) {
            families.push(Scaling { settings: settings.clone(), points: Vec::new() });
        }
        let points = &mut families.last_mut().expect("just pushed").points;
        if points.last().is_none_or(|point| point.width != width) {
            let (parameters, operations) = scaling::size(settings)?;
            points.push(ScalingPoint { width, parameters, operations, losses: Vec::new() });
        }
        let loss = reading.course(&course)?[0].metric("loss")?;
        points.last_mut().expect("just pushed").losses.push(loss);
    }
    let mut texts = Vec::new();
    for scaling in &families {
        let [_, law] = scaling.laws()?;
        let (family, (low, high)) = (&scaling.settings.family, law.interval);
        reading.evidence.measure(format!("exponent_{family}"), law.exponent, "");
        texts.push(format!(
            "{family}: {} (95 % interval {} to {})",
            short(law.exponent),
            short(low),
            short(high)
        ));
    }
    let laws = format!("loss = factor · operations^−α with α of {}", texts.join(", of "));
    reading.evidence.note(laws);
    let caption = "Both families at three widths, as many layers for each token.";
    reading.evidence.plot("scaling", caption, scaling::figure(&families));
    Ok(())
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
    let (low, high) = distance.interval(0.95).unwrap_or((f64::NAN, f64::NAN));
    reading.evidence.note(format!(
        "mean distance of cross-attention from the last token of the input, beside that of uniform weights, \
         Σ A[t, s] (S − 1 − s) over Σ (S − 1) / 2: {} (95 % interval {} to {}); local attention is below 1, and 0 on the last token",
        short(distance.mean()),
        short(low),
        short(high)
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
