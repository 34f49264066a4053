//! Claim: softmax cannot be relied on to restore full rank.
//!
//! The exact rank of the hardest case, head size 1, is a theorem, which determinants in multi-precision check;
//! the numerical rank of larger heads stands beside what the series of exp allows.

mod heads;
mod one_dimension;
mod series;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(super) use heads::look;
pub(super) use heads::{Heads, measure as trained_heads, report as report_heads};
pub(super) use one_dimension::{exact_ranks, tokens};
pub(super) use series::binomial;

use super::{
    About, Allowed, Evidence, Experiment, Floating, Parameter, Sample, Settings, Trained, Verdict, trained,
};
use crate::blas;
use crate::error::{Error, Result};
use crate::run::Run;
use one_dimension::AtSize;
use series::Map;

/// See the module.
pub struct SoftmaxRank;

const ABOUT: About = About {
    id: "softmax-rank",
    statement: "Softmax cannot be relied on to restore the full rank that the scores of a small head lack.",
    source: "Su Jianlin, kexue.fm 9529 (2023), on bidirectional attention",
    exact: "The scores have rank D at most. For D = 1 their softmax has as many dimensions as there are distinct \
            queries or distinct keys, whichever are fewer, so full rank at every n where all differ; for larger heads \
            full rank follows for almost all inputs. The numerical rank is bounded: cut at degree p, the series of exp \
            has rank C(D+p, p) at most, and what is cut off may be below rounding.",
    reconsider: "A tolerance other than rounding, or scores so large that the series is cut late.",
};

const PARAMETERS: &[Parameter] = &[
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
        name: "distinct",
        summary: "tokens of those matrices that differ; the others repeat them",
        allowed: Allowed::Integer(1, 64),
        quick: "64",
        full: "64",
    },
    Parameter { name: "seeds", summary: "draws", allowed: Allowed::Integer(2, 100), quick: "3", full: "10" },
    trained::MODELS,
    trained::LARGEST,
    trained::TEXTS_FILE,
    trained::TOKENS,
];

/// What another device would compute otherwise, or not at all.
const ON_CPU: &str = "in multi-precision the exact determinants, in f64 the weights behind rank_f64 and \
                      effective_rank, and all spectra; the device computes the weights behind rank_f32";

/// What the experiment finds.
pub struct Measured {
    exactly: Vec<AtSize>,
    map: Map,
    models: Vec<Heads>,
    notes: Vec<String>,
}

impl Experiment for SoftmaxRank {
    type Measured = Measured;

    const ABOUT: About = ABOUT;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;

    fn measure(&self, settings: &Settings, run: &Run) -> Result<Measured> {
        let n = settings.integer("n")?;
        if let Some(wide) = settings.integers("head_sizes")?.into_iter().find(|&head_size| head_size >= n) {
            return Err(Error::invalid("head_sizes", wide, format!("head sizes below n = {n}")));
        }
        // With BLAS's own threads the last digits depend on how many there are.
        blas::single_threaded(|| {
            let (models, notes) = heads::measure(settings, run)?;
            Ok(Measured {
                exactly: one_dimension::measure(settings, run)?,
                map: series::measure(settings, run)?,
                models,
                notes,
            })
        })
    }

    fn judge(&self, measured: &Measured) -> Verdict {
        let (exact, because) = one_dimension::judge(&measured.exactly);
        let map = measured.map.points.iter().map(|point| point.outcome(measured.map.n));
        let heads = measured.models.iter();
        let heads = heads.flat_map(|model| model.ranks.iter().map(|ranks| Some(!model.is_full(ranks))));
        Verdict::new()
            .exact(exact, because)
            .floating(Floating::over(map), measured.map.in_words())
            .trained(Trained::over(heads), in_trained_models(&measured.models))
    }

    fn report(&self, measured: Measured, settings: &Settings) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        one_dimension::report(&mut evidence, settings, &measured.exactly);
        series::report(&mut evidence, settings, &measured.map);
        let is_below = |model: &Heads, ranks: &Sample| !model.is_full(ranks);
        heads::report(&mut evidence, &measured.models, ("below_full_rank", is_below));
        measured.notes.into_iter().for_each(|note| evidence.note(note));
        evidence.note_cpu(settings, ON_CPU);
        Ok(evidence)
    }
}

fn in_trained_models(models: &[Heads]) -> String {
    if models.is_empty() {
        return "No model at hand.".to_owned();
    }
    let model = |model: &Heads| {
        let full = model.ranks.iter().filter(|ranks| model.is_full(ranks)).count();
        let least = model.ranks.iter().map(Sample::mean).fold(f64::INFINITY, f64::min);
        format!(
            "{full} of {} heads of {} show all {} directions at f32's tolerance on every text, the lowest on average \
             {least:.0}",
            model.ranks.len(),
            model.in_words(),
            model.tokens
        )
    };
    let models: Vec<_> = models.iter().map(model).collect();
    format!("Under the bidirectional mask {}.", models.join("; "))
}
