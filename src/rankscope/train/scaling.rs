//! [`Scaling`]: one model at several sizes, and the power law by which its loss falls with the size.

use serde::Serialize;

use super::settings::Settings;
use super::trainer::Trainer;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis};
use crate::model;
use crate::model::count::{Load, ModelSizes, Pairs};
use crate::run::Run;
use crate::statistics::{Sample, student};

/// A width, and the results at this width.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScalingPoint {
    /// C.
    pub width: usize,
    /// The number of parameters without embeddings.
    pub parameters: f64,
    /// Operations of the whole training: forward and backward passes over all tokens.
    pub operations: f64,
    /// The loss on held-out data at the end, seed by seed.
    pub losses: Vec<f64>,
}

/// One family at several widths.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scaling {
    /// The settings that the sizes share.
    pub settings: Settings,
    /// The sizes, the smallest first.
    pub points: Vec<ScalingPoint>,
}

/// loss = factor · x^−exponent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PowerLaw {
    /// How fast the loss falls.
    pub exponent: f64,
    /// The 95 % interval of the exponent, from the distances of the points from the line.
    pub interval: (f64, f64),
    /// The loss at x = 1.
    pub factor: f64,
}

impl PowerLaw {
    /// The least-squares line through ln y over ln x.
    ///
    /// slope = Σ (u − ū)(v − v̄) / Σ (u − ū)² with u = ln x and v = ln y, its error √(Σ r² / (n − 2) / Σ (u − ū)²) with r the
    /// distances from the line, and t of n − 2 degrees of freedom.
    ///
    /// # Errors
    /// [`Error::Invalid`] for fewer than three points, numbers that are not positive, or points that all have the same
    /// x.
    pub fn fit(points: &[(f64, f64)]) -> Result<Self> {
        let n = points.len();
        if n < 3 {
            return Err(Error::invalid("number of sizes", n, "at least 3, of which an interval can come"));
        }
        if let Some((x, y)) = points.iter().find(|(x, y)| !(*x > 0.0 && *y > 0.0)) {
            let expected = "two positive numbers";
            return Err(Error::invalid("point of a power law", format!("({x}, {y})"), expected));
        }
        let (u, v): (Sample, Sample) =
            (points.iter().map(|(x, _)| x.ln()).collect(), points.iter().map(|(_, y)| y.ln()).collect());
        let from_mean = |sample: &Sample| -> Vec<f64> {
            sample.values().iter().map(|value| value - sample.mean()).collect()
        };
        let (du, dv) = (from_mean(&u), from_mean(&v));
        let spread: f64 = du.iter().map(|u| u * u).sum();
        if spread == 0.0 {
            return Err(Error::invalid("sizes", "all the same", "sizes that differ"));
        }
        let slope = du.iter().zip(&dv).map(|(u, v)| u * v).sum::<f64>() / spread;
        let residual: f64 = du.iter().zip(&dv).map(|(u, v)| (v - slope * u).powi(2)).sum();
        let freedom = (n - 2) as f64;
        let half = student(0.975, freedom).unwrap_or(f64::INFINITY) * (residual / freedom / spread).sqrt();
        Ok(PowerLaw {
            exponent: -slope,
            interval: (-slope - half, -slope + half),
            factor: (v.mean() - slope * u.mean()).exp(),
        })
    }
}

impl Scaling {
    /// Trains `settings` at each width with `seeds` seeds, heads of the same size, and a feed-forward network in the
    /// same ratio to the width as in the settings.
    ///
    /// # Errors
    /// As [`Trainer::new`] and [`Trainer::train`]; [`Error::Invalid`] for a width that heads do not divide.
    pub fn run(
        settings: &Settings,
        widths: &[usize],
        seeds: usize,
        device: &Device,
        run: &Run,
        tell: &mut dyn FnMut(&ScalingPoint),
    ) -> Result<Self> {
        let head_size = settings.width / settings.heads.max(1);
        let mut points = Vec::new();
        for (done, &width) in widths.iter().enumerate() {
            run.step("size", done, widths.len())?;
            if head_size == 0 || !width.is_multiple_of(head_size) || width == 0 {
                let expected = format!("a multiple of the head size {head_size}");
                return Err(Error::invalid("width", width, expected));
            }
            let feed_forward = settings.feed_forward.map(|f| (f * width).div_ceil(settings.width));
            let sized = Settings { width, heads: width / head_size, feed_forward, ..settings.clone() };
            let (parameters, operations) = size(&sized)?;
            let of_seed = |seed| {
                let settings = Settings { seed, ..sized.clone() };
                Ok(Trainer::outcome(&settings, device, &run.quiet())?.metrics["loss"])
            };
            let losses = (settings.seed..).take(seeds).map(of_seed).collect::<Result<_>>()?;
            let point = ScalingPoint { width, parameters, operations, losses };
            tell(&point);
            points.push(point);
        }
        Ok(Scaling { settings: settings.clone(), points })
    }

    /// The loss over the parameters, and over the operations.
    ///
    /// # Errors
    /// As [`PowerLaw::fit`].
    pub fn laws(&self) -> Result<[PowerLaw; 2]> {
        let over = |x: fn(&ScalingPoint) -> f64| {
            let mean = |point: &ScalingPoint| Sample::new(point.losses.iter().copied()).mean();
            PowerLaw::fit(&self.points.iter().map(|point| (x(point), mean(point))).collect::<Vec<_>>())
        };
        Ok([over(|point| point.parameters)?, over(|point| point.operations)?])
    }
}

/// Parameters without embeddings, and operations of the whole training.
///
/// # Errors
/// As [`Trainer::new`].
pub fn size(settings: &Settings) -> Result<(f64, f64)> {
    let lesson = super::lesson::Lesson::new(settings)?;
    let sizes = ModelSizes::of(&settings.model_config(lesson.vocabulary(), lesson.context())?)?;
    let parameters = model::count::non_embedding(&sizes.parts());
    let load = Load::new(&sizes, lesson.context(), settings.batch * settings.accumulate, None)?;
    let step = sizes.training(load, Pairs::Allowed).total();
    Ok((parameters as f64, step as f64 * settings.steps as f64))
}

/// The losses over the operations, with error bars of one standard deviation: one curve for each family.
pub fn figure(all: &[Scaling]) -> Lines {
    let kinds = [Kind::Causal, Kind::Bidirectional, Kind::Prefix, Kind::Plain];
    let curve = |(scaling, kind): (&Scaling, Kind)| {
        let samples = scaling.points.iter().map(|point| Sample::new(point.losses.iter().copied()));
        let samples: Vec<Sample> = samples.collect();
        let points =
            scaling.points.iter().zip(&samples).map(|(point, sample)| (point.operations, sample.mean()));
        Curve::new(&scaling.settings.family, kind, points).with_spread(samples.iter().map(Sample::sd))
    };
    Lines {
        title: "Held-out loss against operations of training".into(),
        x: PlotAxis::log("operations of training"),
        y: PlotAxis::log("loss in nats"),
        curves: all.iter().zip(kinds.into_iter().cycle()).map(curve).collect(),
        references: Vec::new(),
        settings: serde_json::json!({ "version": crate::VERSION, "scaling": all }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_is_found_with_an_interval_that_holds_it() {
        let exact: Vec<_> = [1e3, 1e4, 1e5, 1e6].map(|x: f64| (x, 7.0 * x.powf(-0.076))).to_vec();
        let law = PowerLaw::fit(&exact).unwrap();
        assert!((law.exponent - 0.076).abs() < 1e-12 && (law.factor - 7.0).abs() < 1e-9, "{law:?}");
        assert!(law.interval.1 - law.interval.0 < 1e-9);
        // Computed by hand: u = 0, 1, 2, v = 0, −1, −1: slope −1/2, residuals −1/6, 1/3, −1/6, Σ r² = 1/6, error
        // √(1/12), t(1) 12.706.
        let e = std::f64::consts::E;
        let law = PowerLaw::fit(&[(1.0, 1.0), (e, 1.0 / e), (e * e, 1.0 / e)]).unwrap();
        assert!((law.exponent - 0.5).abs() < 1e-12);
        assert!((law.interval.1 - 0.5 - 12.706_204_7 / 12f64.sqrt()).abs() < 1e-5, "{law:?}");
        assert!(PowerLaw::fit(&exact[..2]).is_err() && PowerLaw::fit(&[(1.0, 1.0); 3]).is_err());
        assert!(PowerLaw::fit(&[(1.0, 1.0), (2.0, -1.0), (3.0, 1.0)]).is_err());
    }

    #[test]
    fn operations_grow_with_the_width_and_stacks_are_counted() {
        let of = |family: &str, width| {
            let settings = Settings {
                family: family.into(),
                objective: "prefix-lm".into(),
                width,
                ..Settings::default()
            };
            size(&settings).unwrap()
        };
        let [small, large] = [32, 64].map(|width| of("decllm", width));
        // 2 layers of 4C² + 3·C·4C, and norms.
        assert_eq!(small.0, (2 * (16 * 32 * 32 + 2 * 32) + 32) as f64);
        assert!(large.1 > 2.0 * small.1);
        assert!(of("redllm", 32).0 > 2.0 * small.0);
    }
}
