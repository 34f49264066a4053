//! The figures of a training, for the panels and for export.

use std::sync::Arc;

use ndarray::Array2;
use rankscope::figure::{Curve, Heatmap, Lines, PlotAxis, Reference, Scale};
use rankscope::train::{HeadRecord, TRAINING_METRICS};
use serde_json::Value;

use super::recording::{Frame, Recording, differences, variants};
use super::state::Training;
use crate::lab::{Export, Numbers};
use crate::labs::exports::{drawn, heatmap};

/// The name of the loss of every batch among the curves that can be drawn.
pub const BATCHES: &str = "batch";
/// The most points of a curve; beyond it, means are drawn.
const POINTS: usize = 100;
/// The most curves in a figure.
const CURVES: usize = 24;

/// The curves of runs that can be drawn over the steps.
pub fn curves() -> impl Iterator<Item = &'static str> {
    TRAINING_METRICS.iter().map(|kind| kind.name).chain([BATCHES])
}

/// Loss or another metric over the steps: a curve for each run, with # before its seed.
pub fn losses(state: &Training, runs: &[Arc<Recording>]) -> Lines {
    let label = match state.curve.as_str() {
        BATCHES => "loss of the batch, in nats".to_owned(),
        "loss" => "loss on held-out data, in nats".to_owned(),
        other => format!("{}, on held-out data", other.replace('_', " ")),
    };
    let points = |run: &Recording| match state.curve.as_str() {
        BATCHES => batches(run),
        metric => placed(run.curve(metric)),
    };
    let mut lines = lines("Training", &label, of_runs(runs, points));
    lines.references = runs.iter().filter_map(|run| broken(run)).collect();
    lines.references.extend(shown_step(state));
    lines
}

/// A line at the step at which a run broke.
fn broken(run: &Recording) -> Option<Reference> {
    run.failure.as_ref()?;
    let name = format!("{} broke at step {}", run.title(), run.step() + 1);
    Some(Reference::at(name, (run.step() + 1) as f64))
}

fn shown_step(state: &Training) -> Option<Reference> {
    state.step.map(|step| Reference::at("movie", step as f64))
}

/// A number of the heads over the steps: of each head in the first seed's runs, and the mean over heads of every run.
pub fn heads(state: &Training, runs: &[Arc<Recording>]) -> Lines {
    let Ok((metric, of)) = state.head_metric() else { return lines("Heads", "", Vec::new()) };
    let label = metric.replace('_', " ");
    let first = runs.iter().filter(|run| run.job.seed == state.plan.settings.seed);
    let mut curves: Vec<Curve> = Vec::new();
    for run in first {
        let Some((_, heads)) = run.history.ranks.first() else { continue };
        let chosen = run.frame(state.step).and_then(|frame| Some((state.layer_of(frame)?, state.head)));
        let curve = |at: usize| {
            let points =
                run.history.ranks.iter().filter_map(|(step, heads)| Some((*step, of(heads.get(at)?))));
            placed(points.collect())
        };
        let is_chosen =
            |head: &HeadRecord| chosen.is_some_and(|(layer, at)| layer == head.layer && head.head == at);
        let at = heads.iter().position(is_chosen);
        curves.extend(at.map(|at| {
            let name = format!("{}, L{} H{}", run.name, state.layer, state.head);
            Curve::new(name, run.kind, curve(at))
        }));
        let mean = format!("{}, mean", run.name);
        curves.push(Curve::new(mean, run.kind, placed(run.curve(metric))));
    }
    curves.retain(|curve| !curve.points.is_empty());
    let mut lines = lines("Heads over training", &label, curves);
    lines.references.extend(shown_step(state));
    lines
}

/// The differences of the other variants from the first one, with their 95 % interval.
pub fn paired(state: &Training, runs: &[Arc<Recording>]) -> Lines {
    let Some(beside) = &state.plan.beside else { return lines("Paired difference", "", Vec::new()) };
    let all = variants(runs);
    let curve = |run: &&Arc<Recording>| {
        let found = differences(runs, run.job.variant, &beside.metric);
        let points: Vec<_> = found.iter().map(|at| (at.step as f64, at.mean())).collect();
        let half = found
            .iter()
            .map(|at| at.paired.as_ref().map_or(0.0, |paired| (paired.interval.1 - paired.interval.0) / 2.0));
        Curve::new(format!("{} − {}", run.name, all[0].name), run.kind, points).with_spread(half)
    };
    let curves = all.iter().skip(1).map(curve).filter(|curve| !curve.points.is_empty()).collect();
    let label = format!("difference of {}", beside.metric.replace('_', " "));
    let mut lines = lines("Paired difference over training", &label, curves);
    if !lines.curves.is_empty() {
        let smallest = beside.smallest;
        // Only one line has a name: the two lie close together.
        lines.references =
            vec![Reference::level("smallest that matters", smallest), Reference::level("", -smallest)];
    }
    lines
}

/// The exports: every figure that shows something, and the selected head.
pub fn exports(state: &Training, runs: &[Arc<Recording>], lesson: &Value) -> Vec<Export> {
    let mut all = Vec::new();
    let figures =
        [("loss", losses(state, runs)), ("heads", heads(state, runs)), ("twins", paired(state, runs))];
    for (panel, figure) in figures {
        if !figure.curves.is_empty() {
            let numbers = table(&figure.curves);
            let figure = Lines { settings: lesson.clone(), ..figure };
            all.push(drawn(panel, figure.title.clone(), figure, Some(numbers)));
        }
    }
    let frames = runs.iter().filter_map(|run| Some((run, run.frame(state.step)?)));
    all.extend(frames.filter_map(|(run, frame)| head(state, run, frame, lesson)));
    all
}

fn head(state: &Training, run: &Recording, frame: &Frame, lesson: &Value) -> Option<Export> {
    let (matrix, _) = state.head_in(frame)?;
    let weights = &matrix.values;
    let name = format!("{}, layer {}, head {}, step {}", run.title(), state.layer, state.head, frame.step);
    let figure = Heatmap {
        title: name.clone(),
        values: weights.clone(),
        may_attend: None,
        queries: frame.labels(weights.nrows()),
        keys: frame.labels(weights.ncols()),
        scale: Scale::AmountTo(1.0),
        unit: "attention weight".to_owned(),
        settings: lesson.clone(),
    };
    Some(heatmap("head", name, figure))
}

fn lines(title: &str, label: &str, mut curves: Vec<Curve>) -> Lines {
    curves.truncate(CURVES);
    Lines {
        title: title.to_owned(),
        x: PlotAxis::linear("step"),
        y: PlotAxis::linear(label),
        curves,
        references: Vec::new(),
        settings: Value::Null,
    }
}

fn of_runs(runs: &[Arc<Recording>], points: impl Fn(&Recording) -> Vec<(f64, f64)>) -> Vec<Curve> {
    let curve =
        |run: &Arc<Recording>| Curve::new(format!("{} #{}", run.name, run.job.seed), run.kind, points(run));
    runs.iter().map(curve).filter(|curve| !curve.points.is_empty()).collect()
}

fn placed(points: Vec<(usize, f64)>) -> Vec<(f64, f64)> {
    points.into_iter().filter(|(_, y)| y.is_finite()).map(|(step, y)| (step as f64, y)).collect()
}

/// The loss of every batch; if there are many, the means of neighbours.
fn batches(run: &Recording) -> Vec<(f64, f64)> {
    let steps = &run.history.steps;
    let pieces = steps.chunks(steps.len().div_ceil(POINTS).max(1));
    let mean = |piece: &[rankscope::train::StepReport]| {
        let sum: f64 = piece.iter().map(|report| f64::from(report.loss)).sum();
        (piece[piece.len() / 2].step as f64, sum / piece.len() as f64)
    };
    pieces.map(mean).collect()
}

/// Curves as a table: a row for each step, a column for each curve; NaN where a curve has no such step.
fn table(curves: &[Curve]) -> Numbers {
    let mut steps: Vec<f64> =
        curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.0)).collect();
    steps.sort_by(f64::total_cmp);
    steps.dedup();
    let value = |(row, column): (usize, usize)| {
        let Some(curve) = column.checked_sub(1).map(|at| &curves[at]) else { return steps[row] };
        curve.points.iter().find(|point| point.0 == steps[row]).map_or(f64::NAN, |point| point.1)
    };
    let values = Array2::from_shape_fn((steps.len(), curves.len() + 1), value);
    let columns = ["step".to_owned()].into_iter().chain(curves.iter().map(|curve| curve.name.clone()));
    Numbers { rows: Vec::new(), columns: columns.collect(), values }
}
