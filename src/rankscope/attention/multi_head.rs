//! Multi-head attention: projections around a mechanism.

use super::{Attention, Inputs, Mechanism, Visibility};
use crate::axis::Axis;
use crate::device::Device;
use crate::error::Result;
use crate::ops::{
    Pointwise, RotaryTable, add_bias, linear, merge_heads, multiply, pointwise, rotary, split_heads,
};
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// A linear layer: y = x·Wᵀ + b, the bias where there is one.
#[derive(Clone, Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Weight,
    /// `[out]`.
    pub bias: Option<Tensor>,
}

impl Linear {
    /// y = x·Wᵀ + b.
    ///
    /// **Shapes**: x `[…, in]`, result `[…, out]`.
    ///
    /// # Errors
    /// As [`linear`] and [`add_bias`].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = linear(x, &self.weight)?;
        match &self.bias {
            Some(bias) => add_bias(y, bias),
            None => Ok(y),
        }
    }

    /// The same layer on `device`.
    ///
    /// # Errors
    /// As [`Weight::to_device`].
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        let bias = self.bias.as_ref().map(|bias| bias.to_device(device)).transpose()?;
        Ok(Linear { weight: self.weight.to_device(device)?, bias })
    }
}

/// Multi-head attention with H query heads and G ≤ H key/value heads.
///
/// head h = attention(x·W_qʰ, y·W_kᵍ, y·W_vᵍ) with g = ⌊h / (H/G)⌋, and the result is all heads side by
/// side times W_o. G = H is the original form; G = 1 is multi-query attention; values between are grouped-query
/// attention. The head size D is free: H·D need not be C.
///
/// With a gate, the heads side by side are multiplied by σ(x·W_gᵀ), number by number, before W_o: the hidden state x of
/// each position decides how much of its context is passed on.
///
/// **Probe points**: `query` `[B, H, T, D]`, `key` and `value` `[B, G, S, D]` (query and key after
/// their rotation), those of the mechanism, where there is a gate `gate` `[B, T, HD]` (after the sigmoid), and
/// `output` `[B, T, C]`.
///
/// **Source**: Vaswani et al. 2017 (arXiv 1706.03762), section 3.2.2; grouped queries: Ainslie et al.
/// 2023 (arXiv 2305.13245); gate: Qiu et al. 2025 (arXiv 2505.06708), at position G1.
#[derive(Clone, Debug)]
pub struct MultiHead {
    /// H.
    pub heads: usize,
    /// G.
    pub kv_heads: usize,
    /// `[HD, C]`.
    pub query: Linear,
    /// `[GD, C]`.
    pub key: Linear,
    /// `[GD, C]`.
    pub value: Linear,
    /// `[C, HD]`.
    pub output: Linear,
    /// `[HD, C]`, where there is a gate.
    pub gate: Option<Linear>,
    /// How queries, keys and values are combined.
    pub mechanism: Mechanism,
}

impl MultiHead {
    /// D.
    pub fn head_size(&self) -> usize {
        self.query.weight.shape().sizes()[0] / self.heads.max(1)
    }

    /// Attention of the positions of x to the positions of y (x itself in self-attention).
    ///
    /// **Shapes**: x `[B, T, C]`, y `[B, S, C]` (its positions also called T), result `[B, T, C]`.
    /// With `rotation`, queries and keys are rotated by their positions first; x and y then share
    /// their positions.
    ///
    /// # Errors
    /// A shape, placement or mask error naming what does not fit; whatever the probe returns.
    pub fn forward(
        &self,
        x: &Tensor,
        y: &Tensor,
        rotation: Option<&RotaryTable>,
        visibility: Visibility<'_>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        let q = self.query(x, rotation, probe)?; // [B, H, T, D]
        let (k, v) = self.keys_and_values(y, rotation, probe)?; // [B, G, S, D]
        self.attend(x, Inputs { q: &q, k: &k, v: &v, bias: None, visibility }, probe, run) // [B, T, C]
    }

    /// The queries of the positions of x, rotated where there is a rotation.
    ///
    /// **Shapes**: x `[B, T, C]`, result `[B, H, T, D]`.
    ///
    /// # Errors
    /// A shape or placement error naming what does not fit; [`Error::Invalid`](crate::Error::Invalid) for a rotation
    /// with differential attention, which keeps the two halves of a head apart; whatever the probe returns.
    pub fn query(&self, x: &Tensor, rotation: Option<&RotaryTable>, probe: &mut dyn Probe) -> Result<Tensor> {
        let q = split_heads(&self.query.forward(x)?, self.heads)?; // [B, H, T, D]
        probe.visit("query", self.turned(q, rotation)?)
    }

    /// The keys and values of the positions of y, the keys rotated where there is a rotation. A KV cache keeps these
    /// two.
    ///
    /// **Shapes**: y `[B, S, C]` (its positions called T), results `[B, G, S, D]`.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub fn keys_and_values(
        &self,
        y: &Tensor,
        rotation: Option<&RotaryTable>,
        probe: &mut dyn Probe,
    ) -> Result<(Tensor, Tensor)> {
        let k = self.turned(split_heads(&self.key.forward(y)?, self.kv_heads)?, rotation)?; // [B, G, T, D]
        let k = probe.visit("key", k.rename(Axis::Query, Axis::Key)?)?; // [B, G, S, D]
        let v = split_heads(&self.value.forward(y)?, self.kv_heads)?; // [B, G, T, D]
        let v = probe.visit("value", v.rename(Axis::Query, Axis::Key)?)?; // [B, G, S, D]
        Ok((k, v))
    }

    /// Attention of queries to keys and values that are already computed, then the gate and the output projection.
    ///
    /// **Shapes**: x `[B, T, C]`, from which the queries were computed; result `[B, T, C]`.
    ///
    /// # Errors
    /// As [`Attention::attend`].
    pub fn attend(&self, x: &Tensor, inputs: Inputs<'_>, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        let context = self.mechanism.attend(inputs, probe, run)?; // [B, H, T, D]
        let mut heads = merge_heads(&context)?; // [B, T, HD]
        if let Some(gate) = &self.gate {
            let gate = probe.visit("gate", pointwise(gate.forward(x)?, Pointwise::Sigmoid)?)?; // [B, T, HD]
            heads = multiply(heads, gate)?;
        }
        probe.visit("output", self.output.forward(&heads)?) // [B, T, C]
    }

    /// The same layer on `device`.
    ///
    /// # Errors
    /// As [`Weight::to_device`].
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        Ok(MultiHead {
            query: self.query.to_device(device)?,
            key: self.key.to_device(device)?,
            value: self.value.to_device(device)?,
            output: self.output.to_device(device)?,
            gate: self.gate.as_ref().map(|gate| gate.to_device(device)).transpose()?,
            mechanism: self.mechanism.to_device(device)?,
            ..*self
        })
    }

    /// x rotated by its positions, if there is a rotation.
    fn turned(&self, x: Tensor, rotation: Option<&RotaryTable>) -> Result<Tensor> {
        match rotation {
            Some(table) => {
                self.mechanism.expect_rotation()?;
                rotary(x, table)
            }
            None => Ok(x),
        }
    }
}
