//! The exports of the model explorer: the head, the wall of its metric, spectra, the residual stream, the prediction.

use rankscope::figure::style::Kind;
use rankscope::figure::{Figure, Heatmap, Lines, Scale, Series, SpectrumFigure, Wall};
use rankscope::ndarray::Array2;
use serde_json::Value;

use super::answer::{Answer, Next, Pass, Shown};
use super::state::{Explorer, Side};
use super::view;
use crate::lab::{Export, Numbers};
use crate::labs::exports::{drawn, heatmap, table};
use crate::layout::Head;

/// Every export of each reading; `lesson` recreates it.
pub fn all(state: &Explorer, answer: &Answer, lesson: &Value) -> Vec<Export> {
    let mut all = Vec::new();
    for &side in state.sides() {
        let shown = answer.of(side);
        let name = |what: &str| match state.right {
            Some(_) => format!("{} {what}", side.name()),
            None => what.to_owned(),
        };
        if let Some(pass) = shown.pass() {
            let at = answer.selected(state).moved(0, 0, pass.layers(), pass.heads());
            all.extend(head(pass, at, &name("weights"), lesson));
            all.extend(wall(state, pass, &name("heads"), lesson));
            all.extend(spectra(shown, at, &name("spectrum"), lesson));
        }
        all.extend(shown.next.get().map(|next| prediction(next, name("prediction"))));
        if side == Side::Left {
            let plots = view::plots(state, answer, lesson).into_iter().flatten();
            all.extend(plots.map(depth));
        }
    }
    all
}

/// The matrix of one head.
fn head(pass: &Pass, at: Head, name: &str, lesson: &Value) -> Option<Export> {
    let size = (pass.buffers.queries, pass.buffers.keys);
    let values: Vec<f64> = pass.matrix(at)?.iter().map(|&weight| f64::from(weight)).collect();
    let name = format!("{name} of layer {} head {}", at.layer, at.head);
    let figure = Heatmap {
        title: name.clone(),
        values: Array2::from_shape_vec(size, values).ok()?,
        may_attend: Some(Array2::from_shape_fn(size, |(query, key)| pass.may_attend(at, query, key))),
        queries: pass.queries.pieces.clone(),
        keys: pass.tokens.pieces.clone(),
        scale: Scale::AmountTo(1.0),
        unit: "attention weight".to_owned(),
        settings: lesson.clone(),
    };
    Some(heatmap("head", name, figure))
}

/// The metric of every head.
fn wall(state: &Explorer, pass: &Pass, name: &str, lesson: &Value) -> Option<Export> {
    let metric = state.metric()?;
    let value = |(layer, head)| pass.report(Head { layer, head }).and_then(|report| (metric.value)(report));
    let values = Array2::from_shape_fn((pass.layers(), pass.heads()), value);
    if values.iter().all(Option::is_none) {
        return None;
    }
    let rows: Vec<String> = (0..pass.layers()).map(|layer| format!("L{layer}")).collect();
    let columns = (0..pass.heads()).map(|head| format!("H{head}")).collect();
    let name = format!("{name}, {}", metric.label);
    // The library's wall draws amounts only.
    let is_amount = values.iter().flatten().all(|value| *value >= 0.0 && value.is_finite());
    let figure = is_amount.then(|| {
        let (title, unit) = (name.clone(), metric.label.to_owned());
        let wall =
            Wall { title, values: values.clone(), layers: rows.clone(), unit, settings: lesson.clone() };
        Box::new(wall) as Box<dyn Figure + Send>
    });
    let values = values.mapv(|value| value.unwrap_or(f64::NAN));
    Some(Export { panel: "wall", name, figure, numbers: Some(Numbers { rows, columns, values }) })
}

/// The singular values of one head, as trained and as asked for.
fn spectra(shown: &Shown, at: Head, name: &str, lesson: &Value) -> Option<Export> {
    let columns = shown.columns(at);
    let one = |(name, pass): &(String, &Pass)| {
        let spectrum = pass.report(at)?.spectrum.clone();
        Some(Series { name: name.clone(), kind: Kind::of(pass.mask(at.layer)), spectrum })
    };
    let series: Vec<Series> = columns.iter().filter_map(one).collect();
    let length =
        series.iter().map(|series| series.spectrum.values().len()).max().filter(|&length| length > 0)?;
    let value = |(index, column): (usize, usize)| {
        let values = series[column].spectrum.values();
        values.get(index).copied().unwrap_or(f64::NAN)
    };
    let values = Array2::from_shape_fn((length, series.len()), value);
    let columns = series.iter().map(|series| series.name.clone()).collect();
    let name = format!("{name} of layer {} head {}", at.layer, at.head);
    let figure = SpectrumFigure { title: name.clone(), series, settings: lesson.clone() };
    let numbers = Numbers { rows: Vec::new(), columns, values };
    Some(drawn("rank", name, figure, Some(numbers)))
}

fn prediction(next: &Next, name: String) -> Export {
    let rows = next.guesses.iter().map(|guess| guess.piece.clone()).collect();
    let mut columns = vec!["probability".to_owned()];
    if next.divergence.is_some() {
        columns.push("as trained".to_owned());
    }
    let value = |(row, column): (usize, usize)| {
        let guess = &next.guesses[row];
        if column == 0 { guess.probability } else { guess.trained.unwrap_or(f64::NAN) }
    };
    let values = Array2::from_shape_fn((next.guesses.len(), columns.len()), value);
    table("next", name, Numbers { rows, columns, values })
}

fn depth(lines: Lines) -> Export {
    let columns = lines.curves.iter().map(|curve| curve.name.clone()).collect();
    let length = lines.curves.iter().map(|curve| curve.points.len()).max().unwrap_or(0);
    let value = |(layer, curve): (usize, usize)| {
        lines.curves[curve].points.get(layer).map_or(f64::NAN, |(_, value)| *value)
    };
    let values = Array2::from_shape_fn((length, lines.curves.len()), value);
    drawn("depth", lines.title.clone(), lines, Some(Numbers { rows: Vec::new(), columns, values }))
}
