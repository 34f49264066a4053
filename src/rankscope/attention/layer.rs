//! [`AttentionLayer`]: projections, positions and a mask around a mechanism, as the registry makes them.

use super::{Inputs, Linear, Mechanism, MultiHead, PositionScheme, Visibility};
use crate::axis::Axis;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::{Mask, Padding, Positions};
use crate::probe::Probe;
use crate::random::gaussian;
use crate::run::Run;
use crate::tensor::Tensor;
use crate::weight::{Dtype, Weight};

/// The sizes of an attention layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LayerSizes {
    /// C.
    pub width: usize,
    /// H.
    pub heads: usize,
    /// G.
    pub kv_heads: usize,
    /// D.
    pub head_size: usize,
    /// The longest sequence, for positions that are learned.
    pub context: usize,
}

/// One layer of attention: a mechanism on the registry with everything that it needs to run.
#[derive(Clone, Debug)]
pub struct AttentionLayer {
    /// The mechanism with its projections.
    pub attention: MultiHead,
    /// How the layer knows the positions of tokens.
    pub positions: PositionScheme,
    /// The mask that the mechanism is usually used under.
    pub mask: Mask,
    /// Whether keys and values come from another sequence than the queries.
    pub is_cross: bool,
}

impl LayerSizes {
    /// An error unless every size is at least 1 and G divides H.
    fn check(&self) -> Result<()> {
        let LayerSizes { width, heads, kv_heads, head_size, context } = *self;
        let sizes = [("width", width), ("heads", heads), ("kv_heads", kv_heads), ("head_size", head_size)];
        if let Some((what, _)) = sizes.iter().chain(&[("context", context)]).find(|(_, size)| *size == 0) {
            return Err(Error::invalid(what, 0, "at least 1"));
        }
        if !heads.is_multiple_of(kv_heads) {
            return Err(Error::invalid("kv_heads", kv_heads, format!("a divisor of heads = {heads}")));
        }
        Ok(())
    }

    /// Projections with seeded weights, N(0, 1/fan-in), around `mechanism`, on the CPU.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming a size of 0 or a G that does not divide H.
    pub fn seeded(&self, mechanism: impl Into<Mechanism>, seed: u64) -> Result<MultiHead> {
        self.check()?;
        let width = (Axis::Width, self.width);
        let all = (Axis::HeadWidth, self.heads * self.head_size);
        let shared = (Axis::KvWidth, self.kv_heads * self.head_size);
        let linear = |name: &str, stream: u64, out: (Axis, usize), inner: (Axis, usize)| -> Result<Linear> {
            let weight = draw(name, seed, stream, [out, inner], 1.0 / (inner.1 as f64).sqrt())?;
            Ok(Linear { weight, bias: None })
        };
        Ok(MultiHead {
            heads: self.heads,
            kv_heads: self.kv_heads,
            query: linear("query", 0, all, width)?,
            key: linear("key", 1, shared, width)?,
            value: linear("value", 2, shared, width)?,
            output: linear("output", 3, width, all)?,
            gate: None,
            mechanism: mechanism.into(),
        })
    }
}

/// A seeded matrix on the CPU, N(0, spread²).
pub(super) fn draw(
    name: &str,
    seed: u64,
    stream: u64,
    axes: [(Axis, usize); 2],
    spread: f64,
) -> Result<Weight> {
    let values = gaussian(axes[0].1, axes[1].1, seed, stream);
    let values: Vec<f32> = values.iter().map(|value| (spread * value) as f32).collect();
    Weight::new(name, axes, Dtype::F32, &values)
}

impl AttentionLayer {
    /// Attention of the positions of x to the positions of y, or of x itself where there is no y.
    ///
    /// **Shapes**: x `[B, T, C]`, its first token at position `at.first_query`; y `[B, S, C]` (its positions
    /// called T), from position 0 on; padding `[B, S]`; result `[B, T, C]`.
    ///
    /// **Probe points**: `position_bias` `[H, T, S]` where there is one, and those of [`MultiHead`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for cross-attention without y; a shape, placement or mask error naming what does not
    /// fit; whatever the probe returns.
    pub fn forward(
        &self,
        x: &Tensor,
        y: Option<&Tensor>,
        at: Positions,
        padding: Option<&Padding>,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Tensor> {
        if self.is_cross && y.is_none() {
            return Err(Error::invalid("sequence to attend to", "missing", "one: this is cross-attention"));
        }
        let (source, device) = (y.unwrap_or(x), x.device());
        let [queries, keys] = [length(x)?, length(source)?];
        let attention = &self.attention;
        let x = self.positions.embed(x, at.first_query)?;
        let source = self.positions.embed(source, 0)?;
        let rotation = |first, count| self.positions.rotation(first, count, attention.head_size(), &device);
        let q = attention.query(&x, rotation(at.first_query, queries)?.as_ref(), probe)?; // [B, H, T, D]
        let (k, v) = attention.keys_and_values(&source, rotation(0, keys)?.as_ref(), probe)?; // [B, G, S, D]
        let bias = self.positions.bias(attention.heads, queries, keys, at, &device)?; // [H, T, S]
        let bias = bias.map(|bias| probe.visit("position_bias", bias)).transpose()?;
        let visibility = Visibility { mask: &self.mask, at, padding };
        attention.attend(&x, Inputs { q: &q, k: &k, v: &v, bias: bias.as_ref(), visibility }, probe, run)
    }

    /// The same layer on `device`.
    ///
    /// # Errors
    /// As [`Weight::to_device`].
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        let positions = match &self.positions {
            PositionScheme::Learned(table) => PositionScheme::Learned(table.to_device(device)?),
            others => others.clone(),
        };
        Ok(AttentionLayer { attention: self.attention.to_device(device)?, positions, ..self.clone() })
    }
}

/// The length T of hidden states `[B, T, C]`.
fn length(x: &Tensor) -> Result<usize> {
    let [_, length, _] = x.shape().expect("attention", "x", [Axis::Batch, Axis::Query, Axis::Width])?;
    Ok(length)
}
