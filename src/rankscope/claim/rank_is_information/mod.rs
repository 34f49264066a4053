//! Claim: full rank means more information flows.
//!
//! Rank is put beside what actually passes: from the earlier half of the tokens to the later one, through
//! a stack of layers, and beside a residual connection.

mod blocks;
mod powers;
mod residual;
#[cfg(test)]
mod tests;

use super::{About, Allowed, Claim, Evidence, Parameter, Ruling, Sample, Settings, Verdict};
use crate::blas;
use crate::error::Result;
use crate::run::Run;

/// See the module.
pub struct RankIsInformation;

static ABOUT: About = About {
    id: "rank-is-information",
    statement: "Attention of full rank lets more information flow between tokens.",
    source: "As commonly read into Su Jianlin, kexue.fm 9529 (2023), where full rank stands for more expressive \
             attention",
    exact: "Rank bounds what a matrix can pass on: A·V has rank at most that of A. The converse is false: the \
            identity has full rank and passes nothing between tokens. What earlier tokens send to later ones goes \
            through the block below the diagonal, and there the causal weights are the bidirectional ones with each \
            row rescaled: the same rank, exactly.",
    reconsider: "A measure of flow for which the block between the halves differs between the masks.",
};

static PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "n",
        summary: "positions",
        allowed: Allowed::Integer(4, 1024),
        quick: "256",
        full: "256",
    },
    Parameter {
        name: "head_sizes",
        summary: "head sizes D",
        allowed: Allowed::Integers(1, 1024),
        quick: "4,16,64",
        full: "4,8,16,32,64",
    },
    Parameter {
        name: "scales",
        summary: "factors on the logits after 1/√D",
        allowed: Allowed::Numbers(0.0, 16.0),
        quick: "0.1,1,4",
        full: "0.1,0.5,1,2,4",
    },
    Parameter {
        name: "powers_n",
        summary: "positions of the matrix whose powers are taken",
        allowed: Allowed::Integer(4, 256),
        quick: "32",
        full: "32",
    },
    Parameter {
        name: "powers_head_size",
        summary: "its head size D",
        allowed: Allowed::Integer(1, 1024),
        quick: "8",
        full: "8",
    },
    Parameter { name: "seeds", summary: "draws", allowed: Allowed::Integer(2, 1000), quick: "6", full: "20" },
];

impl Claim for RankIsInformation {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn run(&self, settings: &Settings, run: &Run) -> Result<Evidence> {
        // With BLAS's own threads the last digits depend on how many there are.
        blas::single_threaded(|| {
            let mut evidence = Evidence::new();
            blocks::identity(&mut evidence, settings)?;
            blocks::experiment(&mut evidence, settings, run)?;
            residual::experiment(&mut evidence, settings, run)?;
            powers::experiment(&mut evidence, settings, run)?;
            Ok(evidence)
        })
    }

    fn verdict(&self, evidence: &Evidence) -> Result<Verdict> {
        // A full rank that passes nothing, and a full rank of which f64 sees next to nothing.
        let identity = evidence.value("identity_flow")?;
        let (kept, positions) = (evidence.value("power_rank_f64")?, evidence.value("power_positions")?);
        let refuted = identity == 0.0 || kept < positions / 2.0;
        let gains = || evidence.measured().iter().filter(|m| m.name.starts_with("block_gain_"));
        let higher: Vec<_> =
            gains().filter(|m| is_clear(m.spread.as_ref())).map(|m| place(&m.name)).collect();
        if !refuted && higher.len() == gains().count() {
            return Ok(Verdict::new(Ruling::Holds, "more rank went with more flow in every comparison"));
        }
        let exceptions = format!(
            "the identity has full rank and sends {:.1} % of its weight to other tokens, and a power of a causal \
             matrix has full rank exactly and {kept:.1} of {positions} directions left in f64",
            100.0 * identity
        );
        if higher.is_empty() {
            let because = format!(
                "{exceptions}; between the halves of the sequence causal attention carries no clearly higher effective \
                 rank than bidirectional at any setting"
            );
            return Ok(Verdict::new(Ruling::Fails, because));
        }
        let because = format!(
            "between the halves causal attention carries more at {}; but {exceptions}",
            higher.join(", ")
        );
        Ok(Verdict::new(Ruling::HoldsWithCondition, because))
    }
}

/// Whether a paired difference is above zero by more than two standard errors and by more than a hundredth
/// of a direction.
fn is_clear(gain: Option<&Sample>) -> bool {
    gain.is_some_and(|gain| gain.mean() > (2.0 * gain.standard_error()).max(0.01))
}

/// "D = 4 with scale 0.1" of `block_gain_d4_scale_0.1`.
fn place(name: &str) -> String {
    format!("D = {}", name.trim_start_matches("block_gain_d").replace("_scale_", " with scale "))
}

/// The seeds of the draws.
fn seeds(settings: &Settings) -> Result<Vec<u64>> {
    let first = settings.seed()?;
    Ok((0..settings.integer("seeds")? as u64).map(|draw| first + draw).collect())
}
