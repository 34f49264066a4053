//! [`AdamW`] over a table of parameters.

use super::Parameters;
use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::ops::{AdamStep, Moments, adamw, multiply, sum_rows};
use crate::tensor::Tensor;

/// What stays the same from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamSettings {
    /// β₁.
    pub beta1: f32,
    /// β₂.
    pub beta2: f32,
    /// ε.
    pub epsilon: f32,
    /// λ, of matrices; gains and biases do not decay.
    pub decay: f32,
    /// The largest norm of all gradients together; larger ones are scaled down to it.
    pub clip: Option<f32>,
}

impl Default for AdamSettings {
    /// β = (0.9, 0.98), ε = 10⁻⁸, λ = 0.01, clipping at 1.
    fn default() -> Self {
        AdamSettings { beta1: 0.9, beta2: 0.98, epsilon: 1e-8, decay: 0.01, clip: Some(1.0) }
    }
}

/// AdamW for all parameters of a model, with clipping by the norm of all gradients.
///
/// **Source**: Loshchilov & Hutter 2017 (arXiv 1711.05101); clipping: Pascanu et al. 2012 (arXiv 1211.5063), algorithm 1.
pub struct AdamW {
    settings: AdamSettings,
    moments: Vec<Option<Moments>>,
    steps: u64,
}

impl AdamW {
    /// Before the first step.
    pub fn new(settings: AdamSettings) -> Self {
        AdamW { settings, moments: Vec::new(), steps: 0 }
    }

    /// How many steps were made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step with the learning rate `rate`; a parameter without a gradient stays as it is. The result is the norm
    /// of all gradients before clipping.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another number of gradients than of parameters, or naming the first gradient that is
    /// not finite: then nothing has changed; errors of the device.
    pub fn step(
        &mut self,
        parameters: &mut Parameters,
        gradients: &[Option<Tensor>],
        rate: f32,
    ) -> Result<f32> {
        if gradients.len() != parameters.iter().len() {
            let expected = format!("{}, one for each parameter", parameters.iter().len());
            return Err(Error::invalid("number of gradients", gradients.len(), expected));
        }
        let norm = norm(parameters, gradients)?;
        let AdamSettings { beta1, beta2, epsilon, decay, clip } = self.settings;
        let factor = clip.filter(|&most| norm > most).map_or(1.0, |most| most / norm);
        self.steps += 1;
        self.moments.resize_with(gradients.len(), || None);
        for ((gradient, moments), (_, w)) in
            gradients.iter().zip(&mut self.moments).zip(parameters.iter_mut())
        {
            let Some(gradient) = gradient else { continue };
            let decay = if w.shape().rank() > 1 { decay } else { 0.0 };
            let step = AdamStep { rate, beta1, beta2, epsilon, decay, factor, step: self.steps };
            let known = match moments {
                Some(known) => known,
                None => moments.insert(Moments::before(w)?),
            };
            adamw(w, known, gradient, step)?;
        }
        Ok(norm)
    }
}

/// √Σ g² over all numbers of all gradients.
fn norm(parameters: &Parameters, gradients: &[Option<Tensor>]) -> Result<f32> {
    let mut sum = 0.0f64;
    for ((name, _), gradient) in parameters.iter().zip(gradients) {
        let Some(gradient) = gradient else { continue };
        let square = squares(gradient)?;
        if !square.is_finite() {
            return Err(Error::invalid(
                format!("gradient of {name}"),
                "not finite",
                "numbers: the loss diverged",
            ));
        }
        sum += square;
    }
    Ok(sum.sqrt() as f32)
}

/// Σ x².
fn squares(x: &Tensor) -> Result<f64> {
    if let Some(values) = x.as_slice() {
        return Ok(values.iter().map(|&x| f64::from(x) * f64::from(x)).sum());
    }
    let squares = multiply(x, x)?.reshape([(Axis::Row, x.shape().len()), (Axis::Column, 1)])?;
    Ok(f64::from(sum_rows(&squares)?.to_vec()?[0]))
}
