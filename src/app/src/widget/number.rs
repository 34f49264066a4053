//! A number on a slider: its name, its value, its range, and a double click back to the usual value.

use std::ops::RangeInclusive;

use egui::emath::Numeric;
use egui::{Response, Slider};

/// A slider for `value`; the new value if the person changed it.
pub struct Number<'a, N> {
    name: &'a str,
    value: N,
    range: RangeInclusive<N>,
    usual: N,
    help: &'a str,
    is_logarithmic: bool,
    unit: &'a str,
    name_width: f32,
}

impl<'a, N: Numeric> Number<'a, N> {
    /// `value` in `range`, where `usual` is what a double click goes back to.
    pub fn new(name: &'a str, value: N, range: RangeInclusive<N>, usual: N) -> Self {
        Number { name, value, range, usual, help: "", is_logarithmic: false, unit: "", name_width: 0.0 }
    }

    /// What it is, with formula and source: shown on hover.
    pub fn help(self, help: &'a str) -> Self {
        Number { help, ..self }
    }

    /// On a logarithmic scale.
    pub fn logarithmic(self) -> Self {
        Number { is_logarithmic: true, ..self }
    }

    /// With a unit after the value.
    pub fn unit(self, unit: &'a str) -> Self {
        Number { unit, ..self }
    }

    /// With a fixed width for the name, so that the sliders of a column are aligned.
    pub fn name_width(self, name_width: f32) -> Self {
        Number { name_width, ..self }
    }

    /// Draws name and slider on a line.
    pub fn show(self, ui: &mut egui::Ui) -> Option<N> {
        let mut value = self.value;
        let (low, high) = (*self.range.start(), *self.range.end());
        let decimals = if N::INTEGRAL { 0 } else { 3 };
        let text = |number: N| rankscope::numbers::short(number.to_f64());
        let (name, help) = (self.name, self.help);
        let response: Response = ui
            .horizontal(|ui| {
                let start = ui.cursor().left();
                let label = ui.label(name);
                let missing = start + self.name_width - label.rect.right();
                ui.add_space(missing.max(0.0));
                let slider = Slider::new(&mut value, self.range.clone())
                    .logarithmic(self.is_logarithmic)
                    .max_decimals(decimals)
                    .suffix(self.unit);
                ui.add(slider).labelled_by(label.id)
            })
            .inner;
        let changed = response.changed();
        // A slider senses drags only.
        let double = ui.input(|input| input.pointer.button_double_clicked(egui::PointerButton::Primary));
        let is_reset = double && response.contains_pointer();
        let line = format!("{} … {}; double click: back to {}", text(low), text(high), text(self.usual));
        let hint = if help.is_empty() { line } else { format!("{help}\n{line}") };
        response.on_hover_text(hint);
        if is_reset {
            return Some(self.usual);
        }
        changed.then_some(value)
    }
}
