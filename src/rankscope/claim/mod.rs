//! Claims on trial: each claim of the popular account as an experiment that any user can repeat.
//!
//! One module per claim: its statement, its source, what is true in exact arithmetic, an experiment that takes seconds,
//! and a rule that derives the verdict from its typed results, arena by arena ([`Verdict`]). Claims about what models
//! learn are tried by training, in a minute or more; the outcomes of their runs are kept, and those of a quick run's
//! settings are shipped with the program. [`CLAIMS`] is the registry; command line, app, notebooks and book list it.
//! The results of numpy and mpmath for the same quantities are in `reference.txt`, and every run is compared with them.
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
mod block_rank;
mod cache_reuse;
mod causal_full_rank;
mod depth_collapse;
mod draw;
mod encoder_decoder_cost;
mod evidence;
mod first_token_drift;
mod fixed_head_size;
mod head_size_bottleneck;
mod last_token_memory;
mod learned_sink;
mod linear_attention_rank;
mod mask_carries_position;
mod mixed_directions;
mod parameter;
mod phase_map;
mod positive_determinant;
mod rank_is_information;
mod reference;
mod settings;
mod softmax_raises_rank;
mod softmax_rank;
mod sweep;
#[cfg(test)]
mod tests;
mod timing;
mod trained;
mod trained_low_rank;
mod training;
mod trial;
mod verdict;

pub use crate::statistics::Sample;
pub use depth_collapse::{NetSizes, log_residuals};
pub use draw::{Draw, attention_weights, gaussian, linear_weights};
pub use evidence::{Evidence, Expected, Finding, Illustration, Known, Measured};
pub use first_token_drift::{weights_of_first, weights_of_first_by_equal_scores};
pub use parameter::{Allowed, Parameter, Value};
pub use phase_map::{Ahead, PhaseGrid, PhasePoint, Phases, phase_map};
pub use settings::{Effort, RunsAt, Settings};
pub use timing::{Cost, Task, costs, growth};
pub use training::{missing, train};
pub use trial::{Trial, run};
pub use verdict::{ARENAS, ByTraining, Exact, Floating, Opinion, Outcome, Ruling, Trained, Verdict};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::run::Run;

/// The subjects of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Attention matrices and their ranks.
    Matrices,
    /// The effect of masks, sinks and depth on tokens.
    Mechanisms,
    /// What models learn; these claims are tried by training.
    Training,
    /// Operations, parameters and caches.
    Cost,
}

impl Group {
    /// Every group, in the order in which they are listed.
    pub const ALL: [Group; 4] = [Group::Matrices, Group::Mechanisms, Group::Training, Group::Cost];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Group::Matrices => "matrices",
            Group::Mechanisms => "mechanisms",
            Group::Training => "training",
            Group::Cost => "cost",
        }
    }
}

/// The statement of a claim, and what is known about it before any experiment.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct About {
    /// Its name in all interfaces, in lower case with hyphens.
    pub id: &'static str,
    /// Its subject.
    pub group: Group,
    /// The claim in one sentence, as its supporters state it.
    pub statement: &'static str,
    /// Its source, with the section.
    pub source: &'static str,
    /// What is true in exact arithmetic.
    pub exact: &'static str,
    /// What would change the verdict.
    pub reconsider: &'static str,
}

/// A claim: a statement, and an experiment that decides how far it is true.
#[derive(Debug)]
pub struct Claim {
    about: About,
    parameters: &'static [Parameter],
    decide: fn(&Settings, &Run) -> Result<(Evidence, Verdict)>,
}

impl Claim {
    /// Its statement, source and name.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Its parameters, besides `seed`, which every claim has.
    pub fn parameters(&self) -> &'static [Parameter] {
        self.parameters
    }

    /// Whether it is tried by training: by runs that take a minute or more, unless their outcomes are kept already.
    pub fn is_trained(&self) -> bool {
        self.about.group == Group::Training
    }
}

/// The names that the claims' modules use.
mod prelude {
    pub(super) use ndarray::{Array2, ArrayView2};

    pub(super) use super::Allowed::{Integer, Integers, Number, Numbers, Text, Word};
    pub(super) use super::parameter::{Parameter, set};
    pub(super) use super::sweep::{
        LOGIT_SCALES, MASKS, Place, by_scale, columns, curve, draws, lines, means, sweep,
    };
    pub(super) use super::trained::{self, Heads, Subject, in_models, plain};
    pub(super) use super::verdict::{sentence, times};
    pub(super) use super::{
        About, Ahead, Claim, Draw, Evidence, Exact, Floating, Group, Outcome, PhaseGrid, Sample, Settings,
        Trained, Verdict, attention_weights, gaussian, phase_map,
    };
    pub(super) use crate::device::Device;
    pub(super) use crate::error::{Error, Result};
    pub(super) use crate::figure::style::Kind;
    pub(super) use crate::figure::{Curve, PlotAxis, Reference};
    pub(super) use crate::mask::Mask;
    pub(super) use crate::numbers::short;
    pub(super) use crate::rank::{self, Spectrum, Tolerance};
    pub(super) use crate::run::Run;
}

/// Every claim, in the order in which they are taught.
pub static CLAIMS: &[&Claim] = &[
    &causal_full_rank::CLAIM,
    &bidirectional_low_rank::CLAIM,
    &softmax_raises_rank::CLAIM,
    &softmax_rank::CLAIM,
    &head_size_bottleneck::CLAIM,
    &fixed_head_size::CLAIM,
    &depth_collapse::CLAIM,
    &linear_attention_rank::BIDIRECTIONAL,
    &linear_attention_rank::CAUSAL,
    &mixed_directions::CLAIM,
    &mask_carries_position::POSITION,
    &mask_carries_position::ORDER,
    &rank_is_information::CLAIM,
    &cache_reuse::CLAIM,
    &cache_reuse::ONLY_CAUSAL,
    &encoder_decoder_cost::CLAIM,
    &trained_low_rank::CLAIM,
    &block_rank::CLAIM,
    &positive_determinant::CLAIM,
    &learned_sink::CLAIM,
    &first_token_drift::CLAIM,
    &last_token_memory::CLAIM,
    &training::bidirectional_input::CLAIM,
    &training::mixed_heads::CLAIM,
    &training::linear_causal::CLAIM,
    &training::head_size::CLAIM,
    &training::objectives::CLAIM,
    &training::doubled_parameters::CLAIM,
    &training::in_context::CLAIM,
    &training::no_positions::CLAIM,
    &training::rank_explains::CLAIM,
    &training::repeated_data::CLAIM,
];

/// The claim with this id.
///
/// # Errors
/// [`Error::Invalid`] listing all ids.
pub fn find(id: &str) -> Result<&'static Claim> {
    let ids = || CLAIMS.iter().map(|claim| claim.about.id).collect::<Vec<_>>().join(", ");
    let found = CLAIMS.iter().find(|claim| claim.about.id == id);
    found.copied().ok_or_else(|| Error::invalid("claim", format!("{id:?}"), format!("one of {}", ids())))
}
