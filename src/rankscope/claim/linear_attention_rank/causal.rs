//! Claim: causal linear attention has full rank.

use ndarray::{Array2, s};

use super::recurrence::{self, Recurrence};
use super::{NUMPY, PARAMETERS, Place, SOURCE, effective, numpy, places, ranks, tolerance};
use crate::claim::{
    About, Draw, Evidence, Exact, Experiment, Floating, Known, Outcome, Parameter, Sample, Settings, Verdict,
    linear_weights,
};
use crate::device::Device;
use crate::error::Result;
use crate::figure::style::Kind;
use crate::mask::Mask;
use crate::ops::FeatureMap;
use crate::rank::{self, Spectrum, Tolerance, exact_rank};
use crate::run::Run;

/// See the module.
pub struct LinearAttentionCausalRank;

const ABOUT: About = About {
    id: "linear-attention-causal-rank",
    statement: "Causal linear attention has full rank.",
    source: SOURCE,
    exact: "The weights are triangular, and their determinant is the product of the diagonal: full rank exactly if \
            every φ(qᵢ)·φ(kᵢ) > 0. For elu + 1 that always holds, for relu it need not. Every block below the diagonal \
            has rank at most D all the same: it is what the recurrent state of D·(D + 1) numbers carries.",
    reconsider: "A feature map without zeros, for which it is a theorem.",
};

/// What numpy gives at n = 512.
struct Reference {
    head_size: usize,
    /// Effective ranks: linear with elu + 1, softmax.
    effective: [Known; 2],
    /// Numerical rank in f32.
    rank_f32: Known,
    /// log₁₀ of the condition number.
    condition: Known,
}

const AT_512: [Reference; 3] = [
    Reference {
        head_size: 8,
        effective: [numpy(76.889, 0.58), numpy(155.148, 2.352)],
        rank_f32: numpy(506.2, 0.523),
        condition: numpy(7.764, 0.527),
    },
    Reference {
        head_size: 16,
        effective: [numpy(77.337, 0.504), numpy(184.821, 3.11)],
        rank_f32: numpy(505.95, 0.605),
        condition: numpy(5.848, 0.197),
    },
    Reference {
        head_size: 64,
        effective: [numpy(73.65, 0.321), numpy(218.639, 2.589)],
        rank_f32: numpy(512.0, 0.0),
        condition: numpy(4.008, 0.047),
    },
];

/// One draw at one place.
struct Weights {
    elu: Spectrum,
    /// elu + 1, from the later half of the queries to the earlier half of the keys.
    block: Spectrum,
    /// Whether the places of the zeros of elu + 1 prove full rank.
    is_full: bool,
    relu: Spectrum,
    /// Tokens that share no relu feature with themselves: zeros on the diagonal.
    strangers: usize,
    softmax: Spectrum,
}

/// What the experiment finds.
pub struct Measured {
    points: Vec<Point>,
    recurrence: Recurrence,
}

/// One place.
struct Point {
    place: Place,
    draws: Vec<Weights>,
}

impl Experiment for LinearAttentionCausalRank {
    type Measured = Measured;

    const ABOUT: About = ABOUT;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;

    fn measure(&self, settings: &Settings, run: &Run) -> Result<Measured> {
        let seeds = settings.seeds("seeds")?;
        let point = |place: Place| {
            let draws = rank::many(&seeds, "causal linear attention", run, |&seed| {
                draw(place, seed, settings.device(), run)
            })?;
            Ok(Point { place, draws })
        };
        let points = Place::all(settings)?.into_iter().map(point).collect::<Result<_>>()?;
        Ok(Measured { points, recurrence: recurrence::measure(settings, run)? })
    }

    fn judge(&self, Measured { points, .. }: &Measured) -> Verdict {
        let draws = || points.iter().flat_map(|point| &point.draws);
        let (count, not_full) = (draws().count(), draws().filter(|draw| draw.strangers > 0).count());
        let elu = "With elu + 1 every weight on the diagonal is positive, which makes full rank a theorem";
        let (exact, theorem) = match points.iter().find(|point| point.strangers() > 0.0) {
            Some(point) => {
                let because = format!(
                    "With relu, a token whose query and key share no feature has a 0 on the \
                     diagonal: in {not_full} of {count} draws, first at {}. {elu}.",
                    point.place.in_words()
                );
                (Exact::Refuted, because)
            }
            None => (Exact::Open, format!("{elu}; with relu, no draw here has a 0 on the diagonal.")),
        };
        let lost: Vec<_> = points.iter().filter(|point| !point.is_full_in_f32()).collect();
        let f32s = if lost.is_empty() {
            "With elu + 1, f32 finds full rank in every draw.".to_owned()
        } else {
            let deepest = lost.iter().map(|point| point.place.n as f64 - point.rank_f32().extremes().0);
            format!(
                "With elu + 1, f32 finds full rank in every draw but at {}, where up to {} directions are lost.",
                places(lost.iter().copied(), |point| point.place),
                deepest.fold(0.0, f64::max)
            )
        };
        let outcome = |point: &Point| if point.is_full_in_f32() { Outcome::Holds } else { Outcome::Fails };
        Verdict::new().exact(exact, theorem).floating(Floating::over(points.iter().map(outcome)), f32s)
    }

    fn report(&self, measured: Measured, settings: &Settings) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        for point in &measured.points {
            point.report(&mut evidence, settings.device());
        }
        measured.recurrence.report(&mut evidence);
        let ranks = measured.points.iter().map(|point| (point.place, point.rank_f32()));
        let caption =
            "Numerical rank (f32) of causal linear attention with elu + 1 against the number of positions n.";
        super::show_over_n(&mut evidence, settings, ("causal", Kind::Causal), ranks, caption);
        if let Some(Point { place, draws }) = super::largest(&measured.points, |point| point.place) {
            let first = &draws[0];
            let series = [
                ("linear, elu + 1", Kind::Causal, &first.elu),
                ("its block of later queries and earlier keys", Kind::Plain, &first.block),
                ("softmax", Kind::Custom, &first.softmax),
            ];
            let caption = format!(
                "The block in which the later half of the queries meets the earlier half of the keys has no more than \
                 {} that are not rounding.",
                place.head_size.min(place.n / 2)
            );
            super::show_spectra(&mut evidence, settings, *place, &series, &caption);
        }
        Ok(evidence)
    }
}

fn draw(place: Place, seed: u64, device: &Device, run: &Run) -> Result<Weights> {
    let draw = Draw::independent(place.n, place.head_size, seed);
    let linear = |map| linear_weights(&draw.q, &draw.k, map, &Mask::causal(), device);
    let spectrum = |matrix: &Array2<f64>| {
        run.check()?; // each takes a while
        Spectrum::of(matrix.view())
    };
    let (elu, relu) = (linear(FeatureMap::EluPlusOne)?, linear(FeatureMap::Relu)?);
    let half = place.n / 2;
    Ok(Weights {
        block: Spectrum::of(elu.slice(s![half.., ..half]))?,
        is_full: exact_rank(elu.mapv(|weight| weight != 0.0).view()).rank == Some(place.n),
        elu: spectrum(&elu)?,
        strangers: relu.diag().iter().filter(|&&weight| weight == 0.0).count(),
        relu: spectrum(&relu)?,
        softmax: spectrum(&draw.weights(1.0, &Mask::causal(), device)?)?,
    })
}

impl Point {
    fn over(&self, of: impl Fn(&Weights) -> f64) -> Sample {
        self.draws.iter().map(of).collect()
    }

    /// Tokens that share no relu feature with themselves, in the mean.
    fn strangers(&self) -> f64 {
        self.over(|draw| draw.strangers as f64).mean()
    }

    fn rank_f32(&self) -> Sample {
        ranks(self.draws.iter().map(|draw| &draw.elu), Tolerance::F32)
    }

    fn is_full_in_f32(&self) -> bool {
        self.rank_f32().extremes().0 >= self.place.n as f64
    }

    fn report(&self, evidence: &mut Evidence, device: &Device) {
        let Point { place, draws } = self;
        let is_proved = draws.iter().all(|draw| draw.is_full);
        let (zero, rank_f32) = (tolerance(device), self.rank_f32());
        let rank = |of: fn(&Weights) -> &Spectrum| ranks(draws.iter().map(of), zero);
        let (elu, relu) = (rank(|draw| &draw.elu), rank(|draw| &draw.relu));
        let block = rank(|draw| &draw.block);
        let text = format!(
            "{}, elu + 1: numerical rank {elu}, in f32 {rank_f32}; what passes from the earlier to the later half of \
             the tokens has rank {block}: the full rank sits near the diagonal",
            place.in_words()
        );
        evidence.weigh(is_proved && self.is_full_in_f32(), text);
        let text = format!(
            "{}, relu: tokens that share no feature with themselves, {}; numerical rank {relu}",
            place.in_words(),
            self.over(|draw| draw.strangers as f64)
        );
        evidence.weigh(self.strangers() == 0.0, text);
        let known = AT_512.iter().find(|known| place.n == 512 && place.head_size == known.head_size);
        evidence.measure_sample(place.name("rank_causal"), elu, "");
        let measured = evidence.measure_sample(place.name("rank_f32_causal"), rank_f32, "");
        if let Some(known) = known {
            measured.expect_mean_count(known.rank_f32, NUMPY);
        }
        let measured = evidence.measure_sample(place.name("rank_block"), block, "");
        if *device == Device::Cpu {
            let bound = place.head_size.min(place.n / 2) as f64;
            measured.expect(bound, 0.0, "rank φ(Q)φ(K)ᵀ = min(D, n) for almost all inputs");
        }
        evidence.measure_sample(place.name("rank_relu_causal"), relu, "");
        evidence.measure_sample(place.name("relu_strangers"), self.over(|draw| draw.strangers as f64), "");
        let samples = [
            effective(draws.iter().map(|draw| &draw.elu)),
            effective(draws.iter().map(|draw| &draw.softmax)),
        ];
        let names = ["effective_rank_causal", "effective_rank_softmax_causal"];
        for (index, (name, sample)) in names.into_iter().zip(samples).enumerate() {
            let measured = evidence.measure_sample(place.name(name), sample, "");
            if let Some(known) = known {
                measured.expect_mean(known.effective[index], NUMPY);
            }
        }
        if *device == Device::Cpu {
            // Entries in f32 would say nothing about the smallest singular values.
            let condition = self.over(|draw| draw.elu.condition().map_or(f64::NAN, |c| c.value.log10()));
            let measured = evidence.measure_sample(place.name("log10_condition_causal"), condition, "");
            if let Some(known) = known {
                measured.expect_mean(known.condition, NUMPY);
            }
        }
    }
}
