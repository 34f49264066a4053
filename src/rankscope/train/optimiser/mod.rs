//! [`Optimiser`]: how parameters are changed by their gradients.

mod muon;
mod state;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::{LossGradients, Parameters, named};
use crate::axis::{Axis, Shape};
use crate::error::{Error, Result};
use crate::ops::{AdamStep, AdamTensor, adamw, clip, concat, descend, momentum};
use crate::tensor::Tensor;
use state::State;

/// The settings that stay the same from step to step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OptimiserSettings {
    /// Its name on [`OPTIMISERS`].
    pub optimiser: String,
    /// β₁ of AdamW.
    pub beta1: f32,
    /// β₂ of AdamW.
    pub beta2: f32,
    /// ε of AdamW.
    pub epsilon: f32,
    /// μ of SGD and Muon.
    pub momentum: f32,
    /// λ, the decay of matrices; gains and biases do not decay.
    pub decay: f32,
    /// The largest norm of all gradients together; larger ones are scaled down to it. `None` for no bound.
    pub clip: Option<f32>,
}

impl Default for OptimiserSettings {
    /// AdamW with β = (0.9, 0.98), ε = 10⁻⁸, λ = 0.01, clipping at 1; μ = 0.95.
    fn default() -> Self {
        OptimiserSettings {
            optimiser: "adamw".to_owned(),
            beta1: 0.9,
            beta2: 0.98,
            epsilon: 1e-8,
            momentum: 0.95,
            decay: 0.01,
            clip: Some(1.0),
        }
    }
}

/// An optimiser on the registry.
pub struct OptimiserKind {
    /// Its name in settings.
    pub name: &'static str,
    /// A description of the optimiser.
    pub summary: &'static str,
    /// Its source.
    pub source: &'static str,
    /// The rule for a parameter of a given shape.
    rule: fn(&Shape) -> Rule,
}

/// Every optimiser.
pub static OPTIMISERS: &[OptimiserKind] = &[
    OptimiserKind {
        name: "adamw",
        summary: "steps of each number's own length, the mean of its gradients over the root of that of their squares",
        source: "Loshchilov & Hutter 2017 (arXiv 1711.05101), algorithm 2",
        rule: |_| Rule::AdamW,
    },
    OptimiserKind {
        name: "sgd",
        summary: "steps along the running sum of gradients (momentum)",
        source: "Polyak 1964; Loshchilov & Hutter 2017 (arXiv 1711.05101), algorithm 1",
        rule: |_| Rule::Momentum,
    },
    OptimiserKind {
        name: "muon",
        summary: "hidden matrices follow the orthogonal matrix nearest to their momentum, the others AdamW",
        source: "Jordan et al. 2024, \"Muon: An optimizer for hidden layers in neural networks\"; lengths of steps: \
                 Liu et al. 2025 (arXiv 2502.16982), section 2.2",
        rule: |shape| if muon::is_hidden_matrix(shape) { Rule::Muon } else { Rule::AdamW },
    },
];

/// The rule by which a gradient changes a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    AdamW,
    Momentum,
    Muon,
}

impl OptimiserKind {
    /// The optimiser with this `name`.
    ///
    /// # Errors
    /// [`Error::Invalid`] listing the names of all optimisers.
    pub fn find(name: &str) -> Result<&'static OptimiserKind> {
        named(OPTIMISERS, |kind| kind.name, name, "optimiser", name)
    }
}

/// An optimiser and its state from earlier steps.
pub struct Optimiser {
    settings: OptimiserSettings,
    kind: &'static OptimiserKind,
    /// The states in the order of the parameters; `None` before a parameter's first gradient.
    states: Vec<Option<State>>,
    steps: u64,
}

/// The numbers that a step reads back from the device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stepped {
    /// The loss before the step.
    pub loss: f32,
    /// The norm of all gradients together, before clipping.
    pub norm: f32,
}

impl Optimiser {
    /// The optimiser before the first step.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming a setting outside its range, or listing all optimisers for an unknown name.
    pub fn new(settings: &OptimiserSettings) -> Result<Self> {
        let kind = OptimiserKind::find(&settings.optimiser)?;
        let OptimiserSettings { beta1, beta2, epsilon, momentum, decay, clip, .. } = *settings;
        for (name, value) in [("beta1", beta1), ("beta2", beta2), ("momentum", momentum)] {
            if !(0.0..1.0).contains(&value) {
                return Err(Error::invalid(name, value, "a number from 0 to less than 1"));
            }
        }
        for (name, value) in [("epsilon", epsilon), ("decay", decay)] {
            if !(0.0..f32::INFINITY).contains(&value) {
                return Err(Error::invalid(name, value, "a number of at least 0"));
            }
        }
        if let Some(clip) = clip.filter(|clip| clip.is_nan() || *clip <= 0.0) {
            return Err(Error::invalid("clip", clip, "a number above 0, or none"));
        }
        Ok(Optimiser { settings: settings.clone(), kind, states: Vec::new(), steps: 0 })
    }

    /// The number of steps made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step with the learning rate `rate`; a parameter without a gradient does not change.
    ///
    /// **Conventions**: gradients are clipped on their device; loss and norm are read back together at the end. On the
    /// CPU the result does not depend on the number of threads.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the numbers of gradients and parameters differ or there is no gradient, or naming the
    /// first parameter whose gradient is not finite: then nothing has changed. Errors of the device.
    pub fn step(
        &mut self,
        parameters: &mut Parameters,
        LossGradients { loss, gradients, .. }: &LossGradients,
        rate: f32,
    ) -> Result<Stepped> {
        expect_fitting(parameters, gradients)?;
        let there: Vec<&Tensor> = gradients.iter().flatten().collect();
        let clip = clip(&there, self.settings.clip)?;
        self.steps += 1;
        self.states.resize_with(gradients.len(), || None);
        let followed = self.follow(parameters, gradients, rate, &clip);
        let row = |x: &Tensor| x.reshape([(Axis::Row, x.shape().len())]);
        let read = followed.and_then(|()| concat(&row(&loss.detach())?, &clip, Axis::Row)?.to_vec());
        let done = read.and_then(|read| finite(parameters, gradients, &read));
        if done.is_err() {
            self.steps -= 1;
        }
        done
    }

    /// Changes every parameter that has a gradient by its rule.
    fn follow(
        &mut self,
        parameters: &mut Parameters,
        gradients: &[Option<Tensor>],
        rate: f32,
        clip: &Tensor,
    ) -> Result<()> {
        let OptimiserSettings { beta1, beta2, epsilon, momentum: share, .. } = self.settings;
        let mut adam = Vec::new();
        for ((gradient, state), (_, w)) in gradients.iter().zip(&mut self.states).zip(parameters.iter_mut()) {
            let Some(gradient) = gradient else { continue };
            let decay = if w.shape().rank() > 1 { self.settings.decay } else { 0.0 };
            let rule = (self.kind.rule)(w.shape());
            let state = match state {
                Some(state) => state,
                None => state.insert(State::before(rule, w)?),
            };
            match state {
                State::Adam(moments) => adam.push(AdamTensor { w, moments, gradient, decay }),
                State::Momentum(m) => {
                    *m = momentum(taken(m), gradient, share, clip)?;
                    let direction = match rule {
                        // One step ahead (Nesterov), as in Jordan's code.
                        Rule::Muon => muon::direction(&momentum(&*m, gradient, share, clip)?)?,
                        _ => m.clone(),
                    };
                    *w = descend(taken(w), &direction, rate, decay, clip)?;
                }
            }
        }
        adamw(adam, clip, AdamStep { rate, beta1, beta2, epsilon, step: self.steps })
    }
}

/// Takes the tensor by value, so that it can be changed in place.
fn taken(x: &mut Tensor) -> Tensor {
    std::mem::replace(x, Tensor::zeros([]))
}

/// An error unless every gradient that is present has its parameter's shape and device.
fn expect_fitting(parameters: &Parameters, gradients: &[Option<Tensor>]) -> Result<()> {
    if gradients.len() != parameters.iter().len() {
        let expected = format!("{}, one for each parameter", parameters.iter().len());
        return Err(Error::invalid("number of gradients", gradients.len(), expected));
    }
    for ((name, w), gradient) in parameters.iter().zip(gradients) {
        let Some(gradient) = gradient else { continue };
        if gradient.shape() != w.shape() {
            return Err(Error::invalid(format!("gradient of {name}"), gradient.shape(), w.shape()));
        }
        gradient.expect_same_device("optimiser", "gradient", &w.device())?;
    }
    Ok(())
}

/// Loss and norm, from `read`: the loss, the norm, the factor, and the sums of squares in the order of the gradients.
fn finite(parameters: &Parameters, gradients: &[Option<Tensor>], read: &[f32]) -> Result<Stepped> {
    let [loss, factor, norm, squares @ ..] = read else { unreachable!("a loss and what `clip` made") };
    if *factor != 0.0 {
        return Ok(Stepped { loss: *loss, norm: *norm });
    }
    let there = parameters.iter().zip(gradients).filter(|(_, gradient)| gradient.is_some());
    let name = there.zip(squares).find_map(|(((name, _), _), square)| (!square.is_finite()).then_some(name));
    let what = name.map_or("norm of all gradients".to_owned(), |name| format!("gradient of {name}"));
    Err(Error::invalid(what, "not finite", "numbers: the loss diverged"))
}
