//! Gradients of matrix products, which are matrix products too.

use super::cpu::Product;
use super::matmul as product_of;
use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::ops::gather::widened;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// c = f · A·B: ∂A = f · ∂c·Bᵀ and ∂B = f · Aᵀ·∂c, each in the layout in which its operand is stored. The rows of A of
/// all heads that share a matrix of B are put one below the other, so the product adds up their gradients.
///
/// **Shapes**: those of [`matmul`](super::matmul()).
pub(super) fn matmul(
    product: &Product,
    factor: f32,
    [a, b]: [&Tensor; 2],
    dc: &Tensor,
    wants: [bool; 2],
) -> Result<[Option<Tensor>; 2]> {
    let [.., (m, rows), (n, _)] = *dc.shape().axes() else { unreachable!("a product is a matrix") };
    if m == n {
        let expected = "another name for rows than for columns";
        return Err(Error::invalid("gradient of matmul: axis", m.letter(), expected));
    }
    // A product takes the names of its axes from its first operand, and the axis H may be named G in the second.
    let like = |gradient: Tensor, operand: &Tensor| gradient.reshape(operand.shape().axes()).map(Some);
    let da = match (wants[0], product.transpose_a) {
        (false, _) => None,
        (_, false) => like(product_of(dc, b, n, factor)?, a)?, // […, m, n] × […, k, n] = […, m, k]
        (_, true) => like(product_of(b, dc, n, factor)?, a)?,  // […, k, n] × […, m, n] = […, k, m]
    };
    if !wants[1] {
        return Ok([da, None]);
    }
    let shared = |x: &Tensor| -> Result<Tensor> {
        let [outer @ .., (Axis::Head, heads), _, last] = x.shape().axes() else { return Ok(x.clone()) };
        let kv_heads = heads / product.group;
        let axes = [outer, &[(Axis::KvHead, kv_heads), (m, product.group * rows), *last]].concat();
        x.reshape(axes) // [B, H, T, ·] as [B, G, (H/G)·T, ·]
    };
    let (a, dc) = if product.group == 1 { (a.clone(), dc.clone()) } else { (shared(a)?, shared(dc)?) };
    let db = match product.transpose_b {
        true => product_of(&dc, &a, m, factor)?, // […, m, n] × […, m, k] = […, n, k]
        false => product_of(&a, &dc, m, factor)?, // […, m, k] × […, m, n] = […, k, n]
    };
    Ok([da, like(db, b)?])
}

/// y = x·Wᵀ: ∂x = ∂y·W and ∂W = ∂yᵀ·x.
///
/// **Shapes**: x `[…, in]`, W `[out, in]`, ∂y `[…, out]`.
pub(super) fn linear(x: &Tensor, w: &Weight, dy: &Tensor, wants: [bool; 2]) -> Result<[Option<Tensor>; 2]> {
    let [out, inner] = w.shape().sizes()[..] else { unreachable!("a weight is a matrix") };
    let rows = (Axis::Row, x.shape().len() / inner.max(1));
    // In square layers both axes of W may have one name.
    let (out, inner) = ((Axis::Column, out), (Axis::Width, inner));
    let dy = dy.reshape([rows, out])?;
    let dx = match wants[0] {
        true => {
            let w = widened(w)?.reshape([out, inner])?;
            Some(product_of(&dy, &w, Axis::Column, 1.0)?.reshape(x.shape().axes())?) // [N, out] × [out, in]
        }
        false => None,
    };
    let dw = match wants[1] {
        true => {
            let x = x.reshape([rows, inner])?;
            Some(product_of(&dy, &x, Axis::Row, 1.0)?.reshape(w.shape().axes())?) // [N, out]ᵀ × [N, in]
        }
        false => None,
    };
    Ok([dx, dw])
}
