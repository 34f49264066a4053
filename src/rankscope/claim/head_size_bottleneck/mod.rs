//! Claim: a small head cannot express every attention pattern of a long sequence.

mod exact;
mod file;
mod sweep;
#[cfg(test)]
mod tests;

pub(super) use exact::least_head;

use super::{About, Allowed, Evidence, Exact, Experiment, Floating, Parameter, Sample, Settings, Verdict};
use crate::error::Result;
use crate::express::Fitting;
use crate::numbers::short;
use crate::run::Run;
use exact::Built;
use file::Fitted;
use sweep::Sweep;

/// See the module.
pub struct HeadSizeBottleneck;

const ABOUT: About = About {
    id: "head-size-bottleneck",
    statement: "A small head cannot express every attention pattern of a long sequence.",
    source: "Bhojanapalli et al. 2020 (arXiv 2002.07028), Theorem 1",
    exact: "With head size and width of at least n, every positive pattern of n positions is reachable. Given \
            embeddings of rank n, a head of size D reaches P exactly where the logarithms of P, centred row by \
            row, have rank D or less: n − 1 for almost every P, so D = n − 1 is enough and no less is. Under the causal \
            mask only the entries on and below the diagonal count: almost every P needs D of at least ⌊n/2⌋, the rank \
            of the block that all its rows see, and fits find that enough. Any permutation, however sharp, needs D = 2 \
            only; a nearest-neighbour task of Amsel, Yehudai and Bruna 2024 (arXiv 2407.16153) is out of reach of \
            small heads unless there are exponentially many.",
    reconsider: "A family of patterns that models need and whose centred logarithms are of low rank, or a proof that \
                 ⌊n/2⌋ is always enough under the causal mask.",
};

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "n",
        summary: "positions of the patterns that heads are fitted to",
        allowed: Allowed::Integer(2, 32),
        quick: "12",
        full: "16",
    },
    Parameter {
        name: "head_sizes",
        summary: "head sizes D to fit; those of n and more reach everything and are left out",
        allowed: Allowed::Integers(1, 31),
        quick: "1,2,3,4,5,6,7,8,9,10,11",
        full: "1,2,3,4,5,6,7,8,9,10,12,14,15",
    },
    Parameter {
        name: "scale",
        summary: "standard deviation of the logits that patterns are drawn from",
        allowed: Allowed::Number(0.0, 5.0),
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

/// What the experiment finds.
pub struct Measured {
    n: usize,
    built: Built,
    /// Without a mask, and under the causal one.
    sweeps: [Sweep; 2],
    /// What the centred logarithms, cut to a rank, miss of the patterns without a mask.
    truncation: Vec<(usize, Sample)>,
    file: Option<Fitted>,
}

impl Experiment for HeadSizeBottleneck {
    type Measured = Measured;

    const ABOUT: About = ABOUT;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;

    fn measure(&self, settings: &Settings, run: &Run) -> Result<Measured> {
        // First what can fail on a bad setting, before seconds of fitting.
        let pattern = file::load(settings)?;
        let built = exact::measure(settings, run)?;
        let n = settings.integer("n")?;
        let [bidirectional, causal] = sweep::sides(n);
        let sweeps = [Sweep::measure(settings, bidirectional, run)?, Sweep::measure(settings, causal, run)?];
        let truncation = exact::truncation(&sweeps[0].targets)?;
        let file = pattern.map(|pattern| file::fit(settings, pattern, run)).transpose()?;
        Ok(Measured { n, built, sweeps, truncation, file })
    }

    fn judge(&self, measured: &Measured) -> Verdict {
        let (exact, because) = in_exact_arithmetic(measured);
        let points = measured.sweeps.iter().flat_map(Sweep::outcomes);
        Verdict::new().exact(exact, because).floating(Floating::over(points), in_floating_point(measured))
    }

    fn report(&self, measured: Measured, settings: &Settings) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        measured.built.report(&mut evidence, settings)?;
        for (sweep, is_certain) in measured.sweeps.iter().zip(certain(&measured)) {
            sweep.report(&mut evidence);
            let share = is_certain as f64 / sweep.least.len() as f64;
            evidence.measure(format!("certainly_needs_{}_share", sweep.side.name), share, "");
        }
        for (size, errors) in measured.truncation {
            let is_enough = size + 1 == measured.n;
            let measured = evidence.measure_sample(format!("truncation_error_d{size}"), errors, "");
            if is_enough {
                measured.expect(0.0, 1e-11, "the centred log P has rank n − 1 at most");
            }
        }
        sweep::picture(&mut evidence, settings, &measured.sweeps)?;
        if let Some(fitted) = &measured.file {
            file::report(&mut evidence, settings, fitted)?;
        }
        Ok(evidence)
    }
}

/// Under each mask, how many patterns certainly need a head of the threshold's size.
fn certain(measured: &Measured) -> [usize; 2] {
    let [bidirectional, causal] = &measured.sweeps;
    [bidirectional, causal].map(|sweep| sweep.least.iter().flatten().count())
}

fn in_exact_arithmetic(measured: &Measured) -> (Exact, String) {
    let (n, [certain, causal], all) = (measured.n, certain(measured), measured.sweeps[0].least.len());
    if n == 2 {
        let because = "With 2 positions the smallest head, D = 1, reaches every pattern, as the \
                       logarithms have rank 1 once each row is centred.";
        return (Exact::Refuted, because.to_owned());
    }
    if certain == 0 {
        let because = "No drawn pattern certainly needs more than the smallest head.".to_owned();
        return (Exact::Open, because);
    }
    let mut because = format!(
        "The logarithms of {certain} of {all} drawn patterns of {n} positions have rank {} once each row is centred, by \
         determinants certified not to be 0, and a head of size D has logits of rank D: no head below {0} reaches them, \
         and one of {0} reaches every pattern.",
        n - 1
    );
    if causal > 0 {
        because += &format!(" Under the causal mask {causal} of {all} need {} at least.", n / 2);
    }
    (Exact::Proved, because)
}

fn in_floating_point(measured: &Measured) -> String {
    let [bidirectional, causal] = measured.sweeps.each_ref().map(Sweep::in_words);
    let largest = measured.built.permutations.iter().max_by_key(|permutation| permutation.n);
    let permutation = largest.map_or(String::new(), |permutation| {
        format!(
            " A permutation of {} positions takes a head of 2 only, with logits of {}.",
            permutation.n,
            short(permutation.scale)
        )
    });
    format!(
        "Best fits to drawn patterns of {} positions: {bidirectional}; {causal}.{permutation}",
        measured.n
    )
}

/// How hard a fit tries.
fn fitting(settings: &Settings) -> Result<Fitting> {
    // Well below the tolerance, so that a value near it is the pattern's and not the search's.
    let enough = settings.number("tolerance")? * 1e-4;
    Ok(Fitting { starts: settings.integer("starts")?, enough: enough.min(1e-14), ..Fitting::default() })
}
