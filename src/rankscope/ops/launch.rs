//! The common part of the operations' GPU sides: one kernel, its parameters, one output.

use std::sync::Arc;

use crate::axis::Shape;
use crate::device::Gpu;
use crate::device::gpu::{Bind, GpuBuffer, Kernel, params};
use crate::error::{Error, Result};
use crate::mask::Padding;
use crate::tensor::Tensor;
use crate::weight::{Dtype, Weight};

/// Declares kernels, each with its name, its parameters and the WGSL files that its source consists of.
macro_rules! kernels {
    ($($kernel:ident: $name:literal, $params:ident, $file:literal $(+ $part:literal)*;)+) => {$(
        pub(in crate::ops) static $kernel: $crate::device::gpu::Kernel = $crate::device::gpu::Kernel {
            name: $name,
            source: concat!(include_str!($file) $(, "\n", include_str!($part))*),
            params: $params::FIELDS,
        };
    )+};
}
pub(super) use kernels;

/// Runs `kernel` into a new tensor of the given shape.
///
/// **Conventions**: the parameters are the variable `params`, the output is `y`. An empty output needs
/// no kernel.
pub(super) fn launch<P: bytemuck::Pod>(
    kernel: &'static Kernel,
    params: P,
    inputs: &[(&str, &GpuBuffer)],
    shape: Shape,
    grid: impl Into<Grid>,
) -> Result<Tensor> {
    let gpu = inputs[0].1.gpu();
    let y = alloc_result(gpu, kernel.name, &shape)?;
    if !shape.is_empty() {
        let mut binds = vec![("params", Bind::Uniform(bytemuck::bytes_of(&params))), ("y", Bind::Buffer(&y))];
        binds.extend(inputs.iter().map(|&(name, buffer)| (name, Bind::Buffer(buffer))));
        let Grid { workgroups, work } = grid.into();
        gpu.dispatch_work(kernel, &binds, workgroups, work)?;
    }
    Ok(Tensor::on_gpu(shape, y))
}

/// A buffer for the result of `op`; kernels bind the whole buffer, so it must fit one binding.
pub(super) fn alloc_result(gpu: &Arc<Gpu>, op: &str, shape: &Shape) -> Result<GpuBuffer> {
    gpu.alloc(&format!("result of {op}"), shape.len() * size_of::<f32>())
}

/// The number of workgroups of a kernel, and about how many multiply-adds they compute.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub(super) workgroups: usize,
    pub(super) work: u64,
}

impl From<usize> for Grid {
    /// For the kernels that go element by element: four values for each of [`LANES`] invocations.
    fn from(workgroups: usize) -> Self {
        Grid { workgroups, work: workgroups as u64 * 4 * LANES as u64 }
    }
}

/// The buffer of an argument that is on the GPU because another one is.
pub(super) fn buffer<'a>(kernel: &Kernel, x: &'a Tensor) -> Result<&'a GpuBuffer> {
    x.gpu_buffer().ok_or_else(|| not_there(kernel, "x"))
}

/// A size as a u32, the integer type of shaders: a buffer always has fewer than 2³² elements.
pub(super) fn count(kernel: &Kernel, size: usize) -> Result<u32> {
    u32::try_from(size)
        .map_err(|_| Error::invalid(format!("{}: a size", kernel.name), size, "less than 2^32"))
}

/// The number of words with the padding of one sequence; 0 where every key is a token.
pub(super) fn padding_words(padding: Option<&Padding>, keys: usize) -> usize {
    padding.map_or(0, |_| keys.div_ceil(32))
}

/// The padding as the shaders read it; where every key is a token, one word that no shader reads.
pub(super) fn upload_padding(near: &GpuBuffer, padding: Option<&Padding>) -> Result<GpuBuffer> {
    let words = padding.map_or_else(|| vec![0], Padding::words);
    near.gpu().constant("padding", bytemuck::cast_slice(&words))
}

/// A weight's buffer.
pub(super) fn weight_buffer<'a>(kernel: &Kernel, w: &'a Weight) -> Result<&'a GpuBuffer> {
    w.gpu_buffer().ok_or_else(|| not_there(kernel, "weight"))
}

/// The number of a dtype in shaders that read weights.
pub(super) fn dtype_code(dtype: Dtype) -> u32 {
    match dtype {
        Dtype::F32 => 0,
        Dtype::F16 => 1,
        Dtype::Bf16 => 2,
    }
}

fn not_there(kernel: &Kernel, argument: &'static str) -> Error {
    let (expected, got) = ("a GPU".to_owned(), "the CPU".to_owned());
    Error::Placement { op: kernel.name, argument, expected, got }
}

/// How many rows of a weight a kernel can bind at once: all `n`, or as many as fit one binding.
pub(super) fn rows_of_a_part(w: &GpuBuffer, row_bytes: usize, n: usize) -> Result<usize> {
    /// Parts begin at multiples of 256 bytes, the largest alignment that an adapter may ask for.
    const ALIGNED_ROWS: usize = 128;
    let limit = w.gpu().limits().max_storage_buffer_binding_size as usize;
    if w.size_bytes().next_multiple_of(16) <= limit {
        return Ok(n);
    }
    let rows = (limit - 16) / row_bytes / ALIGNED_ROWS * ALIGNED_ROWS;
    if rows == 0 {
        let problem = format!(
            "{ALIGNED_ROWS} rows of {row_bytes} bytes are more than {}'s max_storage_buffer_binding_size, {limit}",
            w.gpu().name()
        );
        return Err(Error::Gpu { what: w.label().to_owned(), problem });
    }
    Ok(rows)
}

/// Invocations in a workgroup of the kernels that go element by element.
pub(super) const LANES: usize = 64;

params! {
    /// The parameters of the kernels that work on vectors of four values without regard to axes.
    pub(super) struct Quads { quads: u32 }
}

/// How many vectors of four x has, and how many workgroups that takes.
pub(super) fn quads(kernel: &Kernel, x: &Tensor) -> Result<(Quads, usize)> {
    let quads = x.shape().len().div_ceil(4);
    Ok((Quads { quads: count(kernel, quads)? }, quads.div_ceil(LANES)))
}
