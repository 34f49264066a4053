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
    reconsider: "A measure of flow by which the matrix of higher rank carries more at every size and scale.",
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

/// What another device would compute otherwise, or not at all.
const ON_CPU: &str = "in f64 the powers of A (power_…), the identity and the uniform matrix, the products A·V and all \
                      spectra; the device computes the weights of the blocks and beside the skip connection";

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
            evidence.note_cpu(settings, ON_CPU);
            Ok(evidence)
        })
    }

    fn verdict(&self, evidence: &Evidence) -> Result<Verdict> {
        // A full rank that passes nothing, and a full rank of which f64 sees next to nothing.
        let identity = evidence.value("identity_flow")?;
        let (kept, positions) = (evidence.value("power_rank_f64")?, evidence.value("power_positions")?);
        let is_refuted = identity == 0.0 || kept < positions / 2.0;
        let mut orders = Vec::new();
        for gain in evidence.measured().iter().filter(|m| m.name.starts_with("block_gain_")) {
            let rank_gain = evidence.sample(&gain.name.replace("block", "rank"))?;
            orders.push(Order::of(rank_gain, evidence.sample(&gain.name)?));
        }
        let count = |order: Order| orders.iter().filter(|&&other| other == order).count();
        let (same, opposite, all) = (count(Order::Same), count(Order::Opposite), orders.len());
        let ruling = match same {
            same if same == all && !is_refuted => Ruling::Holds,
            same if same > opposite => Ruling::HoldsWithCondition,
            _ => Ruling::Fails,
        };
        let because = format!(
            "of {all} comparisons of causal with bidirectional, the matrix of higher effective rank carries more between \
             the halves of the sequence in {same}, less in {opposite}, and as much in the others; the identity has full \
             rank and sends {:.1} % of its weight to other tokens; a power of a causal matrix has full rank exactly and \
             {kept:.1} of {positions} directions left in f64",
            100.0 * identity
        );
        Ok(Verdict::new(ruling, because))
    }
}

/// Whether more rank goes with more flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// The mask with the higher effective rank carries more.
    Same,
    /// It carries less.
    Opposite,
    /// One of the differences is not clear.
    Neither,
}

impl Order {
    /// From the paired differences of the rank and of the flow.
    fn of(rank: &Sample, flow: &Sample) -> Self {
        match (is_clear(rank), is_clear(flow)) {
            (Some(rank), Some(flow)) if rank == flow => Order::Same,
            (Some(_), Some(_)) => Order::Opposite,
            _ => Order::Neither,
        }
    }
}

/// Whether a paired difference is above zero; none where it is not away from zero by more than two standard
/// errors and by more than a hundredth of a direction.
fn is_clear(gain: &Sample) -> Option<bool> {
    let is_away = gain.mean().abs() > (2.0 * gain.standard_error()).max(0.01);
    is_away.then(|| gain.mean() > 0.0)
}

/// The seeds of the draws.
fn seeds(settings: &Settings) -> Result<Vec<u64>> {
    let first = settings.seed()?;
    Ok((0..settings.integer("seeds")? as u64).map(|draw| first + draw).collect())
}
