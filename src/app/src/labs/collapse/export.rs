//! The exports of the collapse tower.

use ndarray::Array2;
use rankscope::claim::NetSizes;
use rankscope::figure::{Curve, Heatmap, Lines, PlotAxis, Reference, Scale};
use rankscope::model::stack::NormPlace;
use serde_json::Value;

use super::compute::{Answer, Cloud, Fall, Pull, Tower};
use super::state::{Collapse, Which};
use crate::lab::{Export, Numbers};
use crate::labs::exports::drawn;

/// How the residual falls, as a figure.
pub fn residual_lines(state: &Collapse, falls: &[Fall], settings: &Value) -> Lines {
    let curve = |fall: &Fall| {
        let points = fall.ratios().into_iter().enumerate().map(|(layer, ratio)| (layer as f64, ratio));
        Curve::new(fall.mask.clone(), fall.which.kind(), points)
    };
    let mut references = vec![Reference::floor("rounding floor, f64", state.floor())];
    let causal = falls.iter().find(|fall| fall.which == Which::Causal);
    if let Some(last) = causal.and_then(|fall| fall.ratios().last().copied()) {
        // The curve goes through the last point.
        let halved = |layer: usize| (layer as f64, last * 2f64.powi((state.layers - layer) as i32));
        let steps = (0..=state.layers).map(halved).filter(|(_, ratio)| *ratio <= 1.0);
        references.push(Reference::curve("× ½ a layer", steps));
    }
    Lines {
        title: format!("Residual of {}", state.net.in_words()),
        x: PlotAxis::linear("layer (0: the input)"),
        y: PlotAxis::log_from("residual ratio ‖res(X)‖ / ‖X‖", state.floor() / 30.0),
        curves: falls.iter().map(curve).collect(),
        references,
        settings: settings.clone(),
    }
}

/// The weight of the first token, as a figure.
pub fn pull_lines(state: &Collapse, pulls: &[Pull], settings: &Value) -> Lines {
    let column = usize::from(state.net.skip);
    let over = |weights: &[[f64; 2]]| -> Vec<(f64, f64)> {
        weights.iter().enumerate().map(|(layer, weights)| ((layer + 1) as f64, weights[column])).collect()
    };
    let curve = |pull: &Pull| Curve::new(pull.mask.clone(), pull.which.kind(), over(&pull.weights));
    let mut references = vec![Reference::level("equal share", 1.0 / state.n as f64)];
    if let Some(causal) = pulls.iter().find(|pull| pull.which == Which::Causal) {
        references.push(Reference::curve("causal, equal scores", over(&causal.equal)));
    }
    Lines {
        title: "Weight of the first token".to_owned(),
        x: PlotAxis::linear("layers"),
        y: PlotAxis::linear("weight of token 1 in the last row of the rollout"),
        // A single layer has no line.
        curves: pulls.iter().map(curve).filter(|curve| !curve.points.is_empty()).collect(),
        references,
        settings: settings.clone(),
    }
}

fn scatter(state: &Collapse, clouds: &[Cloud], settings: &Value) -> Lines {
    let curve = |cloud: &Cloud| {
        let layer = &cloud.layers[state.layer.min(cloud.layers.len() - 1)];
        let points = layer.points.rows().into_iter().map(|row| (row[0], row[1]));
        Curve::new(cloud.mask.clone(), cloud.which.kind(), points).scattered()
    };
    Lines {
        title: format!("Tokens after layer {} of {}", state.layer, state.net.in_words()),
        x: PlotAxis::linear("first principal axis, over the size of a token"),
        y: PlotAxis::linear("second principal axis"),
        curves: clouds.iter().map(curve).collect(),
        references: Vec::new(),
        settings: settings.clone(),
    }
}

fn towers(towers: &[Tower], settings: &Value) -> Option<(Heatmap, Numbers)> {
    let rows: Vec<(String, &Vec<f64>)> = towers
        .iter()
        .flat_map(|tower| tower.falls.iter().map(move |(which, logs)| (tower, which, logs)))
        .map(|(tower, which, logs)| (format!("{}, {}", tower.net.in_words(), which.name()), logs))
        .collect();
    let columns = rows.first()?.1.len();
    let values = Array2::from_shape_fn((rows.len(), columns), |(row, layer)| rows[row].1[layer]);
    let keys: Vec<String> = (0..columns).map(|layer| layer.to_string()).collect();
    let queries: Vec<String> = rows.iter().map(|(name, _)| name.clone()).collect();
    let figure = Heatmap {
        title: "Collapse of every kind of layer".to_owned(),
        values: values.mapv(|log| (-log).max(0.0)),
        may_attend: None,
        queries: queries.clone(),
        keys: keys.clone(),
        scale: Scale::Amount,
        unit: "decades of the residual ratio that are lost".to_owned(),
        settings: settings.clone(),
    };
    Some((figure, Numbers { rows: queries, columns: keys, values }))
}

/// One row for each mask, one column for each of `points`.
fn table(names: &[String], columns: Vec<String>, of: impl Fn(usize, usize) -> f64) -> Numbers {
    let values = Array2::from_shape_fn((names.len(), columns.len()), |(row, column)| of(row, column));
    Numbers { rows: names.to_vec(), columns, values }
}

/// Every view, as far as it has been computed.
pub fn exports(state: &Collapse, answer: &Answer, lesson: &Value) -> Vec<Export> {
    let mut exports = Vec::new();
    let layers =
        |from: usize| (from..=state.layers).map(|layer| format!("layer {layer}")).collect::<Vec<_>>();
    let is_current = |fall: &Fall| fall.layers.len() == state.layers + 1;
    if let Some(falls) = answer.falls.get().filter(|falls| falls.iter().all(is_current)) {
        let names: Vec<String> = falls.iter().map(|fall| fall.mask.clone()).collect();
        let ratios: Vec<Vec<f64>> = falls.iter().map(Fall::ratios).collect();
        let numbers = table(&names, layers(0), |mask, layer| ratios[mask][layer]);
        let name = format!("residual of {}", state.net.in_words());
        exports.push(drawn("residual", name, residual_lines(state, falls, lesson), Some(numbers)));
    }
    // Points for another number of layers or tokens belong to an older state.
    let is_current = |cloud: &Cloud| {
        cloud.layers.len() == state.layers + 1
            && cloud.layers.iter().all(|layer| layer.points.nrows() == state.n)
    };
    if let Some(clouds) = answer.clouds.get().filter(|clouds| clouds.iter().all(is_current)) {
        let coordinate = |cloud: &Cloud| ["x", "y"].map(|axis| format!("{} {axis}", cloud.mask));
        let tokens: Vec<String> = (1..=state.n).map(|token| format!("token {token}")).collect();
        let columns: Vec<String> = clouds.iter().flat_map(coordinate).collect();
        let at = |column: usize| &clouds[column / 2].layers[state.layer].points;
        let numbers = table(&tokens, columns, |token, column| at(column)[[token, column % 2]]);
        let name = format!("tokens after layer {}", state.layer);
        exports.push(drawn("tokens", name, scatter(state, clouds, lesson), Some(numbers)));
    }
    let is_current = |pull: &Pull| pull.weights.len() == state.layers;
    if let Some(pulls) = answer.pulls.get().filter(|pulls| pulls.iter().all(is_current)) {
        let names: Vec<String> = pulls.iter().map(|pull| pull.mask.clone()).collect();
        let column = usize::from(state.net.skip);
        let numbers = table(&names, layers(1), |mask, layer| pulls[mask].weights[layer][column]);
        let figure = pull_lines(state, pulls, lesson);
        exports.push(drawn("first", "weight of the first token", figure, Some(numbers)));
    }
    if let Some((figure, numbers)) = answer.towers.get().and_then(|all| towers(all, lesson)) {
        exports.push(drawn("towers", "all kinds of layers", figure, Some(numbers)));
    }
    exports
}

/// A cell that prints the residual ratios.
pub fn cell(state: &Collapse) -> String {
    let NetSizes { n, width, heads, layers } = state.sizes();
    let net = state.net;
    let skip = if net.skip { ".with_skip()" } else { "" };
    let mlp = if net.mlp { format!(".with_feed_forward({})", 4 * width) } else { String::new() };
    let norm = match net.norm {
        NormPlace::None => "",
        NormPlace::Before => ".with_norm(NormPlace::Before)",
        NormPlace::After => ".with_norm(NormPlace::After)",
    };
    let masks = state.compared().unwrap_or_default().into_iter();
    let masks: Vec<String> = masks.map(|(_, mask)| format!("{:?}", mask.to_string())).collect();
    format!(
        "use rankscope::claim::{{NetSizes, log_residuals}};\n\
         use rankscope::model::stack::{{NormPlace, Stack}};\n\
         use rankscope::prelude::*;\n\n\
         // {}: {}\n\
         let sizes = NetSizes {{ n: {n}, width: {width}, heads: {heads}, layers: {layers} }};\n\
         let architecture = sizes.pure(){skip}{mlp}{norm};\n\
         let stack = Stack::new(architecture, {seed})?;\n\
         for text in [{}] {{\n    \
             let logs = log_residuals(&stack, &sizes.input({seed}), &text.parse()?, &Run::default())?;\n    \
             let ratios: Vec<String> = logs.iter().map(|log| format!(\"{{:.2e}}\", 10f64.powf(*log))).collect();\n    \
             println!(\"{{text}}: {{}}\", ratios.join(\" \"));\n\
         }}\n",
        net.in_words(),
        net.formula(),
        masks.join(", "),
        seed = state.seed,
    )
}
