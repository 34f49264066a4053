//! Claims on trial: each claim of the popular account as an experiment that anyone can rerun.
//!
//! One folder per claim: its statement, who says it, what is exactly true, an experiment that takes seconds,
//! and a rule that reads the verdict off its typed results ([`Experiment`]), arena by arena ([`Verdict`]).
//! [`CLAIMS`] is the registry; command line, app, notebooks and book walk it.
//!
//! ```
//! use rankscope::claim::{self, Effort, Settings};
//! use rankscope::{Device, Run};
//! let claim = claim::find("mixed-directions")?;
//! let mut settings = Settings::new(claim, Effort::Quick, Device::Cpu)?;
//! settings.set("n", "24")?;
//! let trial = claim::run(claim, &settings, &Run::default())?;
//! assert!(trial.evidence.value("rank_mixed_scale1_d4")? > 0.0);
//! # Ok::<(), rankscope::Error>(())
//! ```

mod at_hand;
mod bidirectional_low_rank;
mod cache_reuse;
mod causal_full_rank;
mod chart;
mod depth_collapse;
mod draw;
mod encoder_decoder_cost;
mod evidence;
mod fixed_head_size;
mod head_size_bottleneck;
mod linear_attention_rank;
mod mask_carries_position;
mod mixed_directions;
mod parameter;
mod phase_map;
mod rank_is_information;
mod sample;
mod settings;
mod softmax_raises_rank;
mod softmax_rank;
#[cfg(test)]
mod tests;
mod timing;
mod trained;
mod trained_low_rank;
mod trial;
mod verdict;

pub use draw::{Draw, attention_weights, gaussian, linear_weights};
pub use evidence::{Evidence, Expected, Finding, Illustration, Known, Measured};
pub use parameter::{Allowed, Parameter, Value};
pub use phase_map::{Ahead, PhaseGrid, PhasePoint, Phases, phase_map};
pub use sample::Sample;
pub use settings::{Effort, Settings};
pub use trial::{Trial, run};
pub use verdict::{ARENAS, Exact, Floating, Opinion, Outcome, Ruling, Trained, Verdict};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::run::Run;

/// What a claim says, and what is known about it before any experiment.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct About {
    /// Its name on every surface, in lower case with hyphens.
    pub id: &'static str,
    /// The claim in one sentence, as its defenders put it.
    pub statement: &'static str,
    /// Who says it, and in which section.
    pub source: &'static str,
    /// What is exactly true.
    pub exact: &'static str,
    /// What would change the verdict.
    pub reconsider: &'static str,
}

/// One claim on the registry; every [`Experiment`] is one.
pub trait Claim: Sync {
    /// What it says.
    fn about(&self) -> &'static About;

    /// What can be set, beside `seed`, which every claim has.
    fn parameters(&self) -> &'static [Parameter];

    /// Measures and judges.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming a setting and what it may be; [`Error::Cancelled`]; errors of the device.
    fn decide(&self, settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)>;
}

/// A claim with results of its own type: a statement, an experiment, and a rule that reads the verdict off
/// what was measured.
pub trait Experiment: Sync {
    /// What the experiment finds, as the verdict reads it.
    type Measured;

    /// What it says.
    const ABOUT: About;

    /// What can be set, beside `seed`, which every claim has.
    const PARAMETERS: &'static [Parameter];

    /// The experiment. Everything measured comes from this run.
    ///
    /// # Errors
    /// As [`Claim::decide`].
    fn measure(&self, settings: &Settings, run: &Run) -> Result<Self::Measured>;

    /// The verdict, from what was measured and from nothing else.
    fn judge(&self, measured: &Self::Measured) -> Verdict;

    /// What was measured as people and files read it: each number once, with what it should be, sentences for
    /// and against, pictures.
    ///
    /// # Errors
    /// As [`Claim::decide`].
    fn report(&self, measured: Self::Measured, settings: &Settings) -> Result<Evidence>;
}

impl<E: Experiment> Claim for E {
    fn about(&self) -> &'static About {
        &E::ABOUT
    }

    fn parameters(&self) -> &'static [Parameter] {
        E::PARAMETERS
    }

    fn decide(&self, settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
        let measured = self.measure(settings, run)?;
        let verdict = self.judge(&measured);
        Ok((self.report(measured, settings)?, verdict))
    }
}

/// Every claim, in the order in which they are taught.
pub static CLAIMS: &[&dyn Claim] = &[
    &causal_full_rank::CausalFullRank,
    &bidirectional_low_rank::BidirectionalLowRank,
    &softmax_raises_rank::SoftmaxRaisesRank,
    &softmax_rank::SoftmaxRank,
    &head_size_bottleneck::HeadSizeBottleneck,
    &fixed_head_size::FixedHeadSize,
    &depth_collapse::DepthCollapse,
    &linear_attention_rank::LinearAttentionRank,
    &linear_attention_rank::LinearAttentionCausalRank,
    &mixed_directions::MixedDirections,
    &mask_carries_position::MaskCarriesPosition,
    &mask_carries_position::MaskTellsOrder,
    &rank_is_information::RankIsInformation,
    &cache_reuse::CacheReuse,
    &cache_reuse::OnlyCausalReuse,
    &encoder_decoder_cost::EncoderDecoderCost,
    &trained_low_rank::TrainedLowRank,
];

/// The claim with this id.
///
/// # Errors
/// [`Error::Invalid`] listing the ids there are.
pub fn find(id: &str) -> Result<&'static dyn Claim> {
    let ids = || CLAIMS.iter().map(|claim| claim.about().id).collect::<Vec<_>>().join(", ");
    let found = CLAIMS.iter().find(|claim| claim.about().id == id);
    found.copied().ok_or_else(|| Error::invalid("claim", format!("{id:?}"), format!("one of {}", ids())))
}
