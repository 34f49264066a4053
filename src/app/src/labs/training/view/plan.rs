//! The plan: a sentence with words that can be changed, and the training under way.

use egui::{DragValue, Key, Popup, PopupCloseBehavior, RichText, ScrollArea, TextEdit, WidgetInfo};
use rankscope::numbers::scaled;
use rankscope::train::Settings;

use super::View;
use crate::lab::Desk;
use crate::labs::training::plan::Plan;
use crate::labs::training::recording::Recording;
use crate::labs::training::sentence::{Choices, Piece, Word, choices, sentence};
use crate::labs::training::state::{Edit, Training};
use crate::theme;

impl View {
    pub(super) fn plan(&mut self, desk: &mut Desk<'_, Training>, ui: &mut egui::Ui) {
        ScrollArea::vertical().show(ui, |ui| {
            ui.horizontal_wrapped(|ui| {
                ui.spacing_mut().item_spacing.x = 5.0;
                for piece in sentence(&desk.state.plan) {
                    match piece {
                        Piece::Text(text) => drop(ui.label(RichText::new(text).size(16.0))),
                        Piece::Word(word, shown) => self.word(&word, &shown, desk, ui),
                    }
                }
            });
            ui.add_space(4.0);
            ui.horizontal_wrapped(|ui| {
                self.buttons(desk, ui);
                progress(desk, ui);
            });
            if let Some(problem) = desk.refused {
                ui.colored_label(ui.visuals().error_fg_color, problem);
            }
            if let Some(Err(problem)) = desk.answer.models.get() {
                let text = format!("This cannot be trained: {problem}.");
                ui.colored_label(ui.visuals().error_fg_color, text);
            }
            failures(desk, ui);
        });
    }

    /// A word that opens its choices.
    fn word(&mut self, word: &Word, shown: &str, desk: &mut Desk<'_, Training>, ui: &mut egui::Ui) {
        let accent = theme::color(theme::palette(ui).accent);
        let text = RichText::new(shown).size(16.0).strong().color(accent);
        let response = ui.add(egui::Button::new(text).small());
        let spoken = format!("{}: {shown}", name(word, &desk.state.plan));
        response.widget_info(|| WidgetInfo::labeled(egui::Role::ComboBox, true, &spoken));
        let response = response.on_hover_text(&spoken);
        if response.clicked() {
            self.typed.clear();
        }
        let popup = Popup::from_toggle_button_response(&response);
        popup.close_behavior(PopupCloseBehavior::CloseOnClickOutside).show(|ui| {
            ui.set_max_width(420.0);
            let chosen = match choices(&desk.state.plan, word) {
                Choices::Number(low, high) => number(shown, low, high, ui),
                Choices::Real => real(shown, ui),
                Choices::Words(words) => {
                    let chosen = listed(&words, shown, ui);
                    let has_others = !matches!(word, Word::Key | Word::Metric);
                    chosen.or_else(|| has_others.then(|| self.another(ui)).flatten())
                }
            };
            if let Some(value) = chosen {
                desk.edit(Edit::Word(word.clone(), value));
            }
        });
    }

    /// A field for a value that is on no list.
    fn another(&mut self, ui: &mut egui::Ui) -> Option<String> {
        let field = ui.add(TextEdit::singleline(&mut self.typed).hint_text("another one, then Enter"));
        field.widget_info(|| WidgetInfo::labeled(egui::Role::TextInput, true, "another value"));
        let is_entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        (is_entered && !self.typed.is_empty()).then(|| {
            ui.close();
            std::mem::take(&mut self.typed)
        })
    }

    fn buttons(&mut self, desk: &mut Desk<'_, Training>, ui: &mut egui::Ui) {
        let runs = desk.answer.runs.get().map_or(&[][..], Vec::as_slice);
        let is_over = !runs.is_empty() && runs.iter().all(|run| run.is_over());
        let is_begun = runs.iter().any(|run| run.step() > 0);
        let can = desk.answer.models.get().is_some_and(Result::is_ok);
        // After an error no process is running, and the training can be started again.
        let is_going = desk.state.is_going && can && desk.status.busy.is_some();
        match (is_going, is_over) {
            (_, true) => {
                let hint = "From the first step on, in new folders; the runs shown stay on the disk.";
                let button = ui.add_enabled(can, egui::Button::new("Train again"));
                if button.on_hover_text(hint).clicked() {
                    desk.edit(Edit::Again);
                }
            }
            (true, false) => {
                if ui.button("Pause").on_hover_text("Writes a checkpoint; Go on continues from it.").clicked()
                {
                    desk.edit(Edit::Pause);
                }
            }
            (false, false) => {
                let label = if is_begun { "Go on" } else { "Start" };
                if ui.add_enabled(can, egui::Button::new(label)).clicked() {
                    desk.edit(Edit::Start);
                }
            }
        }
        ui.menu_button("Presets", |ui| {
            ScrollArea::vertical().max_height(420.0).show(ui, |ui| {
                for (name, about) in Plan::presets() {
                    let is_chosen = desk.state.plan.preset == name;
                    if ui.selectable_label(is_chosen, format!("{name}: {about}")).clicked() {
                        desk.edit(Edit::Preset(name.to_owned()));
                        ui.close();
                    }
                }
            });
        });
        let all = ui.button("All settings");
        let popup = Popup::from_toggle_button_response(&all);
        popup.close_behavior(PopupCloseBehavior::CloseOnClickOutside).show(|ui| self.all_settings(desk, ui));
        if desk.state.plan.beside.is_some() {
            if ui.button("+ run").on_hover_text("Another run beside the first").clicked() {
                desk.edit(Edit::More);
            }
            if ui.button("− run").on_hover_text("Remove the last run beside the first").clicked() {
                desk.edit(Edit::Fewer);
            }
        }
    }

    /// Every key of the settings.
    fn all_settings(&mut self, desk: &mut Desk<'_, Training>, ui: &mut egui::Ui) {
        let settings = &desk.state.plan.settings;
        let usual = Settings::default();
        let Ok(serde_json::Value::Object(all)) = serde_json::to_value(settings) else { return };
        ui.label(RichText::new("Enter sets a value. What differs from the default is strong.").weak());
        ScrollArea::vertical().max_height(420.0).show(ui, |ui| {
            egui::Grid::new("settings").num_columns(2).striped(true).show(ui, |ui| {
                for key in all.keys().filter(|key| *key != "config") {
                    let value = settings.value(key).unwrap_or_default();
                    let text = RichText::new(key.replace('_', " "));
                    let is_usual = usual.value(key).as_deref() == Some(&value);
                    let label = ui.label(if is_usual { text } else { text.strong() });
                    let id = ui.scope_id().with(("setting", key));
                    let mut typed: String =
                        ui.data(|data| data.get_temp(id)).unwrap_or_else(|| value.clone());
                    let field =
                        ui.add(TextEdit::singleline(&mut typed).desired_width(200.0)).labelled_by(label.id);
                    if field.lost_focus() {
                        ui.data_mut(|data| data.remove::<String>(id));
                        if typed != value && ui.input(|input| input.key_pressed(Key::Enter)) {
                            desk.edit(Edit::Set(key.clone(), typed));
                        }
                    } else if field.has_focus() {
                        ui.data_mut(|data| data.insert_temp(id, typed));
                    }
                    ui.end_row();
                }
            });
        });
    }
}

/// The name of a word's subject.
fn name(word: &Word, plan: &Plan) -> String {
    let beside = plan.beside.as_ref().map_or("value", |beside| beside.key.as_str());
    match word {
        Word::Data => "what is learned".to_owned(),
        Word::Option(name) => name.clone(),
        Word::Setting(key) => key.replace('_', " "),
        Word::Key => "what differs".to_owned(),
        Word::Other(_) => format!("{} of the other run", beside.replace('_', " ")),
        Word::Seeds => "seeds".to_owned(),
        Word::Metric => "what is compared".to_owned(),
        Word::Smallest => "smallest difference that matters".to_owned(),
    }
}

fn number(shown: &str, low: usize, high: usize, ui: &mut egui::Ui) -> Option<String> {
    let mut value: usize = shown.parse().unwrap_or(low);
    let changed = ui.add(DragValue::new(&mut value).range(low..=high)).changed();
    ui.label(RichText::new(format!("{low} to {high}")).small().weak());
    changed.then(|| value.to_string())
}

fn real(shown: &str, ui: &mut egui::Ui) -> Option<String> {
    let mut value: f64 = shown.parse().unwrap_or_default();
    let speed = value / 50.0;
    let drag = DragValue::new(&mut value).range(1e-9..=1e9).speed(speed).max_decimals(6);
    ui.add(drag).changed().then(|| value.to_string())
}

fn listed(words: &[(String, String)], shown: &str, ui: &mut egui::Ui) -> Option<String> {
    let mut chosen = None;
    ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
        for (word, about) in words {
            let text = if about.is_empty() { word.clone() } else { format!("{word}: {about}") };
            if ui.selectable_label(word == shown, text).clicked() {
                chosen = Some(word.clone());
                ui.close();
            }
        }
    });
    chosen
}

/// How far all runs are together.
fn progress(desk: &Desk<'_, Training>, ui: &mut egui::Ui) {
    let Some(runs) = desk.answer.runs.get() else { return };
    let done: usize = runs.iter().map(|run| run.step()).sum();
    let total: usize = runs.iter().map(|run| run.history.settings.steps).sum();
    if total == 0 || done == 0 {
        return;
    }
    let over = runs.iter().filter(|run| run.is_over()).count();
    let mut text = format!("{over} of {} runs done, step {done} of {total}", runs.len());
    if let Some(rest) = rest(runs, desk.state.is_going).filter(|_| !desk.is_steady) {
        text += &rest;
    }
    let bar = egui::ProgressBar::new(done as f32 / total as f32).text(RichText::new(text).size(13.0));
    ui.add(
        bar.desired_width(ui.available_size_before_wrap().x.max(200.0)).desired_height(18.0).corner_radius(4),
    );
}

/// A line for each run that broke.
fn failures(desk: &Desk<'_, Training>, ui: &mut egui::Ui) {
    for run in desk.answer.runs.get().map_or(&[][..], Vec::as_slice) {
        if let Some(failure) = &run.failure {
            let text = format!("{}: {failure}", run.title());
            ui.colored_label(ui.visuals().warn_fg_color, text);
        }
    }
}

/// Speed and time left, of the runs that are going.
fn rest(runs: &[std::sync::Arc<Recording>], is_going: bool) -> Option<String> {
    let left: f64 = runs.iter().filter(|run| !run.is_over()).map(|run| seconds_left(run, runs)).sum();
    let speeds: Vec<f64> =
        runs.iter().filter(|run| is_going && !run.is_over()).filter_map(|run| run.speed()).collect();
    let speed: f64 = speeds.iter().sum();
    let lanes = speeds.len().max(1) as f64;
    (!speeds.is_empty()).then(|| {
        let left = (left / lanes).round() as u64;
        format!(", {} tokens/s, about {}:{:02} left", scaled(speed, ""), left / 60, left % 60)
    })
}

/// For a run that was not begun, the time that another one took.
fn seconds_left(run: &Recording, runs: &[std::sync::Arc<Recording>]) -> f64 {
    run.left().unwrap_or_else(|| {
        let known = runs.iter().find_map(|other| {
            let steps = other.history.steps.len();
            let seconds: f64 = other.history.steps.iter().map(|report| report.seconds).sum();
            (steps > 0).then(|| seconds / steps as f64)
        });
        known.unwrap_or_default() * run.history.settings.steps as f64
    })
}
