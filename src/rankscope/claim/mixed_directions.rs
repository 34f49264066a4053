//! Claim: half the heads forward and half backward restore rank to bidirectional attention.

use ndarray::Array2;

use super::{About, Allowed, Claim, Draw, Evidence, Parameter, Ruling, Sample, Settings, Verdict};
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Series, SpectrumFigure};
use crate::mask::Mask;
use crate::rank::{self, Spectrum};
use crate::run::Run;

/// See the module.
pub struct MixedDirections;

static ABOUT: About = About {
    id: "mixed-directions",
    statement: "An encoder gains rank when half of its heads look forward only and half backward only.",
    source: "Su Jianlin, kexue.fm 9529 (2023), closing experiment; FAQ in kexue.fm 9547",
    exact: "A lower and an upper triangular head each have full rank in exact arithmetic, and so, for almost \
            all inputs, has their mean. What a head adds is a matter of the spectrum's shape.",
    reconsider: "Trained heads instead of drawn ones, or a head size where the difference changes its sign.",
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
        name: "scale",
        summary: "factor on the logits after 1/√D",
        allowed: Allowed::Number(0.0, 100.0),
        quick: "1",
        full: "1",
    },
    Parameter { name: "seeds", summary: "draws", allowed: Allowed::Integer(2, 1000), quick: "6", full: "40" },
];

/// The spectra of one draw: mean of a causal and an anti-causal head, mean of two bidirectional ones.
struct Pair {
    mixed: Spectrum,
    bidirectional: Spectrum,
}

impl Claim for MixedDirections {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn run(&self, settings: &Settings, run: &Run) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        for head_size in settings.integers("head_sizes")? {
            let seed = settings.seed()?;
            let seeds: Vec<u64> = (0..settings.integer("seeds")? as u64).map(|draw| seed + draw).collect();
            let pairs = rank::many(&seeds, "mixed directions", run, |&seed| pair(settings, head_size, seed))?;
            record(&mut evidence, head_size, &pairs)?;
            if let Some(first) = pairs.into_iter().next() {
                picture(&mut evidence, settings, head_size, first);
            }
        }
        Ok(evidence)
    }

    fn verdict(&self, evidence: &Evidence) -> Result<Verdict> {
        let gains: Vec<_> = evidence.measured().iter().filter(|m| m.name.starts_with("gain_")).collect();
        let clearly = |gain: &Sample, sign: f64| sign * gain.mean() > 2.0 * gain.standard_error();
        let names = |sign: f64| -> Vec<&str> {
            let sides = gains.iter().filter(|m| m.spread.as_ref().is_some_and(|gain| clearly(gain, sign)));
            sides.map(|m| m.name.trim_start_matches("gain_d")).collect()
        };
        let (up, down) = (names(1.0), names(-1.0));
        let because = format!("gains at D = {}; loses at D = {}", or_none(&up), or_none(&down));
        let ruling = match (up.len(), down.len()) {
            (up, 0) if up == gains.len() => Ruling::Holds,
            (0, down) if down == gains.len() => Ruling::Fails,
            (0, 0) => Ruling::NotResolved,
            _ => Ruling::HoldsWithCondition,
        };
        Ok(Verdict::new(ruling, because))
    }
}

fn pair(settings: &Settings, head_size: usize, seed: u64) -> Result<Pair> {
    let (n, scale) = (settings.integer("n")?, settings.number("scale")?);
    let heads = [Draw::independent(n, head_size, seed), Draw::independent(n, head_size, !seed)];
    let mean = |masks: [Mask; 2]| -> Result<Spectrum> {
        let mut sum = Array2::zeros((n, n));
        for (head, mask) in heads.iter().zip(masks) {
            sum = sum + head.weights(scale, &mask, settings.device())?;
        }
        Spectrum::of((sum / 2.0).view())
    };
    Ok(Pair {
        mixed: mean([Mask::causal(), Mask::anti_causal()])?,
        bidirectional: mean([Mask::bidirectional(), Mask::bidirectional()])?,
    })
}

fn record(evidence: &mut Evidence, head_size: usize, pairs: &[Pair]) -> Result<()> {
    let over = |of: fn(&Pair) -> f64| pairs.iter().map(of).collect::<Sample>();
    let mixed = over(|pair| pair.mixed.effective_rank());
    let bidirectional = over(|pair| pair.bidirectional.effective_rank());
    let gain = mixed.minus(&bidirectional);
    let text = format!(
        "D = {head_size}: effective rank {mixed} with mixed directions, {bidirectional} bidirectional; paired \
         difference {gain} over {} draws",
        pairs.len()
    );
    evidence.weigh(gain.mean() > 0.0, text);
    evidence.measure_sample(format!("rank_mixed_d{head_size}"), mixed, "");
    evidence.measure_sample(format!("rank_bidirectional_d{head_size}"), bidirectional, "");
    evidence.measure_sample(format!("gain_d{head_size}"), gain, "");
    Ok(())
}

fn picture(evidence: &mut Evidence, settings: &Settings, head_size: usize, pair: Pair) {
    let series = vec![
        Series { name: "causal and anti-causal".into(), kind: Kind::Custom, spectrum: pair.mixed },
        Series { name: "bidirectional".into(), kind: Kind::Bidirectional, spectrum: pair.bidirectional },
    ];
    let title = format!("Mean of two heads of size {head_size}: singular values");
    let caption = format!(
        "Singular values of the mean of two heads of size {head_size}, one draw: one head causal and one \
         anti-causal, against both bidirectional."
    );
    let figure = SpectrumFigure { title, series, settings: settings.record() };
    evidence.show(format!("spectra-d{head_size}"), caption, figure);
}

fn or_none(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
