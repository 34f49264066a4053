//! Claim: small heads are a bottleneck in training.

use super::prelude::*;

pub(in super::super) static CLAIM: Claim = Claim {
    about: About {
        id: "head-size-in-training",
        group: Group::Training,
        statement: "Small heads are a bottleneck in training.",
        source: "Bhojanapalli et al. 2020 (arXiv 2002.07028), section 4; Su 2023 (kexue.fm 9529)",
        exact: "A head of size D has logits of rank D, so a dense pattern over n positions takes a head of n − 1 in \
                general; a permutation takes a head of 2, with sharp scores. Several heads add up, and what a task \
                needs is seldom a dense pattern.",
        reconsider: "A text whose loss falls with the head size at equal parameters.",
    },
    parameters: &[SEEDS, steps("100", "500"), SET],
    decide: super::decide,
};

pub(super) static EXPERIMENT: Experiment =
    Experiment { twins: TWINS, more: NONE, read: |reading| reading.weigh_all(TWINS), published: PUBLISHED };

/// A dense pattern, for which theory expects a bottleneck below 31; a permutation, for which it expects none; text.
pub(super) const TWINS: &[Tried] = &[
    Tried::new("dense mixing", "head-size-mixing", Says::Worse).values(&["31", "4", "16"]).chance(1.0),
    Tried::new("permutation", "head-size-permutation", Says::Worse)
        .values(&["31", "4", "16"])
        .chance(0.03125),
    Tried::new("text", "head-size-text", Says::Worse).values(&["16", "4"]),
];

const PUBLISHED: &[Published] = &[
    Published {
        says: "BERT with 8 heads of 32 / 64 / 128 / 256: SQuAD F1 88.53 / 89.51 / 89.6 / 90.33, at 130 to 218 million \
               parameters",
        source: "Bhojanapalli et al. 2020, table 2B",
        parameters: Some(2.18e8),
    },
    Published {
        says: "BERT-large with 8 / 16 / 32 heads of 128 / 64 / 32: SQuAD F1 90.89 / 90.61 / 90.45, each ± 0.15 or less",
        source: "Bhojanapalli et al. 2020, table 1",
        parameters: Some(3.36e8),
    },
];
