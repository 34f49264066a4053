//! Claim: half the heads forward and half backward restore rank to bidirectional attention.

mod figures;
mod multi_head;
mod pair;
mod record;
#[cfg(test)]
mod tests;

use super::untyped::Untyped;
use super::{About, Allowed, Evidence, Floating, Opinion, Parameter, Sample, Settings};
use crate::error::Result;
use crate::rank;
use crate::run::Run;
use pair::Pair;

/// See the module.
pub struct MixedDirections;

static ABOUT: About = About {
    id: "mixed-directions",
    statement: "An encoder gains rank when half of its heads look forward only and half backward only.",
    source: "Su Jianlin, kexue.fm 9529 (2023), closing experiment; FAQ in kexue.fm 9547",
    exact: "A lower and an upper triangular head each have full rank in exact arithmetic, and so, for almost \
            all inputs, has their mean, and always their product. For almost all inputs bidirectional heads \
            have full rank too: what the directions change is the shape of the spectrum. At logits of 0 a \
            bidirectional head is the matrix of 1/n, of rank 1, and a causal one the Cesàro matrix.",
    reconsider: "Trained heads instead of drawn ones: the source trained encoders on masked words, and that \
                 half of the claim is no part of this experiment. Or a head size or a logit scale at which \
                 the difference changes its sign.",
};

static PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "n",
        summary: "positions",
        allowed: Allowed::Integer(2, 2048),
        quick: "256",
        full: "256",
    },
    Parameter {
        name: "head_sizes",
        summary: "head sizes D",
        allowed: Allowed::Integers(1, 1024),
        quick: "4,16,64",
        full: "2,4,8,16,32,64,128",
    },
    Parameter {
        name: "scales",
        summary: "factors on the logits after 1/√D: 0.1 is near-uniform attention, as small initial weights give",
        allowed: Allowed::Numbers(0.0, 100.0),
        quick: "0.1,1",
        full: "0.1,0.3,1,2,4",
    },
    Parameter { name: "seeds", summary: "draws", allowed: Allowed::Integer(2, 1000), quick: "6", full: "40" },
];

/// One scale and one head size.
#[derive(Clone, Copy)]
struct Point {
    n: usize,
    head_size: usize,
    scale: f64,
}

impl Point {
    /// The end of the names of its numbers.
    fn suffix(&self) -> String {
        format!("scale{}_d{}", self.scale, self.head_size)
    }
}

impl Untyped for MixedDirections {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn run(&self, settings: &Settings, run: &Run) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        let (n, seed) = (settings.integer("n")?, settings.seed()?);
        let seeds: Vec<u64> = (0..settings.integer("seeds")? as u64).map(|draw| seed + draw).collect();
        let (scales, head_sizes) = (settings.numbers("scales")?, settings.integers("head_sizes")?);
        let points = scales.iter().flat_map(|&scale| head_sizes.iter().map(move |&d| (scale, d)));
        let points: Vec<Point> = points.map(|(scale, head_size)| Point { n, head_size, scale }).collect();
        let last = points.len() - 1;
        for (index, point) in points.iter().enumerate() {
            let pairs = rank::many(&seeds, "mixed directions", run, |&seed| {
                Pair::draw(point, seed, settings.device(), run)
            })?;
            record::point(&mut evidence, point, &pairs, settings.device())?;
            // The smallest head under the smallest logits, and the other end, where the sign may be another.
            if let Some(first) = pairs.into_iter().next().filter(|_| index == 0 || index == last) {
                figures::spectra(&mut evidence, settings, point, first);
            }
        }
        run.check()?;
        figures::ranks(&mut evidence, settings, &points);
        multi_head::compare(&mut evidence, n, head_sizes[0], seed, settings.device())?;
        Ok(evidence)
    }

    fn verdict(&self, evidence: &Evidence) -> Result<Opinion<Floating>> {
        let gains: Vec<_> = evidence.measured().iter().filter(|m| m.name.starts_with("gain_scale")).collect();
        let clearly = |gain: &Sample, sign: f64| sign * gain.mean() > 2.0 * gain.standard_error();
        let places = |sign: f64| -> Vec<String> {
            let sides = gains.iter().filter(|m| m.spread.as_ref().is_some_and(|gain| clearly(gain, sign)));
            sides.map(|m| in_words(&m.name)).collect()
        };
        let (up, down) = (places(1.0), places(-1.0));
        let because = format!("effective rank rises at {}; falls at {}", or_none(&up), or_none(&down));
        let ruling = match (up.len(), down.len()) {
            (up, 0) if up == gains.len() => Floating::Everywhere,
            (0, down) if down == gains.len() => Floating::Nowhere,
            (0, 0) => Floating::NotResolved,
            _ => Floating::InOneRegion,
        };
        Ok(Opinion::new(ruling, because))
    }
}

/// `gain_scale0.1_d4` as people say it.
fn in_words(name: &str) -> String {
    name.trim_start_matches("gain_").replace("scale", "scale ").replace("_d", ", D = ")
}

fn or_none(places: &[String]) -> String {
    if places.is_empty() { "no point".to_owned() } else { places.join("; ") }
}
