//! Scaled dot-product attention that never computes the whole n × n matrix.

use super::{Attention, Inputs, Visibility, expect_no_bias, usual_factor};
use crate::device::Device;
use crate::error::Result;
use crate::ops::online_attention;
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

/// The same function as [`ScaledDotProduct`](super::ScaledDotProduct), computed tile by tile with an
/// online softmax: memory linear in T and S, and no weights that a probe could read.
///
/// **Probe points**: `context` `[B, H, T, D]` only. For scores and weights use
/// [`ScaledDotProduct`](super::ScaledDotProduct).
///
/// **Source**: see [`online_attention`].
#[derive(Clone, Debug)]
pub struct OnlineSoftmax {
    factor: f32,
    sinks: Option<Tensor>,
}

impl OnlineSoftmax {
    /// Attention with the usual factor, 1/√D.
    pub fn new(head_size: usize) -> Self {
        OnlineSoftmax { factor: usual_factor(head_size), sinks: None }
    }

    /// With a learned sink b for each head, `[H]`.
    pub fn with_sinks(self, sinks: Tensor) -> Self {
        OnlineSoftmax { sinks: Some(sinks), ..self }
    }

    /// The sinks, `[H]`, where there are any.
    pub fn sinks(&self) -> Option<&Tensor> {
        self.sinks.as_ref()
    }

    /// The same mechanism on `device`.
    pub(super) fn to_device(&self, device: &Device) -> Result<Self> {
        let sinks = self.sinks.as_ref().map(|sinks| sinks.to_device(device)).transpose()?;
        Ok(OnlineSoftmax { sinks, ..*self })
    }
}

impl Attention for OnlineSoftmax {
    fn attend(&self, inputs: Inputs<'_>, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        let Inputs { q, k, v, bias, visibility } = inputs;
        expect_no_bias(bias)?;
        let Visibility { mask, at, padding } = visibility;
        let sinks = self.sinks.as_ref();
        probe.visit("context", online_attention(q, k, v, self.factor, sinks, mask, at, padding, run)?)
    }
}
