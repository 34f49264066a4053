//! Claim: softmax raises the rank but cannot be relied on to restore it.
//!
//! exp(S) is a series of Hadamard powers of S, and each of those has a bounded rank. The experiment
//! measures the powers, certifies the exact rank of the hardest case (head size 1) in multi-precision, and
//! puts the numerical rank beside what the series allows.

mod hadamard;
mod one_dimension;
mod series;
#[cfg(test)]
mod tests;

use super::untyped::Untyped;
use super::{About, Allowed, Evidence, Floating, Opinion, Parameter, Settings};
use crate::blas;
use crate::error::{Error, Result};
use crate::run::Run;

/// See the module.
pub struct SoftmaxRank;

static ABOUT: About = About {
    id: "softmax-rank",
    statement: "Softmax raises the rank of the scores but cannot be relied on to restore it.",
    source: "Su Jianlin, kexue.fm 9529 (2023), on bidirectional attention",
    exact: "The scores have rank D at most. For almost all queries and keys their softmax is nonsingular at every n, \
            already for D = 1 with distinct queries and distinct keys. Its numerical rank is bounded: cut at degree \
            p, the series of exp has rank C(D+p, p) at most, and what is cut off may be below rounding.",
    reconsider: "A tolerance other than rounding, or scores so large that the series is cut late.",
};

static PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "n",
        summary: "positions",
        allowed: Allowed::Integer(8, 1024),
        quick: "512",
        full: "512",
    },
    Parameter {
        name: "head_sizes",
        summary: "head sizes D",
        allowed: Allowed::Integers(1, 64),
        quick: "1,2,3,4,8",
        full: "1,2,3,4,8,16,32,64",
    },
    Parameter {
        name: "scales",
        summary: "factors on the logits after 1/√D",
        allowed: Allowed::Numbers(0.001, 8.0),
        quick: "0.1,0.5,1",
        full: "0.1,0.5,1,2,4",
    },
    Parameter {
        name: "exact_sizes",
        summary: "positions of the matrices of head size 1 in multi-precision",
        allowed: Allowed::Integers(2, 64),
        quick: "4,8,16,32",
        full: "4,8,16,32,48,64",
    },
    Parameter {
        name: "powers_n",
        summary: "positions of the Hadamard powers",
        allowed: Allowed::Integer(8, 512),
        quick: "256",
        full: "256",
    },
    Parameter { name: "seeds", summary: "draws", allowed: Allowed::Integer(2, 100), quick: "3", full: "10" },
];

/// What another device would compute otherwise, or not at all.
const ON_CPU: &str = "in multi-precision the exact determinants, in f64 the Hadamard powers, the weights behind \
                      rank_f64 and effective_rank, and all spectra; the device computes the weights behind rank_f32";

impl Untyped for SoftmaxRank {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn run(&self, settings: &Settings, run: &Run) -> Result<Evidence> {
        let n = settings.integer("n")?;
        if let Some(wide) = settings.integers("head_sizes")?.into_iter().find(|&head_size| head_size >= n) {
            return Err(Error::invalid("head_sizes", wide, format!("head sizes below n = {n}")));
        }
        // With BLAS's own threads the last digits depend on how many there are.
        blas::single_threaded(|| {
            let mut evidence = Evidence::new();
            hadamard::experiment(&mut evidence, settings, run)?;
            one_dimension::experiment(&mut evidence, settings, run)?;
            series::experiment(&mut evidence, settings, run)?;
            evidence.note_cpu(settings, ON_CPU);
            Ok(evidence)
        })
    }

    fn verdict(&self, evidence: &Evidence) -> Result<Opinion<Floating>> {
        let certain = evidence.value("certainly_nonsingular_share")?;
        // Ranks by f64 weights, which the CPU computes whatever the device.
        let ranks = || evidence.measured().iter().filter(|m| m.name.starts_with("rank_f64_"));
        let full = evidence.value("positions")?;
        let raised = ranks().all(|m| head_size(&m.name).is_some_and(|head_size| m.value > head_size));
        let lost: Vec<_> = ranks().filter(|m| m.value < full).map(|m| m.name.as_str()).collect();
        let kept = ranks().count() - lost.len();
        if !raised {
            return Ok(Opinion::new(
                Floating::Nowhere,
                "softmax does not raise the numerical rank above D everywhere",
            ));
        }
        let exactly = format!("{:.0} % of the exact determinants are certainly not zero", 100.0 * certain);
        Ok(match (certain == 1.0, lost.is_empty()) {
            (true, true) => Opinion::new(
                Floating::Nowhere,
                format!("{exactly}, and f64 finds full rank at every setting tried"),
            ),
            (false, _) => Opinion::new(Floating::Everywhere, exactly),
            (true, false) => {
                let because = format!(
                    "{exactly}, so exactly the rank is restored; as f64 sees it, it is not at {} and is at {kept} \
                     other settings",
                    places(lost)
                );
                Opinion::new(Floating::InOneRegion, because)
            }
        })
    }
}

/// D of `rank_f64_d4_scale_0.5`.
fn head_size(name: &str) -> Option<f64> {
    name.split('_').find_map(|part| part.strip_prefix('d')?.parse().ok())
}

/// "D = 4 (scale 0.5, 1)" of `rank_f64_d4_scale_0.5` and `rank_f64_d4_scale_1`, which follow each other.
fn places<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for name in names {
        let place = name.trim_start_matches("rank_f64_d");
        let (head_size, scale) = place.split_once("_scale_").unwrap_or((place, ""));
        match groups.last_mut() {
            Some((last, scales)) if *last == head_size => scales.push(scale),
            _ => groups.push((head_size, vec![scale])),
        }
    }
    let group =
        |(head_size, scales): &(&str, Vec<&str>)| format!("D = {head_size} (scale {})", scales.join(", "));
    groups.iter().map(group).collect::<Vec<_>>().join(", ")
}

/// C(n, k); infinite beyond what f64 holds.
fn binomial(n: usize, k: usize) -> f64 {
    (1..=k.min(n - k)).fold(1.0, |product, i| product * (n + 1 - i) as f64 / i as f64).round()
}

/// The seeds of the draws.
fn seeds(settings: &Settings) -> Result<Vec<u64>> {
    let first = settings.seed()?;
    Ok((0..settings.integer("seeds")? as u64).map(|draw| first + draw).collect())
}
