//! The exports of the lab: figures, numbers, and a notebook cell.

use std::fmt::Write;

use ndarray::Array2;
use rankscope::figure::{Scale, Series, SpectrumFigure};
use rankscope::rank::METRICS;
use serde_json::Value;

use super::answer::Answer;
use super::mechanism::Mechanism;
use super::setup::Setup;
use super::state::{MaskLab, Which};
use crate::heatmap::Matrix;
use crate::lab::{Export, Numbers};
use crate::labs::exports::{drawn, matrix, table};

/// The figures and tables of all panels.
pub fn exports(state: &MaskLab, answer: &Answer, lesson: &Value) -> Vec<Export> {
    let mut exports = Vec::new();
    if let Some(scores) = answer.scores.get() {
        exports.push(matrix("logits", "logits", scores, Scale::Difference, "logit", lesson));
    }
    let mask = state.pattern(Which::Mine);
    let mine = Matrix::masked(mask.mapv(|may| f64::from(u8::from(may))), mask);
    exports.push(matrix("mask", "mask mine", &mine, Scale::AmountTo(1.0), "may attend", lesson));
    if let Some(weights) = answer.weights.get() {
        let name = format!("weights under {}", state.name(state.shown));
        let scale =
            if weights.values.iter().any(|&weight| weight < 0.0) { Scale::Difference } else { Scale::Amount };
        exports.push(matrix("weights", &name, weights, scale, "attention weight", lesson));
    }
    exports.extend(spectrum(state, answer, lesson));
    exports.extend(ranks(state, answer));
    if let Some(phases) = answer.phases.get() {
        let grid = phases.grid();
        let numbers = Numbers {
            rows: grid.scales.iter().map(|scale| format!("scale {scale}")).collect(),
            columns: grid.head_sizes.iter().map(|size| format!("D = {size}")).collect(),
            values: phases.differences(),
        };
        let name = format!("phase map at n = {}", grid.n);
        exports.push(drawn("map", name, phases.figure(lesson.clone()), Some(numbers)));
    }
    exports
}

fn spectrum(state: &MaskLab, answer: &Answer, lesson: &Value) -> Option<Export> {
    let compared: Vec<_> = state.compared().filter_map(|which| Some((which, answer.of(which)?))).collect();
    let count = compared.first()?.1.report.spectrum.values().len();
    let series = compared.iter().map(|(which, weighed)| Series {
        name: state.name(*which),
        kind: which.kind(),
        spectrum: weighed.report.spectrum.clone(),
    });
    let figure = SpectrumFigure {
        title: "Singular values of the attention weights".to_owned(),
        series: series.collect(),
        settings: lesson.clone(),
    };
    let value = |(index, column): (usize, usize)| {
        compared[column].1.report.spectrum.values().get(index).copied().unwrap_or(f64::NAN)
    };
    let numbers = Numbers {
        rows: (1..=count).map(|index| format!("σ{index}")).collect(),
        columns: compared.iter().map(|(which, _)| state.name(*which)).collect(),
        values: Array2::from_shape_fn((count, compared.len()), value),
    };
    Some(drawn("spectrum", "singular values", figure, Some(numbers)))
}

/// Every metric of every mask; NaN where a number does not exist.
fn ranks(state: &MaskLab, answer: &Answer) -> Option<Export> {
    let compared: Vec<_> = state.compared().filter_map(|which| Some((which, answer.of(which)?))).collect();
    let value =
        |(row, column): (usize, usize)| (METRICS[row].value)(&compared[column].1.report).unwrap_or(f64::NAN);
    let numbers = Numbers {
        rows: METRICS.iter().map(|metric| metric.name.to_owned()).collect(),
        columns: compared.iter().map(|(which, _)| state.name(*which)).collect(),
        values: Array2::from_shape_fn((METRICS.len(), compared.len()), value),
    };
    (!compared.is_empty()).then(|| table("rank", "ranks", numbers))
}

/// A notebook cell that draws the spectra of the compared masks.
pub fn cell(state: &MaskLab) -> String {
    let Setup { n, head_size, scale, seed, alignment, .. } = &state.setup;
    let mut cell = String::from(
        "use rankscope::claim::Draw;\n\
         use rankscope::figure::{Series, SpectrumFigure, style::Kind};\n\
         use rankscope::rank::Spectrum;\n",
    );
    let _ = writeln!(cell, "let draw = Draw::aligned({n}, {head_size}, {alignment:?}, {seed});");
    if state.setup.mechanism != Mechanism::Softmax || state.setup.logits.len() > 0 {
        cell += "// Softmax of the logits as they were drawn.\n";
    }
    let _ = writeln!(cell, "let rule: Mask = {:?}.parse()?;", state.rule);
    let runs = state.painted.runs();
    if runs.is_empty() {
        let _ = writeln!(cell, "let mine = Mask::custom(rule.pattern({n}));");
    } else {
        let _ = writeln!(cell, "let mut cells = rule.pattern({n});");
        let _ = writeln!(cell, "for [query, first, last, may] in {runs:?} {{");
        cell += "    for key in first..=last {\n        \
                 if let Some(cell) = cells.get_mut((query, key)) { *cell = may == 1; }\n    }\n}\n\
                 let mine = Mask::custom(cells);\n";
    }
    cell += "let mut series: Vec<Series> = Vec::new();\nlet masks: Vec<(&str, Kind, Mask)> = vec![\n";
    for which in state.compared() {
        let mask = match which {
            Which::Causal => "Mask::causal()".to_owned(),
            Which::Prefix => format!("Mask::prefix({})", state.prefix.min(*n)),
            Which::Bidirectional => "Mask::bidirectional()".to_owned(),
            Which::Mine => "mine".to_owned(),
        };
        let _ = writeln!(cell, "    ({:?}, Kind::{:?}, {mask}),", state.name(which), which.kind());
    }
    let _ = write!(
        cell,
        "];\nfor (name, kind, mask) in &masks {{\n    \
         let weights = draw.weights({scale:?}, mask, &Device::Cpu)?;\n    \
         let spectrum = Spectrum::of(weights.view())?;\n    \
         println!(\"{{name}}: effective rank {{:.1}}\", spectrum.effective_rank());\n    \
         series.push(Series {{ name: name.to_string(), kind: *kind, spectrum }});\n}}\n\
         let figure: SpectrumFigure = SpectrumFigure {{\n    \
         title: \"Singular values of the attention weights\".to_string(),\n    \
         series,\n    settings: Default::default(),\n}};\nfigure"
    );
    cell
}
