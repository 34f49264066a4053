//! The mask picker: a walk over the library's masks, each with its number on a slider.

mod picker;

use egui::{Align, Layout, RichText, Role, Sense, Slider, WidgetInfo, vec2};
use rankscope::figure::style::Kind;
use rankscope::mask::{MASKS, Mask, MaskKind};
use rankscope::model::MaskChoice;

pub use picker::Picker;
use picker::{Parameter, parameters};

use crate::app::App;
use crate::layout::is_short;
use crate::theme;

/// Height of every control in the rows, so that they line up.
const LINE: f32 = 26.0;
/// Length of a slider's rail.
const SLIDER: f32 = 120.0;

/// Draws the picker.
pub fn ui(app: &mut App, ui: &mut egui::Ui) {
    if app.path.is_some() {
        return checks(app, ui);
    }
    let length = app.length();
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().interact_size.y = LINE;
        ui.spacing_mut().slider_width = SLIDER;
        ui.add_sized(vec2(34.0, LINE), egui::Label::new("Mask"));
        let trained = trained(app);
        let name =
            trained_in_words(app).map_or("as-trained".to_owned(), |mask| format!("as-trained ({mask})"));
        let chosen = app.mask.kind.is_none() && app.mask.other.is_none();
        if button(ui, &name, chosen, trained.as_ref(), "the mask that the weights were trained under") {
            app.mask.take(None);
        }
        if let Some(other) = app.mask.other.clone() {
            button(ui, &other.to_string(), true, Some(&other), "the mask of the command line");
        }
        for (index, kind) in MASKS.iter().enumerate() {
            let example = (kind.example)(length);
            let chosen = app.mask.kind == Some(index);
            if (chosen || is_common(&example)) && button(ui, kind.name, chosen, Some(&example), &hint(kind)) {
                app.mask.take(Some(index));
            }
        }
        more(&mut app.mask, length, ui);
        sliders(&mut app.mask, length, ui);
    });
    if let Some(note) = app.note() {
        ui.label(RichText::new(sentence(&note)).color(theme::color(theme::palette(ui).accent)));
    } else if !is_short(ui) {
        ui.weak(who(app));
    }
    if app.mask.touched && app.shown.tokens.is_some() {
        match app.mask.choice(length) {
            Ok(choice) => app.job.mask = choice,
            Err(error) => {
                ui.label(error.to_string());
            }
        }
    }
}

fn trained(app: &App) -> Option<Mask> {
    Some(app.shown.model.as_ref()?.description.as_ref()?.trained_mask.clone())
}

/// In place of the picker for weights from a file, which have no mask to choose: the checks of their zeros and rows.
fn checks(app: &App, ui: &mut egui::Ui) {
    let accent = theme::color(theme::palette(ui).accent);
    if app.shown.checks.is_empty() {
        ui.weak("The file's weights are checked here: whether rows sum to 1, whether they are causal.");
    }
    for (label, text) in app.shown.checks.iter() {
        let line = RichText::new(format!("{}: {text}.", sentence(label).trim_end_matches('.')));
        let line = if *label == "note" { line.color(accent) } else { line };
        ui.add(egui::Label::new(line).truncate()).on_hover_text(text);
    }
}

/// The summary of the chosen mask, unless there is a warning.
fn who(app: &App) -> String {
    let name = trained_in_words(app).unwrap_or_default();
    match MASKS.iter().find(|kind| kind.name == name) {
        Some(kind) => format!("As the weights were trained: {}.", kind.summary),
        None => "As the weights were trained.".to_owned(),
    }
}

/// The mask of training; if layers differ, the mask of each.
fn trained_in_words(app: &App) -> Option<String> {
    Some(MaskChoice::AsTrained.in_words(app.shown.model.as_ref()?.description.as_ref()?))
}

fn sentence(note: &str) -> String {
    let mut letters = note.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// Masks with a colour of their own stand in the row, the others in the menu.
fn is_common(example: &Mask) -> bool {
    Kind::of(example) != Kind::Custom
}

fn hint(kind: &MaskKind) -> String {
    format!("{}; seen in {}", kind.summary, kind.seen_in)
}

fn more(picker: &mut Picker, length: usize, ui: &mut egui::Ui) {
    ui.menu_button("More masks", |ui| {
        for (index, kind) in MASKS.iter().enumerate().filter(|(_, kind)| !is_common(&(kind.example)(length)))
        {
            let label = ui.selectable_label(picker.kind == Some(index), kind.name);
            if label.on_hover_text(hint(kind)).clicked() {
                picker.take(Some(index));
                ui.close();
            }
        }
    });
}

fn sliders(picker: &mut Picker, length: usize, ui: &mut egui::Ui) {
    let Some(kind) = picker.kind else { return };
    for (index, parameter) in parameters(&MASKS[kind], length).iter().enumerate() {
        let mut number = picker.number(kind, index, parameter);
        let Parameter { name, low, high, usual } = parameter;
        let suffix = format!(" of {low}…{high}");
        let size = vec2(slider_width(name, &format!("{high}{suffix}"), ui), LINE);
        // One block, which goes to the next line as a whole.
        let block = ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_size(size);
            let label = ui.label(*name);
            ui.add(Slider::new(&mut number, *low..=*high).suffix(suffix)).labelled_by(label.id)
        });
        let response = block.inner;
        if response.double_clicked() {
            (picker.numbers[kind][index], picker.touched) = (None, true);
        } else if response.changed() {
            (picker.numbers[kind][index], picker.touched) = (Some(number), true);
        }
        response.on_hover_text(format!("double click: back to {usual}"));
    }
}

/// How wide a slider is with its name and its longest value.
fn slider_width(name: &str, longest: &str, ui: &egui::Ui) -> f32 {
    let text = |text: &str| {
        ui.painter().layout_no_wrap(text.to_owned(), theme::text(14.0), egui::Color32::WHITE).size().x
    };
    let spacing = ui.spacing();
    text(name) + SLIDER + text(longest) + 2.0 * (spacing.item_spacing.x + spacing.button_padding.x) + 6.0
}

/// A button with the mask's marker; true when it is clicked.
fn button(ui: &mut egui::Ui, name: &str, chosen: bool, mask: Option<&Mask>, hint: &str) -> bool {
    let palette = theme::palette(ui);
    let galley = ui.painter().layout_no_wrap(name.to_owned(), theme::text(14.0), theme::color(palette.ink));
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x + 34.0, LINE), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, chosen, name));
    let visuals = ui.style().interact(&response);
    let fill = if chosen { ui.visuals().selection.bg_fill } else { visuals.weak_bg_fill };
    let accent = egui::Stroke::new(1.0, theme::color(palette.accent));
    let stroke = if chosen || response.has_focus() { accent } else { visuals.bg_stroke };
    ui.painter().rect(rect, visuals.corner_radius, fill, stroke, egui::StrokeKind::Inside);
    if let Some(mask) = mask {
        let kind = Kind::of(mask);
        let at = egui::pos2(rect.left() + 14.0, rect.center().y);
        theme::marker(ui.painter(), at, 5.0, kind, theme::kind_color(ui, kind));
    }
    let corner = egui::pos2(rect.left() + 25.0, rect.center().y - galley.size().y / 2.0);
    ui.painter().galley(corner, galley, theme::color(palette.ink));
    response.on_hover_text(hint).clicked()
}
