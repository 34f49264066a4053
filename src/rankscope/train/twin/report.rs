//! What the results of a twin say: a table, words, a figure.

use serde_json::json;

use super::{Job, Outcome, Paired, Results, Share, Verdict};
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis};
use crate::mask::Mask;
use crate::numbers::short;
use crate::statistics::Sample;

/// The most curves of a figure in which every seed has its own.
const MOST_CURVES: usize = 24;

/// A variant beside the first one.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The variant's value of the key.
    pub variant: String,
    /// The first one's.
    pub reference: String,
    /// The variant's metric minus that of the first, seed by seed.
    pub paired: Paired,
    /// What that says.
    pub verdict: Verdict,
}

impl Results {
    /// Every variant beside the first one, by the metric and the smallest effect that were stated before the runs.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) naming runs that were not made yet.
    pub fn comparisons(&self) -> Result<Vec<Comparison>> {
        let twin = self.twin();
        let names = twin.names();
        let reference = self.sample(0, twin.metric())?;
        let compare = |variant: usize| {
            let paired = Paired::new(self.sample(variant, twin.metric())?.values(), reference.values())?;
            let verdict = paired.verdict(twin.smallest())?;
            Ok(Comparison { variant: names[variant].clone(), reference: names[0].clone(), paired, verdict })
        };
        (1..names.len()).map(compare).collect()
    }

    /// The comparisons in words, a line each.
    ///
    /// # Errors
    /// As [`comparisons`](Self::comparisons).
    pub fn in_words(&self) -> Result<Vec<String>> {
        let twin = self.twin();
        let say = |comparison: Comparison| {
            let Comparison { variant, reference, paired, verdict } = comparison;
            format!(
                "{} of {}={variant} minus that of {reference}: {paired} (95 % interval over {} seeds, smallest effect {}): {verdict}",
                twin.metric(),
                twin.key(),
                twin.seeds().len(),
                twin.smallest(),
            )
        };
        Ok(self.comparisons()?.into_iter().map(say).collect())
    }

    /// The table: a head, a row for each seed, then mean, standard deviation and half of the 95 % interval; a column for each
    /// variant, and one for each difference from the first.
    ///
    /// # Errors
    /// As [`comparisons`](Self::comparisons).
    pub fn table(&self) -> Result<Vec<Vec<String>>> {
        let twin = self.twin();
        let (names, comparisons) = (twin.names(), self.comparisons()?);
        let metric = |variant| self.sample(variant, twin.metric());
        let mut columns: Vec<(String, Sample)> = Vec::new();
        for (variant, name) in names.iter().enumerate() {
            columns.push((name.clone(), metric(variant)?));
        }
        for comparison in &comparisons {
            let name = format!("{} - {}", comparison.variant, comparison.reference);
            columns.push((name, comparison.paired.differences.clone()));
        }
        let row = |first: String, cell: &dyn Fn(&(String, Sample)) -> String| -> Vec<String> {
            [first].into_iter().chain(columns.iter().map(cell)).collect()
        };
        let mut rows = vec![row("seed".to_owned(), &|(name, _)| name.clone())];
        for (at, seed) in twin.seeds().iter().enumerate() {
            rows.push(row(seed.to_string(), &|(_, sample)| four(sample.values()[at])));
        }
        rows.push(row("mean".to_owned(), &|(_, sample)| four(sample.mean())));
        rows.push(row("sd".to_owned(), &|(_, sample)| short(sample.sd())));
        let half = |sample: &Sample| sample.interval(0.95).map(|(low, high)| (high - low) / 2.0);
        rows.push(row("±".to_owned(), &|(_, sample)| half(sample).map_or_else(String::new, short)));
        Ok(rows)
    }

    /// The held-out loss against steps: a curve for each variant and seed; where those are too many, the mean over seeds of
    /// each variant with its standard deviation.
    ///
    /// # Errors
    /// As [`comparisons`](Self::comparisons).
    pub fn figure(&self) -> Result<Lines> {
        let twin = self.twin();
        let names = twin.names();
        self.expect_all()?;
        let jobs = twin.jobs(Share::WHOLE);
        let curve_of = |job: Job| self.outcome(job).map_or_else(Vec::new, |outcome| outcome.curve.clone());
        let kinds = self.kinds();
        let curves = match jobs.len() <= MOST_CURVES {
            true => jobs
                .iter()
                .map(|&job| {
                    let name = format!("{}, seed {}", names[job.variant], job.seed);
                    let points = curve_of(job).into_iter().map(|(step, loss)| (step as f64, loss));
                    Curve::new(name, kinds[job.variant], points)
                })
                .collect(),
            false => self.means(|outcome| &outcome.curve),
        };
        Ok(Lines {
            title: format!("Held-out loss against steps, by {}", twin.key()),
            x: PlotAxis::linear("step"),
            y: PlotAxis::linear("loss in nats"),
            curves,
            references: Vec::new(),
            settings: json!({ "version": crate::VERSION, "twin": twin }),
        })
    }

    /// A curve for each variant, such as its losses against steps: the mean over seeds with its standard deviation.
    pub(crate) fn means(&self, of: fn(&Outcome) -> &[(usize, f64)]) -> Vec<Curve> {
        let curve = |(variant, (name, kind)): (usize, (String, Kind))| {
            let (points, spread): (Vec<_>, Vec<_>) = self.curve(variant, of).into_iter().unzip();
            Curve::new(name, kind, points).with_spread(spread)
        };
        self.twin().names().into_iter().zip(self.kinds()).enumerate().map(curve).collect()
    }

    /// The colour of each variant: that of its mask, where masks are what differs.
    fn kinds(&self) -> Vec<Kind> {
        const OTHERS: [Kind; 6] =
            [Kind::Custom, Kind::Window, Kind::Prefix, Kind::Bidirectional, Kind::Causal, Kind::Plain];
        let twin = self.twin();
        let of_mask = |name: &String| -> Option<Kind> {
            let mask = Mask::parse(&name.replace("given", "1")).ok()?;
            (twin.key() == "mask").then(|| Kind::of(&mask))
        };
        let kinds: Option<Vec<Kind>> = twin.names().iter().map(of_mask).collect();
        kinds.unwrap_or_else(|| OTHERS.into_iter().cycle().take(twin.names().len()).collect())
    }
}

/// Four digits behind the point; what rounds to zero has no sign.
fn four(value: f64) -> String {
    format!("{:.4}", (value * 1e4).round() / 1e4 + 0.0)
}
