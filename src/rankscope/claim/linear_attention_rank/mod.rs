//! Claims: linear attention has a rank of at most D when bidirectional, and full rank when causal.

mod causal;

use std::collections::BTreeMap;

use ndarray::s;

use super::draw::{features, rounding, tolerance};
use super::linear_weights;
use super::prelude::*;
use crate::attention::LinearState;
use crate::axis::Axis;
use crate::figure::{Lines, Series, SpectrumFigure};
use crate::ops::FeatureMap;
use crate::ops::cpu::LinearSums;
use crate::rank::exact_rank;
use crate::tensor::Tensor;
use causal::causal;

const SOURCE: &str = "Su Jianlin, kexue.fm 9529 (2023), on the low rank of bidirectional attention; linear attention: \
                      Katharopoulos et al. 2020 (arXiv 2006.16236)";

const PARAMETERS: &[super::Parameter] = &[
    set("lengths", "numbers of positions n", Integers(2, 1024), ["16,64,512", "16,32,64,128,256,512,1024"]),
    set("head_sizes", "head sizes D", Integers(1, 1024), ["8,16,64", "2,4,8,16,32,64,128"]),
    set("seeds", "draws", Integer(2, 1000), ["5", "10"]),
];

pub(super) static BIDIRECTIONAL: Claim = Claim {
    about: About {
        id: "linear-attention-rank",
        group: Group::Matrices,
        statement: "Bidirectional linear attention has a rank of at most D.",
        source: SOURCE,
        exact: "The weights are a positive diagonal times φ(Q)φ(K)ᵀ, the product of an n × D and a D × n matrix: rank \
                at most min(D, n), whatever the numbers. Softmax has no such bound.",
        reconsider: "A feature map with more features than D, which raises the bound; a measured rank above the bound \
                     would mean an error in the formula.",
    },
    parameters: PARAMETERS,
    decide: bidirectional,
};

pub(super) static CAUSAL: Claim = Claim {
    about: About {
        id: "linear-attention-causal-rank",
        group: Group::Matrices,
        statement: "Causal linear attention has full rank.",
        source: SOURCE,
        exact: "The weights are triangular, and their determinant is the product of the diagonal: full rank exactly if \
                every φ(qᵢ)·φ(kᵢ) > 0. For elu + 1 that always holds, for relu it need not. Every block below the \
                diagonal has rank at most D all the same: it is what the recurrent state of D·(D + 1) numbers carries.",
        reconsider: "A feature map without zeros, for which it is a theorem.",
    },
    parameters: PARAMETERS,
    decide: causal,
};

/// One length and one head size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    n: usize,
    head_size: usize,
}

impl Size {
    /// All sizes that the settings name, in the order of head sizes.
    fn all(settings: &Settings) -> Result<Vec<Size>> {
        let (lengths, head_sizes) = (settings.integers("lengths")?, settings.integers("head_sizes")?);
        let of = |head_size| lengths.iter().map(move |&n| Size { n, head_size });
        Ok(head_sizes.into_iter().flat_map(of).collect())
    }

    /// min(D, n): the bound on the bidirectional rank.
    fn bound(&self) -> f64 {
        self.head_size.min(self.n) as f64
    }

    fn name(&self, name: &str) -> String {
        format!("{name}_n{}_d{}", self.n, self.head_size)
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "n = {}, D = {}", self.n, self.head_size)
    }
}

/// "n = 16, D = 8; n = 64, D = 8".
fn sizes<T>(points: &[&(Size, T)]) -> String {
    points.iter().map(|(size, _)| size.to_string()).collect::<Vec<_>>().join("; ")
}

/// Weights of linear attention with elu + 1 and with relu, and of softmax, for one draw.
fn weights(size: &Size, seed: u64, mask: &Mask, device: &Device) -> Result<(Draw, [Array2<f64>; 3])> {
    let draw = Draw::independent(size.n, size.head_size, seed);
    let linear = |map| linear_weights(&draw.q, &draw.k, map, mask, device);
    let (elu, relu) = (linear(FeatureMap::EluPlusOne)?, linear(FeatureMap::Relu)?);
    let softmax = draw.weights(1.0, mask, device)?;
    Ok((draw, [elu, relu, softmax]))
}

fn spectrum(matrix: ArrayView2<f64>, run: &Run) -> Result<Spectrum> {
    run.check()?; // each takes a while
    Spectrum::of(matrix)
}

/// The largest difference of the rows of `weights` from those of φ(Q)φ(K)ᵀ divided by their sums; a row whose sum is 0
/// is 0.
fn off_factors(draw: &Draw, weights: &Array2<f64>, map: FeatureMap) -> f64 {
    let mut product = features(&draw.q, map).dot(&features(&draw.k, map).t());
    for mut row in product.rows_mut() {
        let sum = row.sum();
        row.mapv_inplace(|entry| if sum == 0.0 { 0.0 } else { entry / sum });
    }
    (&product - weights).iter().fold(0.0, |most: f64, x| most.max(x.abs()))
}

/// Numerical ranks with elu + 1, relu and softmax, effective ranks of elu + 1 and softmax, and the largest difference
/// of the weights from the product of their factors.
type Bidirectional = (Size, [Sample; 6]);

fn bidirectional(settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let (device, mask) = (settings.device(), Mask::bidirectional());
    let zero = tolerance(device);
    let look = |size: &Size, seed| {
        let (draw, weights) = weights(size, seed, &mask, device)?;
        let [elu, relu, softmax] = &weights;
        let off =
            off_factors(&draw, elu, FeatureMap::EluPlusOne).max(off_factors(&draw, relu, FeatureMap::Relu));
        let [elu, relu, softmax] =
            [spectrum(elu.view(), run)?, spectrum(relu.view(), run)?, spectrum(softmax.view(), run)?];
        let rank = |spectrum: &Spectrum| spectrum.numerical_rank(zero) as f64;
        Ok([rank(&elu), rank(&relu), rank(&softmax), elu.effective_rank(), softmax.effective_rank(), off])
    };
    let points = sweep(Size::all(settings)?, &settings.seeds("seeds")?, "linear attention", run, look)?;
    let mut evidence = Evidence::new(settings);
    for point in &points {
        let (size, [elu, relu, softmax, effective, effective_softmax, off]) = point;
        let text = format!(
            "{size}: numerical rank {elu} with elu + 1 and {relu} with relu, where the bound is {}; softmax of the same \
             draws: {softmax}",
            size.bound()
        );
        evidence.weigh(is_within(point), text).at("n", size.n).at("head_size", size.head_size);
        let measured = evidence.record(size.name("rank_bidirectional"), elu);
        if *device == Device::Cpu {
            measured.expect(size.bound(), 0.0, "rank φ(Q)φ(K)ᵀ = min(D, n) for almost all inputs");
        }
        evidence.record(size.name("rank_relu_bidirectional"), relu);
        evidence.record(size.name("rank_softmax_bidirectional"), softmax);
        evidence.record(size.name("effective_rank_bidirectional"), effective);
        evidence.record(size.name("effective_rank_softmax_bidirectional"), effective_softmax);
        let measured = evidence.measure(size.name("difference_from_factors"), off.extremes().1, "");
        let theory = "the weights are φ(Q)φ(K)ᵀ over the sums of its rows";
        measured.expect(0.0, rounding(size.n, size.head_size, device), theory);
    }
    let axes = [PlotAxis::log("positions n"), PlotAxis::log("numerical rank")];
    let title = "Numerical rank of linear attention over n, bidirectional";
    let curves = by_size(&points, Kind::Bidirectional, |(_, ranks)| ranks[0].clone());
    let caption = "Numerical rank of bidirectional linear attention with elu + 1 against the number of positions n: it \
                   stops at D.";
    plot(&mut evidence, "rank-over-n", caption, lines(title, axes, curves, Vec::new()));
    if let Some((size, _)) = largest(&points) {
        let (_, [elu, relu, softmax]) = weights(size, settings.seed()?, &mask, device)?;
        let series = [
            ("linear, elu + 1", Kind::Bidirectional, Spectrum::of(elu.view())?),
            ("linear, relu", Kind::Custom, Spectrum::of(relu.view())?),
            ("softmax", Kind::Plain, Spectrum::of(softmax.view())?),
        ];
        let caption =
            format!("Of linear attention, {} are not rounding; softmax has no bound.", size.bound());
        show_spectra(&mut evidence, size, series, &caption);
    }
    let (exact, floating) = judge(&points, device);
    Ok((evidence, Verdict::of(Some(exact), Some(floating), None)))
}

/// Whether no draw has a rank above min(D, n).
fn is_within((size, [elu, relu, ..]): &Bidirectional) -> bool {
    elu.extremes().1.max(relu.extremes().1) <= size.bound()
}

fn judge(points: &[Bidirectional], device: &Device) -> ((Exact, String), (Floating, String)) {
    let differs =
        points.iter().find(|(size, [.., off])| off.extremes().1 > rounding(size.n, size.head_size, device));
    let exact = match differs {
        None => {
            let off = points.iter().map(|(_, [.., off])| off.extremes().1).fold(0.0, f64::max);
            let because = format!(
                "The weights are a diagonal times φ(Q)φ(K)ᵀ, an n × D by a D × n matrix, so no rank is above D. Those of \
                 every draw are that product up to {}.",
                short(off)
            );
            (Exact::Proved, because)
        }
        Some((size, [.., off])) => {
            let off = short(off.extremes().1);
            (Exact::Open, format!("At {size} the weights differ from φ(Q)φ(K)ᵀ over its sums by {off}."))
        }
    };
    let bounded: Vec<_> = points.iter().filter(|(size, _)| size.head_size < size.n).collect();
    let above: Vec<_> = bounded.iter().copied().filter(|point| !is_within(point)).collect();
    let because = match (bounded.len(), above.is_empty()) {
        (0, _) => "No point has n above D, where the bound would say something.".to_owned(),
        (count, true) => {
            let times = bounded.iter().map(|(size, ranks)| ranks[2].mean() / size.head_size as f64);
            format!(
                "No draw at {count} points with n above D has a numerical rank above D, with elu + 1 or relu. Softmax of \
                 the same queries and keys has at least {} times that rank.",
                short(times.fold(f64::INFINITY, f64::min))
            )
        }
        (_, false) => format!("The numerical rank is above D at {}.", sizes(&above)),
    };
    (exact, (Floating::over(bounded.into_iter().map(|point| Outcome::of(is_within(point)))), because))
}

/// Curves over n, one for each of up to four head sizes: with more the legend would fill the figure.
fn by_size<T>(points: &[(Size, T)], kind: Kind, of: impl Fn(&(Size, T)) -> Sample) -> Vec<Curve> {
    let mut by_size: BTreeMap<usize, Vec<(f64, Sample)>> = BTreeMap::new();
    for point in points {
        by_size.entry(point.0.head_size).or_default().push((point.0.n as f64, of(point)));
    }
    let curve = |(head_size, mut points): (usize, Vec<(f64, Sample)>)| {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.dedup_by(|a, b| a.0 == b.0);
        curve(format!("D = {head_size}"), kind, points)
    };
    by_size.into_iter().rev().take(4).map(curve).collect()
}

/// Draws the curves; for a single n there is no plot.
fn plot(evidence: &mut Evidence, name: &str, caption: &str, figure: Lines) {
    if figure.curves.iter().any(|curve| curve.points.len() > 1) {
        evidence.plot(name, caption, figure);
    }
}

/// Shows the singular values of one draw.
fn show_spectra(evidence: &mut Evidence, size: &Size, series: [(&str, Kind, Spectrum); 3], caption: &str) {
    let series = series.map(|(name, kind, spectrum)| Series { name: name.into(), kind, spectrum }).into();
    let title = format!("Linear attention and softmax, {size}: singular values");
    let figure = SpectrumFigure { title, series, settings: evidence.settings() };
    evidence.show("spectra", format!("Singular values of one draw, {size}. {caption}"), figure);
}

/// The point with the largest n, and among these the one with the middle head size.
fn largest<T>(points: &[(Size, T)]) -> Option<&(Size, T)> {
    let n = points.iter().map(|(size, _)| size.n).max()?;
    let largest: Vec<_> = points.iter().filter(|(size, _)| size.n == n).collect();
    largest.get((largest.len() - 1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Softmax weights in place of those of linear attention break the bound, and both verdicts change accordingly.
    #[test]
    fn weights_above_the_bound_are_found() {
        let point = |n: usize, is_linear: bool| -> Bidirectional {
            let size = Size { n, head_size: 3 };
            let draws = [5, 6].map(|seed| {
                let (draw, [linear, relu, softmax]) =
                    weights(&size, seed, &Mask::bidirectional(), &Device::Cpu).unwrap();
                let elu = if is_linear { linear } else { softmax.clone() };
                let rank = |matrix: &Array2<f64>| {
                    Spectrum::of(matrix.view()).unwrap().numerical_rank(Tolerance::F64) as f64
                };
                let off = off_factors(&draw, &elu, FeatureMap::EluPlusOne);
                [rank(&elu), rank(&relu), rank(&softmax), 0.0, 0.0, off]
            });
            (size, columns(&draws))
        };
        let words = |points: &[Bidirectional]| {
            let (exact, floating) = judge(points, &Device::Cpu);
            (exact.0, floating.0)
        };
        assert_eq!(words(&[point(7, true), point(20, true)]), (Exact::Proved, Floating::Everywhere));
        assert_eq!(words(&[point(7, true), point(20, false)]), (Exact::Open, Floating::InOneRegion));
        assert_eq!(words(&[point(7, false), point(20, false)]), (Exact::Open, Floating::Nowhere));
        assert_eq!(words(&[point(2, true)]), (Exact::Proved, Floating::NotResolved));
    }

    #[test]
    fn weights_by_hand() {
        let (q, k) = (ndarray::array![[0.0], [1.0]], ndarray::array![[1.0], [2.0]]); // features 1, 2 and 2, 3
        let weights = |map, mask: Mask| linear_weights(&q, &k, map, &mask, &Device::Cpu).unwrap();
        let elu = |mask| weights(FeatureMap::EluPlusOne, mask);
        assert_eq!(elu(Mask::causal()), ndarray::array![[1.0, 0.0], [0.4, 0.6]]);
        assert_eq!(elu(Mask::bidirectional()), ndarray::array![[0.4, 0.6], [0.4, 0.6]]);
        // The first query has no positive feature.
        let relu = weights(FeatureMap::Relu, Mask::causal());
        assert_eq!(relu, ndarray::array![[0.0, 0.0], [1.0 / 3.0, 2.0 / 3.0]]);
    }
}
