//! Claim: half the heads forward and half backward restore rank to bidirectional attention.

mod figures;
mod heads;
mod multi_head;
mod pair;
mod point;
#[cfg(test)]
mod tests;

use super::{
    About, Allowed, Evidence, Experiment, Floating, Outcome, Parameter, Sample, Settings, Trained, Verdict,
    trained,
};
use crate::error::Result;
use crate::rank;
use crate::run::Run;
use heads::Heads;
use multi_head::Agreement;
use pair::Pair;
use point::Point;

/// See the module.
pub struct MixedDirections;

const ABOUT: About = About {
    id: "mixed-directions",
    statement: "An encoder gains rank when half of its heads look forward only and half backward only.",
    source: "Su Jianlin, kexue.fm 9529 (2023), closing experiment; FAQ in kexue.fm 9547",
    exact: "A lower and an upper triangular head each have full rank in exact arithmetic, and so, for almost \
            all inputs, has their mean, and always their product. For almost all inputs bidirectional heads \
            have full rank too: what the directions change is the shape of the spectrum. At logits of 0 a \
            bidirectional head is the matrix of 1/n, of rank 1, and a causal one the Cesàro matrix.",
    reconsider: "Encoders trained with mixed directions: the source trained some on masked words, and that half of \
                 the claim is no part of this experiment. Trained heads are shown with their masks replaced.",
};

const PARAMETERS: &[Parameter] = &[
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
    trained::MODELS,
    trained::LARGEST,
    trained::TEXTS_FILE,
    trained::TOKENS,
];

/// What the experiment finds.
pub struct Measured {
    points: Vec<Point>,
    /// One draw at the first and at the last point.
    spectra: Vec<(usize, f64, Pair)>,
    agreement: Agreement,
    models: Vec<Heads>,
    notes: Vec<String>,
}

impl Experiment for MixedDirections {
    type Measured = Measured;

    const ABOUT: About = ABOUT;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;

    fn measure(&self, settings: &Settings, run: &Run) -> Result<Measured> {
        let (n, seed) = (settings.integer("n")?, settings.seed()?);
        let seeds: Vec<u64> = (0..settings.integer("seeds")? as u64).map(|draw| seed + draw).collect();
        let (scales, head_sizes) = (settings.numbers("scales")?, settings.integers("head_sizes")?);
        let places = scales.iter().flat_map(|&scale| head_sizes.iter().map(move |&d| (d, scale)));
        let places: Vec<(usize, f64)> = places.collect();
        let (mut points, mut spectra) = (Vec::new(), Vec::new());
        for (index, &(head_size, scale)) in places.iter().enumerate() {
            let pairs = rank::many(&seeds, "mixed directions", run, |&seed| {
                Pair::draw((n, head_size, scale), seed, settings.device(), run)
            })?;
            points.push(Point::of((n, head_size, scale), &pairs, settings.device()));
            // The smallest head under the smallest logits, and the other end, where the sign may be another.
            if index == 0 || index == places.len() - 1 {
                spectra.extend(pairs.into_iter().next().map(|pair| (head_size, scale, pair)));
            }
        }
        run.check()?;
        let (models, notes) = heads::measure(settings, run)?;
        let agreement = multi_head::compare(n, head_sizes[0], seed, settings.device())?;
        Ok(Measured { points, spectra, agreement, models, notes })
    }

    fn judge(&self, measured: &Measured) -> Verdict {
        let places = |wanted| {
            let points = measured.points.iter().filter(|point| outcome(&point.gain()) == wanted);
            let words: Vec<_> = points.map(|p| format!("scale {}, D = {}", p.scale, p.head_size)).collect();
            if words.is_empty() { "no point".to_owned() } else { words.join("; ") }
        };
        let because = format!(
            "The effective rank of the mean of two heads rises at {}; it falls at {}.",
            places(Outcome::Holds),
            places(Outcome::Opposite)
        );
        let rises = |gain: &Sample| match outcome(gain) {
            Outcome::Holds => Some(true),
            Outcome::Opposite => Some(false),
            Outcome::Fails | Outcome::Unclear => None,
        };
        let gains = measured.models.iter().flat_map(|model| &model.gains);
        Verdict::new()
            .floating(Floating::over(measured.points.iter().map(|point| outcome(&point.gain()))), because)
            .trained(Trained::over(gains.map(rises)), heads::in_words(&measured.models))
    }

    fn report(&self, measured: Measured, settings: &Settings) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        for point in &measured.points {
            point.report(&mut evidence);
        }
        for (head_size, scale, pair) in measured.spectra {
            figures::spectra(&mut evidence, settings, (head_size, scale), pair);
        }
        figures::ranks(&mut evidence, settings, &measured.points);
        measured.agreement.report(&mut evidence);
        heads::report(&mut evidence, &measured.models);
        measured.notes.into_iter().for_each(|note| evidence.note(note));
        Ok(evidence)
    }
}

/// Whether a paired difference is above zero or below it by more than two standard errors.
fn outcome(gain: &Sample) -> Outcome {
    match (gain.mean(), 2.0 * gain.standard_error()) {
        (mean, error) if mean > error => Outcome::Holds,
        (mean, error) if mean < -error => Outcome::Opposite,
        _ => Outcome::Unclear,
    }
}
