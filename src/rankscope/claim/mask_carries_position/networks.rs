//! The networks that are drawn, and their hidden states.

use super::super::depth_collapse::pre_ln;
use super::*;
use crate::model::stack::{Architecture, DeviceStack, Stack};
use crate::rank::EPSILON_F32;

/// The settings that all networks of a run share.
pub(super) struct Networks {
    pub(super) n: usize,
    /// C.
    pub(super) width: usize,
    /// The numbers of layers after which states are measured, ascending.
    pub(super) depths: Vec<usize>,
    architecture: Architecture,
    pub(super) device: Device,
}

impl Networks {
    /// Pre-LN transformers without position embeddings, as deep as the deepest of the depths; F = 4·C.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let ((width, heads), depths) = (settings.width_and_heads()?, settings.ascending("depths")?);
        let deepest = depths.last().copied().unwrap_or(1);
        let architecture = pre_ln(Architecture::attention_only(deepest, heads, width / heads, width));
        let (n, device) = (settings.integer("n")?, settings.device().clone());
        Ok(Networks { n, width, depths, architecture, device })
    }

    /// The relative difference below which a value cannot be told from 0: each layer adds a few roundings of sums as
    /// long as the longest side.
    pub(super) fn rounding(&self) -> f64 {
        let epsilon = if self.device == Device::Cpu { f64::EPSILON } else { EPSILON_F32 };
        100.0 * self.n.max(self.width) as f64 * epsilon
    }

    /// One draw of the network: f64 on the CPU, f32 kernels on a GPU.
    fn draw(&self, seed: u64) -> Result<Network<'_>> {
        let stack = Stack::new(self.architecture, seed)?;
        let on_device = (self.device != Device::Cpu).then(|| stack.to_device(&self.device)).transpose()?;
        Ok(Network { stack, on_device, of: self, seed })
    }

    /// "after 1, 2, 4 layers".
    pub(super) fn after(&self) -> String {
        after_layers(self.depths.iter().copied())
    }

    /// For each depth, a sample over the draws of each number that `look` measures there.
    pub(super) fn over_draws<const M: usize>(
        &self,
        settings: &Settings,
        run: &Run,
        look: impl Fn(&Network) -> Result<Vec<[f64; M]>>,
    ) -> Result<Vec<(usize, [Sample; M])>> {
        let (seeds, mut draws) = (settings.seeds("seeds")?, Vec::new());
        for (done, &seed) in seeds.iter().enumerate() {
            draws.push(look(&self.draw(seed)?)?);
            run.step("draws", done + 1, seeds.len())?;
        }
        let at = |depth: usize| draws.iter().map(|draw| draw[depth]).collect::<Vec<_>>();
        Ok(self.depths.iter().enumerate().map(|(index, &depth)| (depth, columns(&at(index)))).collect())
    }
}

pub(super) struct Network<'a> {
    stack: Stack,
    on_device: Option<DeviceStack>,
    pub(super) of: &'a Networks,
    pub(super) seed: u64,
}

/// The hidden states `[n, C]` of one sequence, at every layer or at every depth.
type States = Vec<Array2<f64>>;

/// The number of sequences that a device runs at a time.
const BATCH: usize = 32;

impl Network<'_> {
    /// The hidden states `[n, C]` of every sequence at every depth: the outputs of a network of that depth before a
    /// final norm.
    pub(super) fn states(&self, inputs: &[Array2<f64>], mask: &Mask, run: &Run) -> Result<Vec<States>> {
        let at = |states: States| -> States {
            self.of.depths.iter().map(|&depth| states[depth].clone()).collect()
        };
        let Some(stack) = &self.on_device else {
            return rank::many(inputs, "sequences", run, |x| {
                Ok(at(self.stack.hidden_states(x, mask, run)?))
            });
        };
        let mut all = Vec::with_capacity(inputs.len());
        for batch in inputs.chunks(BATCH) {
            all.extend(stack.hidden_states(batch, mask, run)?.into_iter().map(at));
            run.step("sequences", all.len(), inputs.len())?;
        }
        Ok(all)
    }
}
