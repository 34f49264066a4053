//! Multi-head attention whose head size is independent of its width.

use super::{LayerSizes, Linear, Mechanism, MultiHead, ScaledDotProduct};
use crate::axis::Axis;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::weight::{Dtype, Weight};

/// The sizes of a layer of multi-head attention: H heads of a fixed size D on a width C.
///
/// head h = softmax(X·V_qʰ·(X·V_kʰ)ᵀ/√D)·X·V_vʰ, all heads side by side times V_o. The usual rule,
/// D = C/H, makes heads small where there are many; here D is chosen, and the heads together are H·D wide.
///
/// **Shapes**: V_q, V_k, V_v `[H·D, C]`, V_o `[C, H·D]`, without biases: 4·C·H·D parameters, which is the usual 4·C²
/// for D = C/H.
///
/// **Source**: Bhojanapalli et al. 2020 (arXiv 2002.07028), where the layer has this name. Here tokens are rows; in the
/// paper they are columns.
///
/// ```
/// use rankscope::attention::FixedMultiHead;
/// let usual = FixedMultiHead::standard(8, 4)?; // four heads of size 2
/// let fixed = FixedMultiHead::new(8, 4, 5)?;
/// assert_eq!([usual.parameter_count(), fixed.parameter_count()], [4 * 8 * 8, 4 * 8 * 4 * 5]);
/// assert_eq!(fixed.seeded(0)?.parameter_count(), 640);
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FixedMultiHead {
    width: usize,
    heads: usize,
    head_size: usize,
}

impl FixedMultiHead {
    /// `heads` heads of `head_size` on `width`.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming a size of 0, or a layer of more than 2³⁰ parameters.
    pub fn new(width: usize, heads: usize, head_size: usize) -> Result<Self> {
        const MOST: usize = 1 << 30;
        for (name, size) in [("width", width), ("heads", heads), ("head size", head_size)] {
            if !(1..=MOST).contains(&size) {
                let expected = "1 or more, with at most 2^30 parameters in the layer";
                return Err(Error::invalid(name, size, expected));
            }
        }
        let inner = heads.checked_mul(head_size).and_then(|inner| inner.checked_mul(width)?.checked_mul(4));
        match inner.filter(|&count| count <= MOST) {
            Some(_) => Ok(FixedMultiHead { width, heads, head_size }),
            None => {
                let got = format!("{heads} heads of {head_size} on a width of {width}");
                Err(Error::invalid("layer", got, "at most 2^30 parameters"))
            }
        }
    }

    /// The usual rule: D = C/H.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`Error::Invalid`] where the heads do not divide the width.
    pub fn standard(width: usize, heads: usize) -> Result<Self> {
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(Error::invalid("heads", heads, format!("a divisor of the width {width}")));
        }
        FixedMultiHead::new(width, heads, width / heads)
    }

    /// C.
    pub fn width(self) -> usize {
        self.width
    }

    /// H.
    pub fn heads(self) -> usize {
        self.heads
    }

    /// D.
    pub fn head_size(self) -> usize {
        self.head_size
    }

    /// 4·C·H·D.
    pub fn parameter_count(self) -> usize {
        4 * self.width * self.heads * self.head_size
    }

    /// A layer with seeded weights, N(0, 1/fan-in), on the CPU.
    ///
    /// # Errors
    /// As [`Weight::new`].
    pub fn seeded(self, seed: u64) -> Result<MultiHead> {
        let FixedMultiHead { width, heads, head_size } = self;
        let sizes = LayerSizes { width, heads, kv_heads: heads, head_size, context: 1 };
        sizes.seeded(ScaledDotProduct::new(head_size), seed)
    }

    /// A layer of these sizes that computes the same as `layer`: its heads are padded with zeros.
    ///
    /// Queries are multiplied by √(D/D′), which compensates for the factor 1/√D. So larger heads can compute everything
    /// that smaller ones can.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless `layer` has the same width, as many heads (with keys of their own), heads
    /// no larger, no biases, gate or sinks, the usual factor, and its weights on the CPU.
    pub fn containing(self, layer: &MultiHead) -> Result<MultiHead> {
        let [q, k, v, o] = [&layer.query, &layer.key, &layer.value, &layer.output];
        let sizes = sizes(&q.weight)?;
        let small = sizes.0 / layer.heads.max(1);
        let fits = (layer.heads, layer.kv_heads, sizes.1) == (self.heads, self.heads, self.width);
        if !fits || !(1..=self.head_size).contains(&small) {
            let got = format!("{} heads of {small} on a width of {}", layer.heads, sizes.1);
            let expected = format!("{} heads of at most {} on {}", self.heads, self.head_size, self.width);
            return Err(Error::invalid("layer", got, expected));
        }
        let has_more = layer.gate.is_some() || [q, k, v, o].iter().any(|linear| linear.bias.is_some());
        let is_usual =
            matches!(&layer.mechanism, Mechanism::ScaledDotProduct(softmax) if softmax.is_usual(small));
        if has_more || !is_usual {
            let got = "with biases, a gate, sinks or a factor of its own";
            return Err(Error::invalid("layer", got, "none of them"));
        }
        let scale = (self.head_size as f32 / small as f32).sqrt();
        let sizes = [small, self.head_size];
        // `[H·small, C]` becomes `[H·D, C]`, and `[C, H·small]` becomes `[C, H·D]`.
        let rows = |linear: &Linear, factor: f32| fill(linear, sizes.map(|size| size * self.width), factor);
        self.with_weights([rows(q, scale)?, rows(k, 1.0)?, rows(v, 1.0)?, fill(o, sizes, 1.0)?])
    }

    fn with_weights(self, [query, key, value, output]: [Vec<f32>; 4]) -> Result<MultiHead> {
        let inner = self.heads * self.head_size;
        let linear = |name: &str, axes: [(Axis, usize); 2], values: Vec<f32>| -> Result<Linear> {
            Ok(Linear { weight: Weight::new(name, axes, Dtype::F32, &values)?, bias: None })
        };
        let width = (Axis::Width, self.width);
        Ok(MultiHead {
            heads: self.heads,
            kv_heads: self.heads,
            query: linear("query", [(Axis::HeadWidth, inner), width], query)?,
            key: linear("key", [(Axis::KvWidth, inner), width], key)?,
            value: linear("value", [(Axis::KvWidth, inner), width], value)?,
            output: linear("output", [width, (Axis::HeadWidth, inner)], output)?,
            gate: None,
            mechanism: ScaledDotProduct::new(self.head_size).into(),
        })
    }
}

impl MultiHead {
    /// The number of values in its tensors, including biases and the mechanism's tensors.
    pub fn parameter_count(&self) -> usize {
        let linears = [&self.query, &self.key, &self.value, &self.output].into_iter().chain(&self.gate);
        let count = |linear: &Linear| {
            linear.weight.shape().len() + linear.bias.as_ref().map_or(0, |bias| bias.shape().len())
        };
        self.mechanism.parameter_count() + linears.map(count).sum::<usize>()
    }
}

fn sizes(weight: &Weight) -> Result<(usize, usize)> {
    match weight.shape().sizes()[..] {
        [rows, cols] => Ok((rows, cols)),
        _ => Err(Error::invalid("weight", weight.shape(), "a matrix")),
    }
}

/// Every `small` values of the weight times the factor, and zeros after them up to `large` values.
fn fill(linear: &Linear, [small, large]: [usize; 2], factor: f32) -> Result<Vec<f32>> {
    let values = on_cpu(&linear.weight)?;
    let mut filled = Vec::with_capacity(values.len() / small * large);
    for head in values.chunks_exact(small) {
        filled.extend(head.iter().map(|value| value * factor));
        filled.resize(filled.len() + large - small, 0.0);
    }
    Ok(filled)
}

fn on_cpu(weight: &Weight) -> Result<Vec<f32>> {
    let (expected, got) = (Device::Cpu.to_string(), weight.device().to_string());
    weight.to_f32().ok_or(Error::Placement { op: "containing", argument: "layer", expected, got })
}
