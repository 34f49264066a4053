//! What the GPU sides of the operations share: one kernel, its parameters, one output.

use crate::axis::Shape;
use crate::device::gpu::{Bind, GpuBuffer, Kernel, params};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::weight::{Dtype, Weight};

/// Runs `kernel` into a new tensor of the given shape.
///
/// **Conventions**: the parameters are the variable `params`, the output is `y`. An empty output needs
/// no kernel.
pub(super) fn launch<P: bytemuck::Pod>(
    kernel: &'static Kernel,
    params: P,
    inputs: &[(&str, &GpuBuffer)],
    shape: Shape,
    workgroups: usize,
) -> Result<Tensor> {
    let gpu = inputs[0].1.gpu();
    let y = gpu.alloc(kernel.name, shape.len() * size_of::<f32>())?;
    if !shape.is_empty() {
        let mut binds = vec![("params", Bind::Uniform(bytemuck::bytes_of(&params))), ("y", Bind::Buffer(&y))];
        binds.extend(inputs.iter().map(|&(name, buffer)| (name, Bind::Buffer(buffer))));
        gpu.dispatch(kernel, &binds, workgroups)?;
    }
    Ok(Tensor::on_gpu(shape, y))
}

/// The buffer of an argument that is on the GPU because another one is.
pub(super) fn buffer<'a>(kernel: &Kernel, x: &'a Tensor) -> Result<&'a GpuBuffer> {
    x.gpu_buffer().ok_or_else(|| not_there(kernel, "x"))
}

/// A size as shaders count: a buffer's elements are always fewer than 2³².
pub(super) fn count(kernel: &Kernel, size: usize) -> Result<u32> {
    u32::try_from(size)
        .map_err(|_| Error::invalid(format!("{}: a size", kernel.name), size, "less than 2^32"))
}

/// A weight's buffer.
pub(super) fn weight_buffer<'a>(kernel: &Kernel, w: &'a Weight) -> Result<&'a GpuBuffer> {
    w.gpu_buffer().ok_or_else(|| not_there(kernel, "weight"))
}

/// How shaders that read weights call a dtype.
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

/// Invocations in a workgroup of the kernels that go element by element.
pub(super) const LANES: usize = 64;

params! {
    /// The parameters of the kernels that see nothing but a row of vectors of four values.
    pub(super) struct Quads { quads: u32 }
}

/// How many vectors of four x has, and how many workgroups that takes.
pub(super) fn quads(kernel: &Kernel, x: &Tensor) -> Result<(Quads, usize)> {
    let quads = x.shape().len().div_ceil(4);
    Ok((Quads { quads: count(kernel, quads)? }, quads.div_ceil(LANES)))
}
