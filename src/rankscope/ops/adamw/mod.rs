//! One step of AdamW.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The numbers of one step of AdamW.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// η, the learning rate.
    pub rate: f32,
    /// β₁, the share of the mean of gradients that stays.
    pub beta1: f32,
    /// β₂, the share of the mean of squares that stays.
    pub beta2: f32,
    /// ε.
    pub epsilon: f32,
    /// λ, by how much weights shrink, times η.
    pub decay: f32,
    /// What gradients are multiplied by first, as clipping by a norm asks for.
    pub factor: f32,
    /// t, from 1.
    pub step: u64,
}

/// What AdamW remembers of the gradients of a tensor w.
#[derive(Clone, Debug)]
pub struct Moments {
    /// m, the running mean of gradients, in the shape of w.
    pub mean: Tensor,
    /// v, the running mean of their squares, in the shape of w.
    pub square: Tensor,
}

impl Moments {
    /// Before the first step: zeros, in the shape and on the device of `w`.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the upload fails.
    pub fn before(w: &Tensor) -> Result<Self> {
        let zeros = || Tensor::zeros(w.shape().axes()).to_device(&w.device());
        Ok(Moments { mean: zeros()?, square: zeros()? })
    }
}

impl AdamStep {
    /// 1 / (1 − β₁ᵗ) and 1 / (1 − β₂ᵗ), which make up for means that begin at 0.
    fn corrections(&self) -> [f32; 2] {
        [self.beta1, self.beta2].map(|beta| (1.0 / (1.0 - f64::from(beta).powf(self.step as f64))) as f32)
    }
}

/// m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², w ← w − η (m̂ / (√v̂ + ε) + λ w), with m̂ = m / (1 − β₁ᵗ),
/// v̂ = v / (1 − β₂ᵗ) and g the gradient times its factor: one walk over w, m and v.
///
/// **Shapes**: all the same.
///
/// **Conventions**: on the CPU in place where nobody else holds w, m and v. After an error they are as they were.
///
/// # Errors
/// [`Error::Axes`] if the shapes differ, [`Error::Placement`] if the devices differ, [`Error::Gpu`] if the GPU fails.
///
/// **Source**: Loshchilov & Hutter 2017 (arXiv 1711.05101), algorithm 2.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::{AdamStep, Moments, adamw}};
/// let one = |value| Tensor::new([(Axis::Column, 1)], vec![value]);
/// let step = AdamStep { rate: 0.5, beta1: 0.9, beta2: 0.99, epsilon: 0., decay: 0.1, factor: 1., step: 1 };
/// let (mut w, mut moments) = (one(2.)?, Moments::before(&one(2.)?)?);
/// adamw(&mut w, &mut moments, &one(-3.)?, step)?;
/// assert!((w.to_vec()?[0] - 2.4).abs() < 1e-6); // 2 − ½ (−1 + 0.1 · 2): a first step has the gradient's sign
/// assert!((moments.mean.to_vec()?[0] + 0.3).abs() < 1e-6);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn adamw(w: &mut Tensor, moments: &mut Moments, gradient: &Tensor, step: AdamStep) -> Result<()> {
    const OP: &str = "adamw";
    for (argument, tensor) in [("mean", &moments.mean), ("square", &moments.square), ("gradient", gradient)] {
        if tensor.shape() != w.shape() {
            let (expected, got) = (w.shape().to_string(), tensor.shape().to_string());
            return Err(Error::Axes { op: OP, argument, expected, got });
        }
        tensor.expect_same_device(OP, argument, &w.device())?;
    }
    let (shape, mut state) = (w.shape().clone(), [w, &mut moments.mean, &mut moments.square]);
    let new = match gradient.as_slice() {
        Some(gradient) => {
            let mut values = state.each_mut().map(|x| taken(x));
            cpu::adamw(values.each_mut().map(Vec::as_mut_slice), gradient, step);
            values.map(|values| Tensor::on_cpu(shape.clone(), values))
        }
        None => gpu::adamw(state.each_ref().map(|x| &**x), gradient, step)?,
    };
    state.into_iter().zip(new).for_each(|(old, new)| *old = new);
    Ok(())
}

/// The values of a tensor on the CPU, which is empty afterwards: by value where nobody else holds them.
fn taken(x: &mut Tensor) -> Vec<f32> {
    let x = std::mem::replace(x, Tensor::zeros([]));
    x.into_values().unwrap_or_else(|shared| shared.as_slice().expect("a tensor on the CPU").to_vec())
}
