//! Rows of a table: embeddings.

pub(super) mod backward;
pub(super) mod gpu;

use std::borrow::Cow;

use crate::axis::{Axis, Shape};
use crate::buffer::any_values;
use crate::error::{Error, Result};
use crate::ops::blocks::{ADDITION, for_each_block};
use crate::tape;
use crate::tensor::Tensor;
use crate::weight::{Dtype, Weight};

/// The rows of a table at the given indices, widened to f32: y\[b, t\] = table\[ids\[b, t\]\].
///
/// **Shapes**: table `[entries, C]`; `ids` B·T row numbers, in the order of `[B, T]`; result `[B, T, C]`.
///
/// # Errors
/// [`Error::Invalid`] naming the first id that is out of range, or the wrong number of ids;
/// [`Error::Axes`] if the table is not two-dimensional.
///
/// ```
/// use rankscope::{Axis, Dtype, Weight, ops::gather};
/// let table = Weight::new("wte", [(Axis::Vocab, 3), (Axis::Width, 1)], Dtype::Bf16, &[1., 2., 4.])?;
/// assert_eq!(gather(&table, &[2, 0], 1)?.to_vec()?, [4., 1.]); // [B = 1, T = 2, C = 1]
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn gather(table: &Weight, ids: &[u32], batch: usize) -> Result<Tensor> {
    let [(_, entries), (axis, width)] = *table.shape().axes() else {
        let (expected, got) = ("[entries, width]".to_owned(), table.shape().letters());
        return Err(Error::Axes { op: "gather", argument: "table", expected, got });
    };
    if batch == 0 || !ids.len().is_multiple_of(batch) {
        return Err(Error::invalid("number of ids", ids.len(), format!("a multiple of B = {batch}")));
    }
    if let Some(at) = ids.iter().position(|&id| id as usize >= entries) {
        let what = format!("id at position {at} of {}", table.name());
        return Err(Error::invalid(what, ids[at], format!("less than the {entries} entries")));
    }
    let shape = Shape::new([(Axis::Batch, batch), (Axis::Query, ids.len() / batch), (axis, width)]);
    let (tape, table) = (tape::recorder("gather", [table.place()])?, table.detach());
    let y = match table.gpu_buffer() {
        Some(buffer) => gpu::gather(gpu::Table { buffer, dtype: table.dtype(), entries, width }, ids, shape)?,
        None => {
            let row = |id: usize| table.widen(id * width..(id + 1) * width).expect("a table on the CPU");
            Tensor::on_cpu(shape, rows(ids, width, row))
        }
    };
    let kept = tape.as_ref().map(|_| (ids.to_vec(), table.shape().clone()));
    Ok(tape::record(tape, y, |dy| {
        let (ids, shape) = kept.expect("kept where there is a tape");
        Ok([Some(backward::scatter_rows(dy, &ids, shape)?)])
    }))
}

/// All numbers of a weight in f32, on its device.
pub(super) fn widened(w: &Weight) -> Result<Tensor> {
    match w.as_tensor() {
        Some(tensor) => Ok(tensor.clone()),
        None => {
            let [rows, _] = w.shape().sizes()[..] else { unreachable!("a weight is a matrix") };
            gather(w, &(0..rows as u32).collect::<Vec<_>>(), 1)?.reshape(w.shape().axes())
        }
    }
}

/// Rows of an activation: y\[i\] = x\[rows\[i\]\], with all axes of x but the innermost counted as one.
///
/// **Shapes**: x `[…, C]`; result `[N, C]` with N the number of `rows`.
///
/// # Errors
/// [`Error::Invalid`] naming the first row that is out of range; [`Error::Axes`] if x has no axis.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::gather_rows};
/// let x = Tensor::new([(Axis::Batch, 1), (Axis::Query, 3), (Axis::Width, 2)], vec![1., 2., 3., 4., 5., 6.])?;
/// assert_eq!(gather_rows(&x, &[2, 0, 2])?.to_vec()?, [5., 6., 1., 2., 5., 6.]); // [N = 3, C = 2]
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn gather_rows(x: &Tensor, rows: &[u32]) -> Result<Tensor> {
    let (axis, width) = super::innermost("gather_rows", x)?;
    let entries: usize = x.shape().outer().iter().map(|&(_, size)| size).product();
    if let Some(at) = rows.iter().position(|&row| row as usize >= entries) {
        let expected = format!("less than {entries}");
        return Err(Error::invalid(format!("row at position {at}"), rows[at], expected));
    }
    let shape = Shape::new([(Axis::Row, rows.len()), (axis, width)]);
    let (tape, [x]) = tape::begin("gather_rows", [x.clone()])?;
    let y = match (x.gpu_buffer(), x.as_slice()) {
        (Some(buffer), _) => {
            gpu::gather(gpu::Table { buffer, dtype: Dtype::F32, entries, width }, rows, shape)?
        }
        (None, values) => {
            let values = values.expect("x is on the CPU where it has no buffer");
            let row = |row: usize| Cow::Borrowed(&values[row * width..(row + 1) * width]);
            Tensor::on_cpu(shape, self::rows(rows, width, row))
        }
    };
    let kept = tape.as_ref().map(|_| (rows.to_vec(), x.shape().clone()));
    Ok(tape::record(tape, y, |dy| {
        let (rows, shape) = kept.expect("kept where there is a tape");
        Ok([Some(backward::scatter_rows(dy, &rows, shape)?)])
    }))
}

/// The rows that `row` returns for each of `ids`, one after the other.
fn rows<'a>(ids: &[u32], width: usize, row: impl Fn(usize) -> Cow<'a, [f32]> + Sync) -> Vec<f32> {
    let mut y = any_values(ids.len() * width);
    for_each_block(&mut y, width, ADDITION, |first, rows| {
        for (&id, y) in ids[first..].iter().zip(rows.chunks_exact_mut(width)) {
            y.copy_from_slice(&row(id as usize));
        }
    });
    y
}
