//! A mask as a program of numbers, which a shader runs for each query and key.
//!
//! Instructions of three words, `[op, x, y]`, work on a stack of bits; rules push a bit, `AND` and `OR` combine the two
//! top bits, `NOT` inverts the top bit. The tables that instructions refer to come after `END`. `program.wgsl` beside
//! this file is the interpreter.

use std::cmp::Ordering;

use super::{Mask, Rule};

/// The instructions, as `program.wgsl` numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Op {
    End,
    All,
    Causal,
    AntiCausal,
    Prefix,
    Window,
    TwoSidedWindow,
    Dilated,
    Strided,
    Global,
    Random,
    Padding,
    Blocks,
    Custom,
    And,
    Or,
    Not,
}

/// A program under construction.
#[derive(Default)]
struct Assembler {
    code: Vec<[u32; 3]>,
    tables: Vec<u32>,
    /// The places of words y that are offsets into the tables: the length of the code is added to them at the end.
    pointers: Vec<usize>,
}

impl Mask {
    /// The mask's program; where the mask differs by head, the program tells whether any head may attend.
    ///
    /// **Layout**: code, `END`, tables; the y of an instruction with a table counts from the program's
    /// first word.
    pub(crate) fn program(&self) -> Vec<u32> {
        let mut assembler = Assembler::default();
        assembler.add(self);
        let Assembler { mut code, tables, pointers } = assembler;
        code.push([Op::End as u32, 0, 0]);
        for pointer in pointers {
            code[pointer][2] += 3 * code.len() as u32;
        }
        [code.as_flattened(), &tables].concat()
    }

    /// The most turns that a shader's loops take in the program for one query and key.
    pub(crate) fn program_turns(&self) -> usize {
        match &self.0 {
            Rule::And(pair) | Rule::Or(pair) => pair.0.program_turns() + pair.1.program_turns() + 1,
            Rule::Not(mask) => mask.program_turns() + 1,
            Rule::Heads(masks) => masks.iter().map(|mask| mask.program_turns() + 1).sum(),
            Rule::Blocks(lengths) => lengths.len() + 1,
            _ => 1,
        }
    }

    /// The number of bits that the program of this mask needs on the stack.
    fn depth(&self) -> usize {
        match &self.0 {
            Rule::And(pair) | Rule::Or(pair) => match (pair.0.depth(), pair.1.depth()) {
                (a, b) if a == b => a + 1,
                (a, b) => a.max(b),
            },
            Rule::Not(mask) => mask.depth(),
            Rule::Heads(masks) => masks.iter().map(Mask::depth).max().unwrap_or(0) + 1,
            _ => 1,
        }
    }
}

impl Assembler {
    fn add(&mut self, mask: &Mask) {
        match &mask.0 {
            Rule::Bidirectional => self.push(Op::All, 0, 0),
            Rule::Causal => self.push(Op::Causal, 0, 0),
            Rule::AntiCausal => self.push(Op::AntiCausal, 0, 0),
            Rule::Prefix(length) => self.push(Op::Prefix, *length, 0),
            Rule::Window(size) => self.push(Op::Window, *size, 0),
            Rule::TwoSidedWindow(size) => self.push(Op::TwoSidedWindow, *size, 0),
            Rule::Dilated { count, step } => self.push(Op::Dilated, *count, *step),
            Rule::Strided(stride) => self.push(Op::Strided, *stride, 0),
            Rule::Global(count) => self.push(Op::Global, *count, 0),
            // The lower half of the seed, which the draw uses.
            Rule::Random { percent, seed } => self.push(Op::Random, *percent, *seed as u32 as usize),
            Rule::Padding(length) => self.push(Op::Padding, *length, 0),
            Rule::Blocks(lengths) => {
                let ends = lengths.iter().scan(0usize, |end, length| {
                    *end = end.saturating_add(*length);
                    Some(word(*end))
                });
                self.push_table(Op::Blocks, lengths.len(), ends.collect());
            }
            Rule::Custom(allowed) => {
                let (rows, columns) = allowed.dim();
                let row_words = columns.div_ceil(32);
                let mut table = vec![0; 1 + rows * row_words];
                table[0] = word(columns);
                for ((row, column), _) in allowed.indexed_iter().filter(|(_, allowed)| **allowed) {
                    table[1 + row * row_words + column / 32] |= 1 << (column % 32);
                }
                self.push_table(Op::Custom, rows, table);
            }
            Rule::And(pair) => self.add_pair(&pair.0, &pair.1, Op::And),
            Rule::Or(pair) => self.add_pair(&pair.0, &pair.1, Op::Or),
            Rule::Not(mask) => {
                self.add(mask);
                self.push(Op::Not, 0, 0);
            }
            Rule::Heads(masks) => {
                for (index, mask) in masks.iter().enumerate() {
                    self.add(mask);
                    if index > 0 {
                        self.push(Op::Or, 0, 0);
                    }
                }
            }
        }
    }

    /// The side that needs the deeper stack comes first: a depth of d then needs at least 2^(d − 1) rules, and the 32
    /// bits of a shader's stack are enough for any mask that fits in memory.
    fn add_pair(&mut self, a: &Mask, b: &Mask, op: Op) {
        let (first, second) = if a.depth().cmp(&b.depth()) == Ordering::Less { (b, a) } else { (a, b) };
        self.add(first);
        self.add(second);
        self.push(op, 0, 0);
    }

    fn push(&mut self, op: Op, x: usize, y: usize) {
        self.code.push([op as u32, word(x), word(y)]);
    }

    fn push_table(&mut self, op: Op, x: usize, table: Vec<u32>) {
        self.pointers.push(self.code.len());
        self.push(op, x, self.tables.len());
        self.tables.extend(table);
    }
}

/// A number as 32 bits. Positions have 32 bits on a GPU, so no position reaches a larger bound.
fn word(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
