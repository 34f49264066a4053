//! The gradient of a table from which rows were gathered.

use crate::axis::Shape;
use crate::buffer::any_values;
use crate::device::gpu::params;
use crate::error::Result;
use crate::ops::Real;
use crate::ops::blocks::{ADDITION, for_each_block};
use crate::ops::launch::{LANES, buffer, count, kernels, launch};
use crate::tensor::Tensor;

params! {
    struct Params { values: u32, width: u32 }
}

kernels! { SCATTER: "scatter", Params, "scatter.wgsl"; }

/// ∂table\[e, c\] = Σ ∂y\[i, c\] over the i with ids\[i\] = e.
///
/// **Shapes**: ∂y `[…, C]` with as many rows as `ids`; the result has the table's `shape`, whose last axis is C.
///
/// **Conventions**: the rows of one entry are added in their order, whatever the number of threads.
pub(super) fn scatter_rows(dy: &Tensor, ids: &[u32], shape: Shape) -> Result<Tensor> {
    let width = shape.last().map_or(1, |(_, width)| width);
    let (starts, places) = visitors(ids, shape.len() / width.max(1));
    if let Some(dy) = dy.as_slice() {
        let mut y = any_values(shape.len());
        scattered(dy, &starts, &places, width, &mut y);
        return Ok(Tensor::on_cpu(shape, y));
    }
    let dy = buffer(&SCATTER, dy)?;
    let upload = |what, numbers: &[u32]| dy.gpu().upload(what, bytemuck::cast_slice(numbers));
    let (starts, places) = (upload("starts", &starts)?, upload("places", &places)?);
    let params = Params { values: count(&SCATTER, shape.len())?, width: count(&SCATTER, width)? };
    let workgroups = shape.len().div_ceil(LANES);
    launch(&SCATTER, params, &[("dy", dy), ("starts", &starts), ("places", &places)], shape, workgroups)
}

/// The starts and the places: entry e stands in `ids` at the places `places[starts[e]..starts[e + 1]]`.
fn visitors(ids: &[u32], entries: usize) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0; entries + 1];
    ids.iter().for_each(|&id| starts[id as usize + 1] += 1);
    for entry in 0..entries {
        starts[entry + 1] += starts[entry];
    }
    let (mut next, mut places) = (starts.clone(), vec![0; ids.len()]);
    for (place, &id) in (0..).zip(ids) {
        places[next[id as usize] as usize] = place;
        next[id as usize] += 1;
    }
    (starts, places)
}

/// The sums of [`scatter_rows`] on plain slices.
fn scattered<F: Real>(dy: &[F], starts: &[u32], places: &[u32], width: usize, y: &mut [F]) {
    for_each_block(y, width, ADDITION, |first, rows| {
        rows.fill(F::zero());
        for (entry, y) in (first..).zip(rows.chunks_exact_mut(width)) {
            for &place in &places[starts[entry] as usize..starts[entry + 1] as usize] {
                for (y, &x) in y.iter_mut().zip(&dy[place as usize * width..]) {
                    *y = *y + x;
                }
            }
        }
    });
}
