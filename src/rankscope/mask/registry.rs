//! The registry of masks: a new entry here is also parsed, listed, documented and tested.

use super::Mask;
use crate::error::{Error, Result};

/// One kind of mask: its name in the text form, its parameters and how to build it.
pub struct MaskKind {
    /// Name in the text form: `prefix` in `prefix(4)`.
    pub name: &'static str,
    /// What the numbers in the parentheses mean; empty where there are none.
    pub parameters: &'static str,
    /// One sentence: which query attends to which key.
    pub summary: &'static str,
    /// Where the mask is used.
    pub seen_in: &'static str,
    /// A typical member for a sequence of the given length (at least 1).
    pub example: fn(length: usize) -> Mask,
    pub(super) build: Build,
}

/// How a kind is built from the arguments in its parentheses.
pub(super) enum Build {
    /// From numbers.
    Numbers(fn(&[usize]) -> Result<Mask>),
    /// From masks.
    Masks(fn(Vec<Mask>) -> Result<Mask>),
}

/// Every kind of mask that has a name.
pub static MASKS: &[MaskKind] = &[
    MaskKind {
        name: "bidirectional",
        parameters: "",
        summary: "every query attends to every key",
        seen_in: "BERT, encoders",
        example: |_| Mask::bidirectional(),
        build: Build::Numbers(|arguments| none(arguments, Mask::bidirectional())),
    },
    MaskKind {
        name: "causal",
        parameters: "",
        summary: "a query attends to itself and to earlier keys",
        seen_in: "GPT, LLaMA, decoders",
        example: |_| Mask::causal(),
        build: Build::Numbers(|arguments| none(arguments, Mask::causal())),
    },
    MaskKind {
        name: "anti-causal",
        parameters: "",
        summary: "a query attends to itself and to later keys",
        seen_in: "the backward half of mixed-direction heads",
        example: |_| Mask::anti_causal(),
        build: Build::Numbers(|arguments| none(arguments, Mask::anti_causal())),
    },
    MaskKind {
        name: "prefix",
        parameters: "length",
        summary: "causal, and every query attends to the first keys",
        seen_in: "prefix-LM, UniLM, GLM",
        example: |length| Mask::prefix(length.div_ceil(2)),
        build: Build::Numbers(|arguments| one(arguments).map(Mask::prefix)),
    },
    MaskKind {
        name: "window",
        parameters: "size",
        summary: "a query attends to itself and to the keys just before it",
        seen_in: "Mistral, sliding-window decoders",
        example: |length| Mask::window(length.div_ceil(4)).expect("at least 1"),
        build: Build::Numbers(|arguments| one(arguments).and_then(Mask::window)),
    },
    MaskKind {
        name: "two-sided-window",
        parameters: "size",
        summary: "a query attends to the keys near it on both sides",
        seen_in: "Longformer's local heads",
        example: |length| Mask::two_sided_window(length.div_ceil(4)).expect("at least 1"),
        build: Build::Numbers(|arguments| one(arguments).and_then(Mask::two_sided_window)),
    },
    MaskKind {
        name: "dilated",
        parameters: "count, step",
        summary: "a query attends to itself and to every step-th key on both sides",
        seen_in: "Longformer's dilated windows",
        example: |length| Mask::dilated(length.div_ceil(4), 2).expect("a step of 2"),
        build: Build::Numbers(|arguments| two(arguments, Mask::dilated)),
    },
    MaskKind {
        name: "strided",
        parameters: "stride",
        summary: "a query attends to the keys just before it and, before those, to every stride-th",
        seen_in: "Sparse Transformer",
        example: |length| Mask::strided(length.isqrt().max(1)).expect("at least 1"),
        build: Build::Numbers(|arguments| one(arguments).and_then(Mask::strided)),
    },
    MaskKind {
        name: "global",
        parameters: "count",
        summary: "the first positions attend to all positions, and all positions attend to them",
        seen_in: "Longformer and BigBird, together with a window",
        example: |length| Mask::global(length.div_ceil(8)),
        build: Build::Numbers(|arguments| one(arguments).map(Mask::global)),
    },
    MaskKind {
        name: "random",
        parameters: "percent, seed",
        summary: "a query attends to itself and to keys drawn at random",
        seen_in: "BigBird, together with a window and global tokens",
        example: |_| Mask::random(30, 7).expect("at most 100"),
        build: Build::Numbers(|arguments| two(arguments, Mask::random)),
    },
    MaskKind {
        name: "padding",
        parameters: "length",
        summary: "no query attends to the keys from a position on",
        seen_in: "batches of texts of different lengths",
        example: |length| Mask::padding(length.div_ceil(2)),
        build: Build::Numbers(|arguments| one(arguments).map(Mask::padding)),
    },
    MaskKind {
        name: "blocks",
        parameters: "lengths",
        summary: "documents packed into one sequence do not see each other",
        seen_in: "packed pre-training batches",
        example: |length| {
            let first = length.div_ceil(3);
            let lengths = if first < length { vec![first, length - first] } else { vec![length] };
            Mask::blocks(&lengths).expect("lengths are at least 1")
        },
        build: Build::Numbers(Mask::blocks),
    },
    MaskKind {
        name: "heads",
        parameters: "mask, mask, …",
        summary: "every head has a mask of its own; the heads are shared out evenly, in order",
        seen_in: "mixed-direction heads: heads(causal, anti-causal)",
        example: |_| Mask::mixed_direction(),
        build: Build::Masks(Mask::heads),
    },
];

fn none(arguments: &[usize], mask: Mask) -> Result<Mask> {
    if arguments.is_empty() { Ok(mask) } else { Err(wrong_count(arguments, "no number")) }
}

fn one(arguments: &[usize]) -> Result<usize> {
    match arguments {
        [argument] => Ok(*argument),
        _ => Err(wrong_count(arguments, "one number")),
    }
}

fn two(arguments: &[usize], build: fn(usize, usize) -> Result<Mask>) -> Result<Mask> {
    match arguments {
        [first, second] => build(*first, *second),
        _ => Err(wrong_count(arguments, "two numbers")),
    }
}

fn wrong_count(arguments: &[usize], expected: &str) -> Error {
    Error::invalid("mask parameters", format!("{arguments:?}"), expected)
}
