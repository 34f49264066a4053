//! [`Reading`]: the conclusions from the runs of a claim, comparison by comparison.

use serde_json::{Map, Value, json};

use super::super::verdict::ByTraining;
use super::prelude::*;
use super::tried::Effect;
use crate::train::twin::{self, Job, Outcome as Found, Results, Twin, means};
use crate::train::{Kept, scaling};

/// The conclusions from the runs of a claim so far.
pub(super) struct Reading<'a> {
    pub plan: Plan<'a>,
    pub evidence: Evidence,
    kept: &'a Kept,
    judged: Vec<Judged>,
    /// The runs whose losses are already drawn.
    drawn: Vec<Vec<Course>>,
    /// The settings that the next finding compares, if these are two runs of a twin.
    at: Map<String, Value>,
}

/// A comparison and its outcome.
struct Judged {
    name: String,
    /// The comparison in words, with its numbers.
    text: String,
    /// The mean difference and half of its interval, in units of the smallest difference that matters.
    scaled: (f64, f64),
    outcome: Outcome,
}

/// A difference over seeds, with the metric that differs.
pub(super) struct Difference<'a> {
    /// Its name.
    pub name: String,
    /// The two numbers whose difference it is, in words.
    pub what: String,
    /// The metric, or the unit of a number for which larger is better.
    pub metric: &'a str,
    pub paired: Paired,
    pub smallest: f64,
}

impl<'a> Reading<'a> {
    pub(super) fn new(plan: Plan<'a>, kept: &'a Kept) -> Self {
        let evidence = Evidence::new(plan.settings);
        Reading { plan, evidence, kept, judged: Vec::new(), drawn: Vec::new(), at: Map::new() }
    }

    /// The outcomes of a course's runs.
    pub(super) fn course(&self, course: &Course) -> Result<Vec<Found>> {
        let found = self.kept.find(course, self.plan.settings.device())?;
        found.ok_or_else(|| Error::invalid("run", "not made yet", "one that the claim's plan names"))
    }

    /// The outcome of the last run of each course.
    pub(super) fn last(&self, courses: &[Course]) -> Result<Vec<Found>> {
        courses.iter().map(|course| Ok(self.course(course)?.pop().expect("a course has a run"))).collect()
    }

    /// The results of a twin's runs.
    pub(super) fn results(&self, tried: &Tried) -> Result<Results> {
        let twin = tried.twin(&self.plan)?;
        twin.run(Share::WHOLE, None, &Run::default(), |settings, _| {
            Ok(self.course(&Course::of(settings.clone()))?.swap_remove(0))
        })
    }

    /// Compares every variant of every twin with the first one, and draws the losses.
    pub(super) fn weigh_all(&mut self, twins: &[Tried]) -> Result<()> {
        twins.iter().try_for_each(|tried| self.weigh(tried))
    }

    /// Compares every variant of a twin with the first one, and draws the losses.
    pub(super) fn weigh(&mut self, tried: &Tried) -> Result<()> {
        let results = self.results(tried)?;
        self.show(tried, &results)?;
        let (twin, names) = (results.twin(), results.twin().names());
        let (key, metric, smallest) = (twin.key(), twin.metric(), twin.smallest());
        for (variant, comparison) in results.comparisons()?.into_iter().enumerate() {
            let means = [results.sample(0, metric)?.mean(), results.sample(variant + 1, metric)?.mean()];
            let difference = Difference {
                name: match names.len() {
                    2 => tried.name.to_owned(),
                    _ => format!("{}, {}", tried.name, comparison.variant),
                },
                what: format!("{metric} of {key}={} minus {}", comparison.variant, comparison.reference),
                metric,
                paired: comparison.paired,
                smallest,
            };
            self.at = compared(tried, twin, variant + 1)?;
            match tried.is_guessed(means, metric, smallest) {
                false => self.judge(difference, tried.says)?,
                true => self.record(difference, Outcome::Unclear, "neither is better than guessing"),
            }
        }
        self.at.clear();
        Ok(())
    }

    /// Measures every variant of a twin, and draws the losses once, without a conclusion about the claim.
    pub(super) fn show(&mut self, tried: &Tried, results: &Results) -> Result<()> {
        let (key, metric) = (results.twin().key(), results.twin().metric());
        for (variant, name) in results.twin().names().iter().enumerate() {
            let sample = results.sample(variant, metric)?;
            self.evidence.record(tidy(&format!("{} {metric} {name}", tried.name)), &sample);
        }
        let runs = self.plan.runs(tried)?;
        if !self.drawn.contains(&runs) {
            self.drawn.push(runs);
            let named = |curve: Curve| Curve { name: format!("{key}={}", curve.name), ..curve };
            let curves = results.means(|outcome| &outcome.curve).into_iter().map(named).collect();
            self.losses(tidy(&format!("losses {}", tried.name)), tried.name, curves);
        }
        Ok(())
    }

    /// Draws losses over training. The first loss, before any step, is left out: it shows nothing about learning, and
    /// would hide the differences between the others.
    fn losses(&mut self, name: impl Into<String>, what: &str, mut curves: Vec<Curve>) {
        for curve in curves.iter_mut().filter(|curve| curve.points.len() > 1) {
            curve.points.remove(0);
            curve.spread.remove(0);
        }
        let axes = ["step", "held-out loss (nats)"].map(PlotAxis::linear);
        let figure = lines(format!("Held-out loss over training: {what}"), axes, curves, Vec::new());
        let over = format!("the mean over {} seeds, with a standard deviation", self.plan.seeds.len());
        self.evidence.plot(name, format!("Held-out loss over training, {what}: {over}."), figure);
    }

    /// Draws the losses of the first runs of courses, a curve for each cell.
    pub(super) fn draw(&mut self, what: &str, cells: Vec<(String, Vec<Course>)>) -> Result<()> {
        let mut curves = Vec::new();
        for (name, courses) in cells {
            let found = courses.iter().map(|course| self.course(course)).collect::<Result<Vec<_>>>()?;
            let losses: Vec<&[_]> = found.iter().map(|stages| stages[0].curve.as_slice()).collect();
            let (points, spread): (Vec<_>, Vec<_>) = means(&losses).into_iter().unzip();
            curves.push(Curve::new(name, Kind::Plain, points).with_spread(spread));
        }
        self.losses("losses", what, curves);
        Ok(())
    }

    /// Judges the claim by a difference.
    pub(super) fn judge(&mut self, difference: Difference, says: Says) -> Result<()> {
        let verdict: twin::Verdict = difference.paired.verdict(difference.smallest)?;
        let outcome = says.outcome(Effect::of(verdict, difference.metric));
        self.record(difference, outcome, &verdict.to_string());
        Ok(())
    }

    fn record(&mut self, difference: Difference, outcome: Outcome, word: &str) {
        let Difference { name, what, metric, paired, smallest } = difference;
        self.evidence.record(tidy(&format!("{name} difference")), &paired.differences);
        let text = format!("{name}: {paired} ({metric}), {word}");
        let finding = format!("{name}: {what} is {paired} over {} seeds: {word}", paired.differences.count());
        match outcome {
            Outcome::Unclear => self.evidence.note(finding),
            _ => self.evidence.weigh(outcome == Outcome::Holds, finding).at.extend(self.at.clone()),
        }
        let half = (paired.interval.1 - paired.interval.0) / 2.0;
        let scaled = (paired.differences.mean() / smallest, half / smallest);
        self.judged.push(Judged { name, text, scaled, outcome });
    }

    /// The verdict over all comparisons, with the published results beside it.
    pub(super) fn verdict(
        mut self,
        published: &[Published],
        courses: &[Course],
    ) -> Result<(Evidence, Verdict)> {
        let sizes = courses.iter().flat_map(Course::stages).map(scaling::size);
        let parameters = sizes.map(|size| Ok(size?.0)).collect::<Result<Vec<f64>>>()?;
        let largest = parameters.into_iter().fold(0.0, f64::max);
        self.evidence.measure("runs", courses.len() as f64, "");
        self.evidence.measure("largest_model_parameters", largest, "");
        for Published { says, source, parameters } in published {
            let scale = parameters.map_or_else(String::new, |parameters| {
                let (theirs, ours) = (short(parameters), short(largest));
                let orders = (parameters / largest).log10();
                format!("; {theirs} parameters, {orders:.1} orders of magnitude above the {ours} here")
            });
            self.evidence.note(format!("published: {says} ({source}{scale})"));
        }
        self.plot();
        let ruling = ByTraining::over(self.judged.iter().map(|judged| judged.outcome));
        let because = self.reason();
        Ok((self.evidence, Verdict::by_training(ruling, because)))
    }

    /// All comparisons in words: those that agree with the claim, those that do not, and those that the seeds do not
    /// decide.
    fn reason(&self) -> String {
        let of = |title: &str, wanted: &[Outcome]| {
            let chosen = self.judged.iter().filter(|judged| wanted.contains(&judged.outcome));
            let texts: Vec<&str> = chosen.map(|judged| judged.text.as_str()).collect();
            (!texts.is_empty()).then(|| format!("{title}: {}.", texts.join("; ")))
        };
        let parts = [
            of("As the claim says", &[Outcome::Holds]),
            of("Otherwise", &[Outcome::Fails, Outcome::Opposite]),
            of("Not told", &[Outcome::Unclear]),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    fn plot(&mut self) {
        let curve = |(at, judged): (usize, &Judged)| {
            let (mean, half) = judged.scaled;
            let name = format!("{}: {}", at + 1, judged.name);
            Curve::new(name, Kind::Plain, [((at + 1) as f64, mean)]).with_spread([half]).scattered()
        };
        let curves = self.judged.iter().take(24).enumerate().map(curve).collect();
        let axes = ["comparison", "difference / smallest that matters"].map(PlotAxis::linear);
        let references = vec![Reference::level("1", 1.0), Reference::level("−1", -1.0)];
        let figure = lines("Differences, in units of the smallest that matters", axes, curves, references);
        let caption = "The mean difference of every comparison, in units of the smallest that matters, with the 95 % \
                       interval over seeds: between the lines no difference matters.";
        self.evidence.plot("differences", caption, figure);
    }
}

/// A variant of a twin and the first one: the settings that train both again.
fn compared(tried: &Tried, twin: &Twin, variant: usize) -> Result<Map<String, Value>> {
    let settings = twin.settings(Job { seed: twin.seeds()[0], variant: 0 });
    let pairs = [
        ("preset", json!(tried.preset()?.name)),
        ("settings", json!(settings)),
        ("key", json!(twin.key())),
        ("value", json!(twin.names()[variant])),
        ("metric", json!(twin.metric())),
        ("smallest", json!(twin.smallest())),
    ];
    Ok(pairs.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())
}

/// Turns words into a name: letters and digits with single underscores between.
pub(super) fn tidy(words: &str) -> String {
    let parts = words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("_").to_ascii_lowercase()
}
