//! Trained heads under the bidirectional mask: how many directions f32 sees in their softmax.

use ndarray::ArrayView2;

use crate::claim::trained::{self, Subject, over_texts};
use crate::claim::{Evidence, Sample, Settings};
use crate::error::Result;
use crate::mask::Mask;
use crate::rank::{Spectrum, Tolerance};
use crate::run::Run;

/// The heads of one model.
pub(in crate::claim) struct Heads {
    pub name: String,
    pub trained: Mask,
    /// D, which bounds the rank of the scores.
    pub head_size: usize,
    pub tokens: usize,
    /// Head by head, the numerical rank at f32's tolerance, text by text.
    pub ranks: Vec<Sample>,
}

impl Heads {
    /// Whether a head has rank n on every text.
    pub fn is_full(&self, ranks: &Sample) -> bool {
        ranks.extremes().0 >= self.tokens as f64
    }

    /// "glass-en (trained causal, D = 16)".
    pub fn in_words(&self) -> String {
        format!("{} (trained {}, D = {})", self.name, self.trained, self.head_size)
    }
}

pub(in crate::claim) fn look(weights: ArrayView2<f64>) -> Result<f64> {
    Ok(Spectrum::of(weights)?.numerical_rank(Tolerance::F32) as f64)
}

pub(in crate::claim) fn measure(settings: &Settings, run: &Run) -> Result<(Vec<Heads>, Vec<String>)> {
    let of = |subject: &Subject| {
        let texts = subject.heads(&Mask::bidirectional(), run, look)?;
        Ok(Heads {
            name: subject.name.clone(),
            trained: subject.trained_mask().clone(),
            head_size: subject.model.description().head_size,
            tokens: settings.integer(trained::TOKENS.name)?,
            ranks: over_texts(&texts, |rank| *rank),
        })
    };
    trained::each(settings, trained::TOKENS.name, run, |_| None, of)
}

/// The ranks, beside how many heads are as the claim says.
pub(in crate::claim) fn report(
    evidence: &mut Evidence,
    models: &[Heads],
    (what, is): (&str, impl Fn(&Heads, &Sample) -> bool),
) {
    for model in models {
        let name = trained::plain(&model.name);
        let count = model.ranks.iter().filter(|ranks| is(model, ranks)).count();
        let mean: Sample = model.ranks.iter().map(Sample::mean).collect();
        let text = format!(
            "{} under the bidirectional mask: of {} directions f32 sees {mean} over {} heads",
            model.in_words(),
            model.tokens,
            model.ranks.len()
        );
        evidence.weigh(count > 0, text);
        evidence.measure(format!("heads_{name}"), model.ranks.len() as f64, "heads");
        evidence.measure(format!("heads_{what}_{name}"), count as f64, "heads");
        evidence.measure_sample(format!("rank_f32_{name}"), mean, "directions");
    }
}
