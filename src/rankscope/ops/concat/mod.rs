//! Joining two tensors along an axis: how a cache of keys and values grows.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::axis::{Axis, Shape};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// `a` followed by `b` along `axis`: y\[…, j, …\] = a\[…, j, …\] for j < A, then b\[…, j − A, …\].
///
/// **Shapes**: `a` and `b` have the same axes, in the same order, and equal sizes but for `axis`, of which
/// `a` has A and `b` has B; the result has A + B, in `axis`'s place: `[B, G, S, D]` and `[B, G, T, D]` (its
/// T called S) give `[B, G, S + T, D]`.
///
/// **Conventions**: everything is copied, so a cache that grows by one token costs as much as reading it,
/// which attention does anyway.
///
/// # Errors
/// [`Error::Axes`] or [`Error::Size`] if the shapes do not fit, [`Error::Placement`] if the devices differ.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::concat};
/// let a = Tensor::new([(Axis::KvHead, 2), (Axis::Key, 1)], vec![1., 2.])?;
/// let b = Tensor::new([(Axis::KvHead, 2), (Axis::Key, 2)], vec![3., 4., 5., 6.])?;
/// assert_eq!(concat(&a, &b, Axis::Key)?.to_vec()?, [1., 3., 4., 2., 5., 6.]); // [G = 2, S = 3]
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn concat(a: &Tensor, b: &Tensor, axis: Axis) -> Result<Tensor> {
    let shape = joined(a.shape(), b.shape(), axis)?;
    b.expect_same_device(OP, "b", &a.device())?;
    let place = shape.axes().iter().position(|&(name, _)| name == axis).expect("checked by joined");
    let outer: usize = shape.axes()[..place].iter().map(|&(_, size)| size).product();
    let stretch = |x: &Tensor| x.shape().len() / outer.max(1);
    match (a.as_slice(), b.as_slice()) {
        (Some(x), Some(y)) => Ok(Tensor::on_cpu(shape, cpu::concat(x, y, outer, [stretch(a), stretch(b)]))),
        _ => gpu::concat(a, b, [stretch(a), stretch(a) + stretch(b)], shape),
    }
}

const OP: &str = "concat";

/// The shape of `a` with `axis` as long as in both.
fn joined(a: &Shape, b: &Shape, axis: Axis) -> Result<Shape> {
    let names = |shape: &Shape| shape.axes().iter().map(|&(name, _)| name).collect::<Vec<_>>();
    if names(a) != names(b) {
        return Err(Error::Axes { op: OP, argument: "b", expected: a.letters(), got: b.letters() });
    }
    let Some(more) = b.size(axis) else {
        let expected = format!("{} among them", axis.letter());
        return Err(Error::Axes { op: OP, argument: "a", expected, got: a.letters() });
    };
    for (&(name, expected), &(_, got)) in a.axes().iter().zip(b.axes()) {
        if name != axis && expected != got {
            return Err(Error::Size { op: OP, argument: "b", axis: name, expected, got });
        }
    }
    let grown = |&(name, size)| (name, if name == axis { size + more } else { size });
    Ok(Shape::new(a.axes().iter().map(grown).collect::<Vec<_>>()))
}
