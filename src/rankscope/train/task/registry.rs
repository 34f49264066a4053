//! The registry of tasks: a new entry here is also parsed, listed and tested.

use super::options::{Options, TaskOption};
use super::{Rule, brackets, count, induction, instructions, list, mixing, modular, recall, regression};
use crate::error::Result;

/// One kind of task: its name in the text form, its options and how to build it.
pub struct TaskKind {
    /// Name in the text form: `recall` in `recall(pairs=8)`.
    pub name: &'static str,
    /// One sentence: the answer that the task asks for.
    pub summary: &'static str,
    /// Its options.
    pub options: &'static [TaskOption],
    pub(super) build: fn(&Options) -> Result<Box<dyn Rule>>,
}

/// Every task that has a name.
pub static TASKS: &[TaskKind] = &[
    TaskKind { name: "copy", summary: "the input again", options: list::OPTIONS, build: list::copy },
    TaskKind {
        name: "reverse",
        summary: "the input from its end to its beginning",
        options: list::OPTIONS,
        build: list::reverse,
    },
    TaskKind {
        name: "sort",
        summary: "the numbers of the input, the smallest first",
        options: list::OPTIONS,
        build: list::sort,
    },
    TaskKind {
        name: "permutation",
        summary: "the input in another order, the same one in every example",
        options: list::PERMUTATION,
        build: list::permutation,
    },
    TaskKind {
        name: "recall",
        summary: "the values of some keys in a list of pairs; the queried keys come before or after the list",
        options: recall::OPTIONS,
        build: recall::build,
    },
    TaskKind {
        name: "induction",
        summary: "the letter that followed the earlier occurrence of the last letter",
        options: induction::OPTIONS,
        build: induction::build,
    },
    TaskKind {
        name: "modular-addition",
        summary: "the sum of two numbers, modulo a third one",
        options: modular::OPTIONS,
        build: modular::build,
    },
    TaskKind {
        name: "brackets",
        summary: "whether every bracket is closed by its own kind, in the right order",
        options: brackets::OPTIONS,
        build: brackets::build,
    },
    TaskKind {
        name: "mixing",
        summary: "averages of all numbers of the input, with the same weights in every example",
        options: mixing::OPTIONS,
        build: mixing::build,
    },
    TaskKind {
        name: "regression",
        summary: "the value of a linear function at a last point, from its values at others",
        options: regression::OPTIONS,
        build: regression::build,
    },
    TaskKind {
        name: "count",
        summary: "how many letters equal the last one, itself included",
        options: count::OPTIONS,
        build: count::build,
    },
    TaskKind {
        name: "residue",
        summary: "whether the number of letters a, divided by the modulus, leaves the residue",
        options: count::RESIDUE,
        build: count::residue,
    },
    TaskKind {
        name: "instructions",
        summary: "two instructions in words, carried out one after the other; some pairs of them are held out",
        options: instructions::OPTIONS,
        build: instructions::build,
    },
];
