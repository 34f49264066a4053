//! Trained heads under both masks: the one they were trained with, and the other one with the same weights.

use crate::claim::trained::{self, Subject, over_texts};
use crate::claim::{Ahead, Evidence, Sample, Settings};
use crate::error::Result;
use crate::mask::Mask;
use crate::rank::Spectrum;
use crate::run::Run;

/// The heads of one model: effective ranks, text by text, causal and bidirectional.
pub(super) struct Heads {
    pub name: String,
    pub trained: Mask,
    pub ranks: Vec<[Sample; 2]>,
}

impl Heads {
    /// From the effective ranks under both masks, text by text and head by head.
    pub fn new(name: impl Into<String>, trained: Mask, [causal, both]: [&[Vec<f64>]; 2]) -> Self {
        let of = |texts| over_texts(texts, |rank: &f64| *rank);
        let ranks = of(causal).into_iter().zip(of(both)).map(|(causal, both)| [causal, both]).collect();
        Heads { name: name.into(), trained, ranks }
    }

    /// Whether each head has a lower effective rank bidirectionally; `None` where the texts do not tell.
    pub fn is_lower(&self) -> impl Iterator<Item = Option<bool>> {
        self.ranks.iter().map(|[causal, both]| match Ahead::of(&causal.minus(both)) {
            Ahead::Causal => Some(true),
            Ahead::Bidirectional => Some(false),
            Ahead::Neither => None,
        })
    }

    /// "glass-en (trained causal): in 3 of 16 heads, in 10 it is higher".
    pub fn in_words(&self) -> String {
        let count = |wanted| self.is_lower().filter(|is| *is == Some(wanted)).count();
        let (lower, higher, all) = (count(true), count(false), self.ranks.len());
        format!("in {lower} of {all} heads of {} (trained {}), higher in {higher}", self.name, self.trained)
    }
}

pub(super) fn measure(settings: &Settings, run: &Run) -> Result<(Vec<Heads>, Vec<String>)> {
    let look = |subject: &Subject| {
        let ranks = |mask: Mask| subject.heads(&mask, run, |head| Ok(Spectrum::of(head)?.effective_rank()));
        let (causal, both) = (ranks(Mask::causal())?, ranks(Mask::bidirectional())?);
        Ok(Heads::new(&subject.name, subject.trained_mask().clone(), [&causal, &both]))
    };
    trained::each(settings, trained::TOKENS.name, run, |_| None, look)
}

pub(super) fn report(evidence: &mut Evidence, models: &[Heads]) {
    for model in models {
        let (name, lower) =
            (trained::plain(&model.name), model.is_lower().filter(|is| *is == Some(true)).count());
        let text = format!("the bidirectional effective rank is lower {}", model.in_words());
        evidence.weigh(lower == model.ranks.len(), text);
        evidence.measure(format!("heads_{name}"), model.ranks.len() as f64, "heads");
        evidence.measure(format!("heads_bidirectional_lower_{name}"), lower as f64, "heads");
        for (mask, which) in [("causal", 0), ("bidirectional", 1)] {
            let mean: Sample = model.ranks.iter().map(|ranks| ranks[which].mean()).collect();
            evidence.measure_sample(format!("effective_rank_{mask}_{name}"), mean, "");
        }
    }
}
