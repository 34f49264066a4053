//! [`Mechanism`]: one of the mechanisms, chosen at run time.

use super::{
    Attention, Differential, Inputs, LinearAttention, NormalisedDotProduct, OnlineSoftmax, ScaledDotProduct,
    SigmoidAttention, StateSpace,
};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::ops::FeatureMap;
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

/// How queries, keys and values are combined.
#[derive(Clone, Debug)]
pub enum Mechanism {
    /// Softmax, with weights that a probe can read.
    ScaledDotProduct(ScaledDotProduct),
    /// The same without the n × n matrix.
    OnlineSoftmax(OnlineSoftmax),
    /// Softmax of normalised queries and keys.
    Normalised(NormalisedDotProduct),
    /// Linear attention: a feature map in place of the softmax.
    Linear(LinearAttention),
    /// The sigmoid of every score in place of the softmax.
    Sigmoid(SigmoidAttention),
    /// The difference of two softmaxes.
    Differential(Differential),
    /// Scores that decay with every token between query and key.
    StateSpace(StateSpace),
}

/// Turns each of the types into the variant that holds it.
macro_rules! from_each {
    ($($variant:ident: $mechanism:ty),+) => {$(
        impl From<$mechanism> for Mechanism {
            fn from(mechanism: $mechanism) -> Self {
                Mechanism::$variant(mechanism)
            }
        }
    )+};
}

from_each! {
    ScaledDotProduct: ScaledDotProduct,
    OnlineSoftmax: OnlineSoftmax,
    Normalised: NormalisedDotProduct,
    Linear: LinearAttention,
    Sigmoid: SigmoidAttention,
    Differential: Differential,
    StateSpace: StateSpace
}

impl Mechanism {
    /// Whether every weight that the mask allows is positive in exact arithmetic, so that theorems about the
    /// mask's pattern hold for the weights. The weights may be 0 where the feature map gives 0, and negative in
    /// differential and state-space attention.
    pub fn is_positive(&self) -> bool {
        match self {
            Mechanism::Linear(linear) => linear.map() != FeatureMap::Relu,
            Mechanism::Differential(_) | Mechanism::StateSpace(_) => false,
            _ => true,
        }
    }

    /// Whether the weights, before the mask, are φ(Q)·φ(K)ᵀ of D features with every row scaled: a matrix of rank D at
    /// most. Where scores decay with the distance, only the blocks of later queries and earlier keys have rank D at
    /// most.
    pub fn is_product(&self) -> bool {
        matches!(self, Mechanism::Linear(_))
    }

    /// The number of its learned parameters: a sink or a λ for each query head, or w and β for the decays of each
    /// key/value head.
    pub fn parameter_count(&self) -> usize {
        let learned = match self {
            Mechanism::ScaledDotProduct(mechanism) => mechanism.sinks(),
            Mechanism::OnlineSoftmax(mechanism) => mechanism.sinks(),
            Mechanism::Differential(mechanism) => Some(mechanism.lambdas()),
            Mechanism::StateSpace(mechanism) => {
                return mechanism.weight().shape().len() + mechanism.bias().shape().len();
            }
            Mechanism::Normalised(_) | Mechanism::Linear(_) | Mechanism::Sigmoid(_) => None,
        };
        learned.map_or(0, |tensor| tensor.shape().len())
    }

    /// An error if queries and keys may not be rotated by their positions.
    pub(super) fn expect_rotation(&self) -> Result<()> {
        match self {
            Mechanism::Differential(_) => {
                let expected = "none: differential attention keeps the two halves of a head apart, and a rotation \
                                pairs numbers across them";
                Err(Error::invalid("rotation by position", "given", expected))
            }
            _ => Ok(()),
        }
    }

    /// The same mechanism with its tensors on `device`.
    ///
    /// # Errors
    /// As [`Tensor::to_device`].
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        Ok(match self {
            Mechanism::ScaledDotProduct(mechanism) => mechanism.to_device(device)?.into(),
            Mechanism::OnlineSoftmax(mechanism) => mechanism.to_device(device)?.into(),
            Mechanism::Differential(mechanism) => mechanism.to_device(device)?.into(),
            Mechanism::StateSpace(mechanism) => mechanism.to_device(device)?.into(),
            Mechanism::Normalised(_) | Mechanism::Linear(_) | Mechanism::Sigmoid(_) => self.clone(),
        })
    }

    fn chosen(&self) -> &dyn Attention {
        match self {
            Mechanism::ScaledDotProduct(mechanism) => mechanism,
            Mechanism::OnlineSoftmax(mechanism) => mechanism,
            Mechanism::Normalised(mechanism) => mechanism,
            Mechanism::Linear(mechanism) => mechanism,
            Mechanism::Sigmoid(mechanism) => mechanism,
            Mechanism::Differential(mechanism) => mechanism,
            Mechanism::StateSpace(mechanism) => mechanism,
        }
    }
}

impl Attention for Mechanism {
    fn attend(&self, inputs: Inputs<'_>, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        self.chosen().attend(inputs, probe, run)
    }
}
