//! The text as the model sees it: one chip a token, its id on hover.

use egui::{CornerRadius, Role, ScrollArea, Sense, WidgetInfo, vec2};

use crate::app::App;
use crate::theme;

const CHIP: f32 = 22.0;
const ROWS: f32 = 2.0;

/// Draws the tokens, two rows of them; more are scrolled.
pub fn ui(app: &App, ui: &mut egui::Ui) {
    let Some(tokens) = &app.shown.tokens else {
        ui.weak("The tokens of the text stand here once a model is open.");
        return;
    };
    let count = tokens.ids.len();
    ui.spacing_mut().item_spacing = vec2(3.0, 4.0);
    let height = ROWS * CHIP + 4.0;
    ScrollArea::vertical().max_height(height).auto_shrink([false, true]).show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            let noun = if count == 1 { "token" } else { "tokens" };
            ui.weak(format!("{count} {noun}"));
            ui.add_space(4.0);
            for (position, (&id, piece)) in tokens.ids.iter().zip(&tokens.pieces).enumerate() {
                chip(ui, position, id, piece);
            }
        });
    });
}

fn chip(ui: &mut egui::Ui, position: usize, id: u32, piece: &str) {
    let palette = theme::palette(ui);
    let text = theme::label(ui, piece, 24);
    let galley = ui.painter().layout_no_wrap(text.clone(), theme::text(14.0), theme::color(palette.ink));
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x + 10.0, CHIP), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &text));
    let fill = if response.hovered() { 0.30 } else { 0.12 };
    ui.painter().rect_filled(rect, CornerRadius::same(4), theme::mix(palette.panel, palette.muted, fill));
    let corner = rect.center() - galley.size() / 2.0;
    ui.painter().galley(corner, galley, theme::color(palette.ink));
    response.on_hover_text(format!("{piece:?}\nid {id}, position {position}"));
}
