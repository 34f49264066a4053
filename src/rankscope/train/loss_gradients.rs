//! [`LossGradients`]: what a step of training follows.

use super::Parameters;
use crate::error::Result;
use crate::gradient::gradients;
use crate::model::Model;
use crate::ops::add;
use crate::tape::Tape;
use crate::tensor::Tensor;

/// A loss, and its gradient for every parameter.
#[derive(Clone)]
pub struct LossGradients {
    /// One number, on the device of the parameters.
    pub loss: Tensor,
    /// In the order of [`Parameters::iter`]; `None` for a parameter that the loss does not depend on.
    pub gradients: Vec<Option<Tensor>>,
}

impl LossGradients {
    /// Those of the loss that `loss` computes with the model of `parameters`.
    ///
    /// # Errors
    /// As [`Parameters::trace`], `loss` and [`gradients`].
    pub fn of(parameters: &Parameters, loss: impl FnOnce(&dyn Model) -> Result<Tensor>) -> Result<Self> {
        let traced = parameters.trace(&Tape::new())?;
        let loss = loss(&*traced.model)?;
        let found = gradients(&loss)?;
        let gradients = traced.gradients(&found).map(|(_, gradient)| gradient.cloned()).collect();
        Ok(LossGradients { loss: loss.detach(), gradients })
    }

    /// The sum of two losses, and its gradients: a batch may come in parts that fit the memory, each with its
    /// [share](super::Batch::loss_among) of the loss.
    ///
    /// # Errors
    /// Errors of the operations if the two are not of the same parameters.
    pub fn plus(self, other: Self) -> Result<Self> {
        let sum = |(a, b): (Option<Tensor>, Option<Tensor>)| match (a, b) {
            (Some(a), Some(b)) => add(a, b).map(Some),
            (a, b) => Ok(a.or(b)),
        };
        let gradients = self.gradients.into_iter().zip(other.gradients).map(sum).collect::<Result<_>>()?;
        Ok(LossGradients { loss: add(self.loss, other.loss)?, gradients })
    }
}
