//! What an update costs, way by way; and where the states change, layer by layer.

use egui::{Align2, Sense, pos2, vec2};
use rankscope::numbers::{scaled, short};
use serde_json::Value;

use crate::lab::Desk;
use crate::labs::cache::export::{milliseconds, share_lines};
use crate::labs::cache::state::Cache;
use crate::theme;
use crate::widget::lines;

/// Room for the names of the ways, and for each column.
const NAMES: f32 = 130.0;
/// Height of a row.
const ROW: f32 = 24.0;

/// Draws the table.
pub fn table(desk: &mut Desk<'_, Cache>, ui: &mut egui::Ui) {
    let (Some(dialogue), Some(ways)) = (desk.answer.dialogue.get(), desk.answer.ways.get()) else { return };
    let costs = desk.answer.costs.get().filter(|costs| costs.len() == ways.len());
    let most = costs.map_or(0.0, |costs| costs.iter().map(|cost| cost.flops()).fold(0.0, f64::max));
    let mut columns = vec!["states again", "tokens to read", "operations", "of the most"];
    if !desk.is_steady {
        columns.push("time");
    }
    ui.scope(|ui| {
        ui.multiply_opacity(1.0 - desk.fade(&desk.answer.costs));
        ui.spacing_mut().item_spacing.y = 0.0;
        let palette = theme::palette(ui);
        let (ink, muted) = (theme::color(palette.ink), theme::color(palette.muted));
        let width = ui.available_width();
        let pitch = ((width - NAMES) / columns.len() as f32).min(170.0);
        let right = |index: usize| NAMES + pitch * (index + 1) as f32 - 6.0;
        let (head, _) = ui.allocate_exact_size(vec2(width, ROW), Sense::hover());
        for (index, name) in columns.iter().enumerate() {
            let at = pos2(head.left() + right(index), head.center().y);
            ui.painter().text(at, Align2::RIGHT_CENTER, *name, theme::text(theme::SMALL), muted);
        }
        for (index, read) in ways.iter().enumerate() {
            let (row, response) = ui.allocate_exact_size(vec2(width, ROW), Sense::hover());
            if index % 2 == 0 {
                ui.painter().rect_filled(row, 2.0, theme::color(palette.panel));
            }
            let kind = read.way.kind();
            let at = row.left_center() + vec2(10.0, 0.0);
            theme::marker(ui.painter(), at, 4.5, kind, theme::kind_color(ui, kind));
            let at = row.left_center() + vec2(22.0, 0.0);
            ui.painter().text(at, Align2::LEFT_CENTER, read.way.name(), theme::text(13.0), ink);
            let tokens = dialogue.pieces.len().saturating_sub(read.kept);
            let mut values = vec![read.again().to_string(), tokens.to_string()];
            let cost = costs.map(|costs| &costs[index]);
            values.extend(match cost {
                Some(cost) => vec![
                    scaled(cost.flops(), "FLOP"),
                    format!("{:.0} %", 100.0 * cost.flops() / most),
                    milliseconds(cost.seconds.median()),
                ],
                None => vec!["…".to_owned(); 3],
            });
            for (index, value) in values.iter().take(columns.len()).enumerate() {
                let at = pos2(row.left() + right(index), row.center().y);
                ui.painter().text(at, Align2::RIGHT_CENTER, value, theme::mono(13.0), ink);
            }
            let Some(cost) = cost.filter(|_| !desk.is_steady) else { continue };
            let (low, high) = cost.seconds.extremes();
            let runs = cost.seconds.count();
            let [low, high] = [low, high].map(|seconds| short(seconds * 1e3));
            response.on_hover_text(format!("median of {runs} runs, from {low} to {high} ms"));
        }
    });
}

/// Draws the share of states that must be computed again, layer by layer.
pub fn layers(desk: &mut Desk<'_, Cache>, ui: &mut egui::Ui) {
    let Some(ways) = desk.answer.ways.get() else { return };
    let figure = share_lines(ways, &Value::Null);
    lines::ui(&figure, ui.available_height(), desk.fade(&desk.answer.ways), ui);
}
