//! Claim: a causal model needs no positions.

use super::prelude::*;

pub(in super::super) static CLAIM: Claim = Claim {
    about: About {
        id: "no-positions",
        group: Group::Training,
        statement: "A causal model needs no positions, neither at the length of training nor beyond it.",
        source: "Su 2023 (kexue.fm 9529); Haviv et al. 2022 (arXiv 2203.16634); Kazemnejad et al. 2023 (arXiv 2305.19466)",
        exact: "The causal mask tells the order of tokens from the second layer on, for almost all weights. How far a \
                token is away is not told: it must be learned from the sizes of averages, which change with length.",
        reconsider: "More layers, larger models, tasks in place of a text.",
    },
    parameters: &[SEEDS, steps("60", "300"), SET],
    decide: super::decide,
};

pub(super) static EXPERIMENT: Experiment =
    Experiment { twins: TWINS, more: NONE, read: |reading| reading.weigh_all(TWINS), published: PUBLISHED };

/// `none` comes first: the claim says that no other kind is better.
const KINDS: &[&str] = &["none", "rotary", "alibi", "relative"];

/// The same runs, compared by their loss at the length of training, and at 4 times that length.
pub(super) const TWINS: &[Tried] = &[
    Tried::new("64 tokens", "length-extrapolation", Says::NotBetter).values(KINDS).by("loss", 0.02),
    Tried::new("256 tokens", "length-extrapolation", Says::NotBetter).values(KINDS).by("loss_at_256", 0.05),
];

const PUBLISHED: &[Published] = &[Published {
    says: "no positions are best at longer inputs than trained on, among the common kinds, over ten tasks (abstract)",
    source: "Kazemnejad et al. 2023, arXiv 2305.19466",
    parameters: None,
}];
