//! A range of one axis: some positions of a cache, or the last position of the hidden states.

pub(super) mod gpu;

use std::ops::Range;

use crate::axis::{Axis, Shape};
use crate::buffer::any_values;
use crate::error::{Error, Result};
use crate::ops::blocks::copy;
use crate::ops::concat_all;
use crate::tape;
use crate::tensor::Tensor;

/// The part of x at `range` of `axis`: y\[…, j, …\] = x\[…, start + j, …\].
///
/// **Shapes**: the result as x, with `axis` as long as the range; a copy, unless that is all of x.
///
/// # Errors
/// [`Error::Axes`] if x has no such axis, [`Error::Invalid`] if the range does not lie inside.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::slice};
/// let x = Tensor::new([(Axis::Query, 3), (Axis::Width, 2)], vec![1., 2., 3., 4., 5., 6.])?;
/// assert_eq!(slice(&x, Axis::Query, 1..2)?.to_vec()?, [3., 4.]); // [T = 1, C = 2]
/// assert_eq!(slice(&x, Axis::Width, 1..2)?.to_vec()?, [2., 4., 6.]); // [T = 3, C = 1]
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn slice(x: &Tensor, axis: Axis, range: Range<usize>) -> Result<Tensor> {
    const OP: &str = "slice";
    let axes = x.shape().axes();
    let Some(place) = axes.iter().position(|&(name, _)| name == axis) else {
        let expected = format!("{} among them", axis.letter());
        return Err(Error::Axes { op: OP, argument: "x", expected, got: x.shape().letters() });
    };
    let size = axes[place].1;
    if range.start > range.end || range.end > size {
        let what = format!("range of {}", axis.letter());
        return Err(Error::invalid(what, format!("{range:?}"), format!("within 0..{size}")));
    }
    if range == (0..size) {
        return Ok(x.clone());
    }
    let mut cut = axes.to_vec();
    cut[place].1 = range.len();
    let inner: usize = axes[place + 1..].iter().map(|&(_, size)| size).product();
    let (from, to) = (size * inner, range.len() * inner);
    let shape = Shape::new(cut);
    let (tape, [x]) = tape::begin(OP, [x.clone()])?;
    let y = match x.as_slice() {
        // An empty result would need chunks of length 0, which are not possible.
        Some(_) if from == 0 => Tensor::on_cpu(shape, Vec::new()),
        Some(values) => {
            let mut y = any_values(shape.len());
            for (y, x) in y.chunks_exact_mut(to.max(1)).zip(values.chunks_exact(from)) {
                copy(&x[range.start * inner..][..to], y);
            }
            Tensor::on_cpu(shape, y)
        }
        None => gpu::slice(&x, [from, to], range.start * inner, shape)?,
    };
    let axes = axes.to_vec();
    Ok(tape::record(tape, y, move |dy| {
        // The parts outside the range have the gradient 0.
        let zeros = |count| {
            let mut axes = axes.clone();
            axes[place].1 = count;
            Tensor::zeros(axes).to_device_as_constant(&dy.device())
        };
        let (before, after) = (zeros(range.start)?, zeros(size - range.end)?);
        Ok([Some(concat_all(&[&before, dy, &after], axis)?)])
    }))
}
