//! The mask `heads(causal, anti-causal)` in a multi-head layer gives the weights of the two heads alone.

use ndarray::Array2;

use super::pair::heads;
use crate::attention::{Linear, MultiHead, ScaledDotProduct, Visibility};
use crate::axis::Axis;
use crate::claim::Evidence;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::{Mask, Positions};
use crate::numbers::short;
use crate::probe::Trace;
use crate::run::Run;
use crate::tensor::Tensor;
use crate::weight::{Dtype, Weight};

/// How far the two ways are apart, at scale 1.
pub(super) struct Agreement {
    n: usize,
    head_size: usize,
    /// The largest difference of two weights.
    difference: f64,
    /// What rounding in f32 may make of it.
    tolerance: f64,
}

pub(super) fn compare(n: usize, head_size: usize, seed: u64, device: &Device) -> Result<Agreement> {
    let draws = heads(n, head_size, seed);
    let together = through_the_layer(n, head_size, seed, device)?;
    let (mut difference, mut reach) = (0.0f64, 1.0f64);
    for ((draw, mask), layer) in draws.iter().zip([Mask::causal(), Mask::anti_causal()]).zip(&together) {
        let alone = draw.weights(1.0, &mask, device)?;
        difference = (&alone - layer).iter().fold(difference, |largest, x| largest.max(x.abs()));
        reach = draw.scores(1.0).iter().fold(reach, |reach, x| reach.max(x.abs()));
    }
    // An exponential of size e is off by e·ε.
    Ok(Agreement { n, head_size, difference, tolerance: 16.0 * reach * f64::from(f32::EPSILON) })
}

impl Agreement {
    pub fn report(&self, evidence: &mut Evidence) {
        let Agreement { n, head_size, difference, tolerance } = *self;
        evidence.measure("multi_head_difference", difference, "").expect(0.0, tolerance, "rounding in f32");
        let text = format!(
            "a multi-head layer under the mask {} makes the same weights as the two heads alone, up to {} (n = {n}, \
             D = {head_size}, in f32)",
            Mask::mixed_direction(),
            short(difference)
        );
        evidence.weigh(difference <= tolerance, text);
    }
}

/// The weights that a layer of two heads makes: its input is [Q₁ Q₂ K₁ K₂], its projections cut that up.
fn through_the_layer(n: usize, head_size: usize, seed: u64, device: &Device) -> Result<[Array2<f64>; 2]> {
    let [first, second] = heads(n, head_size, seed);
    let parts = [&first.q, &second.q, &first.k, &second.k];
    let x = (0..n).flat_map(|row| parts.map(|part| part.row(row).to_vec()).concat());
    let x = x.map(|value| value as f32).collect();
    let (heads, width) = ((Axis::HeadWidth, 2 * head_size), (Axis::Width, 4 * head_size));
    let x = Tensor::new([(Axis::Batch, 1), (Axis::Query, n), width], x)?.to_device(device)?;
    let cut = |rows, columns, from: usize| -> Result<Linear> {
        let (out, inner): ((Axis, usize), (Axis, usize)) = (rows, columns);
        let one = |i: usize| f32::from(u8::from(i % inner.1 == from + i / inner.1));
        let values: Vec<f32> = (0..out.1 * inner.1).map(one).collect();
        Ok(Linear { weight: Weight::new("selection", [out, inner], Dtype::F32, &values)?, bias: None })
    };
    let layer = MultiHead {
        heads: 2,
        kv_heads: 2,
        query: cut(heads, width, 0)?,
        key: cut(heads, width, 2 * head_size)?,
        value: cut(heads, width, 0)?,
        output: cut(width, heads, 0)?,
        mechanism: ScaledDotProduct::new(head_size).into(),
    };
    let mask = Mask::mixed_direction();
    let visibility = Visibility { mask: &mask, at: Positions::suffix(n, n)?, padding: None };
    let mut trace = Trace::of(["weights"]);
    layer.to_device(device)?.forward(&x, &x, None, visibility, &mut trace, &Run::default())?;
    let weights = trace.get("weights").map_or(Ok(Vec::new()), Tensor::to_vec)?; // [1, 2, n, n]
    let head = |index: usize| {
        let values = weights.iter().skip(index * n * n).take(n * n).map(|&value| f64::from(value)).collect();
        Array2::from_shape_vec((n, n), values).map_err(|_| {
            Error::invalid("weights of the layer", weights.len(), format!("2 x {n} x {n} of them"))
        })
    };
    Ok([head(0)?, head(1)?])
}
