//! Claim: pure attention loses rank doubly exponentially with depth.

mod checkpoints;
mod curves;
mod findings;
mod nets;
mod pictures;
mod rates;
#[cfg(test)]
mod tests;
mod theorem;

use super::untyped::Untyped;
use super::{About, Allowed, Evidence, Floating, Opinion, Parameter, Settings};
use crate::device::Device;
use crate::error::Result;
use crate::mask::Mask;
use crate::numbers::short;
use crate::run::Run;
use nets::Sizes;

/// See the module.
pub struct DepthCollapse;

static ABOUT: About = About {
    id: "depth-collapse",
    statement: "Pure attention loses rank doubly exponentially with depth.",
    source: "Dong, Cordonnier & Loukas 2021 (arXiv 2103.03404), theorems 2.2 and 2.3; taken up by the popular \
             account as evidence that a small head keeps the attention matrix from full rank",
    exact: "What tends to rank 1 is the hidden state, whose rows (tokens) become one; the attention weights \
            themselves may all be of full rank, and heads may be as large as the sequence. L layers of H heads \
            take ‖res(X)‖ to at most (4γβH/√D)^((3^L − 1)/2) · ‖res(X)‖^(3^L), with β from the weights and γ \
            from the entries of the attention matrices (its value is not established here). The bound falls with \
            depth only where 4γβH/√D · ‖res(X)‖² < 1. With skips there are weights of any size that never \
            collapse.",
    reconsider: "Weights that keep attention sharp although tokens are close, or masks under which all \
                 tokens see the same keys.",
};

const TEXT: &str = "Once upon a time there was a little girl who lived in a house near the forest. Every \
                    morning she walked to the river with her dog and looked for stones that were round and \
                    smooth. One day she found a small green bottle with a letter inside. She could not read \
                    it, so she ran home and asked her mother what it said.";

static PARAMETERS: &[Parameter] = &[
    Parameter { name: "n", summary: "tokens", allowed: Allowed::Integer(4, 128), quick: "32", full: "32" },
    Parameter {
        name: "width",
        summary: "width C of the stacks",
        allowed: Allowed::Integer(8, 256),
        quick: "64",
        full: "64",
    },
    Parameter {
        name: "heads",
        summary: "heads H, a divisor of the width; D = C / H",
        allowed: Allowed::Integer(1, 32),
        quick: "4",
        full: "4",
    },
    Parameter {
        name: "layers",
        summary: "layers L of the table",
        allowed: Allowed::Integer(4, 48),
        quick: "12",
        full: "12",
    },
    Parameter {
        name: "seeds",
        summary: "draws of every stack",
        allowed: Allowed::Integer(2, 200),
        quick: "8",
        full: "40",
    },
    Parameter {
        name: "rate_seeds",
        summary: "draws for the rates over layers 20 to 40 (causal) and 40 to 60 (window)",
        allowed: Allowed::Integer(2, 1000),
        quick: "64",
        full: "400",
    },
    Parameter {
        name: "window_rate",
        summary: "whether the window's rate is measured",
        allowed: Allowed::Word(&["no", "yes"]),
        quick: "no",
        full: "yes",
    },
    Parameter {
        name: "checkpoints",
        summary: "trained models, by name or folder with commas between; `here` for the bundled and the pulled ones, empty for none",
        allowed: Allowed::Text,
        quick: "here",
        full: "here",
    },
    Parameter {
        name: "text",
        summary: "what the trained models read",
        allowed: Allowed::Text,
        quick: TEXT,
        full: TEXT,
    },
];

impl Untyped for DepthCollapse {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn run(&self, settings: &Settings, run: &Run) -> Result<Evidence> {
        let sizes = Sizes::read(settings)?;
        let draws = |name| -> Result<Vec<u64>> {
            let first = settings.seed()?;
            Ok((0..settings.integer(name)? as u64).map(|draw| first + draw).collect())
        };
        let (seeds, rate_seeds) = (draws("seeds")?, draws("rate_seeds")?);
        let mut evidence = Evidence::new();
        // First what is quickly wrong: a model that is not there.
        let checkpoints = checkpoints::measure(&mut evidence, settings, run)?;
        let curves = curves::measure(&sizes, &seeds, run)?;
        findings::table(&mut evidence, &sizes, &curves)?;
        findings::orders(&mut evidence, &sizes, &seeds, run)?;
        let causal = rates::slopes(&sizes, &Mask::causal(), rates::CAUSAL, &rate_seeds, run)?;
        findings::causal_rate(&mut evidence, causal);
        if settings.text("window_rate")? == "yes" {
            let window = sizes.masks()?[3].1.clone();
            let slopes = rates::slopes(&sizes, &window, rates::WINDOW, &rate_seeds, run)?;
            findings::window_rate(&mut evidence, slopes);
        }
        findings::third_power(&mut evidence, &seeds, run)?;
        findings::bound(&mut evidence, &sizes, &seeds, run)?;
        findings::paths(&mut evidence, &sizes, &seeds, run)?;
        findings::checkpoints(&mut evidence, &checkpoints);
        if *settings.device() != Device::Cpu {
            findings::on_device(&mut evidence, &sizes, settings, run)?;
        }
        pictures::show(&mut evidence, settings, &sizes, &curves, &checkpoints);
        Ok(evidence)
    }

    fn verdict(&self, evidence: &Evidence) -> Result<Opinion<Floating>> {
        let masks = ["bidirectional", "causal", "prefix", "window"];
        let mut doubly = Vec::new();
        for mask in masks {
            if is_doubly_exponential(evidence, "san", mask) {
                doubly.push(mask);
            }
        }
        let slope = evidence.value("causal_slope_log10_per_layer")?;
        let order = evidence.value("order_bidirectional")?;
        let because = match doubly[..] {
            [] => format!(
                "under no mask does pure attention reach the rounding floor by drops that at least double; one \
                 bidirectional layer is of order {}",
                short(order)
            ),
            _ => format!(
                "without skips the residual falls to the rounding floor by drops that grow {} times a layer \
                 under: {}; under the causal mask it falls by a constant {} decades a layer, and with skips a \
                 ratio of at least {} is left after the last layer",
                short(evidence.value(&format!("growth_san_{}", doubly[0]))?),
                doubly.join(", "),
                short(-slope),
                short(evidence.value("ratio_left_with_skips")?)
            ),
        };
        let ruling = match doubly.len() {
            0 if order > 2.0 => Floating::NotResolved, // the third power is there, its consequence was not seen
            0 => Floating::Nowhere,
            count if count == masks.len() => Floating::Everywhere,
            _ => Floating::InOneRegion,
        };
        Ok(Opinion::new(ruling, because))
    }
}

/// Whether a curve reached the rounding floor, and by drops of which the last is at least twice the one before.
fn is_doubly_exponential(evidence: &Evidence, net: &str, mask: &str) -> bool {
    let is_reached = evidence.number(&format!("floor_layer_{net}_{mask}")).is_some();
    let growth = evidence.number(&format!("growth_{net}_{mask}"));
    is_reached && growth.is_some_and(|growth| growth >= 2.0)
}
