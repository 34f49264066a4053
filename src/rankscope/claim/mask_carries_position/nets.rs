//! The random networks without position embeddings, and where they are computed.

use ndarray::Array2;

use crate::claim::Settings;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::model::stack::{Architecture, DeviceStack, NormPlace, Stack};
use crate::rank::{self, EPSILON_F32};
use crate::run::Run;

/// What all networks of a run share.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// Tokens.
    pub n: usize,
    /// C.
    pub width: usize,
    /// H.
    pub heads: usize,
    /// Depths at which is measured, ascending.
    pub depths: Vec<usize>,
}

impl Sizes {
    /// The settings, checked against each other.
    pub fn read(settings: &Settings) -> Result<Self> {
        let (width, heads) = (settings.integer("width")?, settings.integer("heads")?);
        if !width.is_multiple_of(heads) {
            return Err(Error::invalid("heads", heads, format!("a divisor of width = {width}")));
        }
        let mut depths = settings.integers("depths")?;
        depths.sort_unstable();
        depths.dedup();
        Ok(Sizes { n: settings.integer("n")?, width, heads, depths })
    }

    /// Whether they are those of the reference, whatever the depths.
    pub fn are_the_references(&self) -> bool {
        (self.n, self.width, self.heads) == (32, 64, 4)
    }

    /// A pre-LN transformer as deep as the deepest of the depths; F = 4·C.
    fn architecture(&self) -> Architecture {
        let deepest = self.depths.last().copied().unwrap_or(1);
        Architecture::attention_only(deepest, self.heads, self.width / self.heads, self.width)
            .with_skip()
            .with_feed_forward(4 * self.width)
            .with_norm(NormPlace::Before)
    }

    /// The relative difference below which nothing can be told from 0 on `device`.
    pub fn rounding(&self, device: &Device) -> f64 {
        let epsilon = if *device == Device::Cpu { f64::EPSILON } else { EPSILON_F32 };
        // Each layer adds a few roundings of sums as long as the longest side.
        100.0 * self.n.max(self.width) as f64 * epsilon
    }
}

/// One draw of the network: f64 on the CPU, f32 kernels on a GPU.
pub enum Network {
    /// In f64.
    Exact(Stack, Vec<usize>),
    /// In f32.
    Device(DeviceStack, Vec<usize>),
}

/// Sequences that a device runs at a time.
const BATCH: usize = 32;

impl Network {
    /// Draws it.
    pub fn new(sizes: &Sizes, device: &Device, seed: u64) -> Result<Self> {
        let stack = Stack::new(sizes.architecture(), seed)?;
        let depths = sizes.depths.clone();
        Ok(match device {
            Device::Cpu => Network::Exact(stack, depths),
            device => Network::Device(stack.to_device(device)?, depths),
        })
    }

    /// The hidden states of every sequence at every depth: what a network of that depth puts out before a
    /// final norm.
    ///
    /// **Shapes**: inputs and states `[n, C]`.
    pub fn states(&self, inputs: &[Array2<f64>], mask: &Mask, run: &Run) -> Result<Vec<Vec<Array2<f64>>>> {
        let at = |depths: &[usize], states: Vec<Array2<f64>>| -> Vec<Array2<f64>> {
            depths.iter().map(|&depth| states[depth].clone()).collect()
        };
        match self {
            Network::Exact(stack, depths) => {
                rank::many(inputs, "sequences", run, |x| Ok(at(depths, stack.hidden_states(x, mask, run)?)))
            }
            Network::Device(stack, depths) => {
                let mut all = Vec::with_capacity(inputs.len());
                for batch in inputs.chunks(BATCH) {
                    let states = stack.hidden_states(batch, mask, run)?;
                    all.extend(states.into_iter().map(|states| at(depths, states)));
                    run.step("sequences", all.len(), inputs.len())?;
                }
                Ok(all)
            }
        }
    }
}
