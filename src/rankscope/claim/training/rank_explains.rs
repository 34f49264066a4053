//! Claim: the rank of attention explains what trains better.

use super::super::rank_is_information::kendall;
use super::prelude::*;
use super::{bidirectional_input, linear_causal, mixed_heads};

pub(in super::super) static CLAIM: Claim = Claim {
    about: About {
        id: "rank-explains",
        group: Group::Training,
        statement: "The rank of attention explains which model trains better.",
        source: "Su 2023 (kexue.fm 9529): the low-rank conjecture, as a statement about training",
        exact: "Nothing: a loss is a function of all weights, and heads of every rank are among the solutions of every task. \
                The conjecture is about what training finds.",
        reconsider: "A rank of something else than the weights of single heads; twins of larger models.",
    },
    // A quick run has fewer seeds than in other claims, since it also needs the runs of three other claims.
    parameters: &[seeds("3", "5"), steps("40", "300"), SET],
    decide: super::decide,
};

pub(super) static EXPERIMENT: Experiment = Experiment {
    twins: &[RANKS],
    more: |plan| Ok(others().map(|tried| plan.runs(tried)).collect::<Result<Vec<_>>>()?.concat()),
    read,
    published: PUBLISHED,
};

/// The claim says that rank is lower under the mask whose prefix is read in both directions.
const RANKS: Tried = Tried::new("effective rank of heads", "rank-over-training", Says::Worse);

/// Twins of other claims: settings that change the loss there may change ranks too.
fn others() -> impl Iterator<Item = &'static Tried> {
    [bidirectional_input::TWINS, mixed_heads::TWINS, linear_causal::TWINS].into_iter().flatten()
}

/// The smallest Kendall's τ between differences in rank and in loss that matters.
const SMALLEST: f64 = 0.3;

fn read(reading: &mut Reading) -> Result<()> {
    reading.weigh(&RANKS)?;
    over_training(reading)?;
    let mut pairs: Vec<[Sample; 2]> = Vec::new();
    for tried in others() {
        let results = reading.results(tried)?;
        for variant in 1..results.twin().names().len() {
            let difference = |metric| Ok(results.sample(variant, metric)?.minus(&results.sample(0, metric)?));
            pairs.push([difference("effective_rank")?, difference("loss")?]);
        }
    }
    let seed = |at: usize| {
        let of = |which: usize| pairs.iter().map(|pair| pair[which].values()[at]).collect::<Vec<_>>();
        kendall(&of(0), &of(1))
    };
    let taus: Vec<f64> = (0..reading.plan.seeds.len()).map(seed).collect();
    let over = format!("over {} twins,", pairs.len());
    let what = format!("Kendall's τ of the difference in effective rank with that in loss, {over}");
    let (name, paired) = ("Kendall's τ of rank and loss".into(), Paired::new(&taus, &vec![0.0; taus.len()])?);
    reading.judge(Difference { name, what, metric: "τ", paired, smallest: SMALLEST }, Says::Worse)?;
    reading.evidence.note("the interval of τ is over seeds; other twins would have another τ");
    let points = pairs.iter().map(|[rank, loss]| (rank.mean(), loss.mean()));
    let twins = Curve::new("twins", Kind::Plain, points).scattered();
    let axes = ["difference in effective rank", "difference in loss (nats)"].map(PlotAxis::linear);
    let figure = lines("Difference in rank, and in loss, of every twin", axes, vec![twins], Vec::new());
    let caption = "A point for each twin: what its variant has more of than its first one, means over seeds.";
    reading.evidence.plot("rank-and-loss", caption, figure);
    Ok(())
}

/// Draws the effective rank under both masks from the first step to the last, and reports whether the curves cross.
fn over_training(reading: &mut Reading) -> Result<()> {
    let results = reading.results(&RANKS)?;
    let curves = results.means(|outcome| &outcome.ranks);
    let ahead: Vec<bool> =
        curves[0].points.iter().zip(&curves[1].points).map(|(causal, prefix)| causal.1 > prefix.1).collect();
    let crossings = ahead.windows(2).filter(|pair| pair[0] != pair[1]).count();
    reading.evidence.measure("crossings", crossings as f64, "");
    let axes = ["step", "effective rank, mean over heads"].map(PlotAxis::linear);
    let figure = lines("Effective rank over training", axes, curves, Vec::new());
    let times = match crossings {
        0 => "do not cross".to_owned(),
        1 => "cross once".to_owned(),
        times => format!("cross {times} times"),
    };
    let caption =
        format!("The mean over seeds under both masks, with a standard deviation; the curves {times}.");
    reading.evidence.plot("ranks", caption, figure);
    Ok(())
}

const PUBLISHED: &[Published] = &[Published {
    says: "the conjecture is stated, and no ranks of trained models are given",
    source: "Su 2023, kexue.fm 9529",
    parameters: Some(1e9),
}];
