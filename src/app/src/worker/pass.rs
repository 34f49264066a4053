//! One forward pass, or the weights of a file, as the window shows it: weights on the screen's device and on the CPU, and reports.

use std::sync::Arc;

use rankscope::model::Tokens;
use rankscope::rank::RankReport;
use rankscope::{Mask, Tensor};

use crate::heatmap::Buffers;
use crate::layout::Head;

/// Attention of all layers. Clones share everything.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The mask of each layer.
    pub masks: Arc<[Mask]>,
    /// The text, as the model saw it: the keys.
    pub tokens: Arc<Tokens>,
    /// The queries; of a model the same.
    pub queries: Arc<Tokens>,
    /// What the shader reads.
    pub buffers: Arc<Buffers>,
    /// Each layer's weights on the CPU, `[H, T, S]`; `None` until they have been read back.
    pub weights: Vec<Option<Tensor>>,
    /// `decoder.3.self_attention.weights`, one for each layer.
    pub names: Arc<[String]>,
    /// One for each head, layer by layer; `None` until it is computed.
    pub reports: Vec<Option<Arc<RankReport>>>,
}

impl Pass {
    /// L.
    pub fn layers(&self) -> usize {
        self.names.len()
    }

    /// H.
    pub fn heads(&self) -> usize {
        self.buffers.heads
    }

    /// The mask of a layer.
    pub fn mask(&self, layer: usize) -> &Mask {
        &self.masks[layer.min(self.masks.len() - 1)]
    }

    /// Whether a query may attend to a key; queries are the last of the keys.
    pub fn may_attend(&self, at: Head, query: usize, key: usize) -> bool {
        let first = self.buffers.keys.saturating_sub(self.buffers.queries);
        self.mask(at.layer).for_head(at.head, self.heads()).may_attend(first + query, key)
    }

    /// The report of one head, once it is there.
    pub fn report(&self, at: Head) -> Option<&RankReport> {
        self.reports.get(at.layer * self.heads() + at.head)?.as_deref()
    }

    /// The matrix of one head, row by row, once it is on the CPU.
    pub fn matrix(&self, at: Head) -> Option<&[f32]> {
        let size = self.buffers.queries * self.buffers.keys;
        self.weights.get(at.layer)?.as_ref()?.as_slice()?.get(at.head * size..(at.head + 1) * size)
    }

    /// One weight, once it is on the CPU.
    pub fn weight(&self, at: Head, query: usize, key: usize) -> Option<f32> {
        self.matrix(at)?.get(query * self.buffers.keys + key).copied()
    }
}
