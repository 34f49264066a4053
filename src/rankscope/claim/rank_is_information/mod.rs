//! Claim: full rank means more information flows.
//!
//! Rank is put beside what actually passes: from the earlier half of the tokens to the later one, through
//! a stack of layers, and beside a residual connection.

mod blocks;
mod examples;
mod heads;
mod powers;
mod residual;
#[cfg(test)]
mod tests;

use super::verdict::sentence;
use super::{
    About, Allowed, Evidence, Exact, Experiment, Floating, Outcome, Parameter, Sample, Settings, Trained,
    Verdict, trained,
};
use crate::blas;
use crate::error::Result;
use crate::run::Run;
use blocks::At;
use examples::Example;
use heads::Heads;
use powers::Powers;
use residual::WithSkip;

/// See the module.
pub struct RankIsInformation;

const ABOUT: About = About {
    id: "rank-is-information",
    statement: "Attention of full rank lets more information flow between tokens.",
    source: "As commonly read into Su Jianlin, kexue.fm 9529 (2023), where full rank stands for more expressive \
             attention",
    exact: "Rank bounds what a matrix can pass on: A·V has rank at most that of A. The converse is false: \
            attention that is nearly the identity has full rank and passes next to nothing between tokens. What earlier tokens send to later ones goes \
            through the block below the diagonal, and there the causal weights are the bidirectional ones with each \
            row rescaled: the same rank, exactly.",
    reconsider: "A measure of flow by which the matrix of higher rank carries more at every size and scale.",
};

const PARAMETERS: &[Parameter] = &[
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
    trained::MODELS,
    trained::LARGEST,
    trained::TEXTS_FILE,
    trained::TOKENS,
];

/// What another device would compute otherwise, or not at all.
const ON_CPU: &str = "in f64 the powers of A (power_…), the examples of exact rank, the products A·V and all \
                      spectra; the device computes the weights of the blocks and beside the skip connection";

/// What the experiment finds.
pub struct Measured {
    n: usize,
    examples: Vec<Example>,
    blocks: Vec<At>,
    with_skip: Vec<WithSkip>,
    powers: Vec<Powers>,
    models: Vec<Heads>,
    notes: Vec<String>,
}

impl Experiment for RankIsInformation {
    type Measured = Measured;

    const ABOUT: About = ABOUT;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;

    fn measure(&self, settings: &Settings, run: &Run) -> Result<Measured> {
        let n = settings.integer("n")?;
        // With BLAS's own threads the last digits depend on how many there are.
        blas::single_threaded(|| {
            let (models, notes) = heads::measure(settings, run)?;
            Ok(Measured {
                n,
                examples: examples::measure(n)?,
                blocks: blocks::measure(settings, run)?,
                with_skip: residual::measure(settings, run)?,
                powers: powers::measure(settings, run)?,
                models,
                notes,
            })
        })
    }

    fn judge(&self, measured: &Measured) -> Verdict {
        let (exact, because) = in_exact_arithmetic(&measured.examples, measured.n);
        let models = Trained::over(measured.models.iter().map(Heads::is_together));
        Verdict::new()
            .exact(exact, because)
            .floating(
                Floating::over(measured.blocks.iter().map(At::outcome)),
                in_floating_point(&measured.blocks),
            )
            .trained(models, in_trained_models(&measured.models))
    }

    fn report(&self, measured: Measured, settings: &Settings) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        examples::report(&mut evidence, &measured.examples, measured.n);
        blocks::report(&mut evidence, settings, &measured.blocks)?;
        residual::report(&mut evidence, settings, &measured.with_skip)?;
        powers::report(&mut evidence, settings, &measured.powers)?;
        heads::report(&mut evidence, &measured.models);
        measured.notes.into_iter().for_each(|note| evidence.note(note));
        evidence.note_cpu(settings, ON_CPU);
        Ok(evidence)
    }
}

fn in_exact_arithmetic(examples: &[Example], n: usize) -> (Exact, String) {
    match examples::inversion(examples) {
        Some(pair) => (Exact::Refuted, sentence(&examples::in_words(pair, n))),
        None => (Exact::Open, "No example here has more rank and sends less.".to_owned()),
    }
}

fn in_floating_point(blocks: &[At]) -> String {
    let count = |wanted| blocks.iter().filter(|at| at.outcome() == wanted).count();
    let places = |wanted| {
        let at = blocks.iter().filter(|at| at.outcome() == wanted);
        let words: Vec<_> = at.map(|at| format!("D = {}, scale {}", at.head_size, at.scale)).collect();
        if words.is_empty() { String::new() } else { format!(" ({})", words.join("; ")) }
    };
    format!(
        "Of the causal and the bidirectional mask, the one of higher effective rank carries more from the earlier to the \
         later half of the tokens at {} of {} points{}, and less at {}{}.",
        count(Outcome::Holds),
        blocks.len(),
        places(Outcome::Holds),
        count(Outcome::Opposite),
        places(Outcome::Opposite)
    )
}

fn in_trained_models(models: &[Heads]) -> String {
    if models.is_empty() {
        return "None was named or is installed.".to_owned();
    }
    let models: Vec<_> = models.iter().map(Heads::in_words).collect();
    sentence(&models.join("; "))
}

/// Whether a paired difference is above zero; none where it is not away from zero by more than two standard
/// errors and by more than a hundredth of a direction.
fn is_clear(gain: &Sample) -> Option<bool> {
    let is_away = gain.mean().abs() > (2.0 * gain.standard_error()).max(0.01);
    is_away.then(|| gain.mean() > 0.0)
}
