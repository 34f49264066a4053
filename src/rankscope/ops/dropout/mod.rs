//! Dropout: numbers left out by chance, so that none is relied on.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::error::{Error, Result};
use crate::ops::blocks::{SOFTMAX, rewrite};
use crate::tape;
use crate::tensor::Tensor;

/// Inverted dropout: y\[i\] = x\[i\] / (1 − p) with probability 1 − p, otherwise 0, so that the mean of y\[i\] is x\[i\].
///
/// **Shapes**: any; the result as x. i counts all numbers in their order in memory.
///
/// **Conventions**: number i is left out where word i of a counter-based generator, Threefry-2x32-20 with the seed as its key
/// and ⌊i/2⌋ as its counter, is below p·2³². So the mask depends on the seed and on i alone, is the same bit for bit on every
/// device and with any number of threads, and is not kept: the backward pass, ∂x = dropout(∂y), makes it again. A rate
/// of 0 returns x as it is.
///
/// # Errors
/// [`Error::Invalid`] for a rate that is not from 0 up to, but not including, 1; [`Error::Gpu`] if the GPU fails.
///
/// **Source**: Srivastava et al. 2014, *Dropout: A Simple Way to Prevent Neural Networks from Overfitting*, section 10
/// (the factor in training); the generator: Salmon et al. 2011, *Parallel Random Numbers: As Easy as 1, 2, 3*.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::dropout};
/// let x = Tensor::new([(Axis::Column, 1000)], vec![3.; 1000])?;
/// let y = dropout(&x, 0.25, 7)?.to_vec()?;
/// assert!(y.iter().all(|&y| y == 0. || y == 4.)); // 3 / (1 − 1/4)
/// assert_eq!(y.iter().filter(|&&y| y == 0.).count(), 219);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn dropout(x: impl Into<Tensor>, rate: f32, seed: u64) -> Result<Tensor> {
    let x = x.into();
    if !(0.0..1.0).contains(&rate) {
        return Err(Error::invalid("rate of dropout", rate, "a number from 0 on and below 1"));
    }
    if rate == 0.0 {
        return Ok(x);
    }
    let (tape, [x]) = tape::begin("dropout", [x])?;
    let rule = cpu::Rule::new(rate.into(), seed);
    let y = match x.as_slice() {
        Some(_) => rewrite(x, 2, SOFTMAX, |first, values| cpu::leave_out(values, first, rule)),
        None => gpu::dropout(&x, rule)?,
    };
    Ok(tape::record(tape, y, move |dy| Ok([Some(dropout(dy, rate, seed)?)])))
}
