//! Host side of `rms_norm_*.wgsl`.

use crate::device::gpu::{Kernel, params};
use crate::error::Result;
use crate::ops::ladder::{Extent, IN_FOURS, Ladder, Variant, any, in_fours};
use crate::ops::launch::{Grid, buffer, count, launch};
use crate::tensor::Tensor;

params! {
    struct Params { rows: u32, width: u32, epsilon: f32, first_group: u32 }
}

pub(in crate::ops) static NAIVE: Kernel =
    Kernel { name: "rms_norm_naive", source: include_str!("rms_norm_naive.wgsl"), params: Params::FIELDS };

pub(in crate::ops) static TILED: Kernel =
    Kernel { name: "rms_norm_tiled", source: include_str!("rms_norm_tiled.wgsl"), params: Params::FIELDS };

pub(in crate::ops) static BLOCKED: Kernel = Kernel {
    name: "rms_norm_blocked",
    source: include_str!("rms_norm_blocked.wgsl"),
    params: Params::FIELDS,
};

pub(in crate::ops) static SUBGROUPS: Kernel = Kernel {
    name: "rms_norm_subgroups",
    source: include_str!("rms_norm_subgroups.wgsl"),
    params: Params::FIELDS,
};

pub(in crate::ops) static LADDER: Ladder = Ladder {
    op: "rms_norm",
    variants: &[
        Variant {
            name: "naive",
            kernel: Some(&NAIVE),
            requires: wgpu::Features::empty(),
            changes: "the formula as it stands: one invocation a row",
            slower: "",
            tile: [64, 0],
            limits: "",
            applies: any,
            turns: |extent| 3 * extent.columns,
            suits: |situation| situation.extent.rows >= 64,
        },
        Variant {
            name: "tiled",
            kernel: Some(&TILED),
            requires: wgpu::Features::empty(),
            changes: "a workgroup a row, sums joined in workgroup memory: neighbours read neighbours",
            slower: TILED_SLOWER,
            tile: [1, 0],
            limits: "",
            applies: any,
            turns: |extent| extent.columns / 16 + 32,
            suits: |situation| !situation.is_software || situation.extent.rows < 64,
        },
        Variant {
            name: "blocked",
            kernel: Some(&BLOCKED),
            requires: wgpu::Features::empty(),
            changes: "vectors of four: a quarter of the loads and stores",
            slower: "",
            tile: [1, 0],
            limits: IN_FOURS,
            applies: in_fours,
            turns: |extent| extent.columns / 64 + 32,
            suits: any,
        },
        Variant {
            name: "subgroups",
            kernel: Some(&SUBGROUPS),
            requires: wgpu::Features::SUBGROUP,
            changes: "sums joined in registers across a subgroup: two barriers in place of seven",
            slower: "",
            tile: [1, 0],
            limits: IN_FOURS,
            applies: in_fours,
            turns: |extent| extent.columns / 64 + 32,
            suits: any,
        },
    ],
    rule: "the highest rung that the adapter and the width allow; on a software adapter, widths that are \
           no multiple of 4 go to naive from 64 rows on, because barriers cost more than they save there",
};

const TILED_SLOWER: &str =
    "on a software adapter, whose workgroup memory is ordinary memory and whose barriers cost";

pub(super) fn rms_norm(x: &Tensor, gain: &Tensor, epsilon: f32) -> Result<Tensor> {
    let width = gain.shape().len();
    let rows = x.shape().len().checked_div(width).unwrap_or(0);
    let extent = Extent { batch: 1, rows, columns: width, inner: width };
    let variant = LADDER.choose(buffer(&NAIVE, x)?.gpu(), extent)?;
    let kernel = variant.kernel();
    let params = Params { rows: count(kernel, rows)?, width: count(kernel, width)?, epsilon, first_group: 0 };
    let inputs = [("x", buffer(kernel, x)?), ("gain", buffer(kernel, gain)?)];
    let grid = Grid { workgroups: variant.workgroups(extent), work: 4 * (rows * width) as u64 };
    launch(kernel, params, &inputs, x.shape().clone(), grid)
}
