//! The mask picker: a walk over the library's masks, each with its number on a slider.

use egui::{RichText, Role, Sense, Slider, WidgetInfo, vec2};
use rankscope::mask::{MASKS, Mask, MaskKind};
use rankscope::model::MaskChoice;

use crate::app::App;
use crate::theme;

/// The chosen kind and the number of each kind that has one.
pub struct Picker {
    /// Index into [`MASKS`]; `None` is as-trained.
    kind: Option<usize>,
    /// For each kind of mask, its number.
    numbers: Vec<Option<usize>>,
    /// A mask of the command line that no kind and number describe.
    other: Option<Mask>,
}

impl Picker {
    /// Set to `choice`.
    pub fn new(choice: &MaskChoice) -> Self {
        let mut picker = Picker { kind: None, numbers: vec![None; MASKS.len()], other: None };
        if let MaskChoice::Override(mask) = choice {
            let text = mask.to_string();
            let (name, rest) = text.split_once('(').unwrap_or((&text, ""));
            let number = rest.split([',', ')']).next().and_then(|number| number.trim().parse().ok());
            picker.kind = MASKS.iter().position(|kind| kind.name == name);
            if let Some(kind) = picker.kind {
                picker.numbers[kind] = number;
            }
            let described =
                picker.kind.and_then(|kind| build(&MASKS[kind], number.unwrap_or(1), usize::MAX).ok());
            if described.as_ref() != Some(mask) && !text.starts_with("blocks(") {
                (picker.kind, picker.other) = (None, Some(mask.clone()));
            }
        }
        picker
    }

    /// The mask that the controls describe, for a text of `length` tokens.
    pub fn choice(&self, length: usize) -> rankscope::Result<MaskChoice> {
        match (self.kind, &self.other) {
            (Some(kind), _) => {
                build(&MASKS[kind], self.number(kind, length), length).map(MaskChoice::Override)
            }
            (None, Some(other)) => Ok(MaskChoice::Override(other.clone())),
            (None, None) => Ok(MaskChoice::AsTrained),
        }
    }

    fn number(&self, kind: usize, length: usize) -> usize {
        let (low, high) = range(&MASKS[kind], length);
        self.numbers[kind].unwrap_or_else(|| usual(&MASKS[kind], length)).clamp(low, high)
    }
}

/// A mask of `kind` with its one number, for `length` positions.
fn build(kind: &MaskKind, number: usize, length: usize) -> rankscope::Result<Mask> {
    match kind.parameters {
        "" => Mask::parse(kind.name),
        "lengths" if number < length => Mask::parse(&format!("{}({number}, {})", kind.name, length - number)),
        _ => Mask::parse(&format!("{}({number})", kind.name)),
    }
}

/// The smallest and the largest number that make sense.
fn range(kind: &MaskKind, length: usize) -> (usize, usize) {
    match kind.parameters {
        "length" => (0, length),
        "lengths" => (1, length.saturating_sub(1).max(1)),
        _ => (1, length),
    }
}

/// Where the slider stands at first, and after a double click: as in the registry's example.
fn usual(kind: &MaskKind, length: usize) -> usize {
    let text = (kind.example)(length).to_string();
    let number: String =
        text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    number.parse().unwrap_or(1)
}

/// What the number of a kind means.
fn meaning(kind: &MaskKind) -> &'static str {
    match kind.parameters {
        "length" => "prefix length",
        "lengths" => "first block",
        _ => "window size",
    }
}

/// Draws the picker.
pub fn ui(app: &mut App, ui: &mut egui::Ui) {
    let length = app.length();
    ui.horizontal_wrapped(|ui| {
        ui.label("Mask");
        let trained = app.shown.model.as_ref().map(|model| model.description.trained_mask.clone());
        let name = trained.as_ref().map_or("as-trained".to_owned(), |mask| format!("as-trained ({mask})"));
        let chosen = app.mask.kind.is_none() && app.mask.other.is_none();
        if button(ui, &name, chosen, trained.as_ref(), "the mask that the weights were trained under") {
            (app.mask.kind, app.mask.other) = (None, None);
        }
        if let Some(other) = app.mask.other.clone() {
            button(ui, &other.to_string(), true, Some(&other), "the mask of the command line");
        }
        for (index, kind) in MASKS.iter().enumerate() {
            let example = (kind.example)(length);
            let hint = format!("{}; seen in {}", kind.summary, kind.seen_in);
            if button(ui, kind.name, app.mask.kind == Some(index), Some(&example), &hint) {
                (app.mask.kind, app.mask.other) = (Some(index), None);
            }
        }
        slider(&mut app.mask, length, ui);
    });
    if let Some(note) = app.note() {
        ui.label(RichText::new(sentence(&note)).color(theme::color(theme::palette(ui).accent)));
    } else {
        ui.weak(who(app));
    }
    if app.shown.tokens.is_some() {
        match app.mask.choice(length) {
            Ok(choice) => app.wish.mask = choice,
            Err(error) => drop(ui.label(error.to_string())),
        }
    }
}

/// What the chosen mask says, where there is nothing to warn of.
fn who(app: &App) -> String {
    let trained = app.shown.model.as_ref().map(|model| model.description.trained_mask.to_string());
    let name = trained.unwrap_or_default();
    match MASKS.iter().find(|kind| kind.name == name) {
        Some(kind) => format!("As the weights were trained: {}.", kind.summary),
        None => "As the weights were trained.".to_owned(),
    }
}

fn sentence(note: &str) -> String {
    let mut letters = note.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

fn slider(picker: &mut Picker, length: usize, ui: &mut egui::Ui) {
    let Some(kind) = picker.kind.filter(|&kind| !MASKS[kind].parameters.is_empty()) else { return };
    let (low, high) = range(&MASKS[kind], length);
    let mut number = picker.number(kind, length);
    ui.add_space(8.0);
    let label = ui.label(meaning(&MASKS[kind]));
    let slider = Slider::new(&mut number, low..=high).suffix(format!(" of {low} … {high}"));
    let response = ui.add(slider).labelled_by(label.id);
    if response.double_clicked() {
        picker.numbers[kind] = None;
    } else if response.changed() {
        picker.numbers[kind] = Some(number);
    }
    response.on_hover_text(format!("double click: back to {}", usual(&MASKS[kind], length)));
}

/// A button with the mask's marker; true when it is clicked.
fn button(ui: &mut egui::Ui, name: &str, chosen: bool, mask: Option<&Mask>, hint: &str) -> bool {
    let palette = theme::palette(ui);
    let galley = ui.painter().layout_no_wrap(name.to_owned(), theme::text(14.0), theme::color(palette.ink));
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x + 34.0, 26.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, chosen, name));
    let visuals = ui.style().interact(&response);
    let fill = if chosen { ui.visuals().selection.bg_fill } else { visuals.weak_bg_fill };
    let accent = egui::Stroke::new(1.0, theme::color(palette.accent));
    let stroke = if chosen || response.has_focus() { accent } else { visuals.bg_stroke };
    ui.painter().rect(rect, visuals.corner_radius, fill, stroke, egui::StrokeKind::Inside);
    if let Some(mask) = mask {
        let kind = theme::kind(mask);
        let at = egui::pos2(rect.left() + 14.0, rect.center().y);
        theme::marker(ui.painter(), at, 5.0, kind, theme::kind_color(ui, kind));
    }
    let corner = egui::pos2(rect.left() + 25.0, rect.center().y - galley.size().y / 2.0);
    ui.painter().galley(corner, galley, theme::color(palette.ink));
    response.on_hover_text(hint).clicked()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mask_of_the_registry_can_be_picked_and_fits_every_length() {
        for (index, kind) in MASKS.iter().enumerate() {
            for length in [1, 2, 3, 17] {
                let mut picker = Picker::new(&MaskChoice::AsTrained);
                picker.kind = Some(index);
                for number in [None, Some(0), Some(1), Some(99)] {
                    picker.numbers[index] = number;
                    let MaskChoice::Override(mask) = picker.choice(length).unwrap() else {
                        panic!("{}", kind.name)
                    };
                    assert!(mask.check(length).is_ok(), "{} {number:?} {length}", kind.name);
                }
            }
        }
    }

    #[test]
    fn a_mask_of_the_command_line_is_found_again() {
        for text in
            ["as-trained", "causal", "prefix(3)", "window(4)", "two-sided-window(2)", "causal & !window(2)"]
        {
            let choice: MaskChoice = text.parse().unwrap();
            assert_eq!(Picker::new(&choice).choice(9).unwrap(), choice, "{text}");
        }
        let blocks: MaskChoice = "blocks(2, 7)".parse().unwrap();
        assert_eq!(Picker::new(&blocks).choice(9).unwrap(), blocks);
    }

    #[test]
    fn the_slider_starts_where_the_registry_s_example_stands() {
        let prefix = MASKS.iter().find(|kind| kind.name == "prefix").unwrap();
        assert_eq!(usual(prefix, 12), 6);
    }
}
