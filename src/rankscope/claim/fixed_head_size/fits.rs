//! One head fitted to drawn patterns, for each number of heads.

use super::*;

/// Fits one head of a width and a size to each drawn pattern; every head of a layer does this independently.
pub(super) struct Fits<'a> {
    pub(super) plan: &'a Comparison,
    fitting: Fitting,
    seed: u64,
    pub(super) targets: Vec<Target>,
    pub(super) run: Run,
}

/// The results for one number of heads: the divergence of one head from each drawn pattern.
pub(super) struct Row {
    pub(super) layers: Layers,
    pub(super) usual: Sample,
    pub(super) equal: Sample,
    pub(super) fixed: Sample,
}

impl<'a> Fits<'a> {
    pub(super) fn new(settings: &Settings, plan: &'a Comparison, run: &Run) -> Result<Self> {
        let (scale, seed) = (settings.number("scale")?, settings.seed()?);
        let draw = |seed| Target::random(plan.n, scale, &plan.mask, seed);
        let targets = settings.seeds("seeds")?.into_iter().map(draw).collect::<Result<_>>()?;
        Ok(Fits { plan, fitting: fitting(settings)?, seed, targets, run: run.clone().with_seed(seed) })
    }

    /// Each pattern, with drawn embeddings.
    pub(super) fn cases(&self, width: usize) -> Vec<(&Target, Array2<f64>)> {
        let targets = (self.seed..).zip(&self.targets);
        targets.map(|(seed, target)| (target, gaussian(self.plan.n, width, seed, 2))).collect()
    }

    pub(super) fn kl(&self, layer: FixedMultiHead) -> Result<Sample> {
        let (width, size) = (layer.width(), layer.head_size());
        let stage = format!("heads of {size} on {width}");
        let kl = rank::many(&self.cases(width), &stage, &self.run, |(target, x)| {
            Ok(self.fitting.best_fit_on(target, x, size, &self.run)?.kl)
        })?;
        Ok(Sample::new(kl))
    }

    pub(super) fn rows(&self) -> Result<Vec<Row>> {
        // This divergence is the same for every number of heads.
        let fixed = self.kl(self.plan.most().fixed)?;
        let row = |&layers: &Layers| {
            let (usual, equal) = (self.kl(layers.usual)?, self.kl(layers.equal)?);
            Ok(Row { layers, usual, equal, fixed: fixed.clone() })
        };
        self.plan.layers.iter().map(row).collect()
    }
}

impl Row {
    /// Whether heads of the usual size miss a pattern.
    pub(super) fn is_bottleneck(&self, tolerance: f64) -> bool {
        self.usual.extremes().1 > tolerance
    }

    /// Whether a free size removes the bottleneck, if there is one: with more parameters, and with the same number.
    pub(super) fn outcomes(&self, tolerance: f64) -> Vec<Outcome> {
        let outcome = |free: &Sample| {
            let worse = free.minus(&self.usual);
            match (free.extremes().1 <= tolerance, worse.mean() > 2.0 * worse.standard_error()) {
                (true, _) => Outcome::Holds,
                (_, true) => Outcome::Opposite,
                _ => Outcome::Fails,
            }
        };
        let all = if self.is_bottleneck(tolerance) { vec![&self.fixed, &self.equal] } else { Vec::new() };
        all.into_iter().map(outcome).collect()
    }

    pub(super) fn in_words(&self, tolerance: f64) -> String {
        let Layers { usual, equal, fixed } = self.layers;
        let is = |kl: &Sample| match kl.extremes().1 <= tolerance {
            true => "reaches all".to_owned(),
            false => format!("stays {} nats away", short(kl.mean())),
        };
        let of = |layer: FixedMultiHead| format!("{} on {}", layer.head_size(), layer.width());
        format!(
            "{} heads: of the usual size {}, one {}; of {} ({} times the parameters), it {}; of {} (as many parameters), \
             it {}",
            usual.heads(),
            of(usual),
            is(&self.usual),
            of(fixed),
            short(self.layers.cost()),
            is(&self.fixed),
            of(equal),
            is(&self.equal)
        )
    }
}
