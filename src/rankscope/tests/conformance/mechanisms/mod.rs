//! Every mechanism on the registry, on every device, with and without a probe that watches.

mod formula;
mod properties;
mod theorems;

use rankscope::attention::{AttentionLayer, LayerSizes, MechanismKind};
use rankscope::prelude::*;

pub use crate::compare::far;
use crate::support::random;

pub const SIZES: LayerSizes = LayerSizes { width: 12, heads: 6, kv_heads: 3, head_size: 4, context: 13 };
pub const BATCH: usize = 2;
pub const QUERIES: usize = 9;
pub const KEYS_OF_CROSS: usize = 7;
pub const FROM_ZERO: Positions = Positions { first_query: 0 };

pub fn layer(kind: &MechanismKind) -> AttentionLayer {
    (kind.make)(SIZES, 5).unwrap_or_else(|error| panic!("{}: {error}", kind.name))
}

pub fn hidden(length: usize, seed: u64) -> Tensor {
    random(&[(Axis::Batch, BATCH), (Axis::Query, length), (Axis::Width, SIZES.width)], seed)
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
