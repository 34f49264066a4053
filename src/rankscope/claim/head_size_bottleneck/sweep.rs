//! Drawn patterns, and how near heads of every size come to them.

use super::exact::least_head;
use super::fitting;
use crate::claim::{Evidence, Outcome, Sample, Settings};
use crate::error::Result;
use crate::express::{BestFit, Target};
use crate::figure::style::Kind;
use crate::figure::{Curve, Heatmap, Lines, PlotAxis, Reference, Scale};
use crate::mask::Mask;
use crate::numbers::short;
use crate::rank;
use crate::run::Run;

/// A mask under which patterns are fitted.
pub(super) struct Side {
    pub name: &'static str,
    pub mask: Mask,
    kind: Kind,
    /// The head size from which on almost every pattern is reached.
    pub theory: usize,
    /// As it is written, and who says so.
    pub label: &'static str,
    source: &'static str,
}

/// Both masks, for n positions.
pub(super) fn sides(n: usize) -> [Side; 2] {
    let (by_rank, by_completion) =
        ("n − 1, the rank of the centred logarithms", "⌊n/2⌋, the rank of the block that all its rows see");
    [
        Side {
            name: "bidirectional",
            mask: Mask::bidirectional(),
            kind: Kind::Bidirectional,
            theory: (n - 1).max(1),
            label: "n − 1",
            source: by_rank,
        },
        Side {
            name: "causal",
            mask: Mask::causal(),
            kind: Kind::Causal,
            theory: (n / 2).max(1),
            label: "⌊n/2⌋",
            source: by_completion,
        },
    ]
}

/// The fits under one mask, by head size and then by pattern.
pub(super) struct Sweep {
    pub side: Side,
    tolerance: f64,
    /// Below n; a head of size n reaches everything by construction.
    pub head_sizes: Vec<usize>,
    pub targets: Vec<Target>,
    /// Pattern by pattern, the least head that reaches it, where that is certain.
    pub least: Vec<Option<usize>>,
    fits: Vec<Vec<BestFit>>,
}

impl Sweep {
    pub fn measure(settings: &Settings, side: Side, run: &Run) -> Result<Self> {
        let (n, scale, first) = (settings.integer("n")?, settings.number("scale")?, settings.seed()?);
        let draw = |seed| Target::random(n, scale, &side.mask, seed);
        let targets = settings.seeds("seeds")?.into_iter().map(draw).collect::<Result<Vec<_>>>()?;
        let least = targets.iter().map(|target| least_head(target, run)).collect::<Result<_>>()?;
        let mut head_sizes = settings.integers("head_sizes")?;
        head_sizes.retain(|&size| size < n);
        head_sizes.sort_unstable();
        head_sizes.dedup();
        let (fitting, run) = (fitting(settings)?, run.clone().with_seed(first));
        // Large heads first: they take longest, so that no thread is left alone with one at the end.
        let jobs: Vec<(usize, &Target)> = head_sizes
            .iter()
            .rev()
            .flat_map(|&size| targets.iter().map(move |target| (size, target)))
            .collect();
        let all = rank::many(&jobs, &format!("{} fits", side.name), &run, |&(size, target)| {
            fitting.best_fit(target, size, &run)
        })?;
        let mut fits: Vec<Vec<BestFit>> = all.chunks(targets.len()).map(<[_]>::to_vec).collect();
        fits.reverse();
        let tolerance = settings.number("tolerance")?;
        Ok(Sweep { side, tolerance, head_sizes, targets, least, fits })
    }

    fn sample(&self, index: usize, of: fn(&BestFit) -> f64) -> Sample {
        self.fits[index].iter().map(of).collect()
    }

    /// KL over the patterns at the head size of this index.
    fn kl(&self, index: usize) -> Sample {
        self.sample(index, |fit| fit.kl)
    }

    /// Whether heads of each size miss a pattern.
    pub fn outcomes(&self) -> impl Iterator<Item = Outcome> {
        (0..self.fits.len()).map(|index| {
            let missed = self.kl(index).count_where(|kl| kl >= self.tolerance);
            if missed > 0 { Outcome::Holds } else { Outcome::Fails }
        })
    }

    /// Pattern by pattern, the smallest head tried that reaches it; where none does, n, which always does.
    pub fn thresholds(&self) -> Sample {
        let of = |(pattern, target): (usize, &Target)| {
            let first = self.fits.iter().position(|fits| fits[pattern].kl < self.tolerance);
            first.map_or(target.positions(), |index| self.head_sizes[index]) as f64
        };
        self.targets.iter().enumerate().map(of).collect()
    }

    /// Whether the sizes tried hold the threshold and the one below it.
    fn has_theory(&self) -> bool {
        let theory = self.side.theory;
        let has = |size: usize| size == 0 || self.head_sizes.contains(&size);
        has(theory) && has(theory - 1)
    }

    /// "without a mask, heads of 1 to 10 miss a pattern (0.6 nats away at 1, 5e-4 at 10), and those of 11 reach all".
    pub fn in_words(&self) -> String {
        let where_ =
            if self.side.mask == Mask::causal() { "under the causal mask" } else { "without a mask" };
        let (missing, reaching): (Vec<_>, Vec<_>) =
            self.outcomes().enumerate().partition(|(_, outcome)| *outcome == Outcome::Holds);
        let size = |at: Option<&(usize, Outcome)>| at.map_or(0, |(index, _)| self.head_sizes[*index]);
        let away = |at: &(usize, Outcome)| short(self.kl(at.0).mean());
        let missed = match missing[..] {
            [] => None,
            [only] => Some(format!("heads of {} stay {} nats away", size(Some(&only)), away(&only))),
            [first, .., last] => Some(format!(
                "heads of {} to {} stay {} to {} nats away",
                size(Some(&first)),
                size(Some(&last)),
                away(&first),
                away(&last)
            )),
        };
        let reached =
            (!reaching.is_empty()).then(|| format!("heads of {} reach every one", size(reaching.first())));
        let both: Vec<String> = missed.into_iter().chain(reached).collect();
        format!("{where_}, {}", both.join(" and "))
    }

    pub fn report(&self, evidence: &mut Evidence) {
        let (name, n) = (self.side.name, self.targets[0].positions());
        for (index, size) in self.head_sizes.iter().enumerate() {
            evidence.measure_sample(format!("kl_{name}_d{size}"), self.kl(index), "nats");
            let error = self.sample(index, |fit| fit.max_error);
            evidence.measure_sample(format!("max_error_{name}_d{size}"), error, "");
        }
        let thresholds = self.thresholds();
        let needs_all = thresholds.mean() >= n as f64;
        let text = format!(
            "{name}: the smallest head that reaches a drawn pattern of n = {n} positions has size {} over {} patterns, \
             {} n (fits in f64 on the CPU)",
            whole(&thresholds),
            thresholds.count(),
            if needs_all { "no less than" } else { "less than" }
        );
        evidence.weigh(needs_all, text);
        let measured = evidence.measure_sample(format!("threshold_{name}"), thresholds, "");
        if self.has_theory() && self.least.iter().all(Option::is_some) {
            measured.expect(self.side.theory as f64, 0.0, self.side.source);
        }
        self.below(evidence);
    }

    /// What the largest head that misses a pattern misses.
    fn below(&self, evidence: &mut Evidence) {
        let missing = self.outcomes().enumerate().filter(|(_, outcome)| *outcome == Outcome::Holds);
        let Some((index, _)) = missing.last() else { return };
        let (kl, error) = (self.kl(index), self.sample(index, |fit| fit.max_error));
        let full_rank = "; the weights of every causal head have full rank, so that alone expresses little";
        let text = format!(
            "{}: the best head of size {} stays {} nats away from a drawn pattern, and the best one of size {}, the \
             largest that misses any, {} (largest error of an entry {}){}",
            self.side.name,
            self.head_sizes[0],
            self.kl(0),
            self.head_sizes[index],
            short(kl.mean()),
            short(error.mean()),
            if self.side.mask == Mask::causal() { full_rank } else { "" }
        );
        evidence.weigh(true, text);
    }
}

/// Sizes over draws: a whole number where all agree.
fn whole(sample: &Sample) -> String {
    if sample.sd() == 0.0 { sample.mean().to_string() } else { sample.to_string() }
}

/// Where a divergence that is rounding alone is drawn.
const FLOOR: f64 = 1e-17;

/// KL over the head size under both masks, and one pattern with its best small head.
pub(super) fn picture(evidence: &mut Evidence, settings: &Settings, sweeps: &[Sweep]) -> Result<()> {
    let mut references = vec![Reference::level("counts as reached", settings.number("tolerance")?)];
    let mut curves = Vec::new();
    for sweep in sweeps {
        let sizes = sweep.head_sizes.iter().enumerate();
        let points = sizes.map(|(index, &size)| (size as f64, sweep.kl(index).mean().max(FLOOR)));
        curves.push(Curve::new(sweep.side.name, sweep.side.kind, points));
        references.push(Reference::at(sweep.side.label, sweep.side.theory as f64));
    }
    let n = settings.integer("n")?;
    let figure = Lines {
        title: format!("Divergence of the best head from a drawn pattern of {n} positions"),
        x: PlotAxis::linear("head size D"),
        y: PlotAxis::log("KL to the pattern, nats"),
        curves,
        references,
        settings: settings.record(),
    };
    let caption = format!(
        "How far the best head of size D stays from a drawn pattern of {n} positions, mean over {} patterns; \
         what lies below 1e-17 nats is drawn there. The vertical lines are the thresholds n − 1 and ⌊n/2⌋.",
        sweeps[0].targets.len()
    );
    evidence.show("kl-over-head-size", caption, figure);
    let Sweep { head_sizes, targets, fits, .. } = &sweeps[0];
    let index = head_sizes.iter().position(|&size| size == 2).unwrap_or(0);
    if let Some(fits) = fits.get(index) {
        picture_fit(evidence, settings, ("drawn", &targets[0]), (head_sizes[index], &fits[0]));
    }
    Ok(())
}

/// A pattern, and what a head that is too small makes of it.
pub(super) fn picture_fit(
    evidence: &mut Evidence,
    settings: &Settings,
    (name, target): (&str, &Target),
    (size, best): (usize, &BestFit),
) {
    let n = target.positions();
    let top = target.weights().iter().fold(0.0f64, |top, &weight| top.max(weight));
    let labels = || (0..n).map(|position| position.to_string()).collect::<Vec<_>>();
    let heatmap = |title: String, values: ndarray::Array2<f64>| Heatmap {
        title,
        values,
        may_attend: Some(target.allowed().clone()),
        queries: labels(),
        keys: labels(),
        scale: Scale::AmountTo(top),
        unit: "attention weight".into(),
        settings: settings.record(),
    };
    let pattern = heatmap(format!("The {name} pattern"), target.weights().clone());
    evidence.show(format!("{name}-pattern"), format!("The {name} pattern of {n} positions."), pattern);
    let title = format!("The best head of size {size} for the {name} pattern");
    let caption = format!(
        "The weights of the best head of size {size} for that pattern: {:.3} nats away, with an entry off by {:.3}.",
        best.kl, best.max_error
    );
    let nearest = heatmap(title, best.factors.weights(target.allowed()));
    evidence.show(format!("{name}-pattern-d{size}"), caption, nearest);
}
