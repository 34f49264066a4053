//! [`FeedForward`]: the part of a block after attention: one network, or a mixture of several.

use super::Config;
use super::mixture::Mixture;
use crate::attention::Linear;
use crate::error::Result;
use crate::ops::{GeluForm, Pointwise, gelu, multiply, pointwise, silu, tanh};
use crate::probe::Probe;
use crate::tensor::Tensor;

/// The part of a block after attention.
pub(super) enum FeedForward {
    /// One network, which every token visits.
    Network(Box<Network>),
    /// Several networks, of which each token visits a few.
    Mixture(Mixture),
}

impl From<Network> for FeedForward {
    fn from(network: Network) -> Self {
        FeedForward::Network(Box::new(network))
    }
}

impl FeedForward {
    /// The update of the residual stream.
    ///
    /// **Shapes**: x and the result `[B, T, C]`.
    pub(super) fn forward(&self, x: &Tensor, probe: &mut dyn Probe) -> Result<Tensor> {
        match self {
            FeedForward::Network(network) => network.forward(x, probe),
            FeedForward::Mixture(mixture) => mixture.forward(x, probe),
        }
    }
}

/// W₂·f(W₁·x), or with a gate W₂(f(W₁·x) · W₃·x); with biases where the linear layers have them.
pub(super) struct Network {
    /// W₁ of a gated network, `[F, C]`.
    pub(super) gate: Option<Linear>,
    /// W₁, or W₃ where there is a gate, `[F, C]`.
    pub(super) up: Linear,
    /// W₂, `[C, F]`.
    pub(super) down: Linear,
    pub(super) activation: Activation,
}

/// f, the function between two linear layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    Relu,
    Gelu(GeluForm),
    Silu,
    Tanh,
}

impl Activation {
    /// The function that `transformers` calls `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "relu" => Activation::Relu,
            "gelu" | "gelu_python" => Activation::Gelu(GeluForm::Exact),
            // Three ways to compute the same approximation.
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_accurate" => {
                Activation::Gelu(GeluForm::Tanh)
            }
            "silu" | "swish" => Activation::Silu,
            "tanh" => Activation::Tanh,
            _ => return None,
        })
    }

    /// The function that a configuration's `field` names.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) naming the field.
    pub(super) fn read(config: &Config, field: &str) -> Result<Self> {
        let name: String = config.get(field)?;
        let expected = "one of \"gelu\", \"gelu_new\", \"gelu_fast\", \"relu\", \"silu\" and \"tanh\"";
        Activation::named(&name).ok_or_else(|| config.wrong(field, &format!("{name:?}"), expected))
    }

    /// f(x), element by element.
    pub(super) fn of(self, x: impl Into<Tensor>) -> Result<Tensor> {
        match self {
            Activation::Relu => pointwise(x, Pointwise::Relu),
            Activation::Gelu(form) => gelu(x, form),
            Activation::Silu => silu(x),
            Activation::Tanh => tanh(x),
        }
    }
}

impl Network {
    /// f(W₁·x), times W₃·x where there is a gate, `[…, F]`.
    pub(super) fn hidden(&self, x: &Tensor) -> Result<Tensor> {
        match &self.gate {
            Some(gate) => multiply(self.activation.of(gate.forward(x)?)?, self.up.forward(x)?),
            None => self.activation.of(self.up.forward(x)?),
        }
    }

    fn forward(&self, x: &Tensor, probe: &mut dyn Probe) -> Result<Tensor> {
        let hidden = probe.visit("feed_forward.hidden", self.hidden(x)?)?; // [B, T, F]
        probe.visit("feed_forward.output", self.down.forward(&hidden)?) // [B, T, C]
    }
}
