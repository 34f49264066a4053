//! Attention sinks: how much attention a head gives to the first key.

use crate::axis::Axis;
use crate::error::Result;
use crate::tensor::Tensor;

/// How much of its attention a head gives to the first key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sink {
    /// The head, from 0.
    pub head: usize,
    /// The mean of w\[t, 0\] over queries and sequences.
    pub weight: f64,
    /// The same mean for a head with uniform weights: the mean of 1 / (number of keys with a weight above 0).
    pub uniform: f64,
}

/// How much attention every head gives to the first key, from traced weights. This is a measurement, not a mechanism.
///
/// Trained decoders put attention that they do not need on the first token, whatever that token is. Under a causal mask
/// even a uniform head gives it (1 + 1/2 + … + 1/T) / T, so this value is returned beside each measured one.
///
/// **Shapes**: weights `[B, H, T, S]`; one entry for each of H heads.
///
/// **Conventions**: queries that attend to nothing count as 0 in both means. Padded queries count like all others.
///
/// # Errors
/// [`Error::Axes`](crate::Error::Axes) for other axes; [`Error::Gpu`](crate::Error::Gpu) if the weights cannot be read.
///
/// **Source**: Xiao et al. 2023 (arXiv 2309.17453), section 3.1.
///
/// ```
/// use rankscope::{Axis, Tensor, attention::attention_sinks};
/// let axes = [(Axis::Batch, 1), (Axis::Head, 1), (Axis::Query, 2), (Axis::Key, 2)];
/// let sinks = attention_sinks(&Tensor::new(axes, vec![1.0, 0.0, 0.75, 0.25])?)?;
/// assert_eq!((sinks[0].weight, sinks[0].uniform), (0.875, 0.75)); // (1 + 0.75) / 2, (1 + 1/2) / 2
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn attention_sinks(weights: &Tensor) -> Result<Vec<Sink>> {
    let axes = [Axis::Batch, Axis::Head, Axis::Query, Axis::Key];
    let [batch, heads, queries, keys] = weights.shape().expect("attention_sinks", "weights", axes)?;
    let mut sinks: Vec<Sink> = (0..heads).map(|head| Sink { head, weight: 0.0, uniform: 0.0 }).collect();
    let share = 1.0 / (batch * queries).max(1) as f64;
    for (row, weights) in weights.to_vec()?.chunks(keys.max(1)).enumerate() {
        let sink = &mut sinks[row / queries % heads];
        sink.weight += share * f64::from(weights[0]);
        let seen = weights.iter().filter(|&&weight| weight > 0.0).count();
        if weights[0] > 0.0 {
            sink.uniform += share / seen as f64;
        }
    }
    Ok(sinks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_sequences_are_kept_apart() {
        let axes = [(Axis::Batch, 2), (Axis::Head, 3), (Axis::Query, 1), (Axis::Key, 4)];
        let rows: [[f32; 4]; 6] = [
            [1.0, 0.0, 0.0, 0.0],
            [0.25; 4],
            [0.0, 0.5, 0.5, 0.0],
            [0.5, 0.5, 0.0, 0.0],
            [0.25; 4],
            [0.0; 4],
        ];
        let sinks = attention_sinks(&Tensor::new(axes, rows.concat()).unwrap()).unwrap();
        let expected = [(0, 0.75, 0.75), (1, 0.25, 0.25), (2, 0.0, 0.0)];
        let expected = expected.map(|(head, weight, uniform)| Sink { head, weight, uniform });
        assert_eq!(sinks, expected);
    }
}
