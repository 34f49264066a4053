//! Attention with linear biases.

use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::Positions;
use crate::tensor::Tensor;

/// Attention with linear biases: −m·(i − j) on the score of query i and key j, m being the head's [slope](slopes).
///
/// **Conventions**: positions and not indices count, so a cached step has the same bias as the full pass.
///
/// **Source**: Press, Smith & Lewis 2021 (arXiv 2108.12409), section 3. The symmetric form, for encoders, is not in the
/// paper.
///
/// ```
/// use rankscope::{Device, attention::Alibi, mask::Positions};
/// let bias = Alibi::Causal.bias(1, 2, 2, Positions { first_query: 0 }, &Device::Cpu)?;
/// let slope = 1.0 / 256.0; // of the only head
/// assert_eq!(bias.to_vec()?, [0.0, slope, -slope, 0.0]); // [H, T, S]
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alibi {
    /// m·(j − i) as in the paper, whose causal mask hides later keys, where this would be positive.
    Causal,
    /// −m·|i − j|: the same on both sides.
    Symmetric,
}

impl Alibi {
    /// The bias of every head and pair.
    ///
    /// **Shapes**: `[H, T, S]`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no heads; [`Error::Gpu`] if the GPU fails.
    pub fn bias(
        self,
        heads: usize,
        queries: usize,
        keys: usize,
        at: Positions,
        device: &Device,
    ) -> Result<Tensor> {
        let slopes = slopes(heads)?;
        super::by_distance(heads, queries, keys, at, device, |head, distance| {
            let distance = match self {
                Alibi::Causal => distance as f64,
                Alibi::Symmetric => -(distance.abs() as f64),
            };
            (slopes[head] * distance) as f32
        })
    }
}

/// The slopes of H heads: 2^(−8h/H) for h = 1 … H where H is a power of two.
///
/// Otherwise the slopes for the next smaller power of two P, and then every second slope for 2P heads until there are
/// H: the rule of the authors' code.
///
/// # Errors
/// [`Error::Invalid`] for no heads.
///
/// ```
/// use rankscope::attention::slopes;
/// assert_eq!(slopes(2)?, [1.0 / 16.0, 1.0 / 256.0]);
/// assert_eq!(slopes(3)?, [1.0 / 16.0, 1.0 / 256.0, 1.0 / 4.0]); // the third is the first slope for four heads
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn slopes(heads: usize) -> Result<Vec<f64>> {
    if heads == 0 {
        return Err(Error::invalid("number of heads", heads, "at least 1"));
    }
    let of = |heads: usize| (1..=heads).map(move |head| (-8.0 * head as f64 / heads as f64).exp2());
    let power = 1 << heads.ilog2();
    Ok(of(power).chain(of(2 * power).step_by(2)).take(heads).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_the_papers() {
        // Section 3: with 8 heads the geometric sequence 1/2, 1/4, …, 1/256; with 16 from 2^(−0.5) on.
        let eight: Vec<f64> = (1..=8).map(|h| 0.5f64.powi(h)).collect();
        assert_eq!(slopes(8).unwrap(), eight);
        let sixteen = slopes(16).unwrap();
        assert!((sixteen[0] - 0.5f64.sqrt()).abs() < 1e-15 && (sixteen[15] - 1.0 / 256.0).abs() < 1e-18);
        // 12 heads: the slopes for 8, then the 1st, 3rd, 5th and 7th of those for 16.
        let odd: Vec<f64> = [0, 2, 4, 6].map(|i| sixteen[i]).into();
        assert_eq!(slopes(12).unwrap(), [eight, odd].concat());
        assert_eq!(slopes(1).unwrap(), [1.0 / 256.0]);
        assert_eq!(slopes(0).unwrap_err().to_string(), "number of heads is 0, expected at least 1");
    }

    #[test]
    fn the_forms_agree_on_the_past_and_a_step_is_the_last_row() {
        let bias = |form: Alibi, queries, first_query| {
            let at = Positions { first_query };
            form.bias(3, queries, 5, at, &Device::Cpu).unwrap().to_vec().unwrap()
        };
        let (causal, symmetric) = (bias(Alibi::Causal, 5, 0), bias(Alibi::Symmetric, 5, 0));
        for (i, (one, other)) in causal.iter().zip(&symmetric).enumerate() {
            let (query, key) = (i / 5 % 5, i % 5);
            assert_eq!(*one, if key <= query { *other } else { -other }, "{query} {key}");
            assert!((*other < 0.0) == (key != query));
        }
        let last: Vec<f32> = causal.chunks(25).flat_map(|head| head[20..].to_vec()).collect();
        assert_eq!(bias(Alibi::Causal, 1, 4), last);
    }
}
