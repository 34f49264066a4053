//! Claim: causal attention is always of full rank.
//!
//! A theorem in exact arithmetic, and a matter of settings in any other: the experiment puts the exact
//! determinant and smallest singular value beside what f64, f32 and f16 make of the same matrices.

mod determinant;
mod sizes;
mod smallest;
mod stored;
#[cfg(test)]
mod tests;

use super::{About, Allowed, Claim, Evidence, Parameter, Ruling, Settings, Verdict};
use crate::blas;
use crate::error::Result;
use crate::run::Run;

/// See the module.
pub struct CausalFullRank;

static ABOUT: About = About {
    id: "causal-full-rank",
    statement: "Causal attention is always of full rank.",
    source: "As commonly cited after Su Jianlin, kexue.fm 9529 (2023): a lower triangular matrix with a positive \
             diagonal has a positive determinant",
    exact: "Causal weights are lower triangular with a positive diagonal, so det A = Π aᵢᵢ > 0: full rank, for \
            every input. The same holds for every mask inside the causal one that keeps the diagonal. How far \
            the matrix is from a singular one is another question, and σ_min answers it.",
    reconsider: "A logit scale at which the diagonal dominates, or arithmetic with more digits than f64.",
};

static PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "n",
        summary: "positions of the matrices that multi-precision and LU look at",
        allowed: Allowed::Integer(2, 256),
        quick: "128",
        full: "128",
    },
    Parameter {
        name: "sizes",
        summary: "positions n of the sweep of numerical ranks",
        allowed: Allowed::Integers(2, 2048),
        quick: "16,32,64,128,256,512",
        full: "16,32,64,128,256,512,1024",
    },
    Parameter {
        name: "head_size",
        summary: "head size D",
        allowed: Allowed::Integer(1, 1024),
        quick: "16",
        full: "16",
    },
    Parameter {
        name: "scale",
        summary: "factor on the logits after 1/√D",
        // At 8 and n = 256, σ_min is near 10⁻⁶⁵⁰ and takes multi-precision many seconds.
        allowed: Allowed::Number(0.0, 8.0),
        quick: "1",
        full: "1",
    },
    Parameter {
        name: "scales",
        summary: "further factors, for the numerical rank at n",
        allowed: Allowed::Numbers(0.0, 16.0),
        quick: "0,0.1,1,8",
        full: "0,0.1,0.5,1,2,4,8",
    },
    Parameter { name: "seeds", summary: "draws", allowed: Allowed::Integer(2, 1000), quick: "6", full: "20" },
    Parameter {
        name: "lu_draws",
        summary: "draws whose determinant is also computed by LU",
        allowed: Allowed::Integer(2, 1000),
        quick: "40",
        full: "400",
    },
];

/// What another device would compute otherwise, or not at all.
const ON_CPU: &str = "in multi-precision the exact determinants and singular values, in f64 the weights and spectra \
                      of all ranks but those of f32, of LU and of the stored draw; the device computes the weights \
                      behind lost_f32_causal and lost_f32_bidirectional";

impl Claim for CausalFullRank {
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
            smallest::experiment(&mut evidence, settings, run)?;
            sizes::experiment(&mut evidence, settings, run)?;
            sizes::over_scales(&mut evidence, settings, run)?;
            determinant::by_lu(&mut evidence, settings, run)?;
            determinant::underflow(&mut evidence, settings, run)?;
            stored::experiment(&mut evidence, settings, run)?;
            evidence.note_cpu(settings, ON_CPU);
            Ok(evidence)
        })
    }

    fn verdict(&self, evidence: &Evidence) -> Result<Verdict> {
        let exact = evidence.value("exactly_nonsingular_share")?;
        if exact < 1.0 {
            let because = format!("{:.0} % of the draws are exactly singular", 100.0 * (1.0 - exact));
            return Ok(Verdict::new(Ruling::Fails, because));
        }
        // All computed on the CPU in f64, on every device.
        let ranks = evidence.measured().iter().filter(|m| m.name.starts_with("lost_f64_causal_"));
        let (lost, kept): (Vec<_>, Vec<_>) = ranks.partition(|measured| measured.value > 0.0);
        let names = |list: &[&super::Measured]| {
            list.iter().map(|measured| place(&measured.name)).collect::<Vec<_>>().join(", ")
        };
        if lost.is_empty() {
            let because = "exactly, by the determinant, and to f64's accuracy at every setting tried";
            return Ok(Verdict::new(Ruling::Holds, because));
        }
        let kept = if kept.is_empty() { "nowhere".to_owned() } else { format!("at {}", names(&kept)) };
        let because = format!(
            "in exact arithmetic, where every determinant is positive; as f64 sees it the rank is full {kept} and \
             lower at {}",
            names(&lost)
        );
        Ok(Verdict::new(Ruling::HoldsWithCondition, because))
    }
}

/// "n = 64" or "scale = 8" of a measurement's name.
fn place(name: &str) -> String {
    let place = name.trim_start_matches("lost_f64_causal_");
    place.strip_prefix('n').map_or_else(|| place.replace('_', " = "), |n| format!("n = {n}"))
}

/// The seeds of `count` draws.
fn seeds(settings: &Settings, count: &str) -> Result<Vec<u64>> {
    let first = settings.seed()?;
    Ok((0..settings.integer(count)? as u64).map(|draw| first + draw).collect())
}

/// Whether the settings are those of the reference: D = 16, unit scale.
fn is_reference(settings: &Settings) -> Result<bool> {
    Ok(settings.integer("head_size")? == 16 && settings.number("scale")? == 1.0)
}
