//! Cross-entropy: the loss of logits that predict targets.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::axis::{Axis, Shape};
use crate::error::{Error, Result};
use crate::ops::blocks::{SOFTMAX, for_each_block, rewrite};
use crate::ops::{scale, sum_rows};
use crate::tape;
use crate::tensor::Tensor;

/// The mean cross-entropy of the rows that have a target, in nats.
///
/// L = 1/N · Σₙ −Σᵥ q\[n, v\] ln softmax(x\[n\])\[v\] over the N rows with a target y, with
/// q\[n, v\] = (1 − ε) \[v = y\[n\]\] + ε/V: for ε = 0, −ln p of the target.
///
/// **Shapes**: logits `[…, V]`, a target for each of their rows; the result is one number.
///
/// **Conventions**: ε, `smoothing`, is from 0 to 1 (label smoothing).
///
/// # Errors
/// [`Error::Invalid`] naming a target that is out of range, a wrong number of targets, none at all, or an ε outside its
/// range.
///
/// **Source**: label smoothing: Szegedy et al. 2015 (arXiv 1512.00567), section 7.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::cross_entropy};
/// let logits = Tensor::new([(Axis::Query, 2), (Axis::Vocab, 2)], vec![0., 3f32.ln(), 7., 7.])?;
/// let loss = cross_entropy(&logits, &[Some(1), None], 0.0)?;
/// assert!((loss.to_vec()?[0] - (4f32 / 3.).ln()).abs() < 1e-6); // p = 3/4; the second row is left out
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn cross_entropy(logits: &Tensor, targets: &[Option<u32>], smoothing: f32) -> Result<Tensor> {
    let losses = cross_entropies(logits, targets, smoothing)?; // [N]
    let count = targets.iter().flatten().count();
    let rows = losses.reshape([(Axis::Row, targets.len()), (Axis::Column, 1)])?;
    scale(sum_rows(&rows)?, 1.0 / count as f32)?.reshape([])
}

/// The cross-entropy of every row, 0 for one without a target, `[N]`.
fn cross_entropies(logits: &Tensor, targets: &[Option<u32>], smoothing: f32) -> Result<Tensor> {
    const OP: &str = "cross_entropy";
    let (_, vocab) = super::innermost(OP, logits)?;
    let rows = logits.shape().len() / vocab.max(1);
    if targets.len() != rows {
        let expected = format!("{rows}, one for each row of logits");
        return Err(Error::invalid("number of targets", targets.len(), expected));
    }
    if !(0.0..=1.0).contains(&smoothing) {
        return Err(Error::invalid("label smoothing", smoothing, "a number from 0 to 1"));
    }
    if let Some((at, id)) =
        (0..).zip(targets).find_map(|(at, id)| Some((at, (*id)?)).filter(|id| id.1 as usize >= vocab))
    {
        let expected = format!("less than the {vocab} logits of a row");
        return Err(Error::invalid(format!("target at position {at}"), id, expected));
    }
    if targets.iter().all(Option::is_none) {
        return Err(Error::invalid("number of targets", 0, "at least one row with a target"));
    }
    let ids: Vec<u32> = targets.iter().map(|target| target.unwrap_or(cpu::IGNORED)).collect();
    let shape = Shape::new([(Axis::Row, rows)]);
    let (tape, [x]) = tape::begin(OP, [logits.clone()])?;
    let losses = match x.as_slice() {
        Some(x) => {
            let mut losses = vec![0.0; rows];
            for_each_block(&mut losses, 1, SOFTMAX * vocab, |first, losses| {
                let x = &x[first * vocab..][..losses.len() * vocab];
                cpu::cross_entropies(x, &ids[first..], smoothing, losses);
            });
            Tensor::on_cpu(shape, losses)
        }
        None => gpu::cross_entropies(&x, &ids, smoothing, shape)?,
    };
    Ok(tape::record(tape, losses, move |dy| Ok([Some(backward(x, &ids, smoothing, dy)?)])))
}

/// ∂x\[n, v\] = ∂y\[n\] · (softmax(x\[n\])\[v\] − q\[n, v\]).
fn backward(x: Tensor, ids: &[u32], smoothing: f32, dy: &Tensor) -> Result<Tensor> {
    let vocab = x.shape().last().map_or(1, |(_, vocab)| vocab);
    match dy.as_slice() {
        Some(dy) => Ok(rewrite(x, vocab, SOFTMAX, |first, rows| {
            cpu::gradients(rows, vocab, &ids[first..], smoothing, &dy[first..]);
        })),
        None => gpu::backward(&x, ids, smoothing, dy),
    }
}
