//! Stacks of seeded layers without embeddings or output: they show the effect of depth, one switch at a time.
//!
//! x ← x + attention(x), x ← x + W₂·GELU(W₁·x), with a switch for the skip, for the feed-forward network
//! and for the place of layer norm. [`Architecture`] describes a stack; [`Stack`] draws its weights. The same stack
//! runs in two arithmetics: in f64 on the CPU ([`Stack::hidden_states`]), because the residual of pure attention goes
//! far below what f32 can hold, and in f32 on either device, under any probe ([`DeviceStack::forward`]).
//!
//! ```
//! use rankscope::model::stack::{Architecture, Stack};
//! use rankscope::{Mask, Run, random::gaussian, rank::residual_ratio};
//! let stack = Stack::new(Architecture::attention_only(4, 2, 8, 16), 7)?;
//! let states = stack.hidden_states(&gaussian(12, 16, 7, 99), &Mask::bidirectional(), &Run::default())?;
//! let ratios: Vec<f64> = states.iter().map(|x| residual_ratio(x.view())).collect();
//! assert!(ratios[0] > 0.5 && ratios[4] < 1e-9); // four layers of pure attention: all rows are equal
//! # Ok::<(), rankscope::Error>(())
//! ```

mod architecture;
mod exact;
mod layer;
mod paths;
mod tensors;
#[cfg(test)]
mod tests;
mod weights;

pub use architecture::{Architecture, NormPlace};
pub use paths::Paths;
pub use tensors::DeviceStack;
pub use weights::{FeedForward, LayerWeights};

use crate::error::Result;

/// The ε that is added to the variance in every layer norm.
const EPSILON: f64 = 1e-5;

/// An architecture with seeded weights.
#[derive(Clone, Debug)]
pub struct Stack {
    architecture: Architecture,
    layers: Vec<LayerWeights>,
    sink: Option<f64>,
}

impl Stack {
    /// Draws the weights: all independent, normal, of mean 0 and variance 1 / (numbers that are summed).
    ///
    /// # Conventions
    /// A matrix depends only on the seed, its layer and its place in the layer: stacks that differ in a switch or in
    /// depth share the matrices that both have.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a size of 0.
    pub fn new(architecture: Architecture, seed: u64) -> Result<Self> {
        architecture.check()?;
        let layers = (0..architecture.layers).map(|layer| LayerWeights::draw(&architecture, seed, layer));
        Ok(Stack { architecture, layers: layers.collect(), sink: None })
    }

    /// The same weights with a learned sink b in every head, which adds e^b to the sum of every row of its softmax; or
    /// without one.
    pub fn with_sink(self, sink: Option<f64>) -> Self {
        Stack { sink, ..self }
    }

    /// Sizes and switches.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The weights, layer by layer.
    pub fn layers(&self) -> &[LayerWeights] {
        &self.layers
    }
}
