//! The list of claims, each with its rulings.

use egui::{Align2, Label, RichText, Role, ScrollArea, Sense, StrokeKind, WidgetInfo, vec2};
use rankscope::claim::{ARENAS, CLAIMS, Claim};

use crate::lab::Desk;
use crate::labs::court::compute::Docket;
use crate::labs::court::state::{Court, Edit};
use crate::theme;

/// Draws the panel.
pub fn ui(desk: &mut Desk<'_, Court>, ui: &mut egui::Ui) {
    ui.horizontal(|ui| {
        let mut all = desk.state.all;
        let hint = "Tries every claim with its usual settings, one after the other";
        if ui.checkbox(&mut all, "try all").on_hover_text(hint).changed() {
            desk.edit(Edit::All(all));
        }
        let tried = desk.answer.dockets.len();
        ui.weak(RichText::new(format!("{tried} of {} tried", CLAIMS.len())).size(13.0));
    });
    let mut called = None;
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        for claim in CLAIMS {
            if row(claim, desk, ui) {
                called = Some(claim.about().id);
            }
        }
    });
    if let Some(id) = called {
        desk.edit(Edit::Call(id.to_owned()));
    }
}

/// The claim and its rulings; true when it is clicked.
fn row(claim: &Claim, desk: &Desk<'_, Court>, ui: &mut egui::Ui) -> bool {
    let about = claim.about();
    let is_chosen = desk.state.case.claim == about.id;
    let is_veiled = is_chosen && desk.state.veiled;
    let docket = desk.answer.dockets.get(about.id).filter(|_| !is_veiled);
    let ground = ui.painter().add(egui::Shape::Noop);
    let frame = egui::Frame::new().inner_margin(vec2(8.0, 5.0));
    let drawn = frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.add(Label::new(RichText::new(about.statement).size(13.0)).wrap().selectable(false));
        words(docket, ui);
    });
    let response = ui.interact(drawn.response.rect, ui.scope_id().with(about.id), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, is_chosen, about.statement));
    let palette = theme::palette(ui);
    let fill = if is_chosen { ui.visuals().selection.bg_fill } else { theme::color(palette.panel) };
    let is_marked = response.hovered() || response.has_focus();
    let stroke = if is_marked { (1.0, theme::color(palette.accent)) } else { (1.0, fill) };
    let rect = drawn.response.rect;
    ui.painter().set(ground, egui::epaint::RectShape::new(rect, 4.0, fill, stroke, StrokeKind::Inside));
    response.clicked()
}

/// The ruling in each arena, or why there is none.
fn words(docket: Option<&Docket>, ui: &mut egui::Ui) {
    let palette = theme::palette(ui);
    let muted = theme::color(palette.muted);
    let Some(docket) = docket else {
        ui.add(Label::new(RichText::new("not tried yet").size(theme::SMALL).color(muted)).selectable(false));
        return;
    };
    if let Some(problem) = &docket.problem {
        let text = RichText::new("could not be tried").size(theme::SMALL).color(muted);
        ui.add(Label::new(text).selectable(false)).on_hover_text(problem);
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(4.0, 3.0);
        for (arena, word) in ARENAS.into_iter().zip(docket.words) {
            if let Some(word) = word {
                chip(arena, word, ui);
            }
        }
    });
}

/// A ruling in a frame.
fn chip(arena: &str, word: &str, ui: &mut egui::Ui) {
    let palette = theme::palette(ui);
    let font = theme::text(theme::SMALL);
    let ink = theme::color(palette.ink);
    let galley = ui.painter().layout_no_wrap(word.to_owned(), font.clone(), ink);
    let (rect, response) = ui.allocate_exact_size(galley.size() + vec2(10.0, 3.0), Sense::hover());
    let line = theme::color(palette.muted);
    ui.painter().rect_stroke(rect, 3.0, (1.0, line.gamma_multiply(0.6)), StrokeKind::Inside);
    ui.painter().text(rect.center(), Align2::CENTER_CENTER, word, font, ink);
    response.on_hover_text(format!("in {arena}"));
}
