//! The phase map: which mask has the higher effective rank, over head size and logit scale.

use ndarray::Array2;
use serde_json::Value;

use super::sweep::sweep;
use super::{Draw, Sample};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::figure::{MapAxis, PhaseMap};
use crate::mask::Mask;
use crate::rank::Spectrum;
use crate::run::Run;

/// The points of a phase map, and the settings that recreate each of them.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseGrid {
    /// n, the number of positions.
    pub n: usize,
    /// Head sizes D, ascending.
    pub head_sizes: Vec<usize>,
    /// Factors on the logits after 1/√D, ascending.
    pub scales: Vec<f64>,
    /// The alignment of keys with queries: 0 is independent, 1 is K = Q.
    pub alignment: f64,
    /// The first seed.
    pub seed: u64,
    /// Draws per point.
    pub seeds: usize,
}

/// Effective ranks at one point of the map, draw by draw.
#[derive(Clone, Debug, PartialEq)]
pub struct PhasePoint {
    /// D.
    pub head_size: usize,
    /// The factor on the logits.
    pub scale: f64,
    /// The effective ranks under the causal mask.
    pub causal: Sample,
    /// The effective ranks of the same queries and keys under the bidirectional mask.
    pub bidirectional: Sample,
}

/// A phase map: a point for every head size and scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Phases {
    grid: PhaseGrid,
    /// The points, ordered by scale, and within a scale by head size.
    points: Vec<PhasePoint>,
}

/// Which mask has the higher effective rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// The causal one, by more than two standard errors of the paired difference.
    Causal,
    /// The bidirectional one, by more than two standard errors.
    Bidirectional,
    /// The draws do not decide.
    Neither,
}

impl PhasePoint {
    /// The differences, causal minus bidirectional, draw by draw.
    pub fn difference(&self) -> Sample {
        self.causal.minus(&self.bidirectional)
    }

    /// Which mask is ahead.
    pub fn ahead(&self) -> Ahead {
        Ahead::of(&self.difference())
    }
}

impl Ahead {
    /// The mask that is ahead, from paired differences, causal minus bidirectional.
    pub fn of(difference: &Sample) -> Self {
        let (mean, clear) = (difference.mean(), 2.0 * difference.standard_error());
        match mean {
            mean if mean > clear => Ahead::Causal,
            mean if mean < -clear => Ahead::Bidirectional,
            _ => Ahead::Neither,
        }
    }

    /// Its name, in one word.
    pub fn label(self) -> &'static str {
        match self {
            Ahead::Causal => "causal",
            Ahead::Bidirectional => "bidirectional",
            Ahead::Neither => "neither",
        }
    }

    /// Whether the causal mask is ahead; `None` where the draws do not decide.
    pub(super) fn is_causal(self) -> Option<bool> {
        match self {
            Ahead::Causal => Some(true),
            Ahead::Bidirectional => Some(false),
            Ahead::Neither => None,
        }
    }
}

/// The effective ranks of causal and of bidirectional attention at every point of `grid`.
///
/// # Conventions
/// Draw k of every point is [`Draw::aligned`] with seed `grid.seed` + k, and both masks have the same queries and keys,
/// so a map of one point gives the same result as that point of a larger map. On a GPU the weights are f32.
///
/// # Errors
/// [`Error::Invalid`] naming the part of the grid that is not allowed; [`Error::Cancelled`]; errors of the device.
///
/// ```
/// use rankscope::claim::{Ahead, PhaseGrid, phase_map};
/// use rankscope::{Device, Run};
/// let grid = PhaseGrid {
///     n: 32, head_sizes: vec![2, 32], scales: vec![0.1, 2.0], alignment: 0.0, seed: 0, seeds: 3,
/// };
/// let map = phase_map(&grid, &Device::Cpu, &Run::default())?;
/// assert_eq!(map.point(2, 0.1).unwrap().ahead(), Ahead::Causal);
/// assert_eq!(map.point(32, 2.0).unwrap().ahead(), Ahead::Bidirectional);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn phase_map(grid: &PhaseGrid, device: &Device, run: &Run) -> Result<Phases> {
    grid.check()?;
    let places = grid.scales.iter().flat_map(|&scale| grid.head_sizes.iter().map(move |&d| (d, scale)));
    let seeds: Vec<u64> = (0..grid.seeds as u64).map(|k| grid.seed + k).collect();
    let found = sweep(places, &seeds, "phase map", run, |&(head_size, scale), seed| {
        let both = spectra(&Draw::aligned(grid.n, head_size, grid.alignment, seed), scale, device, run)?;
        Ok(both.map(|spectrum| spectrum.effective_rank()))
    })?;
    let points = found.into_iter().map(|((head_size, scale), [causal, bidirectional])| PhasePoint {
        head_size,
        scale,
        causal,
        bidirectional,
    });
    Ok(Phases { grid: grid.clone(), points: points.collect() })
}

/// The spectra of the weights of the same queries and keys under both masks: causal, bidirectional.
pub(super) fn spectra(draw: &Draw, scale: f64, device: &Device, run: &Run) -> Result<[Spectrum; 2]> {
    let of = |mask: Mask| {
        // Checked for each of them, so that cancelling waits for one decomposition and not for two.
        run.check()?;
        Spectrum::of(draw.weights(scale, &mask, device)?.view())
    };
    Ok([of(Mask::causal())?, of(Mask::bidirectional())?])
}

impl PhaseGrid {
    fn check(&self) -> Result<()> {
        let PhaseGrid { n, head_sizes: sizes, scales, alignment, seeds, .. } = self;
        let are_sizes = sizes.first().is_some_and(|&least| least > 0) && sizes.is_sorted_by(|a, b| a < b);
        let is_usable = scales.iter().all(|scale| scale.is_finite() && *scale >= 0.0);
        let are_scales = is_usable && !scales.is_empty() && scales.is_sorted_by(|a, b| a < b);
        let rules = [
            ("n", n.to_string(), *n > 0, "1 or more"),
            ("seeds", seeds.to_string(), *seeds > 0, "1 or more"),
            ("alignment", alignment.to_string(), (0.0..=1.0).contains(alignment), "a number from 0 to 1"),
            ("head_sizes", format!("{sizes:?}"), are_sizes, "ascending whole numbers from 1"),
            ("scales", format!("{scales:?}"), are_scales, "ascending numbers from 0"),
        ];
        match rules.into_iter().find(|(_, _, is_met, _)| !is_met) {
            Some((name, value, _, expected)) => Err(Error::invalid(name, value, expected)),
            None => Ok(()),
        }
    }
}

impl Phases {
    /// The grid of the map.
    pub fn grid(&self) -> &PhaseGrid {
        &self.grid
    }

    /// Every point, ordered by scale, and within a scale by head size.
    pub fn points(&self) -> &[PhasePoint] {
        &self.points
    }

    /// The point at a head size and a scale of the grid.
    pub fn point(&self, head_size: usize, scale: f64) -> Option<&PhasePoint> {
        self.points.iter().find(|point| point.head_size == head_size && point.scale == scale)
    }

    /// The number of points where this mask is ahead.
    pub fn count(&self, ahead: Ahead) -> usize {
        self.points.iter().filter(|point| point.ahead() == ahead).count()
    }

    /// The smallest scale at which the mean difference at `head_size` turns from causal to bidirectional;
    /// between points of the grid the difference is linear in the scale. `None` if it does not turn.
    pub fn border(&self, head_size: usize) -> Option<f64> {
        let column: Vec<_> = self.points.iter().filter(|point| point.head_size == head_size).collect();
        column.windows(2).find_map(|pair| {
            let [low, high] = [pair[0], pair[1]].map(|point| point.difference().mean());
            let t = low / (low - high);
            (low > 0.0 && high <= 0.0).then(|| pair[0].scale + t * (pair[1].scale - pair[0].scale))
        })
    }

    /// Mean differences `[scales, head sizes]`.
    pub fn differences(&self) -> Array2<f64> {
        let means = self.points.iter().map(|point| point.difference().mean()).collect();
        let shape = (self.grid.scales.len(), self.grid.head_sizes.len());
        Array2::from_shape_vec(shape, means).expect("a point per cell")
    }

    /// The map as a figure; `settings` go into its metadata.
    pub fn figure(&self, settings: Value) -> PhaseMap {
        let PhaseGrid { n, head_sizes, scales, .. } = &self.grid;
        let sizes = head_sizes.iter().map(|&size| size as f64).collect();
        PhaseMap {
            title: format!("Phase map at n = {n}: causal minus bidirectional effective rank"),
            x: MapAxis { label: "head size D".into(), values: sizes },
            y: MapAxis { label: "factor on the logits after 1/√D".into(), values: scales.clone() },
            values: self.differences().mapv(Some),
            unit: "causal − bidirectional effective rank".into(),
            border: "equal effective rank".into(),
            settings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> PhaseGrid {
        let (head_sizes, scales) = (vec![2, 9, 40], vec![0.1, 1.0]);
        PhaseGrid { n: 24, head_sizes, scales, alignment: 0.0, seed: 5, seeds: 4 }
    }

    /// Head sizes go across, scales upwards.
    #[test]
    fn a_map_of_one_point_is_that_point_of_the_map_and_of_the_picture() {
        let map = phase_map(&grid(), &Device::Cpu, &Run::default()).unwrap();
        let one = PhaseGrid { head_sizes: vec![9], scales: vec![1.0], ..grid() };
        let one = phase_map(&one, &Device::Cpu, &Run::default()).unwrap();
        assert_eq!(one.points(), [map.point(9, 1.0).unwrap().clone()]);
        assert_eq!(map.differences()[(1, 1)], one.differences()[(0, 0)]);
        assert_eq!(map.points().len(), 6);
        assert!(map.points().iter().all(|point| point.causal.sd() > 0.0), "every draw has its own seed");
        let picture = map.figure(Value::Null);
        assert_eq!((picture.x.values.len(), picture.y.values.len()), (3, 2));
        let difference = map.point(40, 0.1).unwrap().difference().mean();
        assert_eq!(picture.values[(0, 2)], Some(difference));
    }

    #[test]
    fn the_border_is_where_the_difference_turns() {
        let point = |scale: f64, difference: f64| PhasePoint {
            head_size: 8,
            scale,
            causal: Sample::new([difference + 1.0, difference + 1.0]),
            bidirectional: Sample::new([1.0, 1.0]),
        };
        let of = |differences: [f64; 3]| {
            let scales = [1.0, 2.0, 4.0];
            let points = scales.iter().zip(differences).map(|(&scale, d)| point(scale, d)).collect();
            Phases { grid: PhaseGrid { scales: scales.to_vec(), ..grid() }, points }
        };
        assert_eq!(of([3.0, 1.0, -1.0]).border(8), Some(3.0));
        assert_eq!(of([3.0, -1.0, 2.0]).border(8), Some(1.75));
        assert_eq!((of([3.0, 1.0, 1.0]).border(8), of([-1.0, -1.0, 1.0]).border(8)), (None, None));
        let ahead: Vec<Ahead> = of([3.0, 0.0, -1.0]).points.iter().map(PhasePoint::ahead).collect();
        assert_eq!(ahead, [Ahead::Causal, Ahead::Neither, Ahead::Bidirectional]);
    }

    #[test]
    fn what_cannot_be_mapped_is_named() {
        let refused =
            |grid: PhaseGrid| phase_map(&grid, &Device::Cpu, &Run::default()).unwrap_err().to_string();
        assert!(refused(PhaseGrid { n: 0, ..grid() }).starts_with("n is 0"));
        assert!(refused(PhaseGrid { seeds: 0, ..grid() }).starts_with("seeds is 0"));
        assert!(refused(PhaseGrid { alignment: 1.5, ..grid() }).starts_with("alignment is 1.5"));
        assert!(refused(PhaseGrid { head_sizes: vec![0, 4], ..grid() }).starts_with("head_sizes is [0, 4]"));
        assert!(refused(PhaseGrid { scales: vec![1.0, 0.5], ..grid() }).starts_with("scales is [1.0, 0.5]"));
        let run = Run::default();
        run.cancel_flag().cancel();
        assert!(matches!(phase_map(&grid(), &Device::Cpu, &run), Err(Error::Cancelled)));
    }
}
