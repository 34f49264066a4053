//! "Is it really zero?": the same singular values in several number formats.

use egui::{Grid, RichText, Ui};
use rankscope::figure::style::Kind;
use rankscope::figure::{Curve, Lines, PlotAxis, Reference};
use rankscope::numbers::short;
use rankscope::rank::Lens;

use super::super::answer::{ExactSight, Sight};
use super::super::state::{Edit, MaskLab};
use super::{choose, waiting};
use crate::lab::Desk;
use crate::theme;
use crate::widget::lines;

/// Draws the plot, and the rank in each format.
pub fn ui(desk: &mut Desk<'_, MaskLab>, ui: &mut Ui) {
    ui.horizontal(|ui| {
        choose(desk, ui);
        let mut exact = desk.state.exact;
        let help =
            "Singular values of the stored weights with as many decimal digits as they need; for triangular masks";
        if ui.checkbox(&mut exact, "exact, in multi-precision").on_hover_text(help).changed() {
            desk.edit(Edit::Exact(exact));
        }
    });
    let (Some(sight), found) = (desk.answer.sight.get(), desk.answer.exact.get()) else { return waiting(ui) };
    let fade = desk.fade(&desk.answer.sight).max(desk.fade(&desk.answer.exact));
    let (width, height) = (ui.available_width(), ui.available_height());
    let table = 214.0;
    let (rect, _) = ui.allocate_exact_size(egui::vec2(width, height), egui::Sense::hover());
    let (left, right) = rect.split_left_right_at_x(rect.right() - table);
    ui.scope_builder(egui::UiBuilder::new().max_rect(left.with_max_x(left.right() - 12.0)), |ui| {
        lines::ui(&figure(sight, found, desk.state), height, fade, ui);
    });
    ui.scope_builder(egui::UiBuilder::new().max_rect(right), |ui| {
        ui.multiply_opacity(1.0 - fade);
        egui::ScrollArea::vertical().show(ui, |ui| table_of(sight, found, ui));
    });
}

/// The singular values relative to the largest.
fn figure(sight: &Sight, found: Option<&ExactSight>, state: &MaskLab) -> Lines {
    let n = sight.f64.rows().max(1) as f64;
    let curve = |name: &str, values: Vec<f64>| {
        let largest = values.first().copied().unwrap_or(1.0);
        let points = (1..).zip(values).map(|(index, value): (u32, f64)| (f64::from(index), value / largest));
        Curve::new(name, Kind::Plain, points)
    };
    let mut curves = Vec::new();
    let mut lowest = n * Lens::F64.epsilon() * 1e-2;
    if let Some(ExactSight::Found(logs, _)) = found {
        let largest = logs.first().copied().flatten().unwrap_or(0.0);
        // Below 10⁻³⁰⁰ f64 has no number to draw.
        let points: Vec<(f64, f64)> = (1..)
            .zip(logs)
            .filter_map(|(index, log): (u32, _)| {
                Some((f64::from(index), 10f64.powf((log.as_ref()? - largest).max(-300.0))))
            })
            .collect();
        lowest = points.iter().map(|point| point.1).fold(lowest, f64::min);
        curves.push(Curve::new("exact", Kind::Causal, points));
    }
    for (lens, name) in [(Lens::F64, "f64"), (Lens::F32, "f32"), (Lens::F16, "f16")] {
        curves.push(curve(name, sight.spectrum(lens).values().to_vec()));
    }
    let level = |lens: Lens| Reference::level(format!("{} tolerance", lens.name()), n * lens.epsilon());
    Lines {
        title: format!("Singular values of {} as number formats see them", state.name(state.shown)),
        x: PlotAxis::linear("index of the singular value"),
        y: PlotAxis::log_from("singular value, relative to the largest", lowest),
        curves,
        references: vec![
            level(Lens::F16),
            level(Lens::F32),
            Reference::floor("f64 tolerance = rounding floor", n * Lens::F64.epsilon()),
        ],
        settings: serde_json::Value::Null,
    }
}

fn table_of(sight: &Sight, found: Option<&ExactSight>, ui: &mut Ui) {
    let n = sight.f64.rows();
    Grid::new("formats").num_columns(3).spacing([14.0, 4.0]).striped(true).show(ui, |ui| {
        for head in ["", "rank", "σ min"] {
            ui.label(RichText::new(head).size(13.0).weak());
        }
        ui.end_row();
        let mut row = |name: &str, rank: String, sigma: String, hint: &str| {
            ui.label(RichText::new(name).size(13.0)).on_hover_text(hint);
            ui.label(RichText::new(rank).font(theme::mono(13.0)));
            ui.label(RichText::new(sigma).font(theme::mono(13.0)));
            ui.end_row();
        };
        let none = || "–".to_owned();
        match found {
            Some(ExactSight::Found(logs, digits)) => {
                let sigma = logs.last().copied().flatten().map_or_else(none, scientific);
                let hint = format!("computed with {digits} decimal digits; never 0");
                row("exact", n.to_string(), sigma, &hint);
            }
            _ if sight.is_triangular && sight.sign != Some(0) => {
                let hint = "a triangle with a positive diagonal is never singular";
                row("exact", n.to_string(), none(), hint);
            }
            _ => row("exact", none(), none(), "the weights are not triangular, or the diagonal has a 0"),
        }
        for (lens, hint) in [
            (Lens::F64, "σᵢ > n · 2⁻⁵² · σ₁"),
            (Lens::F32, "computed in f32; σᵢ > n · 2⁻²³ · σ₁"),
            (Lens::F16, "rounded to f16; σᵢ > n · 2⁻¹⁰ · σ₁"),
        ] {
            let (least, floor) = (sight.spectrum(lens).sigma_min().unwrap_or(0.0), sight.threshold(lens));
            let (text, hint) = match least <= floor {
                true => {
                    (format!("< {}", short(floor)), format!("{hint}; it prints {least:e}, which is noise"))
                }
                false => (short(least), format!("{hint}; {least:e}")),
            };
            row(lens.name(), format!("{} of {n}", sight.rank(lens)), text, &hint);
        }
    });
    ui.add_space(6.0);
    determinant(sight, ui);
    if let Some(ExactSight::Not(why)) = found {
        ui.add_space(4.0);
        ui.add(egui::Label::new(RichText::new(why).size(theme::SMALL).weak()).wrap());
    }
}

/// A number from its logarithm, however small.
fn scientific(log10: f64) -> String {
    format!("{:.2}e{}", 10f64.powf(log10 - log10.floor()), log10.floor())
}

/// The same determinant by Σ ln aᵢᵢ and by LU with pivoting.
fn determinant(sight: &Sight, ui: &mut Ui) {
    let sign = |sign: i8| match sign {
        1 => "+",
        -1 => "−",
        _ => "0",
    };
    let mut say = |text: String, hint: &str, is_wrong: bool| {
        let text = RichText::new(text).size(13.0);
        let text = if is_wrong { text.color(ui.visuals().error_fg_color) } else { text };
        ui.add(egui::Label::new(text).wrap()).on_hover_text(hint);
    };
    let by_lu = format!("by LU: {:.1}, sign {}", sight.lu.log, sign(sight.lu.sign));
    if let (true, Some(log), Some(exact)) = (sight.is_triangular, sight.log_det, sight.sign) {
        let text = format!("ln |det| = {log:.1}, sign {}", sign(exact));
        say(text, "Σ ln aᵢᵢ: right to the last digits", false);
        let is_wrong = exact != sight.lu.sign;
        let verdict = if is_wrong { ": the wrong sign" } else { "" };
        let hint = "LU with pivoting, as numpy's slogdet: it loses the triangle, and with it what is below \
                    the rounding floor";
        say(format!("{by_lu}{verdict}"), hint, is_wrong);
    } else {
        let hint = "LU with pivoting; for these weights there is no simple formula";
        say(format!("ln |det| {by_lu}"), hint, false);
    }
}
