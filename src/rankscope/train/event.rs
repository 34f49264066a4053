//! [`Event`]s: what a training run tells whoever watches it: a terminal, a cell, a window, a folder.

use std::path::PathBuf;

use super::evaluate::Metrics;
use super::record::{GradientRecord, HeadRecord, LayerWeights};

/// Something that happened in a run, in the order of its steps.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A step of the optimiser was made.
    Step(StepReport),
    /// The model was tried on held-out data.
    Evaluated {
        /// After how many steps.
        step: usize,
        /// What was found.
        metrics: Metrics,
    },
    /// The ranks of all heads on the fixed batch.
    Ranks {
        /// After how many steps.
        step: usize,
        /// Every head of self-attention, layer by layer.
        heads: Vec<HeadRecord>,
        /// The gradients of queries' and keys' matrices, layer by layer, in the last step; none before the first.
        gradients: Vec<GradientRecord>,
    },
    /// The weights of self-attention in the first sequence of the fixed batch, recorded as often as the ranks.
    Attention {
        /// After how many steps.
        step: usize,
        /// The tokens of the sequence; none of an encoder-decoder, whose stacks read two.
        tokens: Vec<String>,
        /// Every layer, from the first.
        layers: Vec<LayerWeights>,
    },
    /// What the model makes of a held-out example.
    Sample {
        /// After how many steps.
        step: usize,
        /// Input and output in words.
        text: String,
    },
    /// A checkpoint was written.
    Saved {
        /// After how many steps.
        step: usize,
        /// Where.
        folder: PathBuf,
    },
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Which, from 1.
    pub step: usize,
    /// The loss before it, in nats.
    pub loss: f32,
    /// The norm of all gradients together, before clipping.
    pub norm: f32,
    /// The learning rate.
    pub rate: f32,
    /// Tokens that the model read.
    pub tokens: usize,
    /// How long it took.
    pub seconds: f64,
}
