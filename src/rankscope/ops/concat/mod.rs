//! Joining two tensors along an axis: how a cache of keys and values grows.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::axis::{Axis, Shape};
use crate::buffer::any_values;
use crate::error::{Error, Result};
use crate::ops::slice;
use crate::tape;
use crate::tensor::Tensor;

/// `a` followed by `b` along `axis`: y\[…, j, …\] = a\[…, j, …\] for j < A, then b\[…, j − A, …\].
///
/// **Shapes**: `a` and `b` have the same axes, in the same order, and equal sizes except for `axis`, of which `a` has A
/// and `b` has B; the result has A + B, in `axis`'s place: `[B, G, S, D]` and `[B, G, T, D]` (its T called S) give
/// `[B, G, S + T, D]`.
///
/// **Conventions**: everything is copied, so a cache that grows by one token costs as much as reading it,
/// and attention reads it anyway.
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
    concat_all(&[a, b], axis)
}

/// All `parts` in their order along `axis`, as [`concat()`] joins two.
///
/// # Errors
/// As [`concat()`], and [`Error::Invalid`] if there are none.
pub fn concat_all(parts: &[&Tensor], axis: Axis) -> Result<Tensor> {
    let [first, others @ ..] = parts else {
        return Err(Error::invalid("number of tensors to join", 0, "at least 1"));
    };
    let mut shape = first.shape().clone();
    for other in others {
        shape = joined(&shape, other.shape(), axis)?;
        other.expect_same_device(OP, "b", &first.device())?;
    }
    let outer = shape.axes().iter().take_while(|&&(name, _)| name != axis);
    let outer: usize = outer.map(|&(_, size)| size).product();
    let stretch = |x: &Tensor| x.shape().len() / outer.max(1);
    let sizes: Vec<usize> = parts.iter().filter_map(|part| part.shape().size(axis)).collect();
    let (tape, parts) = tape::begin_all(OP, parts)?;
    let y = match parts.iter().map(Tensor::as_slice).collect::<Option<Vec<_>>>() {
        Some(parts) => {
            let mut y = any_values(shape.len());
            cpu::concat(&parts, outer, &mut y);
            Tensor::on_cpu(shape, y)
        }
        None => parts[1..].iter().try_fold(parts[0].clone(), |a, b| {
            let shape = joined(a.shape(), b.shape(), axis)?;
            gpu::concat(&a, b, [stretch(&a), stretch(&a) + stretch(b)], shape)
        })?,
    };
    Ok(tape::record_all(tape, y, move |dy| {
        let mut first = 0;
        let part = |size| {
            first += size;
            slice(dy, axis, first - size..first).map(Some)
        };
        sizes.into_iter().map(part).collect()
    }))
}

const OP: &str = "concat";

/// The shape of `a`, but `axis` has the sum of the sizes in `a` and `b`.
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
