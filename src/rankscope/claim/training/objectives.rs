//! Claim: causal language modelling is the harder objective with the higher ceiling.

use super::prelude::*;
use crate::train::{self, scaling};

pub(in super::super) static CLAIM: Claim = Claim {
    about: About {
        id: "causal-objective",
        group: Group::Training,
        statement: "Causal language modelling is the harder objective, and gives the better model.",
        source: "The popular account; Wang et al. 2022 (arXiv 2204.05832) is cited for it",
        exact: "A causal model is asked for every token, a prefix model for half of them on average, a masked one for 15 %. \
                Losses of objectives do not compare; models do, on one evaluation after the same adaptation.",
        reconsider: "Another adaptation, another evaluation, more training: the published order changes with each.",
    },
    parameters: &[SEEDS, steps("100", "500"), SET],
    decide: super::decide,
};

pub(super) static EXPERIMENT: Experiment = Experiment {
    twins: &[],
    more: |plan| cells(plan).map(|cells| cells.concat()),
    read,
    published: PUBLISHED,
};

/// The first objective, its mask, and the mask of the adaptation; the causal cell comes first. The number is the
/// published counterpart: T0 tasks after multitask finetuning, 181 billion tokens, table 8. Masked LM, which reads in
/// both directions and is adapted as a prefix model, has none.
const CELLS: [(&str, &str, &str, &str, Option<f64>); 5] = [
    ("causal LM", "causal-lm", "causal", "causal", Some(51.4)),
    ("prefix LM", "prefix-lm", "prefix(given)", "prefix(given)", Some(54.0)),
    ("span corruption, causal", "span-corruption", "causal", "causal", Some(50.3)),
    ("span corruption, prefix", "span-corruption", "prefix(given)", "prefix(given)", Some(55.2)),
    ("masked LM", "masked-lm", "bidirectional", "prefix(given)", None),
];

/// The smallest difference that matters: in the loss, in nats, before the adaptation and after it.
const SMALLEST: f64 = 0.05;

/// For every cell and seed, two runs: first instructions as a text, then the answers to instructions; in both, some
/// tasks are held out. The first run of every cell takes as many operations as that of causal LM.
fn cells(plan: &Plan) -> Result<Vec<Vec<Course>>> {
    let base = train::Settings {
        family: "decllm".into(),
        data: "instructions(items=3)".into(),
        length: 12,
        batch: 32,
        steps: 1000,
        feed_forward: Some(128),
        ..train::Settings::default()
    };
    let mut reference = None;
    let mut all = Vec::new();
    for (_, objective, mask, adapted, _) in CELLS {
        let first = plan.run(&base, &format!("objective={objective},mask={mask}"))?;
        let operations = scaling::size(&first)?.1;
        let equal = *reference.get_or_insert(operations);
        let steps = ((first.steps as f64 * equal / operations).round() as usize).max(1);
        let first =
            train::Settings { steps, record_every: steps, evaluate_every: steps.div_ceil(4), ..first };
        let second = plan.run(&base, &format!("objective=outputs,mask={adapted},steps=300"))?;
        all.push(plan.courses(&first, &[second]));
    }
    Ok(all)
}

fn read(reading: &mut Reading) -> Result<()> {
    let (mut before, mut after, mut right) = (Vec::<Sample>::new(), Vec::new(), Vec::new());
    let cells = cells(&reading.plan)?;
    for courses in &cells {
        let last = reading.last(courses)?;
        let metric = |name| last.iter().map(|found| found.metric(name)).collect::<Result<Sample>>();
        before.push(last.iter().map(|found| found.curve.first().map_or(f64::NAN, |point| point.1)).collect());
        after.push(metric("loss")?);
        right.push(Sample::new(metric("accuracy")?.values().iter().map(|share| 100.0 * share)));
    }
    for (at, (name, ..)) in CELLS.into_iter().enumerate() {
        for (what, samples) in [("before", &before), ("after", &after), ("accuracy_percent", &right)] {
            reading.evidence.record(tidy(&format!("{name} {what}")), &samples[at]);
        }
        for (when, samples) in [("before adaptation", &before), ("after it", &after)] {
            if at == 0 {
                continue;
            }
            let what = format!("loss on held-out tasks of {name} minus causal LM, {when},");
            let name = format!("{name}, {when}");
            let paired = Paired::new(samples[at].values(), samples[0].values())?;
            let difference = Difference { name, what, metric: "loss", paired, smallest: SMALLEST };
            reading.judge(difference, Says::Worse)?;
        }
    }
    let ours = right.iter().enumerate().map(|(at, sample)| ((at + 1) as f64, sample.mean()));
    let theirs = CELLS.iter().enumerate().filter_map(|(at, cell)| Some(((at + 1) as f64, cell.4?)));
    let curves = vec![
        Curve::new("here", Kind::Custom, ours).with_spread(right.iter().map(Sample::sd)).scattered(),
        Curve::new("published, T0 tasks", Kind::Plain, theirs).scattered(),
    ];
    let title = "After adaptation: tokens right on held-out tasks, beside Wang et al.";
    let x = "1 causal LM   2 prefix LM   3 span corruption, causal   4 span corruption, prefix   5 masked LM";
    let axes = [x, "right after adaptation (%)"].map(PlotAxis::linear);
    let caption = "By the objective before adaptation: tokens right on held-out tasks here (mean and standard deviation over \
                   seeds), and the published mean score on T0 tasks, which has no masked LM of single tokens.";
    reading.evidence.plot("grid", caption, lines(title, axes, curves, Vec::new()));
    let names = CELLS.map(|(name, ..)| name.to_owned());
    reading.draw("each objective before adaptation, by its own loss", names.into_iter().zip(cells).collect())
}

const PUBLISHED: &[Published] = &[
    Published {
        says: "before finetuning (EleutherAI suite / T0 tasks) causal decoder 44.2 / 42.4, prefix decoder 43.5 / 41.8, \
               encoder-decoder 39.9 / 41.7",
        source: "Wang et al. 2022, arXiv 2204.05832, table 3, single runs",
        parameters: Some(4.8e9),
    },
    Published {
        says: "after multitask finetuning: causal LM 50.4 / 51.4, prefix LM 48.9 / 54.0, span corruption 47.1 / 50.3 (causal) and \
               51.0 / 55.2 (prefix)",
        source: "Wang et al. 2022, table 8, single runs",
        parameters: Some(4.8e9),
    },
    Published {
        says: "masked LM better in general, causal LM more data-efficient, causal then masked best (abstract)",
        source: "arXiv 2507.00994",
        parameters: None,
    },
];
