//! The exports of the cache lab.

use ndarray::Array2;
use rankscope::figure::{Curve, Heatmap, Lines, PlotAxis, Scale};
use rankscope::numbers::short;
use serde_json::Value;

use super::compute::{Answer, Dialogue, Read};
use super::state::Cache;
use crate::lab::{Export, Numbers};
use crate::labs::exports::{drawn, heatmap, table};

/// Names of the rows of states.
pub fn layers(layers: usize) -> Vec<String> {
    let after = (1..=layers).map(|layer| format!("layer {layer}"));
    ["embeddings".to_owned()].into_iter().chain(after).collect()
}

/// How much of the stored states each way has to compute again, layer by layer.
pub fn share_lines(ways: &[Read], settings: &Value) -> Lines {
    let curve = |read: &Read| {
        let share = |row: ndarray::ArrayView1<bool>| {
            row.iter().filter(|stale| **stale).count() as f64 / row.len().max(1) as f64
        };
        let points = read.stale.rows().into_iter().enumerate().map(|(layer, row)| (layer as f64, share(row)));
        Curve::new(read.way.name(), read.way.kind(), points)
    };
    Lines {
        title: "Stored states to compute again".to_owned(),
        x: PlotAxis::linear("layer (0: embeddings)"),
        y: PlotAxis::linear("share of stored states to compute again"),
        curves: ways.iter().map(curve).collect(),
        references: Vec::new(),
        settings: settings.clone(),
    }
}

fn states(read: &Read, dialogue: &Dialogue, settings: &Value) -> Export {
    let figure = Heatmap {
        title: format!("How far stored states move: {}", read.way.name()),
        values: read.moved.clone(),
        may_attend: Some(read.stale.clone()),
        queries: layers(dialogue.layers),
        keys: dialogue.pieces[..dialogue.stored].to_vec(),
        scale: Scale::Amount,
        unit: "relative change (hatched: kept)".to_owned(),
        settings: settings.clone(),
    };
    heatmap("cells", format!("states, {}", read.way.name()), figure)
}

/// Every view, as far as it has been computed.
pub fn exports(answer: &Answer, lesson: &Value) -> Vec<Export> {
    let (Some(dialogue), Some(ways)) = (answer.dialogue.get(), answer.ways.get()) else { return Vec::new() };
    let fits = |read: &&Read| read.moved.dim() == (dialogue.layers + 1, dialogue.stored);
    let mut exports: Vec<Export> =
        ways.iter().filter(fits).map(|read| states(read, dialogue, lesson)).collect();
    exports.push(drawn("layers", "stored states to compute again", share_lines(ways, lesson), None));
    if let Some(costs) = answer.costs.get().filter(|costs| costs.len() == ways.len()) {
        let columns = ["states again", "tokens again", "operations", "median seconds"].map(str::to_owned);
        let row = |index: usize| {
            let (read, cost) = (&ways[index], &costs[index]);
            let tokens = dialogue.pieces.len() - read.kept;
            [read.again() as f64, tokens as f64, cost.flops(), cost.seconds.median()]
        };
        let values = Array2::from_shape_fn((ways.len(), columns.len()), |(way, column)| row(way)[column]);
        let rows = ways.iter().map(|read| read.way.name().to_owned()).collect();
        let numbers = Numbers { rows, columns: columns.into(), values };
        exports.push(table("cost", "what an update costs", numbers));
    }
    exports
}

/// In words, with three digits: `3.21 ms`.
pub fn milliseconds(seconds: f64) -> String {
    format!("{} ms", short(seconds * 1e3))
}

/// A cell that prints how far the stored states move in each way.
pub fn cell(state: &Cache) -> String {
    let parts: Vec<String> =
        (1..).zip(&state.turns).map(|(turn, text)| format!("(\"turn {turn}\", {text:?})")).collect();
    format!(
        "use rankscope::model::reuse::{{joined_tokens, moved_states, readings}};\n\
         use rankscope::model::{{self, Tokenizer, store::Store}};\n\
         use rankscope::prelude::*;\n\n\
         let folder = Store::open()?.find({:?})?;\n\
         let model = model::load(&folder, &Device::Cpu)?;\n\
         let (tokens, ends) = joined_tokens(&Tokenizer::load(&folder)?, &[{}])?;\n\
         let (first, ids) = (ends[ends.len() - 2], &tokens.ids);\n\
         for reading in readings(ends[0], first) {{\n    \
             let moved = moved_states(&*model, (&ids[..first], &reading.before), (ids, &reading.after), &Run::default())?;\n    \
             let layers: Vec<String> = moved.rows().into_iter().map(|row| format!(\"{{:.3}}\", row.mean().unwrap())).collect();\n    \
             println!(\"{{}}: {{}}\", reading.name, layers.join(\" \"));\n\
         }}\n",
        state.model,
        parts.join(", "),
    )
}
