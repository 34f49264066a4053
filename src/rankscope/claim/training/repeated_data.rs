//! Claim: repeated data favours bidirectional objectives.

use super::prelude::*;
use crate::train;

pub(in super::super) static CLAIM: Claim = Claim {
    about: About {
        id: "repeated-data",
        group: Group::Training,
        statement: "Where data repeats, masked language modelling learns more from it than causal language modelling.",
        source: "Diffusion against autoregression where data repeats (arXiv 2507.15857), as an argument against decoders",
        exact: "Every pass of a masked objective over a text asks for other tokens from other evidence, a causal one asks for \
                the same each time. So the same bytes last longer; whether what is learned of them is worth as much is a \
                matter of training.",
        reconsider: "More passes, larger models, which overfit sooner, and another evaluation than continuing a text.",
    },
    parameters: &[SEEDS, steps("60", "300"), SET],
    decide: super::decide,
};

pub(super) static EXPERIMENT: Experiment = Experiment {
    twins: &[],
    more: |plan| cells(plan).map(|cells| cells.concat()),
    read,
    published: PUBLISHED,
};

/// A small part of the text and the whole text, each with both objectives.
const CELLS: [(&str, &str, &str); 4] = [
    ("english(bytes=8000)", "causal-lm", "causal"),
    ("english(bytes=8000)", "masked-lm", "bidirectional"),
    ("english", "causal-lm", "causal"),
    ("english", "masked-lm", "bidirectional"),
];

/// The smallest difference that matters, in nats.
const SMALLEST: f64 = 0.02;

/// For every cell and seed: a run with the objective, then, for a fifth of its steps, a run that learns to continue
/// prefixes that are read in both directions, on the same text. Both kinds of models are compared by this second run.
fn cells(plan: &Plan) -> Result<Vec<Vec<Course>>> {
    let (family, feed_forward) = ("decllm".to_owned(), Some(128));
    let base = train::Settings { family, feed_forward, steps: 1000, ..train::Settings::default() };
    let of = |&(data, objective, mask): &(&str, &str, &str)| {
        let first = plan.run(&base, &format!("data={data},objective={objective},mask={mask}"))?;
        let second =
            plan.run(&base, &format!("data={data},objective=prefix-lm,mask=prefix(given),steps=200"))?;
        Ok(plan.courses(&first, &[second]))
    };
    CELLS.iter().map(of).collect()
}

fn read(reading: &mut Reading) -> Result<()> {
    let (cells, mut losses) = (cells(&reading.plan)?, Vec::new());
    for (courses, (data, objective, _)) in cells.iter().zip(CELLS) {
        let loss = reading.last(courses)?.iter().map(|run| run.metric("loss")).collect::<Result<Sample>>()?;
        reading.evidence.record(tidy(&format!("loss {data} {objective}")), &loss);
        losses.push(loss);
    }
    let [little, all] = [losses[1].minus(&losses[0]), losses[3].minus(&losses[2])];
    let zeros = vec![0.0; losses[0].count()];
    for (name, what, other) in [
        ("little text", "loss of masked LM minus causal LM, both adapted, on 8 kB", zeros.as_slice()),
        ("little text against all", "that difference on 8 kB, minus that on all of the text,", all.values()),
    ] {
        let paired = Paired::new(little.values(), other)?;
        let (name, what) = (name.to_owned(), what.to_owned());
        reading.judge(Difference { name, what, metric: "loss", paired, smallest: SMALLEST }, Says::Better)?;
    }
    let run = &cells[0][0].stages()[0];
    let passes = (run.steps * run.batch * run.length) as f64 / 8000.0;
    reading.evidence.measure("passes_over_little_text", passes, "");
    let names = CELLS.map(|(data, objective, _)| format!("{data}, {objective}"));
    let what = "little text and all of it, each objective by its own loss before adaptation";
    reading.draw(what, names.into_iter().zip(cells).collect())
}

const PUBLISHED: &[Published] = &[Published {
    says: "masked diffusion ends ahead of autoregression where the same data is read many times (abstract)",
    source: "arXiv 2507.15857",
    parameters: None,
}];
