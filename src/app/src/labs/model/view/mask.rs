//! The mask picker: a walk over the library's masks, each with its number on a slider.

mod picker;

use egui::{Align, Layout, RichText, Role, Sense, Slider, WidgetInfo, vec2};
use rankscope::figure::style::Kind;
use rankscope::mask::{MASKS, Mask, MaskKind};
use rankscope::model::MaskChoice;

pub use picker::Picker;
use picker::{Parameter, parameters};

use super::{Desk, View};
use crate::labs::model::answer::Shown;
use crate::labs::model::state::{Attention, Edit, Reading, Side};
use crate::layout::is_short;
use crate::theme;

/// Height of every control in the rows, so that they line up.
const LINE: f32 = 26.0;
/// Length of a slider's rail.
const SLIDER: f32 = 120.0;

/// Draws the picker; for weights from a file their checks.
pub fn ui(view: &mut View, desk: &mut Desk<'_>, side: Side, ui: &mut egui::Ui) {
    let Some(reading) = desk.state.reading(side) else { return };
    let shown = desk.answer.of(side);
    if reading.file.is_some() {
        return checks(shown, ui);
    }
    let is_pair = shown.model.as_ref().is_some_and(|model| model.is_pair);
    if is_pair && desk.state.attention == Attention::Cross {
        ui.weak("Cross-attention sees the whole text: it has no mask to choose.");
        return;
    }
    let picker = &mut view.masks[side as usize];
    picker.follow(&reading.mask);
    let length = shown.length();
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().interact_size.y = LINE;
        ui.spacing_mut().slider_width = SLIDER;
        ui.add_sized(vec2(34.0, LINE), egui::Label::new("Mask"));
        let trained =
            shown.model.as_ref().and_then(|model| Some(model.description.as_ref()?.trained_mask.clone()));
        let name =
            trained_in_words(shown).map_or("as-trained".to_owned(), |mask| format!("as-trained ({mask})"));
        let chosen = picker.kind.is_none() && picker.other.is_none();
        if button(ui, &name, chosen, trained.as_ref(), "the mask that the weights were trained under") {
            picker.take(None);
        }
        if let Some(other) = picker.other.clone() {
            button(ui, &other.to_string(), true, Some(&other), "a mask in the mask language");
        }
        for (index, kind) in MASKS.iter().enumerate() {
            let example = (kind.example)(length);
            let chosen = picker.kind == Some(index);
            if (chosen || is_common(&example)) && button(ui, kind.name, chosen, Some(&example), &hint(kind)) {
                picker.take(Some(index));
            }
        }
        more(picker, length, ui);
        sliders(picker, length, ui);
    });
    if let Some(note) = note(shown, reading) {
        ui.label(RichText::new(sentence(&note)).color(theme::color(theme::palette(ui).accent)));
    } else if !is_short(ui) && desk.state.right.is_none() {
        ui.weak(who(shown));
    }
    if picker.touched && shown.tokens.is_some() {
        match picker.choice(length) {
            Ok(choice) if choice.to_string() != reading.mask => {
                desk.edit(Edit::Mask(side, picker.say(&choice)))
            }
            Ok(_) => {}
            Err(error) => drop(ui.label(error.to_string())),
        }
    }
}

/// The caveat of a mask that is not the one of training.
fn note(shown: &Shown, reading: &Reading) -> Option<String> {
    let description = shown.model.as_ref()?.description.as_ref()?;
    match reading.mask().ok()? {
        MaskChoice::AsTrained => None,
        chosen => chosen.note(description),
    }
}

/// In place of the picker for weights from a file, which have no mask to choose: the checks of their zeros and rows.
fn checks(shown: &Shown, ui: &mut egui::Ui) {
    let accent = theme::color(theme::palette(ui).accent);
    if shown.checks.is_empty() {
        ui.weak("The file's weights are checked here: whether rows sum to 1, whether they are causal.");
    }
    for (label, text) in shown.checks.iter() {
        let line = RichText::new(format!("{}: {text}.", sentence(label).trim_end_matches('.')));
        let line = if *label == "note" { line.color(accent) } else { line };
        ui.add(egui::Label::new(line).truncate()).on_hover_text(text);
    }
}

/// The summary of the chosen mask, unless there is a warning.
fn who(shown: &Shown) -> String {
    let name = trained_in_words(shown).unwrap_or_default();
    match MASKS.iter().find(|kind| kind.name == name) {
        Some(kind) => format!("As the weights were trained: {}.", kind.summary),
        None => "As the weights were trained.".to_owned(),
    }
}

/// The mask of training; if layers differ, the mask of each.
fn trained_in_words(shown: &Shown) -> Option<String> {
    Some(MaskChoice::AsTrained.in_words(shown.model.as_ref()?.description.as_ref()?))
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
