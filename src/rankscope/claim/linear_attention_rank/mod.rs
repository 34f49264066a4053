//! Claim: linear attention has rank D at most when bidirectional, and full rank when causal.

mod figures;
mod point;
mod record;
mod recurrence;
#[cfg(test)]
mod tests;

use super::untyped::Untyped;
use super::{About, Allowed, Evidence, Floating, Opinion, Parameter, Settings};
use crate::error::Result;
use crate::numbers::short;
use crate::rank;
use crate::run::Run;
use point::{Place, Point};

/// See the module.
pub struct LinearAttentionRank;

static ABOUT: About = About {
    id: "linear-attention-rank",
    statement: "Linear attention has a rank of at most D when bidirectional, and full rank when causal.",
    source: "Su Jianlin, kexue.fm 9529 (2023), on the low rank of bidirectional attention; linear attention: \
             Katharopoulos et al. 2020 (arXiv 2006.16236)",
    exact: "Bidirectional, the weights are a positive diagonal times φ(Q)φ(K)ᵀ, the product of an n × D and a \
            D × n matrix: rank at most min(D, n), whatever the numbers. Causal, they are triangular, and the \
            determinant is the product of their diagonal: full rank exactly if every φ(qᵢ)·φ(kᵢ) > 0. For elu + 1 \
            that always holds, for relu it need not. Every block below the diagonal has rank at most D either \
            way: it is what the recurrent state of D·(D + 1) numbers carries.",
    reconsider: "A feature map with more features than D, which raises the bound, or with zeros, which breaks the \
                 second half; a measured rank above the bound would mean an error in the formula.",
};

static PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "lengths",
        summary: "numbers of positions n",
        allowed: Allowed::Integers(2, 1024),
        quick: "16,64,512",
        full: "16,32,64,128,256,512,1024",
    },
    Parameter {
        name: "head_sizes",
        summary: "head sizes D",
        allowed: Allowed::Integers(1, 1024),
        quick: "8,16,64",
        full: "2,4,8,16,32,64,128",
    },
    Parameter { name: "seeds", summary: "draws", allowed: Allowed::Integer(2, 1000), quick: "5", full: "10" },
];

impl Untyped for LinearAttentionRank {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn run(&self, settings: &Settings, run: &Run) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        let seed = settings.seed()?;
        let seeds: Vec<u64> = (0..settings.integer("seeds")? as u64).map(|draw| seed + draw).collect();
        let mut found: Vec<(Place, Vec<Point>)> = Vec::new();
        for head_size in settings.integers("head_sizes")? {
            for n in settings.integers("lengths")? {
                let place = Place { n, head_size };
                let points = rank::many(&seeds, "linear attention", run, |&seed| {
                    Point::draw(place, seed, settings.device(), run)
                })?;
                record::measure(&mut evidence, place, &points, settings.device())?;
                found.push((place, points));
            }
        }
        record::totals(&mut evidence, &found);
        record::weigh(&mut evidence, &found, settings.device())?;
        recurrence::compare(&mut evidence, settings, run)?;
        figures::show(&mut evidence, settings, &found);
        Ok(evidence)
    }

    fn verdict(&self, evidence: &Evidence) -> Result<Opinion<Floating>> {
        let value = |name: &str| evidence.value(name);
        let (binding, draws) = (value("points_with_n_above_d")?, value("draws_in_all")?);
        let (excess, short_of_full) =
            (value("largest_excess_over_min_d_n")?, value("causal_not_full_draws")?);
        let relu = value("relu_not_full_draws")?;
        let (ruling, because) = if excess > 0.0 || short_of_full > 0.0 {
            let because = format!(
                "the bidirectional rank exceeds min(D, n) by up to {excess}, and {short_of_full} of {draws} causal \
                 draws lack full rank"
            );
            (Floating::Nowhere, because)
        } else if binding == 0.0 {
            (Floating::NotResolved, "no point has n above D, where the bound would say something".to_owned())
        } else if relu > 0.0 {
            let because = format!(
                "with elu + 1, in all {draws} draws; with relu, {relu} of {draws} causal draws have tokens that \
                 share no feature with themselves, a 0 on the diagonal, and so no full rank: the condition is \
                 φ(qᵢ)·φ(kᵢ) > 0 for every i"
            );
            (Floating::InOneRegion, because)
        } else {
            let because = format!("in all {} draws, with elu + 1 and with relu", short(draws));
            (Floating::Everywhere, because)
        };
        Ok(Opinion::new(ruling, because))
    }
}
