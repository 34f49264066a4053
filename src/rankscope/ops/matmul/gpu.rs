//! Host side of `matmul_*.wgsl`.

use super::cpu::Product;
use crate::axis::Shape;
use crate::device::gpu::{Bind, GpuBuffer, params};
use crate::error::Result;
use crate::ops::ladder::{Extent, Ladder, Variant};
use crate::ops::launch::{alloc_result, buffer, count, dtype_code, kernels, rows_of_a_part, weight_buffer};
use crate::tensor::Tensor;
use crate::weight::{Dtype, Weight};

params! {
    struct Params {
        batch: u32,
        group: u32,
        m: u32,
        n: u32,
        k: u32,
        a_row: u32,
        a_step: u32,
        b_column: u32,
        b_step: u32,
        b_dtype: u32,
        factor: f32,
        y_row: u32,
        y_first: u32,
        first_group: u32,
    }
}

kernels! {
    NAIVE: "matmul_naive", Params, "matmul_naive.wgsl";
    TILED: "matmul_tiled", Params, "matmul_tiled.wgsl";
    BLOCKED: "matmul_blocked", Params, "matmul_blocked.wgsl";
    STAGED: "matmul_staged", Params, "matmul_staged.wgsl";
}

pub(in crate::ops) static LADDER: Ladder = Ladder {
    op: "matmul",
    variants: &[
        Variant {
            name: "naive",
            kernel: Some(&NAIVE),
            changes: "the formula as it stands: one invocation an output",
            tile: [8, 8],
            turns: |extent| extent.inner,
            ..Variant::PLAIN
        },
        Variant {
            name: "tiled",
            kernel: Some(&TILED),
            changes: "16 x 16 outputs share what they read in workgroup memory: a 16th of the traffic",
            slower: "on a software adapter, whose workgroup memory is ordinary memory and whose barriers cost",
            tile: [16, 16],
            turns: |extent| extent.inner * 17 / 16 + 17,
            suits: |situation| !situation.is_software,
            ..Variant::PLAIN
        },
        Variant {
            name: "blocked",
            kernel: Some(&BLOCKED),
            changes: "4 x 16 outputs an invocation in registers, vectors of four: 20 loads feed 256 multiply-adds",
            slower: "on hardware, for large matrices: without workgroup memory, invocations read the same again",
            tile: [64, 64],
            turns: |extent| extent.inner / 4 + 4,
            ..Variant::PLAIN
        },
        Variant {
            name: "staged",
            kernel: Some(&STAGED),
            changes: "8 x 8 outputs an invocation in registers, fed through workgroup memory",
            slower: "on a software adapter, for the same reason as tiled; for few rows, which leave most of a \
                     64 x 64 tile empty",
            tile: [64, 64],
            turns: |extent| extent.inner * 25 / 16 + 25,
            suits: |situation| !situation.is_software && situation.extent.rows > 16,
            ..Variant::PLAIN
        },
    ],
    rule: "staged on hardware for more than 16 rows; blocked on software adapters and for few rows, where a \
           64 x 64 tile would be mostly empty",
};

pub(super) fn matmul(product: &Product, factor: f32, a: &Tensor, b: &Tensor, shape: Shape) -> Result<Tensor> {
    let b = buffer(&NAIVE, b)?;
    let gpu = b.gpu();
    let y = alloc_result(gpu, "matmul", &shape)?;
    if !shape.is_empty() {
        let right = Right { bind: Bind::Buffer(b), dtype: Dtype::F32, columns: product.n, first: 0 };
        run(product, factor, buffer(&NAIVE, a)?, right, &y)?;
    }
    Ok(Tensor::on_gpu(shape, y))
}

pub(super) fn linear(x: &Tensor, rows: usize, w: &Weight, shape: Shape) -> Result<Tensor> {
    let [n, k] = w.shape().sizes()[..] else { unreachable!("the caller checked [out, in]") };
    let (x, b) = (buffer(&NAIVE, x)?, weight_buffer(&NAIVE, w)?);
    let product = Product { batch: 1, group: 1, m: rows, n, k, transpose_a: false, transpose_b: true };
    let y = alloc_result(b.gpu(), "linear", &shape)?;
    if shape.is_empty() {
        return Ok(Tensor::on_gpu(shape, y));
    }
    let row_bytes = k * w.dtype().size_bytes();
    let part = rows_of_a_part(b, row_bytes, n)?;
    for first in (0..n).step_by(part) {
        let columns = part.min(n - first);
        let bind = Bind::rows(b, first * row_bytes, columns * row_bytes);
        run(&product, 1.0, x, Right { bind, dtype: w.dtype(), columns, first }, &y)?;
    }
    Ok(Tensor::on_gpu(shape, y))
}

/// The right operand, or a range of its columns.
struct Right<'a> {
    bind: Bind<'a>,
    dtype: Dtype,
    columns: usize,
    /// The column of the result that the operand's first column makes.
    first: usize,
}

fn run(product: &Product, factor: f32, a: &GpuBuffer, b: Right<'_>, y: &GpuBuffer) -> Result<()> {
    let Product { batch, group, m, k, transpose_a, transpose_b, .. } = *product;
    let n = b.columns;
    let extent = Extent { batch, rows: m, columns: n, inner: k };
    let variant = LADDER.choose(a.gpu(), extent)?;
    let kernel = variant.kernel();
    let count = |size| count(kernel, size);
    let (m_count, n_count, k_count) = (count(m)?, count(n)?, count(k)?);
    let params = Params {
        batch: count(batch)?,
        group: count(group)?,
        m: m_count,
        n: n_count,
        k: k_count,
        a_row: if transpose_a { 1 } else { k_count },
        a_step: if transpose_a { m_count } else { 1 },
        b_column: if transpose_b { k_count } else { 1 },
        b_step: if transpose_b { 1 } else { n_count },
        b_dtype: dtype_code(b.dtype),
        factor,
        y_row: count(product.n)?,
        y_first: count(b.first)?,
        first_group: 0,
    };
    let params = Bind::Uniform(bytemuck::bytes_of(&params));
    let binds = [("params", params), ("a", Bind::Buffer(a)), ("b", b.bind), ("y", Bind::Buffer(y))];
    let work = batch as u64 * m as u64 * n as u64 * k.max(1) as u64;
    a.gpu().dispatch_work(kernel, &binds, variant.workgroups(extent), work)
}
