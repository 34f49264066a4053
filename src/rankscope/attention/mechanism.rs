//! [`Mechanism`]: one of the mechanisms, chosen at run time.

use super::{Attention, LinearAttention, OnlineSoftmax, ScaledDotProduct, Visibility};
use crate::error::Result;
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

/// How queries, keys and values meet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mechanism {
    /// Softmax, with weights to look at.
    ScaledDotProduct(ScaledDotProduct),
    /// The same without the n × n matrix.
    OnlineSoftmax(OnlineSoftmax),
    /// Features in place of the softmax.
    Linear(LinearAttention),
}

impl From<ScaledDotProduct> for Mechanism {
    fn from(mechanism: ScaledDotProduct) -> Self {
        Mechanism::ScaledDotProduct(mechanism)
    }
}

impl From<OnlineSoftmax> for Mechanism {
    fn from(mechanism: OnlineSoftmax) -> Self {
        Mechanism::OnlineSoftmax(mechanism)
    }
}

impl From<LinearAttention> for Mechanism {
    fn from(mechanism: LinearAttention) -> Self {
        Mechanism::Linear(mechanism)
    }
}

impl Attention for Mechanism {
    fn forward(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        visibility: Visibility<'_>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        let mechanism: &dyn Attention = match self {
            Mechanism::ScaledDotProduct(mechanism) => mechanism,
            Mechanism::OnlineSoftmax(mechanism) => mechanism,
            Mechanism::Linear(mechanism) => mechanism,
        };
        mechanism.forward(q, k, v, visibility, probe, run)
    }
}
