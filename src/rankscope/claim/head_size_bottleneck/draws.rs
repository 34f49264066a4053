//! Drawn patterns, and the smallest head that reaches them.

use super::super::{Evidence, Sample, Settings};
use super::{fitting, head_sizes, masks, picture, sizes};
use crate::error::Result;
use crate::express::{self, BestFit, Target};
use crate::mask::Mask;
use crate::numbers::short;
use crate::rank;
use crate::run::Run;

/// The fits under one mask, by head size and then by pattern.
pub(super) struct Sweep {
    pub name: &'static str,
    pub theory: usize,
    pub head_sizes: Vec<usize>,
    pub targets: Vec<Target>,
    pub fits: Vec<Vec<BestFit>>,
}

impl Sweep {
    fn run(
        settings: &Settings,
        (name, mask, theory): (&'static str, Mask, usize),
        run: &Run,
    ) -> Result<Self> {
        let (n, scale, first) = (settings.integer("n")?, settings.number("scale")?, settings.seed()?);
        let seeds = first..first + settings.integer("seeds")? as u64;
        let targets = seeds.map(|seed| Target::random(n, scale, &mask, seed)).collect::<Result<Vec<_>>>()?;
        let (fitting, run) = (fitting(settings)?, run.clone().with_seed(first));
        let head_sizes = head_sizes(theory);
        // Large heads first: they take longest, so that no thread is left alone with one at the end.
        let jobs: Vec<(usize, &Target)> = head_sizes
            .iter()
            .rev()
            .flat_map(|&size| targets.iter().map(move |target| (size, target)))
            .collect();
        let all = rank::many(&jobs, &format!("{name} fits"), &run, |&(size, target)| {
            fitting.best_fit(target, size, &run)
        })?;
        let mut fits: Vec<Vec<BestFit>> = all.chunks(targets.len()).map(<[_]>::to_vec).collect();
        fits.reverse();
        Ok(Sweep { name, theory, head_sizes, targets, fits })
    }

    fn sample(&self, index: usize, of: fn(&BestFit) -> f64) -> Sample {
        self.fits[index].iter().map(of).collect()
    }

    /// KL over the patterns at the head size of this index.
    pub fn kl(&self, index: usize) -> Sample {
        self.sample(index, |fit| fit.kl)
    }

    /// Pattern by pattern, the smallest head that reaches it; one more than the largest tried, where none.
    fn thresholds(&self, tolerance: f64) -> Sample {
        let of = |pattern: usize| {
            let first = self.fits.iter().position(|fits| fits[pattern].kl < tolerance);
            first.map_or(self.theory + 1, |index| self.head_sizes[index]) as f64
        };
        (0..self.targets.len()).map(of).collect()
    }
}

/// Fits heads of every size to drawn patterns, and reads off the thresholds.
pub(super) fn thresholds(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<()> {
    let n = settings.integer("n")?;
    evidence.measure("n", n as f64, "positions");
    let mut sweeps = Vec::new();
    for (name, mask, theory, why) in masks(n) {
        let sweep = Sweep::run(settings, (name, mask, theory), run)?;
        record(evidence, settings, &sweep, why)?;
        sweeps.push(sweep);
    }
    truncation(evidence, &sweeps[0])?;
    picture::sweeps(evidence, settings, &sweeps)
}

fn record(evidence: &mut Evidence, settings: &Settings, sweep: &Sweep, why: &'static str) -> Result<()> {
    let (name, n) = (sweep.name, settings.integer("n")?);
    for (index, size) in sweep.head_sizes.iter().enumerate() {
        evidence.measure_sample(format!("kl_{name}_d{size}"), sweep.kl(index), "nats");
        let error = sweep.sample(index, |fit| fit.max_error);
        evidence.measure_sample(format!("max_error_{name}_d{size}"), error, "");
    }
    let thresholds = sweep.thresholds(settings.number("tolerance")?);
    let measured = format!("threshold_{name}");
    let needs_all = thresholds.mean() >= n as f64;
    evidence.weigh(
        needs_all,
        format!(
            "{name}: the smallest head that reaches a drawn pattern of n = {n} positions has size {} \
             over {} patterns, {} n (fits in f64 on the CPU)",
            sizes(&thresholds),
            thresholds.count(),
            if needs_all { "no less than" } else { "less than" }
        ),
    );
    evidence.measure_sample(measured, thresholds, "").expect(sweep.theory as f64, 1e-9, why);
    below(evidence, settings, sweep)
}

/// What heads below the threshold miss.
fn below(evidence: &mut Evidence, settings: &Settings, sweep: &Sweep) -> Result<()> {
    let Some(index) = sweep.fits.len().checked_sub(2) else { return Ok(()) };
    let (kl, error) = (sweep.kl(index), sweep.sample(index, |fit| fit.max_error));
    let full_rank = "; the weights of every causal head have full rank, so that alone expresses little";
    evidence.weigh(
        kl.extremes().0 > settings.number("tolerance")?,
        format!(
            "{}: the best head of size 1 stays {} nats away from a drawn pattern, and just below the threshold, \
             at size {}, {} (largest error of an entry {}){}",
            sweep.name,
            sweep.kl(0),
            sweep.head_sizes[index],
            short(kl.mean()),
            short(error.mean()),
            if sweep.name == "causal" { full_rank } else { "" }
        ),
    );
    Ok(())
}

/// The same threshold without a search: the centred log P, cut to a rank.
fn truncation(evidence: &mut Evidence, sweep: &Sweep) -> Result<()> {
    let n = sweep.targets[0].positions();
    let identity = ndarray::Array2::eye(n);
    for size in [n - 2, n - 1] {
        let errors = sweep
            .targets
            .iter()
            .map(|target| Ok(express::represent_centred(target, &identity, size)?.max_error));
        let errors: Sample = errors.collect::<Result<Vec<f64>>>()?.into_iter().collect();
        evidence.measure_sample(format!("truncation_error_d{size}"), errors, "");
    }
    evidence.expect(format!("truncation_error_d{}", n - 1), 0.0, 1e-11, "the centred log P has rank n − 1");
    Ok(())
}
