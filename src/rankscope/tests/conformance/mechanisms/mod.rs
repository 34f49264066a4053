//! Every mechanism on the registry, on every device, with and without a probe that watches.

mod formula;
mod properties;
mod theorems;

use rankscope::attention::{AttentionLayer, LayerSizes, MechanismKind};
use rankscope::prelude::*;

pub use crate::compare::far;
pub use crate::support::FROM_ZERO;
use crate::support::{B, C, T, random};

pub const SIZES: LayerSizes = LayerSizes { width: 12, heads: 6, kv_heads: 3, head_size: 4, context: 13 };
pub const BATCH: usize = 2;
pub const QUERIES: usize = 9;
pub const KEYS_OF_CROSS: usize = 7;

pub fn layer(kind: &MechanismKind) -> AttentionLayer {
    (kind.make)(SIZES, 5).unwrap_or_else(|error| panic!("{}: {error}", kind.name))
}

pub fn named(name: &str) -> AttentionLayer {
    layer(MechanismKind::of(name).unwrap())
}

pub fn hidden(length: usize, seed: u64) -> Tensor {
    random(&[(B, BATCH), (T, length), (C, SIZES.width)], seed)
}

/// The sequence that cross-attention attends to; `None` for self-attention.
pub fn source(layer: &AttentionLayer) -> Option<Tensor> {
    layer.is_cross.then(|| hidden(KEYS_OF_CROSS, 2))
}

pub fn forward(layer: &AttentionLayer, x: &Tensor, device: &Device, probe: &mut dyn Probe) -> Tensor {
    let y = source(layer).map(|y| y.to_device(device).unwrap());
    let (layer, x) = (layer.to_device(device).unwrap(), x.to_device(device).unwrap());
    layer.forward(&x, y.as_ref(), FROM_ZERO, None, probe, &Run::default()).unwrap()
}

/// The values of a pass on the CPU over [`hidden`] states.
pub fn out(layer: &AttentionLayer) -> Vec<f32> {
    forward(layer, &hidden(QUERIES, 1), &Device::Cpu, &mut Unobserved).to_vec().unwrap()
}

/// An intermediate of the same pass on a device.
pub fn traced(layer: &AttentionLayer, device: &Device, name: &str) -> Tensor {
    let mut trace = Trace::of([name]);
    forward(layer, &hidden(QUERIES, 1), device, &mut trace);
    trace.get(name).unwrap().clone()
}

/// What self-attention over some hidden states answers.
pub fn attend(layer: &AttentionLayer, length: usize) -> Result<Tensor> {
    layer.forward(&hidden(length, 1), None, FROM_ZERO, None, &mut Unobserved, &Run::default())
}
