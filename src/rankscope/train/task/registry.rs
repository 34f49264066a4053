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
    task("copy", "the input again", list::OPTIONS, list::copy),
    task("reverse", "the input from its end to its beginning", list::OPTIONS, list::reverse),
    task("sort", "the numbers of the input, the smallest first", list::OPTIONS, list::sort),
    task(
        "permutation",
        "the input in another order, the same one in every example",
        list::PERMUTATION,
        list::permutation,
    ),
    task(
        "recall",
        "the values of some keys in a list of pairs; the queried keys come before or after the list",
        recall::OPTIONS,
        recall::build,
    ),
    task(
        "induction",
        "the letter that followed the earlier occurrence of the last letter",
        induction::OPTIONS,
        induction::build,
    ),
    task("modular-addition", "the sum of two numbers, modulo a third one", modular::OPTIONS, modular::build),
    task(
        "brackets",
        "whether every bracket is closed by its own kind, in the right order",
        brackets::OPTIONS,
        brackets::build,
    ),
    task(
        "mixing",
        "averages of all numbers of the input, with the same weights in every example",
        mixing::OPTIONS,
        mixing::build,
    ),
    task(
        "regression",
        "the value of a linear function at a last point, from its values at others",
        regression::OPTIONS,
        regression::build,
    ),
    task("count", "how many letters equal the last one, itself included", count::OPTIONS, count::build),
    task(
        "residue",
        "whether the number of letters a, divided by the modulus, leaves the residue",
        count::RESIDUE,
        count::residue,
    ),
    task(
        "instructions",
        "two instructions in words, carried out one after the other; some pairs of them are held out",
        instructions::OPTIONS,
        instructions::build,
    ),
];

const fn task(
    name: &'static str,
    summary: &'static str,
    options: &'static [TaskOption],
    build: fn(&Options) -> Result<Box<dyn Rule>>,
) -> TaskKind {
    TaskKind { name, summary, options, build }
}
