//! Seeded queries and keys, and the attention weights they lead to.

use ndarray::Array2;

use crate::attention::{Attention, LinearAttention, ScaledDotProduct, Visibility};
use crate::axis::Axis;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::{Allowed, Mask, Positions};
use crate::ops::{FeatureMap, cpu};
use crate::probe::Probe;
pub use crate::random::gaussian;
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
    /// Independent standard normal Q and K.
    pub fn independent(n: usize, head_size: usize, seed: u64) -> Self {
        Draw { q: gaussian(n, head_size, seed, 0), k: gaussian(n, head_size, seed, 1) }
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
}

/// softmax(scale · Q·Kᵀ/√D) over the keys that `mask` allows.
///
/// **Shapes**: q and k `[n, D]`, result `[n, n]`.
///
/// **Conventions**: on the CPU everything is f64. On a GPU the kernels compute in f32, and what comes back
/// is those f32 numbers.
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
    let (n, head_size) = q.dim();
    if *device != Device::Cpu {
        let attention = ScaledDotProduct::with_factor((scale / (head_size as f64).sqrt()) as f32);
        return weights_on(device, &attention, q, k, mask);
    }
    let allowed = Allowed::new(mask, 1, n, n, Positions::suffix(n, n)?, None)?;
    let scores = q.dot(&k.t()) * (scale / (head_size as f64).sqrt());
    let mut weights = scores.as_standard_layout().into_owned();
    let values = weights.as_slice_mut().expect("in standard layout");
    cpu::masked_softmax(values, [1, 1, n, n], &allowed);
    Ok(weights)
}

/// The weights of linear attention: φ(Q)·φ(K)ᵀ over the keys that `mask` allows, rows over their sums.
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
    let n = q.nrows();
    if *device != Device::Cpu {
        return weights_on(device, &LinearAttention::new(map), q, k, mask);
    }
    let features = |x: &Array2<f64>| {
        let mut x = x.as_standard_layout().into_owned();
        cpu::feature_map(x.as_slice_mut().expect("in standard layout"), map);
        x
    };
    let allowed = Allowed::new(mask, 1, n, n, Positions::suffix(n, n)?, None)?;
    let mut weights = features(q).dot(&features(k).t()).as_standard_layout().into_owned();
    cpu::masked_normalise(weights.as_slice_mut().expect("in standard layout"), [1, 1, n, n], &allowed);
    Ok(weights)
}

/// The weights of one head, as a mechanism computes them on a GPU.
fn weights_on(
    device: &Device,
    attention: &dyn Attention,
    q: &Array2<f64>,
    k: &Array2<f64>,
    mask: &Mask,
) -> Result<Array2<f64>> {
    let (n, head_size) = q.dim();
    let upload = |x: &Array2<f64>, length: Axis| {
        let values = x.iter().map(|&value| value as f32).collect();
        let axes = [(Axis::Batch, 1), (Axis::Head, 1), (length, n), (Axis::HeadSize, head_size)];
        Tensor::new(axes, values)?.to_device(device)
    };
    let (q, k) = (upload(q, Axis::Query)?, upload(k, Axis::Key)?);
    let visibility = Visibility { mask, at: Positions::suffix(n, n)?, padding: None };
    let mut keep = KeepWeights(None);
    attention.forward(&q, &k, &k, visibility, &mut keep, &Run::default())?;
    let weights = keep.0.ok_or_else(|| Error::invalid("attention", "without weights", "a probe point"))?;
    let values = weights.to_vec()?.into_iter().map(f64::from).collect();
    Ok(Array2::from_shape_vec((n, n), values).expect("n x n weights"))
}

/// Keeps the weights that the mechanism shows.
struct KeepWeights(Option<Tensor>);

impl Probe for KeepWeights {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        if name == "weights" {
            self.0 = Some(value.clone());
        }
        Ok(value)
    }
}
