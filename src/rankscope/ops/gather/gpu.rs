//! Host side of `gather.wgsl`.

use crate::axis::Shape;
use crate::device::gpu::{Bind, GpuBuffer, params};
use crate::error::Result;
use crate::ops::launch::{LANES, alloc_result, count, dtype_code, kernels, rows_of_a_part};
use crate::tensor::Tensor;
use crate::weight::Dtype;

params! {
    struct Params { values: u32, width: u32, dtype: u32, first: u32, entries: u32 }
}

kernels! { GATHER: "gather", Params, "gather.wgsl"; }

/// A table of rows in a buffer.
pub(super) struct Table<'a> {
    pub(super) buffer: &'a GpuBuffer,
    pub(super) dtype: Dtype,
    pub(super) entries: usize,
    pub(super) width: usize,
}

pub(super) fn gather(table: Table<'_>, ids: &[u32], shape: Shape) -> Result<Tensor> {
    let Table { buffer, dtype, entries, width } = table;
    let gpu = buffer.gpu();
    let y = alloc_result(gpu, GATHER.name, &shape)?;
    if shape.is_empty() {
        return Ok(Tensor::on_gpu(shape, y));
    }
    let ids = gpu.upload("ids", bytemuck::cast_slice(ids))?;
    let row_bytes = width * dtype.size_bytes();
    let part = rows_of_a_part(buffer, row_bytes, entries)?;
    for first in (0..entries).step_by(part) {
        let entries = part.min(entries - first);
        let params = Params {
            values: count(&GATHER, shape.len())?,
            width: count(&GATHER, width)?,
            dtype: dtype_code(dtype),
            first: count(&GATHER, first)?,
            entries: count(&GATHER, entries)?,
        };
        let binds = [
            ("params", Bind::Uniform(bytemuck::bytes_of(&params))),
            ("table", Bind::rows(buffer, first * row_bytes, entries * row_bytes)),
            ("ids", Bind::Buffer(&ids)),
            ("y", Bind::Buffer(&y)),
        ];
        gpu.dispatch(&GATHER, &binds, shape.len().div_ceil(LANES))?;
    }
    Ok(Tensor::on_gpu(shape, y))
}
