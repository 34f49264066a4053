//! Claim: the causal mask carries position.

mod findings;
mod nets;
mod order;
mod pictures;
mod regression;
#[cfg(test)]
mod tests;

use super::untyped::Untyped;
use super::{About, Allowed, Evidence, Floating, Opinion, Parameter, Settings};
use crate::error::Result;
use crate::mask::Mask;
use crate::numbers::short;
use crate::run::Run;
use nets::{Network, Sizes};

/// See the module.
pub struct MaskCarriesPosition;

static ABOUT: About = About {
    id: "mask-carries-position",
    statement: "The causal mask carries position.",
    source: "The popular account of decoder-only models (no position embeddings needed); as commonly cited, Haviv \
             et al. 2022 (arXiv 2203.16634) for trained models",
    exact: "Without position embeddings a bidirectional network is equivariant, f(PX) = P·f(X) at any depth; a \
            causal one is not. But the last row of one causal layer is a sum over a set, and so the same for \
            every order of the earlier tokens; and where all tokens are the same, all rows are the same at \
            every depth.",
    reconsider: "A probe that is not linear, trained weights, or a token at the start that the bidirectional \
                 network can tell from the others by its place.",
};

static PARAMETERS: &[Parameter] = &[
    Parameter { name: "n", summary: "tokens", allowed: Allowed::Integer(4, 64), quick: "32", full: "32" },
    Parameter {
        name: "width",
        summary: "width C of the networks",
        allowed: Allowed::Integer(8, 128),
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
        name: "depths",
        summary: "layers after which is measured",
        allowed: Allowed::Integers(1, 16),
        quick: "1,2,4",
        full: "1,2,4,8,12",
    },
    Parameter { name: "seeds", summary: "draws", allowed: Allowed::Integer(2, 100), quick: "4", full: "20" },
    Parameter {
        name: "train",
        summary: "sequences that the probe is fitted to",
        allowed: Allowed::Integer(2, 400),
        quick: "120",
        full: "200",
    },
    Parameter {
        name: "held_out",
        summary: "sequences that the probe is tested on",
        allowed: Allowed::Integer(1, 400),
        quick: "40",
        full: "100",
    },
];

/// The masks that are compared, with their names in measurements.
fn masks() -> [(&'static str, Mask); 2] {
    [("bidirectional", Mask::bidirectional()), ("causal", Mask::causal())]
}

impl Untyped for MaskCarriesPosition {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn run(&self, settings: &Settings, run: &Run) -> Result<Evidence> {
        let sizes = Sizes::read(settings)?;
        let sequences = (settings.integer("train")?, settings.integer("held_out")?);
        let first = settings.seed()?;
        let seeds: Vec<u64> = (0..settings.integer("seeds")? as u64).map(|draw| first + draw).collect();
        let mut draws = [findings::Draws::default(), findings::Draws::default()];
        for (done, &seed) in seeds.iter().enumerate() {
            let network = Network::new(&sizes, settings.device(), seed)?;
            for ((_, mask), draws) in masks().iter().zip(&mut draws) {
                draws.orders.push(order::measure(&sizes, &network, mask, seed, run)?);
                draws.r_squared.push(regression::probe(&sizes, &network, mask, sequences, seed, run)?);
            }
            run.step("draws", done + 1, seeds.len())?;
        }
        let mut evidence = Evidence::new();
        evidence.measure("rounding", sizes.rounding(settings.device()), "");
        findings::record(&mut evidence, &sizes, draws)?;
        findings::expectations(&mut evidence, &sizes)?;
        findings::sentences(&mut evidence, &sizes)?;
        pictures::show(&mut evidence, settings, &sizes)?;
        Ok(evidence)
    }

    fn verdict(&self, evidence: &Evidence) -> Result<Opinion<Floating>> {
        let depths = findings::depths(evidence);
        let (mut carries, mut beyond) = (0, 0);
        for depth in &depths {
            carries += usize::from(findings::tells(evidence, "causal", depth)?);
            beyond += usize::from(findings::tells(evidence, "bidirectional", depth)?);
        }
        let limits = findings::limits(evidence, &depths)?;
        let deepest = depths.last().map_or("1", String::as_str);
        let r_squared = |mask: &str| -> Result<String> {
            Ok(short(evidence.value(&format!("probe_r2_{mask}_depth{deepest}"))?))
        };
        let (causal, bidirectional) = (r_squared("causal")?, r_squared("bidirectional")?);
        let told = format!(
            "a linear probe after {deepest} layers tells R² = {causal} of the position under the causal mask, {bidirectional} without it"
        );
        Ok(match (carries, beyond) {
            (0, _) => Opinion::new(Floating::Nowhere, format!("{told}: the mask tells nothing")),
            (_, beyond) if beyond > 0 => {
                Opinion::new(Floating::Nowhere, format!("{told}: it is told without the mask as well"))
            }
            (carries, _) if carries < depths.len() => {
                Opinion::new(Floating::NotResolved, format!("{told}, and nothing clear at some depth"))
            }
            _ if limits.is_empty() => Opinion::new(Floating::Everywhere, told),
            _ => Opinion::new(Floating::InOneRegion, format!("{told}; but {}", limits.join(", and "))),
        })
    }
}
