//! The mask picker: a walk over the library's masks, each with its number on a slider.

use egui::{Align, Layout, RichText, Role, Sense, Slider, WidgetInfo, vec2};
use rankscope::figure::style::Kind;
use rankscope::mask::{MASKS, Mask, MaskKind};
use rankscope::model::MaskChoice;

use crate::app::App;
use crate::layout::is_short;
use crate::theme;

/// Height of everything in the rows, so that they neither touch nor stagger.
const LINE: f32 = 26.0;
/// Length of a slider's rail.
const SLIDER: f32 = 120.0;

/// The chosen kind, and the numbers of each kind that were moved away from their usual place.
pub struct Picker {
    /// Index into [`MASKS`]; `None` is as-trained.
    kind: Option<usize>,
    /// For each kind of mask, its numbers.
    numbers: Vec<[Option<usize>; 2]>,
    /// A mask of the command line that no kind and numbers describe.
    other: Option<Mask>,
    /// Whether a person has used the controls: until then the mask stays as it was given, fitting or not.
    touched: bool,
}

/// A number of a mask, as its slider shows it.
#[derive(Debug, PartialEq)]
struct Parameter {
    name: &'static str,
    low: usize,
    high: usize,
    usual: usize,
}

impl Picker {
    /// Set to `choice`.
    pub fn new(choice: &MaskChoice) -> Self {
        let mut picker =
            Picker { kind: None, numbers: vec![[None; 2]; MASKS.len()], other: None, touched: false };
        let MaskChoice::Override(mask) = choice else { return picker };
        let text = mask.to_string();
        let name = text.split('(').next().unwrap_or_default();
        let numbers = numbers_in(&text);
        picker.kind = MASKS.iter().position(|kind| kind.name == name && described(kind, &numbers, mask));
        match picker.kind {
            Some(kind) => {
                for (slot, number) in picker.numbers[kind].iter_mut().zip(numbers) {
                    *slot = Some(number);
                }
            }
            None => picker.other = Some(mask.clone()),
        }
        picker
    }

    /// The mask that the controls describe, for a text of `length` tokens.
    ///
    /// # Errors
    /// Where the library knows no such mask.
    pub fn choice(&self, length: usize) -> rankscope::Result<MaskChoice> {
        match (self.kind, &self.other) {
            (Some(kind), _) => {
                let parameters = parameters(&MASKS[kind], length);
                let number = |(index, parameter)| self.number(kind, index, parameter);
                let numbers: Vec<usize> = parameters.iter().enumerate().map(number).collect();
                build(&MASKS[kind], &numbers, length).map(MaskChoice::Override)
            }
            (None, Some(other)) => Ok(MaskChoice::Override(other.clone())),
            (None, None) => Ok(MaskChoice::AsTrained),
        }
    }

    fn take(&mut self, kind: Option<usize>) {
        (self.kind, self.other, self.touched) = (kind, None, true);
    }

    fn number(&self, kind: usize, index: usize, parameter: &Parameter) -> usize {
        self.numbers[kind][index].unwrap_or(parameter.usual).clamp(parameter.low, parameter.high)
    }
}

/// Whether the sliders of `kind` can stand at `mask`.
fn described(kind: &MaskKind, numbers: &[usize], mask: &Mask) -> bool {
    let length = if kind.parameters == "lengths" { numbers.iter().sum() } else { 1 };
    build(kind, numbers, length).is_ok_and(|built| built == *mask)
}

/// A mask of `kind` with its numbers, for `length` positions; blocks are two, of which the first is given.
/// A kind without numbers is its example.
fn build(kind: &MaskKind, numbers: &[usize], length: usize) -> rankscope::Result<Mask> {
    let numbers = match (kind.parameters, numbers) {
        (_, []) => return Ok((kind.example)(length)),
        ("lengths", &[first, ..]) if first < length => vec![first, length - first],
        (_, numbers) => numbers.to_vec(),
    };
    let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
    Mask::parse(&format!("{}({})", kind.name, numbers.join(", ")))
}

/// The sliders of `kind`, which start where the registry's example stands.
fn parameters(kind: &'static MaskKind, length: usize) -> Vec<Parameter> {
    let usual = numbers_in(&(kind.example)(length).to_string());
    let names = kind.parameters.split(", ").filter(|name| !name.is_empty());
    let of = |(name, usual)| {
        let (name, low, high) = match name {
            "length" => (name, 0, length),
            "lengths" => ("first block", 1, length.saturating_sub(1).max(1)),
            "percent" => (name, 0, 100),
            "seed" => (name, 0, 99),
            _ => (name, 1, length),
        };
        Parameter { name, low, high, usual }
    };
    names.zip(usual).map(of).collect()
}

/// The numbers in a mask's text: 3 and 2 in `dilated(3, 2)`.
fn numbers_in(text: &str) -> Vec<usize> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

/// Draws the picker.
pub fn ui(app: &mut App, ui: &mut egui::Ui) {
    let length = app.length();
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().interact_size.y = LINE;
        ui.spacing_mut().slider_width = SLIDER;
        ui.add_sized(vec2(34.0, LINE), egui::Label::new("Mask"));
        let trained = app.shown.model.as_ref().map(|model| model.description.trained_mask.clone());
        let name = trained.as_ref().map_or("as-trained".to_owned(), |mask| format!("as-trained ({mask})"));
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
            Ok(choice) => app.wish.mask = choice,
            Err(error) => {
                ui.label(error.to_string());
            }
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
                    picker.numbers[index] = [number; 2];
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
        for text in [
            "as-trained",
            "causal",
            "prefix(3)",
            "window(4)",
            "two-sided-window(2)",
            "dilated(3, 2)",
            "causal & !window(2)",
        ] {
            let choice: MaskChoice = text.parse().unwrap();
            assert_eq!(Picker::new(&choice).choice(9).unwrap(), choice, "{text}");
        }
        let blocks: MaskChoice = "blocks(2, 7)".parse().unwrap();
        assert_eq!(Picker::new(&blocks).choice(9).unwrap(), blocks);
    }

    #[test]
    fn sliders_start_where_the_registry_s_example_stands() {
        let prefix = MASKS.iter().find(|kind| kind.name == "prefix").unwrap();
        assert_eq!(parameters(prefix, 12), [Parameter { name: "length", low: 0, high: 12, usual: 6 }]);
    }
}
