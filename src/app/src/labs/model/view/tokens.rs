//! The text as the model sees it: one chip a token, its id on hover; a click shows the prediction there.

use egui::{CornerRadius, Role, ScrollArea, Sense, Stroke, StrokeKind, WidgetInfo, vec2};

use rankscope::model::Tokens;

use super::Desk;
use crate::labs::model::state::{Attention, Edit, Side};
use crate::layout::is_short;
use crate::theme;

const CHIP: f32 = 22.0;
const GAP: f32 = 4.0;

/// Draws the tokens in `rows` rows, or one in a low window; more are scrolled.
pub fn ui(desk: &mut Desk<'_>, side: Side, rows: usize, ui: &mut egui::Ui) {
    let shown = desk.answer.of(side);
    let Some(tokens) = &shown.tokens else {
        ui.weak("The tokens of the text appear here once a model is loaded.");
        return;
    };
    let count = tokens.pieces.len();
    // An encoder's tokens predict nothing: its decoder's do.
    let is_encoder =
        shown.model.as_ref().is_some_and(|model| model.is_pair && desk.state.attention == Attention::Encoder);
    let predicts = shown.next.get().filter(|_| !is_encoder).map(|next| next.position);
    let rows = if is_short(ui) { 1 } else { rows };
    let height = rows as f32 * (CHIP + GAP) - GAP;
    let mut clicked = None;
    ui.scope(|ui| {
        let spacing = ui.spacing_mut();
        (spacing.item_spacing, spacing.interact_size.y) = (vec2(3.0, GAP), CHIP);
        spacing.scroll = theme::scroll_bar(); // shows that there are more rows
        let area = ScrollArea::vertical().id_salt("tokens").max_height(height).min_scrolled_height(height);
        area.auto_shrink([false, true]).show(ui, |ui| {
            ui.horizontal_wrapped(|ui| {
                let noun = if count == 1 { "token" } else { "tokens" };
                ui.weak(format!("{count} {noun}"));
                ui.add_space(4.0);
                for position in 0..count {
                    if chip(ui, position, tokens, predicts == Some(position)) {
                        clicked = Some(position);
                    }
                }
            });
        });
    });
    if let Some(position) = clicked.filter(|_| !is_encoder) {
        let is_last = position + 1 == count;
        desk.edit(Edit::Position((!is_last).then_some(position)));
    }
}

/// True when it is clicked.
fn chip(ui: &mut egui::Ui, position: usize, tokens: &Tokens, predicts: bool) -> bool {
    let piece = &tokens.pieces[position];
    let palette = theme::palette(ui);
    let text = theme::label(ui, piece, 24);
    let galley = ui.painter().layout_no_wrap(text.clone(), theme::text(14.0), theme::color(palette.ink));
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x + 10.0, CHIP), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &text));
    let fill = if response.hovered() { 0.30 } else { 0.12 };
    let stroke = match predicts || response.has_focus() {
        true => Stroke::new(1.0, theme::color(palette.accent)),
        false => Stroke::NONE,
    };
    let fill = theme::mix(palette.panel, palette.muted, fill);
    ui.painter().rect(rect, CornerRadius::same(4), fill, stroke, StrokeKind::Inside);
    let corner = rect.center() - galley.size() / 2.0;
    ui.painter().galley(corner, galley, theme::color(palette.ink));
    let original = tokens.originals.get(position).and_then(Option::as_ref);
    let unknown = original.map(|original| format!(" for {original:?}, which the tokenizer does not know"));
    let id = tokens.ids.get(position).map(|id| format!("id {id}, ")).unwrap_or_default();
    let hint = format!(
        "{piece:?}{}\n{id}position {position}\nclick: the prediction here",
        unknown.unwrap_or_default()
    );
    response.on_hover_text(hint).clicked()
}
