//! Claim: bidirectional linear attention has a rank of at most D.

use ndarray::Array2;

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
use crate::rank::{self, Spectrum};
use crate::run::Run;

/// See the module.
pub struct LinearAttentionRank;

const ABOUT: About = About {
    id: "linear-attention-rank",
    statement: "Bidirectional linear attention has a rank of at most D.",
    source: SOURCE,
    exact: "The weights are a positive diagonal times φ(Q)φ(K)ᵀ, the product of an n × D and a D × n matrix: rank at \
            most min(D, n), whatever the numbers. Softmax has no such bound.",
    reconsider: "A feature map with more features than D, which raises the bound; a measured rank above the bound \
                 would mean an error in the formula.",
};

/// D; effective ranks at n = 512: of linear attention with elu + 1, of softmax.
const AT_512: [(usize, Known, Known); 3] = [
    (8, numpy(3.137, 0.035), numpy(105.333, 2.786)),
    (16, numpy(4.11, 0.033), numpy(194.493, 2.566)),
    (64, numpy(6.455, 0.044), numpy(300.693, 1.065)),
];

/// One draw at one place.
struct Weights {
    elu: Spectrum,
    relu: Spectrum,
    softmax: Spectrum,
}

/// One place: ranks at the tolerance of the device's arithmetic.
struct Point {
    place: Place,
    elu: Sample,
    relu: Sample,
    softmax: Sample,
    effective: [Sample; 2],
    first: Weights,
}

/// What the experiment finds.
pub struct Measured {
    points: Vec<Point>,
}

impl Experiment for LinearAttentionRank {
    type Measured = Measured;

    const ABOUT: About = ABOUT;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;

    fn measure(&self, settings: &Settings, run: &Run) -> Result<Measured> {
        let (seeds, device) = (settings.seeds("seeds")?, settings.device());
        let point = |place: Place| {
            let draws = rank::many(&seeds, "linear attention", run, |&seed| {
                let draw = Draw::independent(place.n, place.head_size, seed);
                let linear = |map| linear_weights(&draw.q, &draw.k, map, &Mask::bidirectional(), device);
                let softmax = draw.weights(1.0, &Mask::bidirectional(), device)?;
                weights([linear(FeatureMap::EluPlusOne)?, linear(FeatureMap::Relu)?, softmax], run)
            })?;
            Ok(Point::of(place, draws, device))
        };
        Ok(Measured { points: Place::all(settings)?.into_iter().map(point).collect::<Result<_>>()? })
    }

    fn judge(&self, Measured { points }: &Measured) -> Verdict {
        let theorem =
            "The weights are a diagonal times φ(Q)φ(K)ᵀ, an n × D by a D × n matrix, so no rank is above D.";
        let bound = || points.iter().filter(|point| point.place.head_size < point.place.n);
        let outcome = |point: &Point| match point.is_within() {
            true => Outcome::Holds,
            false => Outcome::Fails,
        };
        let above: Vec<_> = bound().filter(|point| !point.is_within()).collect();
        let seen = match (bound().count(), above.is_empty()) {
            (0, _) => "No point has n above D, where the bound would say something.".to_owned(),
            (count, true) => {
                let least = bound().map(|point| point.softmax.mean() / point.place.head_size as f64);
                format!(
                    "No draw at {count} points with n above D has a numerical rank above D, with elu + 1 or relu. \
                     Softmax of the same queries and keys has at least {} times that rank.",
                    crate::numbers::short(least.fold(f64::INFINITY, f64::min))
                )
            }
            (_, false) => format!(
                "The numerical rank is above D at {}.",
                places(above.into_iter(), |point| point.place)
            ),
        };
        Verdict::new().exact(Exact::Proved, theorem).floating(Floating::over(bound().map(outcome)), seen)
    }

    fn report(&self, measured: Measured, settings: &Settings) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        for point in &measured.points {
            point.report(&mut evidence, settings.device());
        }
        let ranks = measured.points.iter().map(|point| (point.place, point.elu.clone()));
        let caption = "Numerical rank of bidirectional linear attention with elu + 1 against the number of positions n: \
                       it stops at D.";
        super::show_over_n(&mut evidence, settings, ("bidirectional", Kind::Bidirectional), ranks, caption);
        if let Some(Point { place, first, .. }) = super::largest(&measured.points, |point| point.place) {
            let series = [
                ("linear, elu + 1", Kind::Bidirectional, &first.elu),
                ("linear, relu", Kind::Custom, &first.relu),
                ("softmax", Kind::Plain, &first.softmax),
            ];
            let caption =
                format!("Of linear attention, {} are not rounding; softmax has no bound.", place.bound());
            super::show_spectra(&mut evidence, settings, *place, &series, &caption);
        }
        Ok(evidence)
    }
}

/// The spectra of elu + 1, relu and softmax.
fn weights(matrices: [Array2<f64>; 3], run: &Run) -> Result<Weights> {
    let spectrum = |matrix: &Array2<f64>| {
        run.check()?; // each takes a while
        Spectrum::of(matrix.view())
    };
    let [elu, relu, softmax] = &matrices;
    Ok(Weights { elu: spectrum(elu)?, relu: spectrum(relu)?, softmax: spectrum(softmax)? })
}

impl Point {
    fn of(place: Place, mut draws: Vec<Weights>, device: &Device) -> Self {
        let zero = tolerance(device);
        Point {
            place,
            elu: ranks(draws.iter().map(|draw| &draw.elu), zero),
            relu: ranks(draws.iter().map(|draw| &draw.relu), zero),
            softmax: ranks(draws.iter().map(|draw| &draw.softmax), zero),
            effective: [
                effective(draws.iter().map(|draw| &draw.elu)),
                effective(draws.iter().map(|draw| &draw.softmax)),
            ],
            first: draws.swap_remove(0),
        }
    }

    /// Whether no draw has a rank above min(D, n).
    fn is_within(&self) -> bool {
        self.elu.extremes().1.max(self.relu.extremes().1) <= self.place.bound() as f64
    }

    fn report(&self, evidence: &mut Evidence, device: &Device) {
        let Point { place, elu, relu, softmax, effective: [linear, soft], .. } = self;
        let text = format!(
            "{}: numerical rank {elu} with elu + 1 and {relu} with relu, where the bound is {}; softmax of the same \
             draws: {softmax}",
            place.in_words(),
            place.bound()
        );
        evidence.weigh(self.is_within(), text);
        let measured = evidence.measure_sample(place.name("rank_bidirectional"), elu.clone(), "");
        if *device == Device::Cpu {
            measured.expect(place.bound() as f64, 0.0, "rank φ(Q)φ(K)ᵀ = min(D, n) for almost all inputs");
        }
        evidence.measure_sample(place.name("rank_relu_bidirectional"), relu.clone(), "");
        evidence.measure_sample(place.name("rank_softmax_bidirectional"), softmax.clone(), "");
        let known = AT_512.iter().find(|known| place.n == 512 && place.head_size == known.0);
        let names = ["effective_rank_bidirectional", "effective_rank_softmax_bidirectional"];
        for (index, (name, sample)) in names.into_iter().zip([linear, soft]).enumerate() {
            let measured = evidence.measure_sample(place.name(name), sample.clone(), "");
            if let Some(&(_, linear, soft)) = known {
                measured.expect_mean([linear, soft][index], NUMPY);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights of softmax in the place of linear attention's break the bound, and the verdict follows.
    #[test]
    fn weights_above_the_bound_are_found() {
        let run = Run::default();
        let point = |n: usize, map: Option<FeatureMap>| {
            let place = Place { n, head_size: 3 };
            let draws = [5, 6].map(|seed| {
                let draw = Draw::independent(n, 3, seed);
                let softmax = draw.weights(1.0, &Mask::bidirectional(), &Device::Cpu).unwrap();
                let linear =
                    |map| linear_weights(&draw.q, &draw.k, map, &Mask::bidirectional(), &Device::Cpu);
                let elu = map.map_or(softmax.clone(), |map| linear(map).unwrap());
                weights([elu, linear(FeatureMap::Relu).unwrap(), softmax], &run).unwrap()
            });
            Point::of(place, draws.into(), &Device::Cpu)
        };
        let word = |points| LinearAttentionRank.judge(&Measured { points }).rows()[1].unwrap().0;
        let linear = |n| point(n, Some(FeatureMap::EluPlusOne));
        assert_eq!(word(vec![linear(7), linear(20)]), "holds everywhere measured");
        assert_eq!(word(vec![linear(7), point(20, None)]), "holds in one region");
        assert_eq!(word(vec![point(7, None), point(20, None)]), "fails everywhere measured");
        assert_eq!(word(vec![linear(2)]), "not resolved");
    }
}
