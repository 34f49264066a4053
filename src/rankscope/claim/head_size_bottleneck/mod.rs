//! Claim: a head smaller than the sequence cannot express every pattern.

mod construction;
mod draws;
mod file;
mod picture;
#[cfg(test)]
mod tests;

use super::untyped::Untyped;
use super::{About, Allowed, Evidence, Floating, Opinion, Parameter, Sample, Settings};
use crate::error::Result;
use crate::express::Fitting;
use crate::mask::Mask;
use crate::numbers::short;
use crate::run::Run;

/// See the module.
pub struct HeadSizeBottleneck;

static ABOUT: About = About {
    id: "head-size-bottleneck",
    statement: "A head smaller than the sequence cannot express every attention pattern.",
    source: "Bhojanapalli et al. 2020 (arXiv 2002.07028), Theorem 1",
    exact: "With head size and width of at least n, every positive pattern of n positions is reachable. Given \
            embeddings of rank n, a head of size D reaches P exactly where the logarithms of P, centred row by \
            row, have rank D or less: n − 1 for almost every P, so D = n − 1 is enough. Under the causal mask \
            only the entries on and below the diagonal count, and fits put the threshold at ⌊n/2⌋. Any \
            permutation, however sharp, needs D = 2 only; a nearest-neighbour task of Amsel, Yehudai and Bruna \
            2024 (arXiv 2407.16153) is out of reach of small heads unless there are exponentially many.",
    reconsider: "A family of patterns that models need and whose centred logarithms are of low rank, or a \
                 proof of the causal threshold, which rests on fits here.",
};

static PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "n",
        summary: "positions of the patterns that heads are fitted to",
        allowed: Allowed::Integer(3, 32),
        quick: "12",
        full: "16",
    },
    Parameter {
        name: "scale",
        summary: "standard deviation of the logits that patterns are drawn from",
        allowed: Allowed::Number(0.1, 5.0),
        quick: "2",
        full: "2",
    },
    Parameter {
        name: "tolerance",
        summary: "nats below which a pattern counts as reached",
        allowed: Allowed::Number(1e-13, 1e-3),
        quick: "1e-9",
        full: "1e-9",
    },
    Parameter {
        name: "starts",
        summary: "descents of each fit",
        allowed: Allowed::Integer(1, 50),
        quick: "3",
        full: "6",
    },
    Parameter {
        name: "seeds",
        summary: "patterns",
        allowed: Allowed::Integer(1, 100),
        quick: "3",
        full: "8",
    },
    Parameter {
        name: "permutation_n",
        summary: "positions of the permutations",
        allowed: Allowed::Integers(2, 512),
        quick: "16,64,256",
        full: "16,64,256,512",
    },
    Parameter {
        name: "target",
        summary: "a .npy or .csv file with a pattern of one's own; empty for none",
        allowed: Allowed::Text,
        quick: "",
        full: "",
    },
];

/// The masks under which patterns are fitted, with the threshold for almost every pattern.
fn masks(n: usize) -> [(&'static str, Mask, usize, &'static str); 2] {
    let (by_rank, by_completion) =
        ("n − 1, the rank of the centred logarithms", "⌊n/2⌋, by counting the completion of a triangle");
    [
        ("bidirectional", Mask::bidirectional(), (n - 1).max(1), by_rank),
        ("causal", Mask::causal(), (n / 2).max(1), by_completion),
    ]
}

impl Untyped for HeadSizeBottleneck {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn run(&self, settings: &Settings, run: &Run) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        // First what can fail on a bad setting, before seconds of fitting.
        let drawn = file::load(settings)?;
        construction::theorem(&mut evidence, settings, run)?;
        construction::counterexample(&mut evidence, settings, run)?;
        construction::permutations(&mut evidence, settings, run)?;
        draws::thresholds(&mut evidence, settings, run)?;
        if let Some(drawn) = drawn {
            file::fit(&mut evidence, settings, drawn, run)?;
        }
        Ok(evidence)
    }

    fn verdict(&self, evidence: &Evidence) -> Result<Opinion<Floating>> {
        let n = evidence.value("n")?;
        let (both, causal) =
            (evidence.value("threshold_bidirectional")?, evidence.value("threshold_causal")?);
        let error = evidence.value("construction_error_largest")?;
        let reached = format!(
            "every pattern is reached at head size n by construction (largest error {}); drawn patterns of {n} \
             positions needed {both} without a mask and {causal} under the causal one",
            short(error)
        );
        // A head of size 1 that reaches everything would leave no bottleneck at all.
        let ruling = if error.is_nan() || error > 1e-6 {
            Floating::NotResolved
        } else if both.min(causal) >= n {
            Floating::Everywhere
        } else if both.max(causal) <= 1.0 {
            Floating::Nowhere
        } else {
            Floating::InOneRegion
        };
        let below =
            "; below that the best fit keeps an error, except for patterns of low rank such as permutations";
        Ok(Opinion::new(ruling, reached + if ruling == Floating::InOneRegion { below } else { "" }))
    }
}

/// Sizes over draws: a whole number where all agree.
fn sizes(sample: &Sample) -> String {
    if sample.sd() == 0.0 { sample.mean().to_string() } else { sample.to_string() }
}

/// How hard a fit tries.
fn fitting(settings: &Settings) -> Result<Fitting> {
    // Well below the tolerance, so that a value near it is the pattern's and not the search's.
    let enough = settings.number("tolerance")? * 1e-4;
    Ok(Fitting { starts: settings.integer("starts")?, enough: enough.min(1e-14), ..Fitting::default() })
}

/// The head sizes at which to fit: all up to the threshold, or, for a long sequence, powers of two and the
/// two around the threshold.
fn head_sizes(threshold: usize) -> Vec<usize> {
    (1..=threshold)
        .filter(|&size| threshold <= 16 || size.is_power_of_two() || size + 1 >= threshold)
        .collect()
}
