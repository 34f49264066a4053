//! The residual of every network under every mask, layer by layer.

use super::nets::{Masked, NETS, Net, Sizes};
use crate::claim::{Evidence, Known, Sample, Settings};
use crate::error::Result;
use crate::model::stack::Stack;
use crate::numbers::short;
use crate::rank::{self, EPSILON_F32, residual_ratio};
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

/// Who computed the reference's numbers, on the same kinds of networks.
const NUMPY: &str = "numpy, 20 other draws";

/// At n = 32, C = 64, H = 4: network, mask, layer, mean and standard deviation of log₁₀ ‖res‖ / ‖X‖.
const REFERENCE: &[(&str, &str, usize, f64, f64)] = &[
    ("san", "bidirectional", 1, -0.1619, 0.0543),
    ("san", "bidirectional", 2, -1.665, 0.177),
    ("san", "bidirectional", 3, -6.842, 0.509),
    ("san", "causal", 4, -0.5304, 0.0956),
    ("san", "causal", 12, -2.446, 0.219),
    ("san", "prefix", 8, -5.196, 0.16),
    ("san", "prefix", 12, -9.007, 0.208),
    ("san", "window", 12, -0.1467, 0.0871),
    ("san_post_ln", "bidirectional", 3, -2.421, 0.443),
    ("san_post_ln", "bidirectional", 4, -7.518, 1.35),
    ("san_mlp", "bidirectional", 2, -2.118, 0.184),
    ("san_mlp", "bidirectional", 3, -9.349, 0.49),
    ("san_mlp", "causal", 12, -2.36, 0.256),
    ("san_skip", "bidirectional", 12, -0.8158, 0.118),
    ("san_skip", "causal", 12, -0.6211, 0.114),
    ("san_skip_mlp", "bidirectional", 12, -0.7248, 0.176),
    ("san_skip_mlp", "causal", 12, -0.6595, 0.163),
    ("pre_ln", "bidirectional", 12, -0.3368, 0.0677),
    ("pre_ln", "causal", 12, -0.2738, 0.0664),
];

/// log₁₀ of a residual ratio; below ε, where nothing can be told, that of ε.
pub fn log_ratio(ratio: f64) -> f64 {
    ratio.max(f64::EPSILON).log10()
}

/// All networks under all masks.
pub fn measure(sizes: &Sizes, masks: &[Masked], seeds: &[u64], run: &Run) -> Result<Vec<Curve>> {
    let items: Vec<(&Net, u64)> = NETS.iter().flat_map(|net| seeds.iter().map(move |&s| (net, s))).collect();
    let draws = rank::many(&items, "networks", run, |(net, seed)| one(sizes, masks, net, *seed, run))?;
    let mut curves = Vec::new();
    for (net, draws) in NETS.iter().zip(draws.chunks(seeds.len())) {
        for (index, (mask, _)) in masks.iter().enumerate() {
            curves.push(Curve { net, mask, draws: draws.iter().map(|draw| draw[index].clone()).collect() });
        }
    }
    Ok(curves)
}

/// One draw of a network, under each mask.
fn one(sizes: &Sizes, masks: &[Masked], net: &Net, seed: u64, run: &Run) -> Result<Vec<Vec<f64>>> {
    let stack = Stack::new(net.architecture(sizes), seed)?;
    let input = sizes.input(seed);
    let under = |(_, mask): &Masked| {
        let states = stack.hidden_states(&input, mask, run)?;
        Ok(states.iter().map(|x| log_ratio(residual_ratio(x.view()))).collect())
    };
    masks.iter().map(under).collect()
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

    /// The geometric mean of the ratio after the last layer.
    pub fn left(&self) -> f64 {
        self.mean().last().map_or(f64::NAN, |log| 10f64.powf(*log))
    }

    /// How it falls.
    pub fn fall(&self, floor: f64) -> Fall {
        Fall::of(&self.mean(), floor)
    }

    fn report(&self, evidence: &mut Evidence, sizes: &Sizes) {
        let (net, mask) = (self.net.name, self.mask);
        let layers = self.draws[0].len() - 1;
        for layer in TABLE.into_iter().filter(|&layer| layer <= layers) {
            let name = format!("log10_ratio_{net}_{mask}_layer{layer}");
            let measured = evidence.measure_sample(name, self.at(layer), "");
            let known = REFERENCE.iter().find(|known| (known.0, known.1, known.2) == (net, mask, layer));
            if let Some(&(.., mean, sd)) = known.filter(|_| sizes.are_the_references()) {
                measured.expect_mean(Known::new(mean, sd, 20), NUMPY);
            }
        }
        let Fall { reached, growth } = self.fall(sizes.floor());
        if let Some(layer) = reached {
            evidence.measure(format!("floor_layer_{net}_{mask}"), layer as f64, "layers");
        }
        if let Some(growth) = growth {
            evidence.measure(format!("growth_{net}_{mask}"), growth, "");
        }
    }
}

/// The table, what is expected of it, and sentences on each network: the masks under which it collapses doubly
/// exponentially, and the others.
pub fn report(evidence: &mut Evidence, sizes: &Sizes, curves: &[Curve]) {
    for curve in curves {
        curve.report(evidence, sizes);
    }
    for net in NETS {
        let curves = curves.iter().filter(|curve| std::ptr::eq(curve.net, net));
        let (doubly, others): (Vec<&Curve>, Vec<&Curve>) =
            curves.partition(|curve| curve.fall(sizes.floor()).is_doubly_exponential() == Some(true));
        for (supports, curves) in [(true, doubly), (false, others)] {
            let words = |curve: &&Curve| {
                format!("{} under the {} mask", curve.fall(sizes.floor()).in_words(curve.left()), curve.mask)
            };
            if !curves.is_empty() {
                let words: Vec<_> = curves.iter().map(words).collect();
                let text = format!(
                    "the residual ratio of {} after {} layers: {}",
                    net.label,
                    sizes.layers,
                    words.join("; ")
                );
                evidence.weigh(supports, text);
            }
        }
    }
    evidence.measure("ratio_left_with_skips", left_with_skips(sizes, curves), "");
}

/// The smallest ratio that any network with skips has left after the last layer.
pub fn left_with_skips(sizes: &Sizes, curves: &[Curve]) -> f64 {
    let with_skips = curves.iter().filter(|curve| curve.net.architecture(sizes).skip);
    with_skips.map(Curve::left).fold(f64::INFINITY, f64::min)
}

/// How a curve falls to the rounding floor.
#[derive(Debug, PartialEq)]
pub struct Fall {
    /// The first layer at or below the floor.
    pub reached: Option<usize>,
    /// How many times the drop before it the last drop above the floor is, where there are two.
    ///
    /// Three for doubly exponential collapse, where the logarithm itself is multiplied by three; one for plain
    /// exponential collapse, which falls by the same each layer.
    pub growth: Option<f64>,
}

impl Fall {
    /// Of log₁₀ ratios, the input first.
    pub fn of(logs: &[f64], floor: f64) -> Self {
        let reached = logs.iter().position(|&value| value <= floor.log10());
        let above = &logs[..reached.unwrap_or(logs.len())];
        let drops: Vec<f64> = above.windows(2).map(|pair| pair[0] - pair[1]).collect();
        let growth = match drops[..] {
            [.., before, last] if before > 0.0 => Some(last / before),
            _ => None,
        };
        Fall { reached, growth }
    }

    /// Whether it reached the floor by drops of which the last is at least twice the one before; `None` where
    /// there are no two drops to compare above the floor.
    pub fn is_doubly_exponential(&self) -> Option<bool> {
        match (self.reached, self.growth) {
            (Some(_), growth) => growth.map(|growth| growth >= 2.0),
            (None, _) => Some(false),
        }
    }

    /// With the ratio that is left after the last layer.
    pub fn in_words(&self, left: f64) -> String {
        match (self.reached, self.growth) {
            (Some(layer), Some(growth)) => {
                format!(
                    "rounding from layer {layer} on, the last drop before it {} times the one before",
                    short(growth)
                )
            }
            (Some(layer), None) => format!("rounding from layer {layer} on"),
            (None, _) => short(left),
        }
    }
}

/// The same stacks in f32 on a device, as far as f32 goes.
pub struct OnDevice {
    points: usize,
    largest: f64,
}

/// Every network under every mask, for the first seed.
pub fn on_device(sizes: &Sizes, masks: &[Masked], settings: &Settings, run: &Run) -> Result<OnDevice> {
    let floor = log_ratio(10.0 * sizes.n.max(sizes.width) as f64 * EPSILON_F32);
    let (seed, device) = (settings.seed()?, settings.device());
    let (mut points, mut largest) = (0, 0.0f64);
    for (done, net) in NETS.iter().enumerate() {
        let stack = Stack::new(net.architecture(sizes), seed)?;
        let on_device = stack.to_device(device)?;
        for (_, mask) in masks {
            let exact = stack.hidden_states(&sizes.input(seed), mask, run)?;
            let states = on_device.hidden_states(&[sizes.input(seed)], mask, run)?.remove(0);
            for (exact, state) in exact.iter().zip(&states) {
                let [exact, state] = [exact, state].map(|x| log_ratio(residual_ratio(x.view())));
                if exact > floor {
                    (points, largest) = (points + 1, largest.max((exact - state).abs()));
                }
            }
        }
        run.step("f32 on the device", done + 1, NETS.len())?;
    }
    Ok(OnDevice { points, largest })
}

impl OnDevice {
    /// The verdict stands on f64 either way.
    pub fn report(&self, evidence: &mut Evidence) {
        evidence.measure("f32_points_above_floor", self.points as f64, "");
        let largest = evidence.measure("f32_largest_log10_difference", self.largest, "");
        // Ten times above the floor, rounding is a tenth of the ratio at most.
        largest.expect(0.0, 0.05, "the same stacks in f64 on the CPU");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fall_is_read_off_above_the_floor() {
        // The logarithm times three each layer, then the floor; and 0.25 each layer.
        let fall = Fall::of(&[-0.5, -1.5, -4.5, -13.5, -15.0], 1e-14);
        assert_eq!(fall, Fall { reached: Some(4), growth: Some(3.0) });
        assert_eq!(fall.is_doubly_exponential(), Some(true));
        let fall = Fall::of(&[0.0, -0.25, -0.5, -0.75], 1e-14);
        assert_eq!(fall, Fall { reached: None, growth: Some(1.0) });
        assert_eq!(fall.is_doubly_exponential(), Some(false));
        let fall = Fall::of(&[0.0, -15.0], 1e-14);
        assert_eq!(fall, Fall { reached: Some(1), growth: None });
        assert_eq!(fall.is_doubly_exponential(), None);
        assert_eq!(log_ratio(0.0), f64::EPSILON.log10());
    }
}
