//! The residual stream, layer by layer: how many directions the tokens span, and how far apart they are.

use std::sync::Arc;

use rankscope::figure::style::Kind;
use rankscope::figure::{Curve, Lines, PlotAxis};
use serde_json::Value;

use super::{Desk, nothing, readings};
use crate::labs::model::answer::{Answer, Level, Pass};
use crate::labs::model::state::Explorer;
use crate::widget::lines;

/// Draws the two plots, one above the other.
pub fn ui(desk: &Desk<'_>, ui: &mut egui::Ui) {
    let Some([rank, residual]) = plots(desk.state, desk.answer, &Value::Null) else {
        return nothing(desk, ui);
    };
    let fade = readings(desk).iter().map(|(_, shown)| desk.fade(&shown.depth)).fold(0.0, f32::max);
    let height = (ui.available_height() / 2.0 - 4.0).max(120.0);
    egui::ScrollArea::vertical().show(ui, |ui| {
        lines::ui(&rank, height, fade, ui);
        lines::ui(&residual, height, fade, ui);
    });
}

/// The two plots of the readings that are shown; `None` where there are no numbers yet.
pub fn plots(state: &Explorer, answer: &Answer, settings: &Value) -> Option<[Lines; 2]> {
    let mut curves: Vec<(String, Kind, &[Level])> = Vec::new();
    for &side in state.sides() {
        let shown = answer.of(side);
        let Some(depth) = shown.depth.get() else { continue };
        let kind = |pass: Option<&Arc<Pass>>| pass.map_or(Kind::Custom, |pass| Kind::of(pass.mask(0)));
        let prefix = if state.right.is_some() { format!("{} ", side.name()) } else { String::new() };
        if let Some(trained) = &depth.trained {
            curves.push((format!("{prefix}as trained"), kind(shown.trained.as_ref()), trained));
        }
        let name = if depth.trained.is_some() { "as asked for" } else { "as trained" };
        let own = kind(shown.pass());
        let is_seen = curves.iter().any(|(_, seen, _)| *seen == own);
        curves.push((format!("{prefix}{name}"), if is_seen { Kind::Custom } else { own }, &depth.chosen));
    }
    if curves.is_empty() {
        return None;
    }
    let drawn = |(name, kind, levels): &(String, Kind, &[Level]), value: fn(&Level) -> f64| {
        let points = levels.iter().enumerate().map(|(layer, level)| (layer as f64, value(level)));
        Curve::new(name.clone(), *kind, points)
    };
    let plot = |title: &str, label: &str, value: fn(&Level) -> f64| Lines {
        title: title.to_owned(),
        x: PlotAxis::linear("layer (0: the embeddings)"),
        y: PlotAxis::linear(label),
        curves: curves.iter().map(|curve| drawn(curve, value)).collect(),
        references: Vec::new(),
        settings: settings.clone(),
    };
    let rank = |level: &Level| level.effective_rank;
    let residual = |level: &Level| level.residual;
    Some([
        plot("Effective rank of the residual stream", "effective rank of the hidden states", rank),
        plot("Residual of the residual stream", "how far tokens differ: ‖X − 1x̄ᵀ‖ / ‖X‖", residual),
    ])
}
