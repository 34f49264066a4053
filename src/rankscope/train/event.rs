//! [`Event`]s: the reports of a training run to its observer: a terminal, a cell, a window, or a folder.

use std::path::PathBuf;

use super::evaluate::Metrics;
use super::record::{GradientRecord, HeadRecord, LayerWeights};

/// Something that happened in a run, in the order of its steps.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A step of the optimiser was made.
    Step(StepReport),
    /// The model was evaluated on held-out data.
    Evaluated {
        /// The number of steps before it.
        step: usize,
        /// The metrics.
        metrics: Metrics,
    },
    /// The ranks of all heads on the fixed batch.
    Ranks {
        /// The number of steps before it.
        step: usize,
        /// Every head of self-attention, layer by layer.
        heads: Vec<HeadRecord>,
        /// The gradients of queries' and keys' matrices, layer by layer, in the last step; empty before the first step.
        gradients: Vec<GradientRecord>,
    },
    /// The weights of self-attention in the first sequence of the fixed batch, recorded as often as the ranks.
    Attention {
        /// The number of steps before it.
        step: usize,
        /// The tokens of the sequence; empty for an encoder-decoder, whose stacks read two sequences.
        tokens: Vec<String>,
        /// Every layer, from the first.
        layers: Vec<LayerWeights>,
    },
    /// The model's output for a held-out example.
    Sample {
        /// The number of steps before it.
        step: usize,
        /// Input and output in words.
        text: String,
    },
    /// A checkpoint was written.
    Saved {
        /// The number of steps before it.
        step: usize,
        /// The folder of the checkpoint.
        folder: PathBuf,
    },
}

/// The report of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// The number of the step, from 1.
    pub step: usize,
    /// The loss before the step, in nats.
    pub loss: f32,
    /// The norm of all gradients together, before clipping.
    pub norm: f32,
    /// The learning rate.
    pub rate: f32,
    /// Tokens that the model read.
    pub tokens: usize,
    /// The time of the step, in seconds.
    pub seconds: f64,
}
