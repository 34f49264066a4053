//! Claim: input that is read in both directions brings nothing.

use super::prelude::*;

pub(in super::super) static CLAIM: Claim = Claim {
    about: About {
        id: "bidirectional-input",
        group: Group::Training,
        statement: "Reading the input in both directions brings nothing at equal parameters.",
        source: "Su 2023 (kexue.fm 9529): GPT against UniLM, the loss on outputs alone",
        exact: "A causal prefix cannot route: where a question stands before the facts, no state of the question has \
                seen them, and the output's own positions must do all of the search. A prefix that is read in both \
                directions can. Nothing follows for texts.",
        reconsider: "Tasks whose input must be understood as a whole, larger models, more steps.",
    },
    parameters: &[SEEDS, steps("40", "300"), SET],
    decide: super::decide,
};

pub(super) static EXPERIMENT: Experiment =
    Experiment { twins: TWINS, more: NONE, read: |reading| reading.weigh_all(TWINS), published: PUBLISHED };

/// The masks of a prefix that is read causally, and in both directions.
pub(super) const TWINS: &[Tried] = &[
    Tried::new("text", "input-mask-text", Says::NotBetter),
    Tried::new("reverse", "input-mask-reverse", Says::NotBetter).with(REVERSE).chance(2.303),
    Tried::new("sort", "input-mask-sort", Says::NotBetter).with(SORT).chance(2.303),
    Tried::new("recall, question first", "input-mask-query-first", Says::NotBetter).with(FIRST).chance(0.167),
    Tried::new("recall, question last", "input-mask-query-last", Says::NotBetter).with(LAST).chance(0.167),
];

const REVERSE: &str = "data=reverse(items=6),length=16,batch=32";
const SORT: &str = "data=sort(items=6),length=16,batch=32";
const FIRST: &str = "data=recall(pairs=3,keys=6,values=6,query=before),length=12,batch=32";
/// A recall task that is small enough to be learned in the steps of a quick run.
pub(super) const LAST: &str = "data=recall(pairs=3,keys=6,values=6,query=after),length=12,batch=32";

const PUBLISHED: &[Published] = &[
    Published {
        says: "GPT and UniLM trained from nothing, loss on outputs alone: UniLM no better, on some tasks worse; no numbers",
        source: "Su 2023, kexue.fm 9529",
        parameters: Some(1e9),
    },
    Published {
        says: "causal decoder 44.2 / 42.4, prefix decoder 43.5 / 41.8 (EleutherAI suite / T0 tasks, no finetuning); after \
               multitask finetuning 50.4 / 51.4 and 48.9 / 54.0",
        source: "Wang et al. 2022, arXiv 2204.05832, tables 3 and 8, single runs",
        parameters: Some(4.8e9),
    },
    Published {
        says: "attention over the input in both directions, switched on for finetuning, improves a decoder substantially",
        source: "RedLLM, arXiv 2510.26622, section 6",
        parameters: Some(8e9),
    },
];
