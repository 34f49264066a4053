//! What trained heads keep of their rank, as f32 computes them.

use ndarray::ArrayView2;

use crate::claim::trained::{self, Subject, over_texts};
use crate::claim::{Evidence, Sample, Settings};
use crate::error::Result;
use crate::mask::Mask;
use crate::rank::{Spectrum, Tolerance};
use crate::run::Run;

/// The heads of one model on all texts.
pub(super) struct Heads {
    pub name: String,
    /// Head by head, the directions that count as zero at f32's tolerance, text by text.
    pub lost: Vec<Sample>,
    /// Weights on the diagonal that are exactly 0 in f32.
    pub zeros: usize,
}

impl Heads {
    /// Of one model from what [`look`] found, text by text and head by head.
    pub fn new(name: impl Into<String>, texts: &[Vec<(f64, usize)>]) -> Self {
        let zeros = texts.iter().flatten().map(|(_, zeros)| zeros).sum();
        Heads { name: name.into(), lost: over_texts(texts, |head| head.0), zeros }
    }

    /// Heads that keep full rank on every text.
    pub fn full(&self) -> usize {
        self.lost.iter().filter(|lost| is_full(lost)).count()
    }
}

/// Whether a head keeps full rank on every text.
pub(super) fn is_full(lost: &Sample) -> bool {
    lost.count_where(|lost| lost > 0.0) == 0
}

/// Directions lost at f32's tolerance, and exact zeros on the diagonal.
pub(super) fn look(weights: ArrayView2<f64>) -> Result<(f64, usize)> {
    let lost = weights.nrows() - Spectrum::of(weights)?.numerical_rank(Tolerance::F32);
    Ok((lost as f64, weights.diag().iter().filter(|&&weight| weight == 0.0).count()))
}

/// Every model that was trained under `mask`, as trained.
pub(super) fn measure(settings: &Settings, mask: &Mask, run: &Run) -> Result<(Vec<Heads>, Vec<String>)> {
    let refuse = |trained: &Mask| (trained != mask).then_some("not trained under the mask on trial");
    let of = |subject: &Subject| Ok(Heads::new(&subject.name, &subject.heads(mask, run, look)?));
    trained::each(settings, trained::TOKENS.name, run, refuse, of)
}

pub(super) fn report(evidence: &mut Evidence, models: Vec<Heads>) {
    for model in models {
        let (name, heads, full) = (trained::plain(&model.name), model.lost.len(), model.full());
        let text = format!(
            "{}: {full} of {heads} heads keep every direction at f32's tolerance on every text; {} diagonal weights \
             are exactly 0 in f32",
            model.name, model.zeros
        );
        evidence.weigh(full == heads && model.zeros == 0, text);
        evidence.measure(format!("heads_{name}"), heads as f64, "heads");
        evidence.measure(format!("heads_of_full_rank_{name}"), full as f64, "heads");
        evidence.measure(format!("diagonal_zeros_{name}"), model.zeros as f64, "weights");
        let mean: Sample = model.lost.iter().map(Sample::mean).collect();
        evidence.measure_sample(format!("lost_f32_{name}"), mean, "directions");
    }
}
