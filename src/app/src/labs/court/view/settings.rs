//! The settings of a claim as sliders and fields, and the button that runs it.

use egui::{Button, ComboBox, RichText, ScrollArea, TextEdit};
use rankscope::claim::{Allowed, Parameter};

use super::View;
use crate::lab::Desk;
use crate::labs::controls::slider;
use crate::labs::court::state::{Court, Edit, Effort};
use crate::theme;
use crate::widget::number::Number;

/// Draws the panel.
pub fn ui(view: &mut View, desk: &mut Desk<'_, Court>, ui: &mut egui::Ui) {
    let Ok(claim) = desk.state.case.find() else { return };
    ui.horizontal(|ui| {
        let text = RichText::new("Run again").strong();
        let is_changed = desk.state.is_changed();
        let button = if is_changed { Button::new(text).selected(true) } else { Button::new(text) };
        let hint = if is_changed { "Runs it with these settings" } else { "Runs it once more" };
        if ui.add(button).on_hover_text(hint).clicked() {
            desk.edit(Edit::Run);
        }
        for (effort, name, hint) in [
            (Effort::Quick, "quick", "the settings of a run of seconds"),
            (Effort::Full, "full", "the settings of a run of minutes: more draws, larger matrices"),
        ] {
            if ui.radio(desk.state.case.effort == effort, name).on_hover_text(hint).clicked() {
                desk.edit(Edit::Effort(effort));
            }
        }
    });
    if let Some(problem) = desk.refused {
        let text = RichText::new(problem).size(13.0).color(ui.visuals().hyperlink_color);
        ui.add(egui::Label::new(text).wrap());
    } else if desk.state.is_changed() {
        ui.weak(RichText::new("changed: the verdict shown is that of the last run").size(13.0));
    }
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().slider_width = 100.0;
        let names = room(claim.parameters(), ui);
        for parameter in claim.parameters() {
            one(view, desk, parameter, names, ui);
        }
        seed(desk, names, ui);
        command(desk, ui);
    });
}

/// The width of the longest name.
fn room(parameters: &[Parameter], ui: &egui::Ui) -> f32 {
    let font = egui::TextStyle::Body.resolve(ui.style());
    let width = |name: &str| {
        ui.painter().layout_no_wrap(name.to_owned(), font.clone(), egui::Color32::PLACEHOLDER).size().x
    };
    parameters.iter().map(|parameter| width(parameter.name)).fold(width("seed"), f32::max)
}

/// A name, padded to the width `names`, so that the controls after the names form a column.
fn label(name: &str, names: f32, ui: &mut egui::Ui) -> egui::Response {
    let label = ui.label(name);
    ui.add_space((names - label.rect.width()).max(0.0));
    label
}

fn one(view: &mut View, desk: &mut Desk<'_, Court>, parameter: &Parameter, names: f32, ui: &mut egui::Ui) {
    let case = &desk.state.case;
    let (text, usual) = (case.value(parameter), case.usual(parameter));
    let Parameter { name, summary, allowed, .. } = *parameter;
    let new = match allowed {
        Allowed::Integer(low, high) => {
            let usual = usual.parse().unwrap_or(low);
            let slider = Number::new(name, text.parse().unwrap_or(usual), low..=high, usual).help(summary);
            let slider = if high / low.max(1) > 40 { slider.logarithmic() } else { slider };
            slider.name_width(names).show(ui).map(|number: u64| number.to_string())
        }
        Allowed::Number(low, high) => {
            let usual = usual.parse().unwrap_or(low);
            let slider = Number::new(name, text.parse().unwrap_or(usual), low..=high, usual).help(summary);
            let slider = if low > 0.0 && high / low > 100.0 { slider.logarithmic() } else { slider };
            slider.name_width(names).show(ui).map(|number: f64| number.to_string())
        }
        Allowed::Word(words) => word(parameter, words, text, names, ui),
        Allowed::Integers(..) | Allowed::Numbers(..) | Allowed::Text => {
            field(view, parameter, text, names, ui)
        }
    };
    if let Some(text) = new {
        desk.edit(Edit::Set(name.to_owned(), text));
    }
}

/// Every claim has a seed beside its own parameters.
fn seed(desk: &mut Desk<'_, Court>, names: f32, ui: &mut egui::Ui) {
    let seed = desk.state.case.settings.get("seed").and_then(|text| text.parse().ok()).unwrap_or(0u64);
    let help = "the first of the seeds of everything random";
    let number = Number::new("seed", seed, 0..=999, 0).help(help).name_width(names);
    slider(number, |seed| Edit::Set("seed".to_owned(), seed.to_string()), desk, ui);
}

fn word(
    parameter: &Parameter,
    words: &[&str],
    current: &str,
    names: f32,
    ui: &mut egui::Ui,
) -> Option<String> {
    let mut chosen = None;
    ui.horizontal(|ui| {
        let label = label(parameter.name, names, ui).on_hover_text(parameter.summary);
        let list = ComboBox::from_id_salt(parameter.name).selected_text(current).show_ui(ui, |ui| {
            for &word in words {
                if ui.selectable_label(word == current, word).clicked() {
                    chosen = Some(word.to_owned());
                }
            }
        });
        list.response.labelled_by(label.id).on_hover_text(parameter.summary);
    });
    chosen
}

/// A field for lists and texts; its text is used when the field is left.
fn field(
    view: &mut View,
    parameter: &Parameter,
    known: &str,
    names: f32,
    ui: &mut egui::Ui,
) -> Option<String> {
    let hint = format!("{}; {}", parameter.summary, parameter.allowed.in_words());
    view.typed.entry(parameter.name).or_default().edit(known, |typed| {
        let row = ui.horizontal(|ui| {
            let label = label(parameter.name, names, ui).on_hover_text(&hint);
            let edit =
                TextEdit::singleline(typed).desired_width(ui.available_width()).font(theme::mono(13.0));
            ui.add(edit).labelled_by(label.id).on_hover_text(&hint)
        });
        row.inner
    })
}

/// The command that runs it without the window.
fn command(desk: &Desk<'_, Court>, ui: &mut egui::Ui) {
    let Ok(settings) = desk.state.case.all_settings(&desk.machine.device) else { return };
    ui.add_space(4.0);
    let hint = "Copies the command that runs this experiment in a terminal";
    if ui.button("Copy command").on_hover_text(hint).clicked() {
        ui.ctx().copy_text(settings.command());
    }
}
