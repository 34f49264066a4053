//! Sinusoidal positions.

use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The sinusoidal positions of `count` tokens from `first` on, made on the CPU in f64.
///
/// p\[t, 2i\] = sin(t / 10000^(2i/C)) and p\[t, 2i + 1\] = cos(t / 10000^(2i/C)) with t the position.
///
/// **Shapes**: `[T, C]`.
///
/// # Errors
/// [`Error::Invalid`] for an odd width.
///
/// **Source**: Vaswani et al. 2017 (arXiv 1706.03762), section 3.5; sines and cosines alternate, as in the paper.
///
/// ```
/// use rankscope::attention::sinusoidal;
/// assert_eq!(sinusoidal(0, 1, 4)?.to_vec()?, [0., 1., 0., 1.]);
/// let second = sinusoidal(1, 1, 4)?.to_vec()?;
/// assert_eq!(second[2..], [0.01f32.sin(), 0.01f32.cos()]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn sinusoidal(first: usize, count: usize, width: usize) -> Result<Tensor> {
    if !width.is_multiple_of(2) {
        return Err(Error::invalid("width for sinusoidal positions", width, "an even number"));
    }
    let value = |i: usize| {
        let (position, column) = ((first + i / width) as f64, i % width);
        let angle = position / 10_000f64.powf((column - column % 2) as f64 / width as f64);
        (if column.is_multiple_of(2) { angle.sin() } else { angle.cos() }) as f32
    };
    let values = (0..count * width).map(value).collect();
    Tensor::new([(Axis::Query, count), (Axis::Width, width)], values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_a_rotation_of_every_pair() {
        // p(t + k) is a linear function of p(t), the same for every t. This is why the paper chose sines and cosines.
        let table = sinusoidal(3, 9, 6).unwrap().to_vec().unwrap();
        let at = |t: usize, column: usize| f64::from(table[t * 6 + column]);
        for (pair, k) in [(0, 2), (1, 5), (2, 1)] {
            let angle = k as f64 / 10_000f64.powf(2.0 * pair as f64 / 6.0);
            for t in 0..9 - k {
                let (sin, cos) = (at(t, 2 * pair), at(t, 2 * pair + 1));
                let moved = [sin * angle.cos() + cos * angle.sin(), cos * angle.cos() - sin * angle.sin()];
                let got = [at(t + k, 2 * pair), at(t + k, 2 * pair + 1)];
                assert!((0..2).all(|i| (got[i] - moved[i]).abs() < 1e-6), "{pair} {k} {t}");
            }
        }
        let error = sinusoidal(0, 2, 5).unwrap_err().to_string();
        assert_eq!(error, "width for sinusoidal positions is 5, expected an even number");
    }
}
