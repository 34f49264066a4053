//! The exports of the lab: figures, numbers, and a notebook cell.

use ndarray::Array2;
use rankscope::figure::style::Kind;
use rankscope::figure::{Curve, Lines, PlotAxis, Reference, Scale};
use serde_json::Value;

use super::compute::{Answer, Curves};
use super::state::{Source, TheoremLab};
use crate::heatmap::Matrix;
use crate::lab::{Export, Numbers};
use crate::labs::exports::{drawn, matrix, table};

/// A divergence below this is rounding.
pub const REACHED: f64 = 1e-12;

/// The figures of all panels.
pub fn exports(state: &TheoremLab, answer: &Answer, lesson: &Value) -> Vec<Export> {
    let picture = |panel: &'static str, name: &str, of: &Matrix, scale: Scale| {
        let unit = if scale == Scale::Difference { "difference" } else { "attention weight" };
        matrix(panel, name, of, scale, unit, lesson)
    };
    let mut exports: Vec<Export> = Vec::new();
    if let Some(target) = answer.target.get() {
        exports.push(picture("target", "pattern", target, Scale::AmountTo(1.0)));
    }
    if let Some(reached) = answer.reached.get() {
        let name = format!("weights of a head of size {}", reached.head_size);
        exports.push(picture("reached", &name, &reached.weights, Scale::AmountTo(1.0)));
        exports.push(picture("difference", "weights minus pattern", &reached.difference, Scale::Difference));
        let factors = [("w_q", &reached.w_q), ("w_k", &reached.w_k)];
        exports.extend(factors.map(|(name, matrix)| table("factors", name, matrix.values.clone())));
    }
    if let Some(curves) = answer.curves.get().filter(|curves| curves.iter().any(|curve| !curve.is_empty())) {
        let rows = curves.iter().map(Vec::len).max().unwrap_or(0);
        let value = |(row, column): (usize, usize)| curves[column].get(row).map_or(f64::NAN, |point| point.1);
        let n = answer.target.get().map_or(state.n, |target| target.dim().0);
        let figure = Lines { settings: lesson.clone(), ..figure(state.head_size, n, curves) };
        let numbers = Numbers {
            rows: (1..=rows).map(|size| format!("D = {size}")).collect(),
            columns: ["bidirectional".to_owned(), "causal".to_owned()].into(),
            values: Array2::from_shape_fn((rows, 2), value),
        };
        exports.push(drawn("curve", "divergence by head size", figure, Some(numbers)));
    }
    exports
}

/// Divergence by head size, with the thresholds.
pub fn figure(head_size: usize, n: usize, curves: &Curves) -> Lines {
    let curve = |name: &str, kind: Kind, points: &[(usize, f64)]| {
        Curve::new(name, kind, points.iter().map(|&(size, kl)| (size as f64, kl.max(1e-16))))
    };
    let threshold = |causal: bool| TheoremLab::threshold(n, causal) as f64;
    Lines {
        title: "Divergence of the best head by its size".to_owned(),
        x: PlotAxis::linear("head size D"),
        y: PlotAxis::log_from("KL(P ‖ A) in nats", 1e-16),
        curves: vec![
            curve("bidirectional", Kind::Bidirectional, &curves[0]),
            curve("causal", Kind::Causal, &curves[1]),
        ],
        references: vec![
            Reference::at(format!("⌊n/2⌋ = {}", threshold(true)), threshold(true)),
            Reference::at(format!("n − 1 = {}", threshold(false)), threshold(false)),
            Reference::at(format!("D = {head_size}"), head_size as f64),
            Reference::floor("rounding", REACHED),
        ],
        settings: Value::Null,
    }
}

/// A notebook cell that finds the same head.
pub fn cell(state: &TheoremLab) -> String {
    let mask = if state.causal { "Mask::causal()" } else { "Mask::bidirectional()" };
    let TheoremLab { n, head_size, .. } = state;
    let target = match &state.source {
        Source::Drawn { scale, seed } => format!("Target::random({n}, {scale:?}, &{mask}, {seed})?"),
        Source::Uniform => format!("Target::random({n}, 0.0, &{mask}, 0)?"),
        Source::Permutation { seed } => {
            let (order, rest) = (state.order(*seed), super::state::REST);
            format!(
                "{{\n    let head = express::permutation_head(&{order:?}, express::permutation_scale({n}, {rest:?}))?;\n    \
                 Target::new(head.weights(&{mask}.pattern({n})), &{mask})?\n}}"
            )
        }
        Source::File { path } => format!("Target::load_either(std::path::Path::new({path:?}))?.0"),
    };
    let painted = if state.painted.len() > 0 { "// The pattern before it was painted.\n" } else { "" };
    format!(
        "use rankscope::express::{{self, Target}};\n{painted}\
         let target = {target};\n\
         let head = express::best_fit(&target, {head_size}, &Run::new(0))?;\n\
         println!(\"KL {{:.3e}} nats, largest error {{:.3e}}\", head.kl, head.max_error);\n\
         head.factors.weights(target.allowed())"
    )
}
