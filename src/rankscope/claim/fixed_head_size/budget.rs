//! Heads of the usual and of a free size: their parameters, and how near they come to drawn patterns.

use crate::attention::FixedMultiHead;
use crate::claim::chart::curve;
use crate::claim::head_size_bottleneck::least_head;
use crate::claim::{Evidence, Outcome, Sample, Settings, gaussian};
use crate::error::{Error, Result};
use crate::express::{self, Fitting, Target};
use crate::figure::style::Kind;
use crate::figure::{Lines, PlotAxis, Reference};
use crate::mask::Mask;
use crate::numbers::short;
use crate::rank;
use crate::run::Run;

/// The layers to compare, for each number of heads.
pub(super) struct Plan {
    pub n: usize,
    pub mask: Mask,
    /// Nats below which a pattern counts as reached.
    pub tolerance: f64,
    layers: Vec<Layers>,
}

/// Three layers with as many heads.
#[derive(Clone, Copy)]
pub(super) struct Layers {
    /// D = C/H.
    pub usual: FixedMultiHead,
    /// A narrower width, and D such that the parameters are those of the usual layer.
    pub equal: FixedMultiHead,
    /// The usual width, and the fixed head size.
    pub fixed: FixedMultiHead,
}

impl Plan {
    /// An error where heads, widths and parameters do not fit each other.
    pub fn new(settings: &Settings) -> Result<Self> {
        let (width, narrow) = (settings.integer("width")?, settings.integer("narrow")?);
        if narrow > width {
            return Err(Error::invalid("narrow", narrow, format!("at most the width {width}")));
        }
        let head_size = settings.integer("head_size")?;
        let layers = |heads: usize| {
            let usual = FixedMultiHead::standard(width, heads)?;
            let budget = width * width;
            if !budget.is_multiple_of(narrow * heads) {
                let expected = format!("a divisor of width² / heads = {budget} / {heads}");
                return Err(Error::invalid("narrow", narrow, expected));
            }
            let equal = FixedMultiHead::new(narrow, heads, budget / (narrow * heads))?;
            Ok(Layers { usual, equal, fixed: FixedMultiHead::new(width, heads, head_size)? })
        };
        let mut heads = settings.integers("heads")?;
        heads.sort_unstable();
        heads.dedup();
        let causal = settings.text("mask")? == "causal";
        let mask = if causal { Mask::causal() } else { Mask::bidirectional() };
        let layers = heads.into_iter().map(layers).collect::<Result<Vec<_>>>()?;
        Ok(Plan { n: settings.integer("n")?, mask, tolerance: settings.number("tolerance")?, layers })
    }

    /// The head size from which almost every pattern is reachable.
    fn threshold(&self) -> usize {
        if self.mask.may_attend(0, 1) { self.n - 1 } else { self.n / 2 }
    }

    /// The layers with the most heads.
    pub fn most(&self) -> Layers {
        *self.layers.last().expect("a list of numbers has one")
    }
}

impl Layers {
    /// The parameters of the fixed head size, in those of the usual one.
    pub fn cost(&self) -> f64 {
        self.fixed.parameter_count() as f64 / self.usual.parameter_count() as f64
    }
}

/// What is certain about the fixed head size.
pub(super) struct Exactly {
    /// Where it reaches every pattern by a theorem: the largest error of a head that is built.
    pub reached: Option<f64>,
    /// Pattern by pattern, the least head that reaches it, where that is certain.
    pub least: Vec<Option<usize>>,
}

impl Exactly {
    pub fn report(&self, evidence: &mut Evidence) {
        if let Some(error) = self.reached {
            let measured = evidence.measure("built_error", error, "");
            measured.expect(0.0, 1e-9, "n − 1 logits a row, up to rounding times the condition of X");
        }
    }
}

/// One number of heads: the divergence of one head from each drawn pattern.
pub(super) struct Row {
    layers: Layers,
    usual: Sample,
    equal: Sample,
    fixed: Sample,
}

/// Fits one head of a width and a size to each drawn pattern; each head of a layer does that on its own.
pub(super) struct Fits<'a> {
    plan: &'a Plan,
    fitting: Fitting,
    seed: u64,
    targets: Vec<Target>,
    run: Run,
}

impl<'a> Fits<'a> {
    pub fn new(settings: &Settings, plan: &'a Plan, run: &Run) -> Result<Self> {
        let (scale, seed) = (settings.number("scale")?, settings.seed()?);
        let draw = |seed| Target::random(plan.n, scale, &plan.mask, seed);
        let targets = settings.seeds("seeds")?.into_iter().map(draw).collect::<Result<_>>()?;
        let (starts, enough) = (settings.integer("starts")?, (plan.tolerance * 1e-4).min(1e-14));
        let fitting = Fitting { starts, enough, ..Fitting::default() };
        Ok(Fits { plan, fitting, seed, targets, run: run.clone().with_seed(seed) })
    }

    /// Each pattern with drawn embeddings.
    fn cases(&self, width: usize) -> impl Iterator<Item = (&Target, ndarray::Array2<f64>)> {
        let targets = (self.seed..).zip(&self.targets);
        targets.map(move |(seed, target)| (target, gaussian(self.plan.n, width, seed, 2)))
    }

    fn kl(&self, layer: FixedMultiHead) -> Result<Sample> {
        let (width, head_size) = (layer.width(), layer.head_size());
        let cases: Vec<_> = self.cases(width).collect();
        let kl =
            rank::many(&cases, &format!("heads of {head_size} on {width}"), &self.run, |(target, x)| {
                Ok(self.fitting.best_fit_on(target, x, head_size, &self.run)?.kl)
            })?;
        Ok(kl.into_iter().collect())
    }

    pub fn exactly(&self) -> Result<Exactly> {
        let layer = self.plan.most().fixed;
        let (size, width) = (layer.head_size(), layer.width());
        let errors =
            self.cases(width).map(|(target, x)| Ok(express::represent_centred(target, &x, size)?.max_error));
        let reached = if size + 1 >= self.plan.n && width >= self.plan.n {
            Some(errors.collect::<Result<Vec<f64>>>()?.into_iter().fold(0.0, f64::max))
        } else {
            None
        };
        let least = self.targets.iter().map(|target| least_head(target, &self.run)).collect::<Result<_>>()?;
        Ok(Exactly { reached, least })
    }

    pub fn rows(&self) -> Result<Vec<Row>> {
        // The same for every number of heads.
        let fixed = self.kl(self.plan.most().fixed)?;
        let row = |&layers: &Layers| {
            let (usual, equal) = (self.kl(layers.usual)?, self.kl(layers.equal)?);
            Ok(Row { layers, usual, equal, fixed: fixed.clone() })
        };
        self.plan.layers.iter().map(row).collect()
    }

    /// What a width below the sequence costs, however large the head.
    pub fn narrow_embedding(&self) -> Result<Sample> {
        self.kl(FixedMultiHead::new((self.plan.n / 2).max(1), 1, self.plan.n)?)
    }
}

impl Row {
    /// Whether heads of the usual size miss a pattern.
    pub fn is_bottleneck(&self, tolerance: f64) -> bool {
        self.usual.extremes().1 > tolerance
    }

    /// Whether a free size removes the bottleneck, if there is one: at more parameters, and at as many.
    pub fn outcomes(&self, tolerance: f64) -> Vec<Outcome> {
        let outcome = |free: &Sample| {
            let worse = free.minus(&self.usual);
            match (free.extremes().1 <= tolerance, worse.mean() > 2.0 * worse.standard_error()) {
                (true, _) => Outcome::Holds,
                (_, true) => Outcome::Opposite,
                _ => Outcome::Fails,
            }
        };
        if self.is_bottleneck(tolerance) {
            [&self.fixed, &self.equal].map(outcome).to_vec()
        } else {
            Vec::new()
        }
    }

    pub fn in_words(&self, tolerance: f64) -> String {
        let Layers { usual, equal, fixed } = self.layers;
        let is = |kl: &Sample| match kl.extremes().1 <= tolerance {
            true => "reaches all".to_owned(),
            false => format!("stays {} nats away", short(kl.mean())),
        };
        format!(
            "{} heads: of the usual size {} on {}, one {}; of {} on {} ({} times the parameters), it {}; of {} on {} (as \
             many parameters), it {}",
            usual.heads(),
            usual.head_size(),
            usual.width(),
            is(&self.usual),
            fixed.head_size(),
            fixed.width(),
            short(self.layers.cost()),
            is(&self.fixed),
            equal.head_size(),
            equal.width(),
            is(&self.equal)
        )
    }
}

pub(super) fn report(evidence: &mut Evidence, settings: &Settings, plan: &Plan, rows: &[Row]) -> Result<()> {
    for Row { layers: Layers { usual, equal, fixed }, usual: usual_kl, equal: equal_kl, .. } in rows {
        let heads = usual.heads();
        evidence.measure_sample(format!("kl_standard_h{heads}"), usual_kl.clone(), "nats");
        evidence.measure_sample(format!("kl_equal_budget_h{heads}"), equal_kl.clone(), "nats");
        let usual_rule = 4.0 * (usual.width() * usual.width()) as f64;
        for (name, layer, known) in
            [("standard", usual, true), ("equal_budget", equal, true), ("fixed", fixed, false)]
        {
            let count = layer.seeded(0)?.parameter_count() as f64; // counted from the tensors
            let measured = evidence.measure(format!("parameters_{name}_h{heads}"), count, "parameters");
            if known {
                measured.expect(usual_rule, 0.5, "4·C²");
            }
        }
    }
    let last = rows.last().expect("a list of numbers has one");
    let most = last.layers;
    let measured = evidence.measure_sample("kl_fixed", last.fixed.clone(), "nats");
    if most.fixed.head_size() >= plan.threshold() && most.fixed.width() >= plan.n {
        measured.expect(0.0, plan.tolerance, "the threshold of the head size");
    }
    evidence.measure("cost_of_fixed", most.cost(), "times");
    weigh(evidence, plan, (&rows[0], last));
    picture(evidence, settings, plan, rows);
    Ok(())
}

fn weigh(evidence: &mut Evidence, plan: &Plan, (first, last): (&Row, &Row)) {
    let (most, heads) = (last.layers, last.layers.usual.heads());
    let text = format!(
        "width {}, the usual rule: with {} heads of {}, one stays {} nats from a drawn pattern of {} positions; with \
         {heads} of {}, {} (fits in f64 on the CPU)",
        most.usual.width(),
        first.layers.usual.heads(),
        first.layers.usual.head_size(),
        short(first.usual.mean()),
        plan.n,
        most.usual.head_size(),
        last.usual
    );
    evidence.weigh(last.usual.mean() > plan.tolerance && first.usual.mean() < last.usual.mean(), text);
    let text = format!(
        "a head of fixed size {} stays {} nats away, however many there are",
        most.fixed.head_size(),
        short(last.fixed.mean())
    );
    evidence.weigh(last.fixed.mean() < last.usual.mean(), text);
    let text = format!(
        "{heads} heads of that size on the same width cost {} times the parameters",
        short(most.cost())
    );
    evidence.weigh(most.cost() <= 1.0, text);
    let gain = last.usual.minus(&last.equal);
    let text = format!(
        "at equal parameters, one of {heads} heads of {} on a width of {} stays {} nats away, one of {heads} of {} on {} \
         {}",
        most.equal.head_size(),
        most.equal.width(),
        last.equal,
        most.usual.head_size(),
        most.usual.width(),
        last.usual
    );
    evidence.weigh(gain.mean() > 2.0 * gain.standard_error(), text);
    if last.equal.mean() > plan.tolerance {
        evidence.weigh(false, format!("so at equal parameters the bottleneck stays at {heads} heads"));
    }
}

pub(super) fn report_narrow(evidence: &mut Evidence, plan: &Plan, kl: Sample) {
    let text = format!(
        "a head of size {} on drawn embeddings of width {} stays {kl} nats away: a small width is a bottleneck of its \
         own, and decoupling does not remove it",
        plan.n,
        (plan.n / 2).max(1)
    );
    evidence.weigh(kl.mean() <= plan.tolerance, text);
    evidence.measure_sample("kl_narrow_embedding", kl, "nats");
}

/// Where a divergence that is rounding alone is drawn.
const FLOOR: f64 = 1e-17;

fn picture(evidence: &mut Evidence, settings: &Settings, plan: &Plan, rows: &[Row]) {
    let most = plan.most();
    let of = |name: String, kl: fn(&Row) -> &Sample| {
        let point = |row: &Row| {
            let mean = kl(row).mean().max(FLOOR);
            (row.layers.usual.heads() as f64, Sample::new([mean]))
        };
        curve(name, Kind::Plain, &rows.iter().map(point).collect::<Vec<_>>())
    };
    let (width, narrow) = (most.usual.width(), most.equal.width());
    let budget = width * width / narrow;
    let fixed = most.fixed.head_size();
    let figure = Lines {
        title: "Divergence of the best heads from drawn patterns".into(),
        x: PlotAxis::log("heads H"),
        y: PlotAxis::log("KL to the pattern, nats"),
        curves: vec![
            of(format!("C = {width}, D = {width}/H"), |row| &row.usual),
            of(format!("C = {narrow}, D = {budget}/H: as many parameters"), |row| &row.equal),
            of(format!("C = {width}, D = {fixed}: more parameters"), |row| &row.fixed),
        ],
        references: vec![Reference::level("counts as reached", plan.tolerance)],
        settings: settings.record(),
    };
    let caption = format!(
        "How far the best head stays from a drawn pattern of {} positions over the number of heads: with the \
         usual head size, with as many parameters on a narrower width, and with a fixed head size. What lies \
         below 1e-17 nats is drawn there.",
        plan.n
    );
    evidence.show("kl-over-heads", caption, figure);
}
