//! Host side of `gather.wgsl`.

use crate::axis::Shape;
use crate::device::gpu::{GpuBuffer, Kernel, params};
use crate::error::Result;
use crate::ops::launch::{LANES, count, dtype_code, launch};
use crate::tensor::Tensor;
use crate::weight::Weight;

params! {
    struct Params { values: u32, width: u32, dtype: u32 }
}

pub(in crate::ops) static GATHER: Kernel =
    Kernel { name: "gather", source: include_str!("gather.wgsl"), params: Params::FIELDS };

pub(super) fn gather(table: &Weight, table_buffer: &GpuBuffer, ids: &[u32], shape: Shape) -> Result<Tensor> {
    let width = shape.last().map_or(0, |(_, width)| width);
    let params = Params {
        values: count(&GATHER, shape.len())?,
        width: count(&GATHER, width)?,
        dtype: dtype_code(table.dtype()),
    };
    let workgroups = shape.len().div_ceil(LANES);
    let ids = table_buffer.gpu().upload("ids", bytemuck::cast_slice(ids))?;
    launch(&GATHER, params, &[("table", table_buffer), ("ids", &ids)], shape, workgroups)
}
