//! Claims on trial: each claim of the popular account as an experiment that anyone can rerun.
//!
//! One file per claim: its statement, who says it, what is exactly true, an experiment that takes seconds,
//! and a rule that reads the verdict off the measurements. [`CLAIMS`] is the registry; command line, app,
//! notebooks and book walk it.
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
mod softmax_rank;
#[cfg(test)]
mod tests;
mod timing;
mod trained_low_rank;
mod trial;

pub use draw::{Draw, attention_weights, gaussian, linear_weights};
pub use evidence::{Evidence, Expected, Finding, Illustration, Measured};
pub use parameter::{Allowed, Parameter, Value};
pub use phase_map::{Ahead, PhaseGrid, PhasePoint, Phases, phase_map};
pub use sample::Sample;
pub use settings::{Effort, Settings};
pub use trial::{Trial, run};

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

/// One claim: a statement, an experiment, and a rule that reads the verdict off the measurements.
pub trait Claim: Sync {
    /// What it says.
    fn about(&self) -> &'static About;

    /// What can be set, beside `seed`, which every claim has.
    fn parameters(&self) -> &'static [Parameter];

    /// The experiment. Everything measured comes from this run.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming a setting and what it may be; [`Error::Cancelled`]; errors of the device.
    fn run(&self, settings: &Settings, run: &Run) -> Result<Evidence>;

    /// The verdict, from what was measured and from nothing else.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming a measurement that the evidence lacks.
    fn verdict(&self, evidence: &Evidence) -> Result<Verdict>;
}

/// What the evidence says about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Ruling {
    /// At every point measured.
    #[serde(rename = "holds")]
    Holds,
    /// At some points, and the condition tells which.
    #[serde(rename = "holds with a condition")]
    HoldsWithCondition,
    /// The measurements contradict it.
    #[serde(rename = "fails")]
    Fails,
    /// The measurements do not tell.
    #[serde(rename = "not resolved")]
    NotResolved,
}

impl Ruling {
    /// As it is written.
    pub fn label(self) -> &'static str {
        match self {
            Ruling::Holds => "holds",
            Ruling::HoldsWithCondition => "holds with a condition",
            Ruling::Fails => "fails",
            Ruling::NotResolved => "not resolved",
        }
    }
}

/// A ruling and its reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The ruling.
    pub ruling: Ruling,
    /// The condition, or what decided, in one sentence.
    pub because: String,
}

impl Verdict {
    /// A verdict with its reason.
    pub fn new(ruling: Ruling, because: impl Into<String>) -> Self {
        Verdict { ruling, because: because.into() }
    }
}

/// Every claim, in the order in which they are taught.
pub static CLAIMS: &[&dyn Claim] = &[
    &causal_full_rank::CausalFullRank,
    &bidirectional_low_rank::BidirectionalLowRank,
    &softmax_rank::SoftmaxRank,
    &head_size_bottleneck::HeadSizeBottleneck,
    &fixed_head_size::FixedHeadSize,
    &depth_collapse::DepthCollapse,
    &linear_attention_rank::LinearAttentionRank,
    &mixed_directions::MixedDirections,
    &mask_carries_position::MaskCarriesPosition,
    &rank_is_information::RankIsInformation,
    &cache_reuse::CacheReuse,
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
