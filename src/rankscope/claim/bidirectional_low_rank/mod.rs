//! Claim: bidirectional attention is of low rank.

mod alignment;
mod map;
mod numerical;
#[cfg(test)]
mod tests;
mod uniform;

use super::{About, Allowed, Claim, Evidence, Parameter, Ruling, Settings, Verdict};
use crate::error::{Error, Result};
use crate::numbers::short;
use crate::run::Run;

/// See the module.
pub struct BidirectionalLowRank;

static ABOUT: About = About {
    id: "bidirectional-low-rank",
    statement: "Bidirectional attention is of low rank, where causal attention is of full rank.",
    source: "Su Jianlin, kexue.fm 9529 (2023), the low-rank argument; FAQ in kexue.fm 9547",
    exact: "The determinant of softmax(QKᵀ/√D) is an analytic function of Q and K that is not zero everywhere: \
            for D = 1 and distinct qᵢ and kⱼ the kernel exp(qᵢkⱼ) is nonsingular at every n. So it is zero on \
            a null set only, and bidirectional attention of drawn queries and keys has full rank almost \
            surely. What can be low is its numerical rank at a stated tolerance, or its effective rank.",
    reconsider: "Trained queries and keys instead of drawn ones, another measure than the effective rank, or a \
                 map over other head sizes, scales and alignments.",
};

static PARAMETERS: &[Parameter] = &[
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
];

/// Multiplications that a run may take: about ten minutes of singular values on two cores.
const MOST_WORK: f64 = 4e12;

impl Claim for BidirectionalLowRank {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn run(&self, settings: &Settings, run: &Run) -> Result<Evidence> {
        check_work(settings)?;
        let mut evidence = Evidence::new();
        numerical::tolerance(&mut evidence, settings, run)?;
        numerical::over_sizes(&mut evidence, settings, run)?;
        uniform::limit(&mut evidence, settings, run)?;
        map::over_head_sizes_and_scales(&mut evidence, settings, run)?;
        alignment::over_alignments(&mut evidence, settings, run)?;
        Ok(evidence)
    }

    /// Low rank is read as a lower effective rank than causal attention of the same queries and keys has:
    /// at every point that the draws decide it holds, at none it fails.
    fn verdict(&self, evidence: &Evidence) -> Result<Verdict> {
        let lower = evidence.value("points_bidirectional_lower")?;
        let higher = evidence.value("points_bidirectional_higher")?;
        let points = lower + higher + evidence.value("points_undecided")?;
        let ruling = match (lower > 0.0, higher > 0.0) {
            (true, false) => Ruling::Holds,
            (false, true) => Ruling::Fails,
            (true, true) => Ruling::HoldsWithCondition,
            (false, false) => Ruling::NotResolved,
        };
        let full = evidence.value("share_full_rank_f64")?;
        let mut because = format!(
            "not of the exact rank, which double precision finds full in {:.0} % of the draws over n; of the \
             effective rank at {lower} of {points} points of the map, where it is below the causal one, while \
             it is above at {higher}",
            100.0 * full
        );
        if let Some(border) = border(evidence) {
            because += &format!("; it is below at logit scales under {border}");
        }
        Ok(Verdict::new(ruling, because))
    }
}

/// "1.72 at D = 8 to 0.248 at D = 128": the first and the last border that was measured.
fn border(evidence: &Evidence) -> Option<String> {
    let mut borders = evidence.measured().iter().filter_map(|measured| {
        let head_size = measured.name.strip_prefix("border_scale_d")?;
        Some(format!("{} at D = {head_size}", short(measured.value)))
    });
    let first = borders.next()?;
    Some(borders.next_back().map_or(first.clone(), |last| format!("{first} to {last}")))
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
