//! Host side of `matmul.wgsl`.

use super::cpu::Product;
use crate::axis::Shape;
use crate::device::gpu::{GpuBuffer, Kernel, params};
use crate::error::Result;
use crate::ops::launch::{buffer, count, dtype_code, launch, weight_buffer};
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
    }
}

pub(in crate::ops) static MATMUL: Kernel =
    Kernel { name: "matmul", source: include_str!("matmul.wgsl"), params: Params::FIELDS };

/// Rows and columns that one workgroup computes, as in the shader.
const TILE: usize = 64;

pub(super) fn matmul(product: &Product, factor: f32, a: &Tensor, b: &Tensor, shape: Shape) -> Result<Tensor> {
    run(product, factor, buffer(&MATMUL, a)?, (buffer(&MATMUL, b)?, Dtype::F32), shape)
}

pub(super) fn linear(x: &Tensor, rows: usize, w: &Weight, shape: Shape) -> Result<Tensor> {
    let [n, k] = w.shape().sizes()[..] else { unreachable!("the caller checked [out, in]") };
    let product = Product { batch: 1, group: 1, m: rows, n, k, transpose_a: false, transpose_b: true };
    run(&product, 1.0, buffer(&MATMUL, x)?, (weight_buffer(&MATMUL, w)?, w.dtype()), shape)
}

fn run(
    product: &Product,
    factor: f32,
    a: &GpuBuffer,
    (b, b_dtype): (&GpuBuffer, Dtype),
    shape: Shape,
) -> Result<Tensor> {
    let Product { batch, group, m, n, k, transpose_a, transpose_b } = *product;
    let count = |size| count(&MATMUL, size);
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
        b_dtype: dtype_code(b_dtype),
        factor,
    };
    let tiles = m.div_ceil(TILE) * n.div_ceil(TILE) * batch;
    launch(&MATMUL, params, &[("a", a), ("b", b)], shape, tiles)
}
