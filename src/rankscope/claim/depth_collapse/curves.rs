//! The residual of every network under every mask, layer by layer.

use super::nets::{NETS, Net, Sizes};
use crate::claim::{Evidence, Sample};
use crate::error::Result;
use crate::model::stack::Stack;
use crate::rank::{self, residual_ratio};
use crate::run::Run;

/// log₁₀ ‖res(X)‖ / ‖X‖ of one network under one mask: per draw, the input and then every layer.
pub struct Curve {
    /// The network.
    pub net: &'static Net,
    /// The mask's name.
    pub mask: &'static str,
    draws: Vec<Vec<f64>>,
}

/// The layers of the table.
const TABLE: [usize; 7] = [1, 2, 3, 4, 6, 8, 12];

/// log₁₀ of a residual ratio; below ε, where nothing can be told, that of ε.
pub fn log_ratio(ratio: f64) -> f64 {
    ratio.max(f64::EPSILON).log10()
}

/// All networks under all masks.
pub fn measure(sizes: &Sizes, seeds: &[u64], run: &Run) -> Result<Vec<Curve>> {
    let items: Vec<(&Net, u64)> = NETS.iter().flat_map(|net| seeds.iter().map(move |&s| (net, s))).collect();
    let draws = rank::many(&items, "networks", run, |(net, seed)| one(sizes, net, *seed, run))?;
    let masks = sizes.masks()?;
    let mut curves = Vec::new();
    for (net, draws) in NETS.iter().zip(draws.chunks(seeds.len())) {
        for (index, (mask, _)) in masks.iter().enumerate() {
            curves.push(Curve { net, mask, draws: draws.iter().map(|draw| draw[index].clone()).collect() });
        }
    }
    Ok(curves)
}

/// One draw of a network, under each mask.
fn one(sizes: &Sizes, net: &Net, seed: u64, run: &Run) -> Result<Vec<Vec<f64>>> {
    let stack = Stack::new(net.architecture(sizes), seed)?;
    let input = sizes.input(seed);
    let under = |(_, mask)| {
        let states = stack.hidden_states(&input, &mask, run)?;
        Ok(states.iter().map(|x| log_ratio(residual_ratio(x.view()))).collect())
    };
    sizes.masks()?.into_iter().map(under).collect()
}

impl Curve {
    /// The log₁₀ ratios after layer `layer`; 0 is the input.
    pub fn at(&self, layer: usize) -> Sample {
        self.draws.iter().map(|draw| draw[layer]).collect()
    }

    /// log₁₀ of the geometric means, from the input on.
    pub fn mean(&self) -> Vec<f64> {
        (0..self.draws[0].len()).map(|layer| self.at(layer).mean()).collect()
    }

    /// In names of measurements.
    pub fn name(&self) -> String {
        format!("{}_{}", self.net.name, self.mask)
    }

    /// Records the table's layers, and how the curve falls.
    pub fn record(&self, evidence: &mut Evidence, floor: f64) {
        let mean = self.mean();
        for layer in TABLE.into_iter().filter(|&layer| layer < mean.len()) {
            let name = format!("log10_ratio_{}_layer{layer}", self.name());
            evidence.measure_sample(name, self.at(layer), "");
        }
        let (reached, growth) = fall(&mean, floor.log10());
        for (name, value, unit) in
            [("floor_layer", reached.map(|layer| layer as f64), "layers"), ("growth", growth, "")]
        {
            if let Some(value) = value {
                evidence.measure(format!("{name}_{}", self.name()), value, unit);
            }
        }
    }
}

/// The first layer at or below the floor, and how many times the one before the last drop above the floor is
/// (none without two such drops).
///
/// Three for doubly exponential collapse, where the logarithm itself is multiplied by three; one for plain
/// exponential collapse, which falls by the same each layer.
fn fall(mean: &[f64], floor: f64) -> (Option<usize>, Option<f64>) {
    let reached = mean.iter().position(|&value| value <= floor);
    let above = &mean[..reached.unwrap_or(mean.len())];
    let drops: Vec<f64> = above.windows(2).map(|pair| pair[0] - pair[1]).collect();
    let growth = match drops[..] {
        [.., before, last] if before > 0.0 => Some(last / before),
        _ => None,
    };
    (reached, growth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fall_is_read_off_above_the_floor() {
        // The logarithm times three each layer, then the floor; and 0.3 each layer.
        assert_eq!(fall(&[-0.5, -1.5, -4.5, -13.5, -15.0], -14.0), (Some(4), Some(3.0)));
        let (reached, growth) = fall(&[0.0, -0.25, -0.5, -0.75], -14.0);
        assert_eq!((reached, growth), (None, Some(1.0)));
        assert_eq!(fall(&[0.0, -15.0], -14.0), (Some(1), None));
        assert_eq!(log_ratio(0.0), f64::EPSILON.log10());
    }
}
