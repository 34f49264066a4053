//! Drawn patterns, and the best fits of heads of every size.

use super::*;

/// A mask under which patterns are fitted.
pub(super) struct Side {
    pub(super) name: &'static str,
    pub(super) words: &'static str,
    pub(super) mask: Mask,
    pub(super) kind: Kind,
    /// The head size from which on almost every pattern is reached; with its formula and its source.
    pub(super) theory: usize,
    pub(super) label: &'static str,
    pub(super) source: &'static str,
}

/// Both masks, for n positions.
pub(super) fn sides(n: usize) -> [Side; 2] {
    [
        Side {
            name: "bidirectional",
            words: "without a mask",
            mask: Mask::bidirectional(),
            kind: Kind::Bidirectional,
            theory: (n - 1).max(1),
            label: "n − 1",
            source: "n − 1, the rank of the centred logarithms",
        },
        Side {
            name: "causal",
            words: "under the causal mask",
            mask: Mask::causal(),
            kind: Kind::Causal,
            theory: (n / 2).max(1),
            label: "⌊n/2⌋",
            source: "⌊n/2⌋, the rank of the block that all its rows see",
        },
    ]
}

/// The fits under one mask, by head size and then by pattern.
pub(super) struct Sweep {
    pub(super) side: Side,
    pub(super) tolerance: f64,
    /// The head sizes, all below n; a head of size n reaches every pattern by construction.
    pub(super) head_sizes: Vec<usize>,
    pub(super) targets: Vec<Target>,
    /// For each pattern, the smallest head that reaches it, if that is certified.
    pub(super) least: Vec<Option<usize>>,
    pub(super) fits: Vec<Vec<BestFit>>,
}

impl Sweep {
    pub(super) fn measure(settings: &Settings, side: Side, run: &Run) -> Result<Self> {
        let (n, scale, tolerance) =
            (settings.integer("n")?, settings.number("scale")?, settings.number("tolerance")?);
        let draw = |seed| Target::random(n, scale, &side.mask, seed);
        let targets = settings.seeds("seeds")?.into_iter().map(draw).collect::<Result<Vec<_>>>()?;
        let least = targets.iter().map(|target| least_head(target, run)).collect::<Result<_>>()?;
        let mut head_sizes = settings.ascending("head_sizes")?;
        head_sizes.retain(|&size| size < n);
        let (fitting, run) = (fitting(settings)?, run.clone().with_seed(settings.seed()?));
        // Large heads first: they take longest, so that at the end no single thread is busy with one while the others
        // wait.
        let of = |&size: &usize| targets.iter().map(move |target| (size, target));
        let jobs: Vec<(usize, &Target)> = head_sizes.iter().rev().flat_map(of).collect();
        let all = rank::many(&jobs, &format!("{} fits", side.name), &run, |&(size, target)| {
            fitting.best_fit(target, size, &run)
        })?;
        let mut fits: Vec<Vec<BestFit>> = all.chunks(targets.len()).map(<[_]>::to_vec).collect();
        fits.reverse();
        Ok(Sweep { side, tolerance, head_sizes, targets, least, fits })
    }

    /// KL for each pattern at the head size of this index, and the largest error of an entry.
    pub(super) fn at(&self, index: usize) -> [Sample; 2] {
        let fits = &self.fits[index];
        [fits.iter().map(|fit| fit.kl).collect(), fits.iter().map(|fit| fit.max_error).collect()]
    }

    /// Whether heads of the size of this index miss a pattern.
    pub(super) fn outcome(&self, index: usize) -> Outcome {
        Outcome::of(self.fits[index].iter().any(|fit| fit.kl >= self.tolerance))
    }

    /// The indices of the head sizes that miss a pattern, and those of the others.
    pub(super) fn missing(&self) -> (Vec<usize>, Vec<usize>) {
        (0..self.fits.len()).partition(|&index| self.outcome(index) == Outcome::Holds)
    }

    /// "without a mask, heads of 1 to 10 stay 0.6 to 5e-4 nats away and heads of 11 reach every one".
    pub(super) fn in_words(&self) -> String {
        let (missing, reaching) = self.missing();
        let (size, away) = (|at: usize| self.head_sizes[at], |at: usize| short(self.at(at)[0].mean()));
        let missed = match missing[..] {
            [] => None,
            [only] => Some(format!("heads of {} stay {} nats away", size(only), away(only))),
            [first, .., last] => {
                let (from, to) = (away(first), away(last));
                Some(format!("heads of {} to {} stay {from} to {to} nats away", size(first), size(last)))
            }
        };
        let reached = reaching.first().map(|&first| format!("heads of {} reach every one", size(first)));
        let both: Vec<String> = missed.into_iter().chain(reached).collect();
        format!("{}, {}", self.side.words, both.join(" and "))
    }

    pub(super) fn report(&self, evidence: &mut Evidence) {
        let (Side { name, theory, .. }, n) = (&self.side, self.targets[0].positions());
        for (index, size) in self.head_sizes.iter().enumerate() {
            let [kl, error] = self.at(index);
            evidence.measure_sample(format!("kl_{name}_d{size}"), kl, "nats");
            evidence.record(format!("max_error_{name}_d{size}"), &error);
        }
        // For each pattern, the smallest head tried that reaches it; if none does, n, which always does.
        let smallest = |pattern: usize| {
            let first = self.fits.iter().position(|fits| fits[pattern].kl < self.tolerance);
            first.map_or(n, |index| self.head_sizes[index]) as f64
        };
        let thresholds: Sample = (0..self.targets.len()).map(smallest).collect();
        let needs_all = thresholds.mean() >= n as f64;
        let whole =
            if thresholds.sd() == 0.0 { thresholds.mean().to_string() } else { thresholds.to_string() };
        let text = format!(
            "{name}: the smallest head that reaches a drawn pattern of n = {n} positions has size {whole} over {} patterns, \
             {} n (fits in f64 on the CPU)",
            thresholds.count(),
            if needs_all { "no less than" } else { "less than" }
        );
        evidence.weigh(needs_all, text).at("mask", *name).at("head_size", thresholds.mean().round() as usize);
        let has = |size: usize| size == 0 || self.head_sizes.contains(&size);
        let certain = self.least.iter().flatten().count();
        let measured = evidence.record(format!("threshold_{name}"), &thresholds);
        if has(*theory) && has(theory - 1) && certain == self.least.len() {
            measured.expect(*theory as f64, 0.0, self.side.source);
        }
        let share = certain as f64 / self.least.len() as f64;
        evidence.measure(format!("certainly_needs_{name}_share"), share, "");
        // The divergence of the largest head that misses a pattern.
        let Some(&index) = self.missing().0.last() else { return };
        let [kl, error] = self.at(index);
        let full_rank = "; the weights of every causal head have full rank, so that alone expresses little";
        let text = format!(
            "{name}: the best head of size {} stays {} nats away from a drawn pattern, and the best one of size {}, the \
             largest that misses any, {} (largest error of an entry {}){}",
            self.head_sizes[0],
            self.at(0)[0],
            self.head_sizes[index],
            short(kl.mean()),
            short(error.mean()),
            if *name == "causal" { full_rank } else { "" }
        );
        evidence.weigh(true, text).at("mask", *name).at("head_size", self.head_sizes[0]);
    }
}

/// KL over the head size under both masks, and one pattern with its best small head.
pub(super) fn plot(evidence: &mut Evidence, sweeps: &[Sweep]) {
    let Sweep { tolerance, head_sizes, targets, fits, .. } = &sweeps[0];
    let n = targets[0].positions();
    let mut references = vec![Reference::level("counts as reached", *tolerance)];
    let mut curves = Vec::new();
    for sweep in sweeps {
        let sizes = sweep.head_sizes.iter().enumerate();
        let points = sizes.map(|(index, &size)| (size as f64, sweep.at(index)[0].mean().max(FLOOR)));
        curves.push(Curve::new(sweep.side.name, sweep.side.kind, points));
        references.push(Reference::at(sweep.side.label, sweep.side.theory as f64));
    }
    let caption = format!(
        "How far the best head of size D stays from a drawn pattern of {n} positions, mean over {} patterns; what lies \
         below 1e-17 nats is drawn there. The vertical lines are the thresholds n − 1 and ⌊n/2⌋.",
        targets.len()
    );
    let axes = [PlotAxis::linear("head size D"), PlotAxis::log("KL to the pattern, nats")];
    let title = format!("Divergence of the best head from a drawn pattern of {n} positions");
    evidence.plot("kl-over-head-size", caption, lines(title, axes, curves, references));
    let index = head_sizes.iter().position(|&size| size == 2).unwrap_or(0);
    if let Some(fits) = fits.get(index) {
        plot_fit(evidence, "drawn", &targets[0], head_sizes[index], &fits[0]);
    }
}

/// A pattern, and the best fit of a head that is too small.
pub(super) fn plot_fit(evidence: &mut Evidence, name: &str, target: &Target, size: usize, best: &BestFit) {
    let n = target.positions();
    let top = target.weights().iter().fold(0.0f64, |top, &weight| top.max(weight));
    let labels = || (0..n).map(|position| position.to_string()).collect::<Vec<_>>();
    let settings = evidence.settings();
    let heatmap = |title: String, values: Array2<f64>| Heatmap {
        title,
        values,
        may_attend: Some(target.allowed().clone()),
        queries: labels(),
        keys: labels(),
        scale: Scale::AmountTo(top),
        unit: "attention weight".into(),
        settings: settings.clone(),
    };
    let pattern = heatmap(format!("The {name} pattern"), target.weights().clone());
    evidence.show(format!("{name}-pattern"), format!("The {name} pattern of {n} positions."), pattern);
    let caption = format!(
        "The weights of the best head of size {size} for that pattern: {:.3} nats away, with an entry off by {:.3}.",
        best.kl, best.max_error
    );
    let title = format!("The best head of size {size} for the {name} pattern");
    let nearest = heatmap(title, best.factors.weights(target.allowed()));
    evidence.show(format!("{name}-pattern-d{size}"), caption, nearest);
}
