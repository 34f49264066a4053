//! The registry of masks: a new entry is parsed, listed, documented and tested by standing here.

use super::Mask;
use crate::error::{Error, Result};

/// One kind of mask: its name in the text form, its parameters and how to build it.
pub struct MaskKind {
    /// Name in the text form: `prefix` in `prefix(4)`.
    pub name: &'static str,
    /// What the numbers in the parentheses mean; empty where there are none.
    pub parameters: &'static str,
    /// One sentence: who attends to whom.
    pub summary: &'static str,
    /// Where the mask is used.
    pub seen_in: &'static str,
    /// A typical member for a sequence of the given length (at least 1).
    pub example: fn(length: usize) -> Mask,
    pub(super) build: fn(arguments: &[usize]) -> Result<Mask>,
}

/// Every kind of mask that has a name.
pub static MASKS: &[MaskKind] = &[
    MaskKind {
        name: "bidirectional",
        parameters: "",
        summary: "every query attends to every key",
        seen_in: "BERT, encoders",
        example: |_| Mask::bidirectional(),
        build: |arguments| none(arguments, Mask::bidirectional()),
    },
    MaskKind {
        name: "causal",
        parameters: "",
        summary: "a query attends to itself and to earlier keys",
        seen_in: "GPT, LLaMA, decoders",
        example: |_| Mask::causal(),
        build: |arguments| none(arguments, Mask::causal()),
    },
    MaskKind {
        name: "prefix",
        parameters: "length",
        summary: "causal, and everyone attends to the first keys",
        seen_in: "prefix-LM, UniLM, GLM",
        example: |length| Mask::prefix(length.div_ceil(2)),
        build: |arguments| one(arguments).map(Mask::prefix),
    },
    MaskKind {
        name: "window",
        parameters: "size",
        summary: "a query attends to itself and to the keys just before it",
        seen_in: "Mistral, sliding-window decoders",
        example: |length| Mask::window(length.div_ceil(4)).expect("at least 1"),
        build: |arguments| one(arguments).and_then(Mask::window),
    },
    MaskKind {
        name: "two-sided-window",
        parameters: "size",
        summary: "a query attends to the keys near it on both sides",
        seen_in: "Longformer's local heads",
        example: |length| Mask::two_sided_window(length.div_ceil(4)).expect("at least 1"),
        build: |arguments| one(arguments).and_then(Mask::two_sided_window),
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
        build: Mask::blocks,
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

fn wrong_count(arguments: &[usize], expected: &str) -> Error {
    Error::invalid("mask parameters", format!("{arguments:?}"), expected)
}
