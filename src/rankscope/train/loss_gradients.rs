//! [`LossGradients`]: the loss of a training step, with its gradients.

use super::Parameters;
use crate::device::Device;
use crate::error::{Error, Result};
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
    /// The loss that `loss` computes with the model of `parameters`, and its gradients.
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

    /// The sum of the losses of `parts`, and its gradients: `loss` computes the [share](super::Batch::loss_among) of
    /// each part, and is given the part's number. On the CPU, parts are computed in parallel, each on one thread,
    /// because small products do not occupy several threads.
    ///
    /// **Conventions**: each half of the parts is summed, then the two sums are added; so the result does not depend on
    /// the number of threads.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there are no parts; as [`of`](Self::of).
    pub fn of_parts<P: Sync>(
        parameters: &Parameters,
        parts: &[P],
        loss: impl Fn(&dyn Model, usize, &P) -> Result<Tensor> + Sync,
    ) -> Result<Self> {
        Self::of_some(parameters, parts, 0, &loss)
    }

    /// The sum over `parts`, the first of which has the number `first`.
    fn of_some<P: Sync, L>(parameters: &Parameters, parts: &[P], first: usize, loss: &L) -> Result<Self>
    where
        L: Fn(&dyn Model, usize, &P) -> Result<Tensor> + Sync,
    {
        match parts {
            [] => Err(Error::invalid("number of parts of a batch", 0, "at least 1")),
            [part] => Self::of(parameters, |model| loss(model, first, part)),
            _ => {
                let (left, right) = parts.split_at(parts.len() / 2);
                let middle = first + left.len();
                let left = || Self::of_some(parameters, left, first, loss);
                let right = || Self::of_some(parameters, right, middle, loss);
                let (left, right) = match parameters.device() {
                    Device::Cpu => rayon::join(left, right),
                    Device::Gpu(_) => (left(), right()),
                };
                left?.plus(right?)
            }
        }
    }

    /// The sum of two losses, and its gradients.
    fn plus(self, other: Self) -> Result<Self> {
        let sum = |(a, b): (Option<Tensor>, Option<Tensor>)| match (a, b) {
            (Some(a), Some(b)) => add(a, b).map(Some),
            (a, b) => Ok(a.or(b)),
        };
        let gradients = self.gradients.into_iter().zip(other.gradients).map(sum).collect::<Result<_>>()?;
        Ok(LossGradients { loss: add(self.loss, other.loss)?, gradients })
    }
}
