//! The text as the model sees it: one chip a token, its id on hover.

use egui::{CornerRadius, Role, ScrollArea, Sense, WidgetInfo, vec2};

use rankscope::model::Tokens;

use crate::app::App;
use crate::layout::is_short;
use crate::theme;

const CHIP: f32 = 22.0;
const GAP: f32 = 4.0;

/// Draws the tokens, two rows of them, or one in a low window; more are scrolled.
pub fn ui(app: &App, ui: &mut egui::Ui) {
    let Some(tokens) = &app.shown.tokens else {
        ui.weak("The tokens of the text appear here once a model is loaded.");
        return;
    };
    let count = tokens.pieces.len();
    let spacing = ui.spacing_mut();
    (spacing.item_spacing, spacing.interact_size.y) = (vec2(3.0, GAP), CHIP);
    spacing.scroll = theme::scroll_bar(); // shows that there are more rows
    let height = if is_short(ui) { CHIP } else { 2.0 * CHIP + GAP };
    ScrollArea::vertical().max_height(height).min_scrolled_height(height).auto_shrink([false, true]).show(
        ui,
        |ui| {
            ui.horizontal_wrapped(|ui| {
                let noun = if count == 1 { "token" } else { "tokens" };
                ui.weak(format!("{count} {noun}"));
                ui.add_space(4.0);
                for position in 0..count {
                    chip(ui, position, tokens);
                }
            });
        },
    );
}

fn chip(ui: &mut egui::Ui, position: usize, tokens: &Tokens) {
    let piece = &tokens.pieces[position];
    let palette = theme::palette(ui);
    let text = theme::label(ui, piece, 24);
    let galley = ui.painter().layout_no_wrap(text.clone(), theme::text(14.0), theme::color(palette.ink));
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x + 10.0, CHIP), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &text));
    let fill = if response.hovered() { 0.30 } else { 0.12 };
    ui.painter().rect_filled(rect, CornerRadius::same(4), theme::mix(palette.panel, palette.muted, fill));
    let corner = rect.center() - galley.size() / 2.0;
    ui.painter().galley(corner, galley, theme::color(palette.ink));
    let original = tokens.originals.get(position).and_then(Option::as_ref);
    let unknown = original.map(|original| format!(" for {original:?}, which the tokenizer does not know"));
    let id = tokens.ids.get(position).map(|id| format!("id {id}, ")).unwrap_or_default();
    response.on_hover_text(format!("{piece:?}{}\n{id}position {position}", unknown.unwrap_or_default()));
}
