//! Heads of the usual and of a free size: their parameters, and how near they come to drawn patterns.

use super::super::{Evidence, Sample, Settings, gaussian};
use super::picture;
use crate::attention::FixedMultiHead;
use crate::error::{Error, Result};
use crate::express::{Fitting, Target};
use crate::mask::Mask;
use crate::numbers::short;
use crate::rank;
use crate::run::Run;

/// The layers to compare, for each number of heads.
pub(super) struct Plan {
    pub n: usize,
    pub mask: Mask,
    pub rows: Vec<Row>,
}

/// Three layers with as many heads.
#[derive(Clone, Copy)]
pub(super) struct Row {
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
        let row = |heads: usize| {
            let usual = FixedMultiHead::standard(width, heads)?;
            let budget = width * width;
            if !budget.is_multiple_of(narrow * heads) {
                let expected = format!("a divisor of width² / heads = {budget} / {heads}");
                return Err(Error::invalid("narrow", narrow, expected));
            }
            let equal = FixedMultiHead::new(narrow, heads, budget / (narrow * heads))?;
            Ok(Row { usual, equal, fixed: FixedMultiHead::new(width, heads, head_size)? })
        };
        let mut heads = settings.integers("heads")?;
        heads.sort_unstable();
        heads.dedup();
        let causal = settings.text("mask")? == "causal";
        let mask = if causal { Mask::causal() } else { Mask::bidirectional() };
        let rows = heads.into_iter().map(row).collect::<Result<Vec<_>>>()?;
        Ok(Plan { n: settings.integer("n")?, mask, rows })
    }

    /// The head size from which almost every pattern is reachable.
    pub fn threshold(&self) -> usize {
        if self.mask.may_attend(0, 1) { self.n - 1 } else { self.n / 2 }
    }

    /// The row with the most heads.
    pub fn most(&self) -> Row {
        *self.rows.last().expect("a list of numbers has one")
    }
}

/// Fits one head of a width and a size to each drawn pattern; each head of a layer does that on its own.
struct Fits<'a> {
    settings: &'a Settings,
    plan: &'a Plan,
    targets: Vec<Target>,
    run: Run,
}

impl Fits<'_> {
    fn kl(&self, width: usize, head_size: usize) -> Result<Sample> {
        let tolerance = self.settings.number("tolerance")?;
        let starts = self.settings.integer("starts")?;
        let fitting = Fitting { starts, enough: (tolerance * 1e-4).min(1e-14), ..Fitting::default() };
        let seed = self.settings.seed()?;
        let jobs: Vec<(u64, &Target)> = (seed..).zip(&self.targets).collect();
        let stage = format!("heads of {head_size} on {width}");
        let kl = rank::many(&jobs, &stage, &self.run, |&(seed, target)| {
            let x = gaussian(self.plan.n, width, seed, 2);
            Ok(fitting.best_fit_on(target, &x, head_size, &self.run)?.kl)
        })?;
        Ok(kl.into_iter().collect())
    }
}

/// KL for each number of heads; usual, equal budget.
pub(super) struct Curves {
    pub usual: Vec<(usize, Sample)>,
    pub equal: Vec<(usize, Sample)>,
    pub fixed: Sample,
}

/// Fits everything in the plan.
pub(super) fn compare(evidence: &mut Evidence, settings: &Settings, plan: &Plan, run: &Run) -> Result<()> {
    let (scale, seed) = (settings.number("scale")?, settings.seed()?);
    let seeds = seed..seed + settings.integer("seeds")? as u64;
    let targets = seeds.map(|seed| Target::random(plan.n, scale, &plan.mask, seed)).collect::<Result<_>>()?;
    let fits = Fits { settings, plan, targets, run: run.clone().with_seed(seed) };
    let kl = |layer: FixedMultiHead| fits.kl(layer.width(), layer.head_size());
    let mut curves = Curves { usual: Vec::new(), equal: Vec::new(), fixed: kl(plan.most().fixed)? };
    for row in &plan.rows {
        let heads = row.usual.heads();
        curves.usual.push((heads, kl(row.usual)?));
        curves.equal.push((heads, kl(row.equal)?));
    }
    record(evidence, settings, plan, &curves)?;
    narrow_embedding(evidence, settings, plan, &fits)?;
    picture::curves(evidence, settings, plan, &curves)
}

fn record(evidence: &mut Evidence, settings: &Settings, plan: &Plan, curves: &Curves) -> Result<()> {
    let tolerance = settings.number("tolerance")?;
    evidence.measure("tolerance", tolerance, "nats");
    for (row, ((heads, usual), (_, equal))) in plan.rows.iter().zip(curves.usual.iter().zip(&curves.equal)) {
        evidence.measure_sample(format!("kl_standard_h{heads}"), usual.clone(), "nats");
        evidence.measure_sample(format!("kl_equal_budget_h{heads}"), equal.clone(), "nats");
        let layers = [("standard", row.usual), ("equal_budget", row.equal), ("fixed", row.fixed)];
        for (name, layer) in layers {
            let count = layer.seeded(0)?.parameter_count() as f64; // counted from the tensors
            evidence.measure(format!("parameters_{name}_h{heads}"), count, "parameters");
        }
        let usual_rule = 4.0 * (row.usual.width() * row.usual.width()) as f64;
        for name in ["standard", "equal_budget"] {
            evidence.expect(format!("parameters_{name}_h{heads}"), usual_rule, 0.5, "4·C²");
        }
    }
    let (usual, equal) = (&last(&curves.usual).1, &last(&curves.equal).1);
    evidence.measure_sample("kl_standard_most_heads", usual.clone(), "nats");
    evidence.measure_sample("kl_equal_budget_most_heads", equal.clone(), "nats");
    evidence.measure_sample("kl_fixed", curves.fixed.clone(), "nats");
    let most = plan.most();
    let cost = most.fixed.parameter_count() as f64 / most.usual.parameter_count() as f64;
    evidence.measure("cost_of_fixed", cost, "times");
    if most.fixed.head_size() >= plan.threshold() && most.fixed.width() >= plan.n {
        evidence.expect("kl_fixed", 0.0, tolerance, "the threshold of the head size");
    }
    weigh(evidence, plan, curves, tolerance, cost);
    Ok(())
}

fn weigh(evidence: &mut Evidence, plan: &Plan, curves: &Curves, tolerance: f64, cost: f64) {
    let most = plan.most();
    let (heads, usual) = last(&curves.usual);
    let equal = &last(&curves.equal).1;
    let (first_heads, first) = &curves.usual[0];
    evidence.weigh(
        usual.mean() > tolerance && first.mean() < usual.mean(),
        format!(
            "width {}, the usual rule: with {first_heads} heads of {}, one stays {} nats from a drawn pattern of \
             {} positions; with {heads} of {}, {usual} (fits in f64 on the CPU)",
            most.usual.width(),
            plan.rows[0].usual.head_size(),
            short(first.mean()),
            plan.n,
            most.usual.head_size()
        ),
    );
    evidence.weigh(
        curves.fixed.mean() < usual.mean(),
        format!(
            "a head of fixed size {} stays {} nats away, however many there are",
            most.fixed.head_size(),
            short(curves.fixed.mean())
        ),
    );
    evidence.weigh(
        cost <= 1.0,
        format!("{heads} heads of that size on the same width cost {} times the parameters", short(cost)),
    );
    let gain = usual.minus(equal);
    evidence.weigh(
        gain.mean() > 2.0 * gain.standard_error(),
        format!(
            "at equal parameters, one of {heads} heads of {} on a width of {} stays {equal} nats away, one of \
             {heads} of {} on {} {usual}",
            most.equal.head_size(),
            most.equal.width(),
            most.usual.head_size(),
            most.usual.width()
        ),
    );
    if equal.mean() > tolerance {
        evidence.weigh(false, format!("so at equal parameters the bottleneck stays at {heads} heads"));
    }
}

/// What a width below the sequence costs, however large the head.
fn narrow_embedding(
    evidence: &mut Evidence,
    settings: &Settings,
    plan: &Plan,
    fits: &Fits<'_>,
) -> Result<()> {
    let (width, head_size) = ((plan.n / 2).max(1), plan.n);
    let kl = fits.kl(width, head_size)?;
    evidence.weigh(
        kl.mean() <= settings.number("tolerance")?,
        format!(
            "a head of size {head_size} on drawn embeddings of width {width} stays {kl} nats away: a small \
             width is a bottleneck of its own, and decoupling does not remove it"
        ),
    );
    evidence.measure_sample("kl_narrow_embedding", kl, "nats");
    Ok(())
}

fn last<T>(items: &[T]) -> &T {
    items.last().expect("a list of numbers has one")
}
