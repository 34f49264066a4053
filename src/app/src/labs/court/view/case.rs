//! The claim with its verdict, and the evidence on two sides.

use egui::{Label, RichText, ScrollArea, vec2};
use rankscope::claim::{ARENAS, Trial};
use rankscope::numbers::short;

use super::running;
use crate::lab::Desk;
use crate::labs::court::place::{Place, Places};
use crate::labs::court::state::Court;
use crate::theme;

/// Room for the names of the arenas.
const ARENA: f32 = 116.0;

/// Draws the claim and its verdict.
pub fn verdict(desk: &mut Desk<'_, Court>, ui: &mut egui::Ui) {
    let Ok(claim) = desk.state.case.find() else { return };
    let about = claim.about();
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.add(Label::new(RichText::new(about.statement).heading().strong()).wrap());
        ui.add(Label::new(RichText::new(about.source).size(13.0).weak()).wrap());
        ui.add_space(4.0);
        if desk.state.veiled {
            return;
        }
        match desk.answer.trial.get() {
            Some(trial) if trial.about.id == about.id => {
                ui.scope(|ui| {
                    ui.multiply_opacity(1.0 - desk.fade(&desk.answer.trial));
                    rulings(trial, ui);
                });
                if !desk.is_steady {
                    let took = format!("tried in {} s on {}", short(trial.seconds), trial.settings.device());
                    ui.weak(RichText::new(took).size(theme::SMALL));
                }
            }
            _ => running(ui),
        }
        ui.add_space(4.0);
        for (title, text) in
            [("What is exactly true", about.exact), ("What would change the verdict", about.reconsider)]
        {
            ui.label(RichText::new(title).size(13.0).strong());
            ui.add(Label::new(RichText::new(text).size(13.0)).wrap());
            ui.add_space(4.0);
        }
    });
}

fn rulings(trial: &Trial, ui: &mut egui::Ui) {
    for (arena, row) in ARENAS.into_iter().zip(trial.verdict.rows()) {
        ui.horizontal_top(|ui| {
            ui.allocate_ui(vec2(ARENA, 18.0), |ui| {
                ui.set_min_width(ARENA);
                ui.label(RichText::new(arena).size(13.0).weak());
            });
            ui.vertical(|ui| match row {
                Some((word, because)) => {
                    ui.label(RichText::new(word).strong());
                    ui.add(Label::new(RichText::new(because).size(13.0)).wrap());
                }
                None => drop(ui.weak("not tried there")),
            });
        });
        ui.add_space(3.0);
    }
}

/// Draws the evidence: for the claim at the left, against it at the right.
pub fn evidence(desk: &mut Desk<'_, Court>, ui: &mut egui::Ui) {
    let Some(trial) = desk.answer.trial.get().cloned() else { return running(ui) };
    let places = &desk.answer.places;
    let mut visit = None;
    match &places.trial {
        Some(Ok(place)) => {
            let hint = "Opens the lab with the settings of this run, where it can be seen and changed";
            if ui.button(format!("Show in {}", place.title)).on_hover_text(hint).clicked() {
                visit = Some(place);
            }
        }
        Some(Err(why)) => drop(ui.weak(why)),
        None => {}
    }
    ui.scope(|ui| {
        ui.multiply_opacity(1.0 - desk.fade(&desk.answer.trial));
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.columns(2, |columns| {
                for (column, supports) in columns.iter_mut().zip([true, false]) {
                    visit = visit.or(side(&trial, places, supports, column));
                }
            });
            for note in trial.evidence.notes() {
                ui.add(Label::new(RichText::new(format!("Note: {note}.")).size(13.0).weak()).wrap());
            }
        });
    });
    if let Some(Place { lab, state, .. }) = visit {
        desk.visit(lab, state);
    }
}

/// Draws one side; returns the place of the finding that was clicked.
fn side<'a>(trial: &Trial, places: &'a Places, supports: bool, ui: &mut egui::Ui) -> Option<&'a Place> {
    let findings = trial.evidence.findings().iter().zip(&places.findings);
    let findings: Vec<_> = findings.filter(|(finding, _)| finding.supports == supports).collect();
    let title = if supports { "For it" } else { "Against it" };
    ui.label(RichText::new(format!("{title} ({})", findings.len())).strong());
    let mut clicked = None;
    for (finding, place) in findings {
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            ui.label(RichText::new(if supports { "+" } else { "−" }).font(theme::mono(13.0)).weak());
            ui.vertical(|ui| {
                if one(&finding.text, place, ui) {
                    clicked = place.as_ref().ok();
                }
            });
        });
    }
    clicked
}

/// A finding; true when it is clicked, which opens the lab.
fn one(text: &str, place: &Result<Place, String>, ui: &mut egui::Ui) -> bool {
    let label = Label::new(RichText::new(text).size(13.0)).wrap();
    let place = match place {
        Ok(place) => place,
        Err(why) => {
            ui.add(label).on_hover_text(why);
            return false;
        }
    };
    let link = ui.add(label.selectable(false).sense(egui::Sense::click()));
    link.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Link, true, text));
    if link.hovered() || link.has_focus() {
        let line = (1.0, theme::color(theme::palette(ui).accent));
        ui.painter().hline(link.rect.x_range(), link.rect.bottom() + 1.0, line);
    }
    let hint = format!("Click: open {} with the settings of this finding", place.title);
    link.on_hover_cursor(egui::CursorIcon::PointingHand).on_hover_text(hint).clicked()
}
