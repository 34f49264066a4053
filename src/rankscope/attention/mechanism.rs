//! [`Mechanism`]: one of the mechanisms, chosen at run time.

use super::{Attention, LinearAttention, NormalisedDotProduct, OnlineSoftmax, ScaledDotProduct, Visibility};
use crate::error::Result;
use crate::ops::FeatureMap;
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
    /// Softmax of normalised queries and keys.
    Normalised(NormalisedDotProduct),
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

impl From<NormalisedDotProduct> for Mechanism {
    fn from(mechanism: NormalisedDotProduct) -> Self {
        Mechanism::Normalised(mechanism)
    }
}

impl From<LinearAttention> for Mechanism {
    fn from(mechanism: LinearAttention) -> Self {
        Mechanism::Linear(mechanism)
    }
}

impl Mechanism {
    /// Whether every weight that the mask allows is positive in exact arithmetic, so that theorems about the
    /// mask's pattern hold for the weights; features may be 0.
    pub fn is_positive(&self) -> bool {
        !matches!(self, Mechanism::Linear(linear) if linear.map() == FeatureMap::Relu)
    }

    /// Whether the weights, before a mask takes any away, are φ(Q)·φ(K)ᵀ of D features with every row scaled: a
    /// matrix of rank D at most.
    pub fn is_product(&self) -> bool {
        matches!(self, Mechanism::Linear(_))
    }

    fn chosen(&self) -> &dyn Attention {
        match self {
            Mechanism::ScaledDotProduct(mechanism) => mechanism,
            Mechanism::OnlineSoftmax(mechanism) => mechanism,
            Mechanism::Normalised(mechanism) => mechanism,
            Mechanism::Linear(mechanism) => mechanism,
        }
    }
}

impl Attention for Mechanism {
    fn forward_with_bias(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        bias: Option<&Tensor>,
        visibility: Visibility<'_>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        self.chosen().forward_with_bias(q, k, v, bias, visibility, probe, run)
    }
}
