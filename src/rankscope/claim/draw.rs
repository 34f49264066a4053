//! Seeded queries and keys, and their attention weights.

use ndarray::{Array2, concatenate};

use crate::attention::{
    Attention, Differential, LinearAttention, ScaledDotProduct, SigmoidAttention, StateSpace, Visibility,
};
use crate::axis::Axis;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::figure::SpectrumFigure;
use crate::figure::style::Kind;
use crate::mask::{Allowed, Mask, Positions};
use crate::ops::{FeatureMap, cpu, decayed_scores, log_decays};
use crate::probe::Trace;
pub use crate::random::gaussian;
use crate::rank::{EPSILON_F32, Tolerance};
use crate::run::Run;
use crate::tensor::Tensor;

/// Queries and keys `[n, D]`.
#[derive(Clone, Debug)]
pub struct Draw {
    /// Q.
    pub q: Array2<f64>,
    /// K.
    pub k: Array2<f64>,
}

impl Draw {
    /// Independent standard normal Q and K, those of layer 0.
    pub fn independent(n: usize, head_size: usize, seed: u64) -> Self {
        Draw::of_layer(n, head_size, seed, 0)
    }

    /// As [`independent`](Self::independent), for layer `layer`, counted from 0; the layers of one seed are independent
    /// of each other.
    pub fn of_layer(n: usize, head_size: usize, seed: u64, layer: u64) -> Self {
        Draw { q: gaussian(n, head_size, seed, 2 * layer), k: gaussian(n, head_size, seed, 2 * layer + 1) }
    }

    /// K = α·Q + √(1 − α²)·noise: 0 is independent, 1 is K = Q.
    pub fn aligned(n: usize, head_size: usize, alignment: f64, seed: u64) -> Self {
        let Draw { q, k } = Draw::independent(n, head_size, seed);
        let k = &q * alignment + &k * (1.0 - alignment * alignment).max(0.0).sqrt();
        Draw { q, k }
    }

    /// scale · Q·Kᵀ/√D, in f64 on the CPU.
    pub fn scores(&self, scale: f64) -> Array2<f64> {
        self.q.dot(&self.k.t()) * (scale / (self.q.ncols() as f64).sqrt())
    }

    /// The attention weights; see [`attention_weights`].
    ///
    /// # Errors
    /// As [`attention_weights`].
    pub fn weights(&self, scale: f64, mask: &Mask, device: &Device) -> Result<Array2<f64>> {
        attention_weights(&self.q, &self.k, scale, mask, device)
    }

    /// The spectra of the weights under several masks, in one figure; computed in f64 on the CPU.
    ///
    /// # Errors
    /// As [`attention_weights`].
    pub fn spectra(&self, scale: f64, masks: &[Mask]) -> Result<SpectrumFigure> {
        let weights = |mask| self.weights(scale, mask, &Device::Cpu);
        let series = masks.iter().map(|mask| Ok((mask.to_string(), Kind::of(mask), weights(mask)?)));
        let (n, size) = self.q.dim();
        let title = format!("{n} tokens, D = {size}, scale {scale}");
        SpectrumFigure::of(&title, series.collect::<Result<Vec<_>>>()?)
    }
}

/// softmax(scale · Q·Kᵀ/√D) over the keys that `mask` allows.
///
/// **Shapes**: q and k `[n, D]`, result `[n, n]`.
///
/// **Conventions**: on the CPU everything is f64. On a GPU the kernels compute in f32, and the result is those f32
/// numbers.
///
/// # Errors
/// [`Error::Invalid`] where the mask does not fit n; errors of the device.
pub fn attention_weights(
    q: &Array2<f64>,
    k: &Array2<f64>,
    scale: f64,
    mask: &Mask,
    device: &Device,
) -> Result<Array2<f64>> {
    let factor = scale / (q.ncols() as f64).sqrt();
    if *device != Device::Cpu {
        return weights_on(device, &ScaledDotProduct::with_factor(factor as f32), q, k, mask);
    }
    from_scores(q.dot(&k.t()) * factor, mask, cpu::masked_softmax)
}

/// The weights of linear attention: φ(Q)·φ(K)ᵀ over the keys that `mask` allows, with rows divided by their sums.
///
/// **Shapes**: q and k `[n, D]`, result `[n, n]`.
///
/// **Conventions**: as [`attention_weights`]; a row whose sum is 0 is 0.
///
/// # Errors
/// As [`attention_weights`].
pub fn linear_weights(
    q: &Array2<f64>,
    k: &Array2<f64>,
    map: FeatureMap,
    mask: &Mask,
    device: &Device,
) -> Result<Array2<f64>> {
    if *device != Device::Cpu {
        return weights_on(device, &LinearAttention::new(map), q, k, mask);
    }
    from_scores(features(q, map).dot(&features(k, map).t()), mask, cpu::masked_normalise)
}

/// φ(x), in f64 on the CPU.
pub(super) fn features(x: &Array2<f64>, map: FeatureMap) -> Array2<f64> {
    let mut x = x.as_standard_layout().into_owned();
    cpu::feature_map(x.as_slice_mut().expect("in standard layout"), map);
    x
}

/// The tolerance below which singular values count as zero, for weights that were computed on `device`.
pub(super) fn tolerance(device: &Device) -> Tolerance {
    if *device == Device::Cpu { Tolerance::F64 } else { Tolerance::F32 }
}

/// A bound on the error of weights of at most 1, from exponentials (accurate to several ε on a GPU), sums of D products
/// and of n weights, and a division.
pub(super) fn rounding(n: usize, head_size: usize, device: &Device) -> f64 {
    let epsilon = if *device == Device::Cpu { f64::EPSILON } else { EPSILON_F32 };
    16.0 * (n + head_size) as f64 * epsilon
}

/// The weights of softmax with the learned sink b: exp(sₜₛ) / (exp(b) + Σᵣ exp(sₜᵣ)) over earlier keys and its own, with
/// s = scale · Q·Kᵀ/√D.
///
/// **Conventions**: as in [`attention_weights`], and causal; the same holds for the functions below.
pub(super) fn sink_weights(draw: &Draw, scale: f64, sink: f64, device: &Device) -> Result<Array2<f64>> {
    if *device != Device::Cpu {
        let sinks = Tensor::new([(Axis::Head, 1)], vec![sink as f32])?.to_device(device)?;
        let attention = ScaledDotProduct::new(draw.k.ncols()).with_sinks(sinks);
        return weights_on(device, &attention, &(&draw.q * scale), &draw.k, &Mask::causal());
    }
    from_scores(draw.scores(scale), &Mask::causal(), |values, sizes, allowed| {
        cpu::masked_softmax_with_sinks(values, sizes, allowed, &[sink]);
    })
}

/// The weights of sigmoid attention: 1 / (1 + n·exp(−s)).
pub(super) fn sigmoid_weights(draw: &Draw, scale: f64, device: &Device) -> Result<Array2<f64>> {
    let (n, head_size) = draw.k.dim();
    if *device != Device::Cpu {
        let attention = SigmoidAttention::new(head_size, n);
        return weights_on(device, &attention, &(&draw.q * scale), &draw.k, &Mask::causal());
    }
    from_scores(draw.scores(scale), &Mask::causal(), |values, sizes, allowed| {
        cpu::masked_sigmoid(values, sizes, allowed, -(n as f64).ln());
    })
}

/// The weights A₁ − λ·A₂ of differential attention, from two draws of the same size.
pub(super) fn differential_weights(
    draws: &[Draw; 2],
    scale: f64,
    lambda: f64,
    device: &Device,
) -> Result<Array2<f64>> {
    let ([first, second], mask) = (draws, Mask::causal());
    if *device != Device::Cpu {
        let both = |a: &Array2<f64>, b: &Array2<f64>| concatenate![ndarray::Axis(1), *a, *b];
        let (q, k) = (both(&first.q, &second.q) * scale, both(&first.k, &second.k));
        let lambdas = Tensor::new([(Axis::Head, 1)], vec![lambda as f32])?.to_device(device)?;
        let attention = Differential::new(k.ncols(), lambdas, Differential::initial(0))?;
        return weights_on(device, &attention, &q, &k, &mask);
    }
    let (mut weights, second) = (first.weights(scale, &mask, device)?, second.weights(scale, &mask, device)?);
    let n = weights.nrows();
    let values = weights.as_slice_mut().expect("in standard layout");
    cpu::weighted_difference(values, second.as_slice().expect("in standard layout"), [1, 1, n, n], &[lambda]);
    Ok(weights)
}

/// The decay of each token of a state-space head: log a = −softplus(w·k + β).
pub(super) struct Gate {
    /// w, `[1, D]`.
    pub weight: Array2<f64>,
    /// β.
    pub bias: f64,
}

impl Gate {
    /// w and β on another device, in f32: `[G, D]` and `[G]`, with G = 1.
    fn to_device(&self, device: &Device) -> Result<[Tensor; 2]> {
        let weight = self.weight.iter().map(|&weight| weight as f32).collect();
        let weight = Tensor::new([(Axis::KvHead, 1), (Axis::HeadSize, self.weight.len())], weight)?;
        let bias = Tensor::new([(Axis::KvHead, 1)], vec![self.bias as f32])?;
        Ok([weight.to_device(device)?, bias.to_device(device)?])
    }

    /// Scores that decay from token to token, in f64 on the CPU.
    fn decayed(&self, scores: Array2<f64>, k: &Array2<f64>) -> Result<Array2<f64>> {
        let flat = |x: &Array2<f64>| x.iter().copied().collect::<Vec<_>>();
        let decays = cpu::log_decays(&flat(k), &flat(&self.weight), &[self.bias], k.nrows(), None);
        from_scores(scores, &Mask::causal(), |values, sizes, allowed| {
            cpu::decayed_scores(values, &decays, sizes, Positions { first_query: 0 }, allowed);
        })
    }
}

/// The weights of a state-space head: aₛ₊₁ ⋯ aₜ · qₜ·kₛ/√D.
pub(super) fn state_space_weights(draw: &Draw, gate: &Gate, device: &Device) -> Result<Array2<f64>> {
    if *device != Device::Cpu {
        let [weight, bias] = gate.to_device(device)?;
        return weights_on(device, &StateSpace::new(weight, bias)?, &draw.q, &draw.k, &Mask::causal());
    }
    gate.decayed(draw.scores(1.0), &draw.k)
}

/// The decay part of a state-space head's weights: aₛ₊₁ ⋯ aₜ.
pub(super) fn decay_weights(draw: &Draw, gate: &Gate, device: &Device) -> Result<Array2<f64>> {
    let n = draw.k.nrows();
    if *device != Device::Cpu {
        let ([weight, bias], at) = (gate.to_device(device)?, Positions::suffix(n, n)?);
        let decays = log_decays(&on_device(&draw.k, Axis::Key, device)?, &weight, &bias, None)?;
        let axes = [(Axis::Batch, 1), (Axis::Head, 1), (Axis::Query, n), (Axis::Key, n)];
        let ones = Tensor::new(axes, vec![1.0; n * n])?.to_device(device)?;
        let allowed = Allowed::new(&Mask::causal(), 1, n, n, at, None)?;
        return matrix(&decayed_scores(ones, &decays, at, &allowed)?, n);
    }
    gate.decayed(Array2::ones((n, n)), &draw.k)
}

/// f64 weights from scores `[n, n]`, on the CPU.
fn from_scores(
    scores: Array2<f64>,
    mask: &Mask,
    weigh: impl FnOnce(&mut [f64], [usize; 4], &Allowed),
) -> Result<Array2<f64>> {
    let n = scores.nrows();
    let allowed = Allowed::new(mask, 1, n, n, Positions::suffix(n, n)?, None)?;
    let mut weights = scores.as_standard_layout().into_owned();
    weigh(weights.as_slice_mut().expect("in standard layout"), [1, 1, n, n], &allowed);
    Ok(weights)
}

/// The weights of one head, computed by a mechanism on a GPU.
fn weights_on(
    device: &Device,
    attention: &dyn Attention,
    q: &Array2<f64>,
    k: &Array2<f64>,
    mask: &Mask,
) -> Result<Array2<f64>> {
    let n = q.nrows();
    let (q, k) = (on_device(q, Axis::Query, device)?, on_device(k, Axis::Key, device)?);
    let visibility = Visibility { mask, at: Positions::suffix(n, n)?, padding: None };
    let mut trace = Trace::of(["weights"]);
    attention.forward(&q, &k, &k, visibility, &mut trace, &Run::default())?;
    let missing = || Error::invalid("attention", "without weights", "a probe point");
    matrix(trace.get("weights").ok_or_else(missing)?, n)
}

/// Queries or keys of one head, `[B, H, T, D]` or `[B, H, S, D]`.
fn on_device(x: &Array2<f64>, length: Axis, device: &Device) -> Result<Tensor> {
    let (n, head_size) = x.dim();
    let axes = [(Axis::Batch, 1), (Axis::Head, 1), (length, n), (Axis::HeadSize, head_size)];
    Tensor::new(axes, x.iter().map(|&value| value as f32).collect())?.to_device(device)
}

/// The weights of one head as a matrix.
fn matrix(weights: &Tensor, n: usize) -> Result<Array2<f64>> {
    let values = weights.to_vec()?.into_iter().map(f64::from).collect();
    Ok(Array2::from_shape_vec((n, n), values).expect("n x n weights"))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn close(got: &Array2<f64>, wanted: impl Fn(usize, usize) -> f64) {
        for ((t, s), &got) in got.indexed_iter() {
            let wanted = if s <= t { wanted(t, s) } else { 0.0 };
            assert!((got - wanted).abs() <= 1e-14 * (1.0 + wanted.abs()), "({t}, {s}): {got}, {wanted}");
        }
    }

    #[test]
    fn spectra_are_those_of_the_weights_each_under_its_own_mask() {
        let (draw, masks) = (Draw::independent(6, 2, 3), [Mask::causal(), Mask::bidirectional()]);
        let figure = draw.spectra(1.5, &masks).unwrap();
        for (series, mask) in figure.series.iter().zip(&masks) {
            // The sum of the squared singular values is that of the squared entries.
            let entries = draw.weights(1.5, mask, &Device::Cpu).unwrap().mapv(|weight| weight * weight).sum();
            let squares: f64 = series.spectrum.values().iter().map(|value| value * value).sum();
            assert!((squares - entries).abs() < 1e-12, "{mask}: {squares} and {entries}");
            assert_eq!((series.name.as_str(), series.kind), (mask.to_string().as_str(), Kind::of(mask)));
        }
    }

    #[test]
    fn weights_of_newer_mechanisms_by_their_formulas() {
        let draws = [3, 4].map(|seed| Draw::independent(5, 2, seed));
        let score = |draw: &Draw, t: usize, s: usize| 1.5 * draw.q.row(t).dot(&draw.k.row(s)) / 2f64.sqrt();
        let exp = |draw: &Draw, t: usize, s: usize| score(draw, t, s).exp();
        let sum = |draw: &Draw, t: usize| (0..=t).map(|s| exp(draw, t, s)).sum::<f64>();
        let [first, second] = &draws;
        close(&sink_weights(first, 1.5, 0.75, &Device::Cpu).unwrap(), |t, s| {
            exp(first, t, s) / (0.75f64.exp() + sum(first, t))
        });
        close(&sigmoid_weights(first, 1.5, &Device::Cpu).unwrap(), |t, s| {
            1.0 / (1.0 + 5.0 / exp(first, t, s))
        });
        close(&differential_weights(&draws, 1.5, 0.375, &Device::Cpu).unwrap(), |t, s| {
            exp(first, t, s) / sum(first, t) - 0.375 * exp(second, t, s) / sum(second, t)
        });
        let gate = Gate { weight: array![[0.5, -2.0]], bias: 0.25 };
        // e^(−ln(1 + e^x)) = 1 / (1 + e^x); token s + 1 is the first whose decay applies to token s.
        let decay = |s: usize| 1.0 / (1.0 + (gate.weight.row(0).dot(&first.k.row(s)) + 0.25).exp());
        let decays = |t: usize, s: usize| (s + 1..=t).map(decay).product::<f64>();
        close(&decay_weights(first, &gate, &Device::Cpu).unwrap(), decays);
        close(&state_space_weights(first, &gate, &Device::Cpu).unwrap(), |t, s| {
            decays(t, s) * score(first, t, s) / 1.5
        });
    }
}
