//! The spectra of the four masks, and their rank card.

use egui::{RichText, Ui};
use rankscope::rank::Tolerance;

use super::super::state::{Edit, LEAST_TOLERANCE, MaskLab, Which};
use super::{tag, waiting};
use crate::lab::Desk;
use crate::labs::controls::marker;
use crate::theme;
use crate::widget::number::Number;
use crate::widget::rank_card;
use crate::widget::spectrum::{self, Series};

fn series<'a>(desk: &'a Desk<'_, MaskLab>) -> Vec<Series<'a>> {
    let of = |which: Which| {
        let report = &desk.answer.of(which)?.report;
        Some(Series { name: desk.state.name(which), kind: which.kind(), report })
    };
    desk.state.compared().filter_map(of).collect()
}

/// How far the oldest of the spectra is dimmed.
fn fade(desk: &Desk<'_, MaskLab>) -> f32 {
    desk.answer.weighed.iter().map(|part| desk.fade(part)).fold(0.0, f32::max)
}

/// Draws the singular values.
pub fn ui(desk: &mut Desk<'_, MaskLab>, ui: &mut Ui) {
    let mut switched = None;
    ui.horizontal_wrapped(|ui| {
        for which in Which::ALL {
            let mut is_compared = !desk.state.hidden.contains(&which);
            let name = desk.state.name(which);
            let hint = format!("Show {name} here and on the rank card");
            let response = ui.checkbox(&mut is_compared, "").on_hover_text(hint);
            response
                .widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, true, is_compared, &name));
            ui.add_space(-8.0);
            tag(which, &name, ui);
            ui.add_space(6.0);
            if response.changed() {
                switched = Some(Edit::Compare(which, is_compared));
            }
        }
    });
    let series = series(desk);
    if series.is_empty() {
        waiting(ui);
    } else {
        ui.scope(|ui| {
            ui.multiply_opacity(1.0 - fade(desk));
            if let Some(moved) = tolerance(desk.state.tolerance, &series, ui) {
                switched = Some(moved);
            }
            let height = (ui.available_height() - 46.0).max(80.0);
            spectrum::with_tolerance(&series, Some(desk.state.tolerance), height, ui);
        });
    }
    if let Some(edit) = switched {
        desk.edit(edit);
    }
}

/// The reader's own tolerance, and how many singular values are above it.
fn tolerance(tolerance: f64, series: &[Series], ui: &mut Ui) -> Option<Edit> {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().slider_width = 90.0;
        let number =
            Number::new("my tolerance", tolerance, LEAST_TOLERANCE..=1.0, MaskLab::default().tolerance);
        let help = "Relative to σ₁; the numbers beside count the values above it";
        let moved = number.help(help).logarithmic().show(ui);
        for series in series {
            let counted =
                Tolerance::relative(tolerance).map_or(0, |of| series.report.spectrum.numerical_rank(of));
            let text = RichText::new(counted.to_string()).font(theme::mono(13.0));
            marker(series.kind, 4.5, egui::vec2(12.0, 16.0), ui);
            let size = series.report.rows;
            ui.label(text)
                .on_hover_text(format!("{}: {counted} of {size} are above {tolerance:e}", series.name));
        }
        moved.map(Edit::Tolerance)
    })
    .inner
}

/// Draws the rank card.
pub fn card(desk: &Desk<'_, MaskLab>, ui: &mut Ui) {
    let series = series(desk);
    if series.is_empty() {
        return waiting(ui);
    }
    egui::ScrollArea::vertical().show(ui, |ui| {
        ui.multiply_opacity(1.0 - fade(desk));
        rank_card::legend(&series, ui);
        rank_card::grouped(&series, ui);
    });
}
