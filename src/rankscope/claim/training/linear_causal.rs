//! Claim: linear attention loses less under a causal mask.

use super::bidirectional_input::LAST;
use super::prelude::*;

pub(in super::super) static CLAIM: Claim = Claim {
    about: About {
        id: "linear-causal",
        group: Group::Training,
        statement: "Linear attention loses less to softmax under a causal mask than without one.",
        source: "Su 2023 (kexue.fm 9529): the indirect argument for the low-rank conjecture",
        exact: "Without a mask linear attention has rank D at most; under the causal mask it has full rank, and every \
                block below the diagonal still has rank D at most. Which of the two a model feels is a matter of \
                training.",
        reconsider: "Larger heads, longer inputs, objectives that have left the loss of single letters behind.",
    },
    parameters: &[SEEDS, steps("40", "300"), SET],
    decide: super::decide,
};

pub(super) static EXPERIMENT: Experiment =
    Experiment { twins: &[CAUSAL, MASKED, RECALL], more: NONE, read, published: PUBLISHED };

/// Softmax and linear attention, causal and under masked LM, with rotary positions in both, so that both learn more
/// than single letters in so few steps.
pub(super) const TWINS: &[Tried] = &[CAUSAL, MASKED];
const CAUSAL: Tried = Tried::new("causal LM", "linear-causal", Says::Worse).with("positions=rotary");
const MASKED: Tried = Tried::new("masked LM", "linear-masked", Says::Worse).with("positions=rotary");
/// A control that is not part of the verdict: recall, where a state must keep several pairs.
const RECALL: Tried = Tried::new("recall", "linear-recall", Says::Worse).with(LAST);

/// The smallest difference of differences that matters, in nats.
const SMALLEST: f64 = 0.02;

fn read(reading: &mut Reading) -> Result<()> {
    let mut losses = Vec::new();
    for tried in EXPERIMENT.twins {
        let results = reading.results(tried)?;
        reading.show(tried, &results)?;
        losses.push(results.sample(1, "loss")?.minus(&results.sample(0, "loss")?));
    }
    let [causal, masked, _] = &losses[..] else { unreachable!("two twins and a control") };
    let what = "what linear attention loses under masked LM, minus what it loses under causal LM, in nats,";
    let (name, what) = ("difference of differences".to_owned(), what.to_owned());
    let paired = Paired::new(masked.values(), causal.values())?;
    reading.judge(Difference { name, what, metric: "nats", paired, smallest: SMALLEST }, Says::Better)
}

const PUBLISHED: &[Published] = &[Published {
    says: "the gap between linear and softmax attention is smaller for causal than for masked language models; no numbers",
    source: "Su 2023, kexue.fm 9529",
    parameters: Some(1e8),
}];
