//! The common part of the operations that go row by row on a GPU: the rungs of their ladders, and the launch of the
//! norms.

use super::ladder::{Extent, IN_FOURS, Ladder, Situation, Variant, in_fours};
use super::launch::{Grid, buffer, count, launch};
use crate::device::gpu::{Kernel, params};
use crate::error::Result;
use crate::tensor::Tensor;

/// The four rungs of an operation over rows, from their kernels and the changes of the upper three.
pub(super) const fn rungs(kernels: [&'static Kernel; 4], changes: [&'static str; 3]) -> [Variant; 4] {
    let [naive, tiled, blocked, subgroups] = kernels;
    let by_fours = Variant {
        limits: IN_FOURS,
        applies: in_fours,
        turns: |extent| extent.columns / 64 + 32,
        suits: is_worth_a_workgroup,
        ..Variant::PLAIN
    };
    [
        Variant {
            name: "naive",
            kernel: Some(naive),
            changes: "the formula as it stands: one invocation a row",
            tile: [64, 0],
            turns: |extent| 3 * extent.columns,
            ..Variant::PLAIN
        },
        Variant {
            name: "tiled",
            kernel: Some(tiled),
            changes: changes[0],
            slower: TILED_SLOWER,
            turns: |extent| extent.columns / 16 + 32,
            suits: is_worth_slow_memory,
            ..Variant::PLAIN
        },
        Variant { name: "blocked", kernel: Some(blocked), changes: changes[1], ..by_fours },
        Variant {
            name: "subgroups",
            kernel: Some(subgroups),
            requires: wgpu::Features::SUBGROUP,
            changes: changes[2],
            ..by_fours
        },
    ]
}

/// Why the second rung may be slower than the first.
pub(super) const TILED_SLOWER: &str =
    "on a software adapter, whose workgroup memory is ordinary memory and whose barriers cost";

/// The rule by which the three ladders choose, in words.
pub(super) const RULE: &str = "the highest rung that the adapter and the length of the rows allow; on a software adapter, \
    whose barriers cost more than they save in short rows, naive for 8 rows or more of fewer than 1024 values or of a \
    length that is no multiple of 4";

/// Whether a workgroup for each row is worth its barriers; measured on llvmpipe with two cores.
fn is_worth_a_workgroup(situation: &Situation) -> bool {
    let Extent { rows, columns, .. } = situation.extent;
    !situation.is_software || rows < SOFTWARE_LANES || columns >= 1024
}

/// The same for the rung that reads value by value, which on a software adapter is never faster than the naive rung
/// with full lanes.
fn is_worth_slow_memory(situation: &Situation) -> bool {
    !situation.is_software || situation.extent.rows < SOFTWARE_LANES
}

/// The number of invocations that a software adapter runs in parallel: with fewer rows some lanes of the naive rung are
/// idle.
const SOFTWARE_LANES: usize = 8;

/// The changes of the norms from rung to rung.
pub(super) const NORM_CHANGES: [&str; 3] = [
    "a workgroup a row, sums joined in workgroup memory: neighbours read neighbours",
    "vectors of four: a quarter of the loads and stores",
    "sums joined in registers across a subgroup: two barriers in place of seven",
];

params! {
    /// The parameters of the norms.
    pub(super) struct NormParams { rows: u32, width: u32, epsilon: f32, first_group: u32 }
}

/// Normalises the rows of `x`; `vectors` are the gain `[C]` and the other inputs of the kernels, by name.
pub(super) fn norm(
    ladder: &'static Ladder,
    x: &Tensor,
    vectors: &[(&str, &Tensor)],
    epsilon: f32,
) -> Result<Tensor> {
    let width = vectors[0].1.shape().len();
    let rows = x.shape().len().checked_div(width).unwrap_or(0);
    let extent = Extent { batch: 1, rows, columns: width, inner: width };
    let variant = ladder.choose(buffer(ladder.variants[0].kernel(), x)?.gpu(), extent)?;
    let kernel = variant.kernel();
    let params =
        NormParams { rows: count(kernel, rows)?, width: count(kernel, width)?, epsilon, first_group: 0 };
    let mut inputs = vec![("x", buffer(kernel, x)?)];
    for (name, vector) in vectors {
        inputs.push((name, buffer(kernel, vector)?));
    }
    let grid = Grid { workgroups: variant.workgroups(extent), work: 4 * (rows * width) as u64 };
    launch(kernel, params, &inputs, x.shape().clone(), grid)
}

/// The gradient of a norm's argument, by `kernel`.
pub(super) fn norm_backward(
    kernel: &'static Kernel,
    x: &Tensor,
    gain: &Tensor,
    dy: &Tensor,
    epsilon: f32,
) -> Result<Tensor> {
    let width = gain.shape().len();
    let rows = x.shape().len().checked_div(width).unwrap_or(0);
    let params =
        NormParams { rows: count(kernel, rows)?, width: count(kernel, width)?, epsilon, first_group: 0 };
    let inputs = [("x", buffer(kernel, x)?), ("gain", buffer(kernel, gain)?), ("dy", buffer(kernel, dy)?)];
    let grid = Grid { workgroups: rows, work: 8 * (rows * width) as u64 };
    launch(kernel, params, &inputs, x.shape().clone(), grid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::ladder::SOFTWARE_TURNS;
    use crate::ops::softmax::gpu::LADDER;

    /// The rung that is chosen for `rows` rows of `columns` values, among all that can compute them.
    fn choice(is_software: bool, rows: usize, columns: usize) -> &'static str {
        let extent = Extent { batch: 1, rows, columns, inner: columns };
        let turns = if is_software { SOFTWARE_TURNS } else { usize::MAX };
        let can = |rung: &Variant| (rung.applies)(&extent) && (rung.turns)(&extent) <= turns;
        let refusal = |rung: &Variant| (!can(rung)).then(String::new);
        LADDER.best(&Situation { is_software, extent }, refusal).unwrap().name
    }

    #[test]
    fn a_software_adapter_takes_naive_for_many_short_rows() {
        let software = |rows, columns| choice(true, rows, columns);
        let of_vectors = [software(7, 384), software(8, 384), software(8, 1024)];
        assert_eq!(of_vectors, ["subgroups", "naive", "subgroups"]);
        assert_eq!([software(7, 385), software(8, 385), software(8, 1025)], ["tiled", "naive", "naive"]);
        // Lengths where the loops of the naive rung would take too many turns for llvmpipe.
        assert_eq!([software(100, 21_665), software(100, 21_667)], ["naive", "tiled"]);
        assert_eq!([choice(false, 1, 384), choice(false, 4096, 385)], ["subgroups", "tiled"]);
    }
}
