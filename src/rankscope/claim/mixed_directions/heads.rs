//! Trained heads with their masks replaced: two of a layer, one causal and one anti-causal, or both bidirectional.

use ndarray::Array2;

use super::outcome;
use crate::claim::trained::{self, Subject};
use crate::claim::{Evidence, Outcome, Sample, Settings};
use crate::error::Result;
use crate::mask::Mask;
use crate::rank::{self, Spectrum};
use crate::run::Run;

/// The heads of one model, two by two.
pub(super) struct Heads {
    pub name: String,
    pub trained: Mask,
    /// Pair by pair, what mixed directions add to the effective rank of the mean of two heads, text by text.
    pub gains: Vec<Sample>,
}

pub(super) fn measure(settings: &Settings, run: &Run) -> Result<(Vec<Heads>, Vec<String>)> {
    trained::each(settings, trained::TOKENS.name, run, |_| None, |subject| of(subject, run))
}

/// The weights of all heads, text by text.
type Texts = Vec<Vec<Array2<f64>>>;

fn of(subject: &Subject, run: &Run) -> Result<Heads> {
    let weights = |mask: Mask| -> Result<Texts> { subject.heads(&mask, run, |head| Ok(head.to_owned())) };
    let (causal, anti) = (weights(Mask::causal())?, weights(Mask::anti_causal())?);
    let both = weights(Mask::bidirectional())?;
    let heads = subject.model.description().heads;
    let all = both.first().map_or(0, Vec::len);
    // Heads of one layer: 0 and 1, 2 and 3, …
    let firsts: Vec<usize> =
        (0..all).filter(|head| (head % heads).is_multiple_of(2) && head % heads + 1 < heads).collect();
    let gains = rank::many(&firsts, &format!("pairs of {}", subject.name), run, |&head| {
        let rank = |first: &Array2<f64>, second: &Array2<f64>| {
            Ok(Spectrum::of(((first + second) / 2.0).view())?.effective_rank())
        };
        let gain = |text: usize| -> Result<f64> {
            let mixed = rank(&causal[text][head], &anti[text][head + 1])?;
            Ok(mixed - rank(&both[text][head], &both[text][head + 1])?)
        };
        Ok(Sample::new((0..both.len()).map(gain).collect::<Result<Vec<_>>>()?))
    })?;
    Ok(Heads { name: subject.name.clone(), trained: subject.trained_mask().clone(), gains })
}

impl Heads {
    fn count(&self, wanted: Outcome) -> usize {
        self.gains.iter().filter(|gain| outcome(gain) == wanted).count()
    }
}

pub(super) fn in_words(models: &[Heads]) -> String {
    if models.is_empty() {
        return "No model at hand.".to_owned();
    }
    let words = models.iter().map(|model| {
        format!(
            "{} of {} pairs of heads of {} (trained {}), and lowers it in {}",
            model.count(Outcome::Holds),
            model.gains.len(),
            model.name,
            model.trained,
            model.count(Outcome::Opposite)
        )
    });
    format!(
        "With the masks replaced, mixing raises the effective rank in {}.",
        words.collect::<Vec<_>>().join("; in ")
    )
}

pub(super) fn report(evidence: &mut Evidence, models: &[Heads]) {
    for model in models {
        let (name, higher) = (trained::plain(&model.name), model.count(Outcome::Holds));
        evidence.weigh(higher == model.gains.len(), in_words(std::slice::from_ref(model)));
        evidence.measure(format!("pairs_{name}"), model.gains.len() as f64, "pairs of heads");
        evidence.measure(format!("pairs_mixed_higher_{name}"), higher as f64, "pairs of heads");
        let mean: Sample = model.gains.iter().map(Sample::mean).collect();
        evidence.measure_sample(format!("gain_{name}"), mean, "");
    }
}
