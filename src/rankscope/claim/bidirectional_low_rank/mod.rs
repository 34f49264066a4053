//! Claim: bidirectional attention is of low rank.

mod alignment;
mod exact;
mod heads;
mod map;
mod numerical;
#[cfg(test)]
mod tests;
mod uniform;

use super::verdict::sentence;
use super::{
    About, Ahead, Allowed, Evidence, Exact, Experiment, Floating, Outcome, Parameter, Phases, Settings,
    Trained, Verdict, trained,
};
use crate::error::{Error, Result};
use crate::numbers::short;
use crate::run::Run;
use alignment::Alignments;
use exact::Exactly;
use heads::Heads;
use numerical::{AtSize, Coarse};
use uniform::Uniform;

/// See the module.
pub struct BidirectionalLowRank;

const ABOUT: About = About {
    id: "bidirectional-low-rank",
    statement: "Bidirectional attention is of low rank.",
    source: "Su Jianlin, kexue.fm 9529 (2023), the low-rank argument; FAQ in kexue.fm 9547",
    exact: "The determinant of softmax(QKᵀ/√D) is an analytic function of Q and K that is not zero everywhere: \
            for D = 1 and distinct qᵢ and kⱼ the kernel exp(qᵢkⱼ) is nonsingular at every n. So it is zero on \
            a null set only, and bidirectional attention of drawn queries and keys has full rank almost \
            surely. What can be low is its numerical rank at a stated tolerance, or its effective rank.",
    reconsider: "Trained queries and keys instead of drawn ones, another measure than the effective rank, or a \
                 map over other head sizes, scales and alignments.",
};

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "n",
        summary: "positions, of the map and over alignments",
        allowed: Allowed::Integer(2, 1024),
        quick: "128",
        full: "128",
    },
    Parameter {
        name: "head_sizes",
        summary: "head sizes D of the map",
        allowed: Allowed::Integers(1, 1024),
        quick: "1,2,4,6,8,12,16,32,64,128",
        full: "1,2,3,4,5,6,8,10,12,14,16,20,24,32,40,48,64,80,96,128",
    },
    Parameter {
        name: "scales",
        summary: "factors on the logits after 1/√D, of the map",
        allowed: Allowed::Numbers(0.0, 100.0),
        quick: "0.05,0.1,0.2,0.35,0.5,0.7,1,2,4,8",
        full: "0.05,0.07,0.1,0.13,0.17,0.22,0.3,0.4,0.5,0.6,0.75,0.85,1,1.3,1.7,2.2,3,4,6,8",
    },
    Parameter {
        name: "alignment",
        summary: "of keys with queries in the map: 0 is independent, 1 is K = Q",
        allowed: Allowed::Number(0.0, 1.0),
        quick: "0",
        full: "0",
    },
    Parameter {
        name: "sizes",
        summary: "positions n over which ranks are followed, at D = 16 and unit scale",
        allowed: Allowed::Integers(2, 1024),
        quick: "16,32,64,128,256",
        full: "16,32,64,128,256,512,1024",
    },
    Parameter { name: "seeds", summary: "draws", allowed: Allowed::Integer(2, 1000), quick: "3", full: "3" },
    trained::MODELS,
    trained::LARGEST,
    trained::TEXTS_FILE,
    trained::TOKENS,
];

/// Multiplications that a run may take: about ten minutes of singular values on two cores.
const MOST_WORK: f64 = 4e12;

/// What numpy 2.4 gives over 40 draws of its own generator.
const NUMPY: &str = "numpy, 40 other draws";

/// What the experiment finds.
pub struct Measured {
    exactly: Exactly,
    coarse: Coarse,
    sizes: Vec<AtSize>,
    uniform: Vec<Uniform>,
    map: Phases,
    alignments: Alignments,
    models: Vec<Heads>,
    notes: Vec<String>,
}

impl Experiment for BidirectionalLowRank {
    type Measured = Measured;

    const ABOUT: About = ABOUT;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;

    fn measure(&self, settings: &Settings, run: &Run) -> Result<Measured> {
        check_work(settings)?;
        let sizes = ascending(settings.integers("sizes")?);
        let (models, notes) = heads::measure(settings, run)?;
        Ok(Measured {
            exactly: exact::measure(&settings.numbers("scales")?, settings.seed()?, run)?,
            coarse: numerical::coarse(settings, run)?,
            uniform: uniform::measure(&sizes, run)?,
            sizes: numerical::over_sizes(settings, &sizes, run)?,
            map: map::measure(settings, run)?,
            alignments: alignment::measure(settings, run)?,
            models,
            notes,
        })
    }

    /// Low rank is a rank below n exactly; in floating point, where every rank is a matter of degree, it is an
    /// effective rank below that of causal attention of the same queries and keys.
    fn judge(&self, measured: &Measured) -> Verdict {
        let (exact, because) = in_exact_arithmetic(&measured.exactly);
        let map = measured.map.points().iter().map(|point| match point.ahead() {
            Ahead::Causal => Outcome::Holds,
            Ahead::Bidirectional => Outcome::Opposite,
            Ahead::Neither => Outcome::Unclear,
        });
        let heads = Trained::over(measured.models.iter().flat_map(Heads::is_lower));
        Verdict::new()
            .exact(exact, because)
            .floating(Floating::over(map), in_floating_point(measured))
            .trained(heads, in_trained_models(&measured.models))
    }

    fn report(&self, measured: Measured, settings: &Settings) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        measured.exactly.report(&mut evidence);
        measured.coarse.report(&mut evidence);
        numerical::report(&mut evidence, settings, &measured.sizes);
        uniform::report(&mut evidence, &measured.uniform);
        map::report(&mut evidence, settings, &measured.map);
        measured.alignments.report(&mut evidence, settings)?;
        heads::report(&mut evidence, &measured.models);
        measured.notes.into_iter().for_each(|note| evidence.note(note));
        Ok(evidence)
    }
}

fn in_exact_arithmetic(exactly: &Exactly) -> (Exact, String) {
    match (exactly, exactly.in_words()) {
        (_, Some(example)) => (Exact::Refuted, sentence(&example)),
        (Exactly::AllEqual, _) => {
            (Exact::Proved, "With logits of 0 every weight is 1/n, and the rank is 1.".to_owned())
        }
        _ => (Exact::Open, "The determinant of the example cannot be told from 0.".to_owned()),
    }
}

fn in_floating_point(measured: &Measured) -> String {
    let Measured { map, sizes, .. } = measured;
    let (lower, higher) = (map.count(Ahead::Causal), map.count(Ahead::Bidirectional));
    let border = match map::borders(map)[..] {
        [] => String::new(),
        [(size, scale)] => format!("; it is below at logit scales under {} at D = {size}", short(scale)),
        [(first, high), .., (last, low)] => format!(
            "; it is below at logit scales under {} at D = {first} to {} at D = {last}",
            short(high),
            short(low)
        ),
    };
    let (full, all) = sizes.iter().map(AtSize::full).fold((0, 0), |sum, at| (sum.0 + at.0, sum.1 + at.1));
    let largest = sizes.last().map_or(0, |at| at.n);
    format!(
        "The effective rank is below the causal one at {lower} of {} points of head size and logit scale, and above \
         it at {higher}{border}. The numerical rank in f64 is full in {full} of {all} draws up to n = {largest}.",
        map.points().len()
    )
}

fn in_trained_models(models: &[Heads]) -> String {
    if models.is_empty() {
        return "None was named or is installed.".to_owned();
    }
    let models: Vec<_> = models.iter().map(Heads::in_words).collect();
    format!(
        "With the same trained weights under both masks, the bidirectional effective rank is the lower one {}.",
        models.join("; ")
    )
}

/// In order, each once.
fn ascending(mut sizes: Vec<usize>) -> Vec<usize> {
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// Refuses what would take hours: n³ per matrix, two masks, every point and draw.
fn check_work(settings: &Settings) -> Result<()> {
    let cube = |n: usize| (n as f64).powi(3);
    let points = settings.integers("head_sizes")?.len() * settings.numbers("scales")?.len();
    let sizes: f64 = settings.integers("sizes")?.into_iter().map(cube).sum();
    let per_draw = 2.0 * (points as f64 * cube(settings.integer("n")?) + sizes);
    let work = per_draw * settings.integer("seeds")? as f64;
    if work <= MOST_WORK {
        return Ok(());
    }
    let given = format!("2 · seeds · (head_sizes · scales · n³ + Σ sizes³) = {}", short(work));
    Err(Error::invalid("work of the settings", given, format!("at most {}", short(MOST_WORK))))
}
