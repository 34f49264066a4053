//! One step of AdamW.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::error::Result;
use crate::ops::clip::expect_clip;
use crate::ops::expect_alike;
use crate::tensor::Tensor;

/// The settings of one step of AdamW.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// η, the learning rate.
    pub rate: f32,
    /// β₁, the share of the old value in the new running mean of gradients.
    pub beta1: f32,
    /// β₂, the share of the old value in the new running mean of squares.
    pub beta2: f32,
    /// ε.
    pub epsilon: f32,
    /// t, the number of the step, from 1.
    pub step: u64,
}

/// A tensor w that AdamW changes, with its moments, gradient and weight decay.
#[derive(Debug)]
pub struct AdamTensor<'a> {
    /// w.
    pub w: &'a mut Tensor,
    /// m and v.
    pub moments: &'a mut Moments,
    /// g, in the shape of w.
    pub gradient: &'a Tensor,
    /// λ, the weight decay: a step subtracts η λ w.
    pub decay: f32,
}

/// The running means that AdamW keeps for a tensor w.
#[derive(Clone, Debug)]
pub struct Moments {
    /// m, the running mean of gradients, in the shape of w.
    pub mean: Tensor,
    /// v, the running mean of their squares, in the shape of w.
    pub square: Tensor,
}

impl Moments {
    /// The moments before the first step: zeros, in the shape and on the device of `w`.
    ///
    /// # Errors
    /// [`Error::Gpu`](crate::Error::Gpu) if the upload fails.
    pub fn before(w: &Tensor) -> Result<Self> {
        let zeros = || Tensor::zeros(w.shape().axes()).to_device(&w.device());
        Ok(Moments { mean: zeros()?, square: zeros()? })
    }
}

impl AdamStep {
    /// 1 / (1 − β₁ᵗ) and 1 / (1 − β₂ᵗ), which correct the bias of running means that begin at 0.
    fn corrections(&self) -> [f32; 2] {
        [self.beta1, self.beta2].map(|beta| (1.0 / (1.0 - f64::from(beta).powf(self.step as f64))) as f32)
    }
}

impl AdamTensor<'_> {
    fn check(&self, clip: &Tensor) -> Result<()> {
        const OP: &str = "adamw";
        let w = &*self.w;
        let others =
            [("mean", &self.moments.mean), ("square", &self.moments.square), ("gradient", self.gradient)];
        for (argument, tensor) in others {
            expect_alike(OP, argument, w, tensor)?;
        }
        expect_clip(OP, clip, w)
    }

    /// w, m and v.
    fn state(&mut self) -> [&mut Tensor; 3] {
        [self.w, &mut self.moments.mean, &mut self.moments.square]
    }
}

/// m ← β₁ m + (1 − β₁) f g, v ← β₂ v + (1 − β₂) (f g)², w ← w − η (m̂ / (√v̂ + ε) + λ w), with m̂ = m / (1 − β₁ᵗ) and
/// v̂ = v / (1 − β₂ᵗ), for many tensors at once: one walk over w, m and v of each.
///
/// **Shapes**: w, m, v and g of a tensor the same; clip, whose first number is f, as [`clip`](super::clip()) made it.
///
/// **Conventions**: where f is 0, nothing changes. On the CPU the step is in place where no clone shares w, m and v.
/// After an error all tensors are unchanged.
///
/// # Errors
/// [`Error::Axes`](crate::Error::Axes) or [`Error::Size`](crate::Error::Size) if the shapes do not fit,
/// [`Error::Placement`](crate::Error::Placement) if the devices differ, [`Error::Gpu`](crate::Error::Gpu) if the GPU
/// fails.
///
/// **Source**: Loshchilov & Hutter 2017 (arXiv 1711.05101), algorithm 2.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::{AdamStep, AdamTensor, Moments, adamw, clip}};
/// let one = |value| Tensor::new([(Axis::Column, 1)], vec![value]);
/// let (mut w, mut moments, gradient) = (one(2.)?, Moments::before(&one(2.)?)?, one(-3.)?);
/// let step = AdamStep { rate: 0.5, beta1: 0.9, beta2: 0.99, epsilon: 0., step: 1 };
/// let tensor = AdamTensor { w: &mut w, moments: &mut moments, gradient: &gradient, decay: 0.1 };
/// adamw(vec![tensor], &clip(&[&gradient], None)?, step)?;
/// assert!((w.to_vec()?[0] - 2.4).abs() < 1e-6); // 2 − ½ (−1 + 0.1 · 2): a first step has the gradient's sign
/// assert!((moments.mean.to_vec()?[0] + 0.3).abs() < 1e-6);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn adamw(mut tensors: Vec<AdamTensor<'_>>, clip: &Tensor, step: AdamStep) -> Result<()> {
    tensors.iter().try_for_each(|tensor| tensor.check(clip))?;
    let factor = match clip.as_slice() {
        Some([factor, ..]) => *factor,
        _ => return gpu::adamw(tensors, clip, step),
    };
    if factor == 0.0 {
        return Ok(());
    }
    let mut values: Vec<[Vec<f32>; 3]> = tensors.iter_mut().map(|tensor| tensor.state().map(taken)).collect();
    let walks = values.iter_mut().zip(&tensors).map(|(state, tensor)| {
        let gradient = tensor.gradient.as_slice().expect("on the CPU, as clip is");
        cpu::Walk { state: state.each_mut().map(Vec::as_mut_slice), gradient, decay: tensor.decay }
    });
    cpu::adamw(walks.collect(), factor, step);
    for (tensor, values) in tensors.iter_mut().zip(values) {
        let shape = tensor.gradient.shape().clone();
        for (old, new) in tensor.state().into_iter().zip(values) {
            *old = Tensor::on_cpu(shape.clone(), new);
        }
    }
    Ok(())
}

/// The values of a tensor on the CPU, which is empty afterwards; without a copy where no clone shares them.
fn taken(x: &mut Tensor) -> Vec<f32> {
    let x = std::mem::replace(x, Tensor::zeros([]));
    x.into_values().unwrap_or_else(|shared| shared.as_slice().expect("a tensor on the CPU").to_vec())
}
