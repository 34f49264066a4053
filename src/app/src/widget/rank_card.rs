//! The rank card: the meanings of rank side by side, one column a matrix.

use egui::{Align, Layout, RichText, Sense, vec2};
use rankscope::numbers::short;
use rankscope::rank::RankReport;

use super::spectrum::Series;
use crate::layout::is_short;
use crate::theme;

/// Room for the names of the rows.
const NAMES: f32 = 130.0;

/// Draws the names of the matrices with their markers.
pub fn legend(series: &[Series], ui: &mut egui::Ui) {
    ui.horizontal_wrapped(|ui| series.iter().for_each(|series| entry(series, ui)));
}

/// Draws the numbers, and the reasons for the exact rank.
pub fn ui(series: &[Series], ui: &mut egui::Ui) {
    show(series, |_| None, ui);
}

/// The same, with the three meanings of rank under headings of their own.
pub fn grouped(series: &[Series], ui: &mut egui::Ui) {
    let heading = |row: &Row| match row.name {
        "exact rank" => Some("exact: a theorem"),
        "numerical rank, f32" => Some("numerical: singular values above a tolerance"),
        "effective rank" => Some("effective: the shape of the spectrum"),
        "condition number" => Some("how near to a singular matrix"),
        "sink keys, 90 %" => Some("where the squared weights are"),
        _ => None,
    };
    show(series, heading, ui);
}

fn show(series: &[Series], heading: impl Fn(&Row) -> Option<&'static str>, ui: &mut egui::Ui) {
    if series.is_empty() {
        return;
    }
    ui.scope(|ui| numbers(series, heading, ui));
    ui.add_space(6.0);
    series.iter().for_each(|series| why(series, ui));
}

fn entry(series: &Series, ui: &mut egui::Ui) {
    let color = theme::kind_color(ui, series.kind);
    let (rect, _) = ui.allocate_exact_size(vec2(22.0, 16.0), Sense::hover());
    ui.painter().hline(rect.x_range(), rect.center().y, (1.0, color.gamma_multiply(0.6)));
    theme::marker(ui.painter(), rect.center(), 4.5, series.kind, color);
    ui.label(&series.name);
    ui.add_space(6.0);
}

/// A line of the table: its name, its hint, and its value for a report.
struct Row {
    name: &'static str,
    hint: &'static str,
    value: fn(&RankReport) -> (String, String),
}

/// The rounded and the exact number.
fn real(value: f64) -> (String, String) {
    (short(value), format!("{value:e}"))
}

fn count(value: usize) -> (String, String) {
    (value.to_string(), value.to_string())
}

fn absent(short: &str, reason: Option<&String>) -> (String, String) {
    (short.to_owned(), reason.cloned().unwrap_or_else(|| "does not exist".to_owned()))
}

static ROWS: &[Row] = &[
    Row {
        name: "exact rank",
        hint: "by theorem, for any values; the reason is below",
        value: |r| r.exact_rank.map_or_else(|| absent("no theorem", Some(&r.exact_rank_reason)), count),
    },
    Row {
        name: "numerical rank, f32",
        hint: "singular values above max(T, S) · 2⁻²³ · σ₁",
        value: |r| count(r.numerical_rank_f32),
    },
    Row {
        name: "numerical rank, f64",
        hint: "singular values above max(T, S) · 2⁻⁵² · σ₁",
        value: |r| count(r.numerical_rank_f64),
    },
    Row {
        name: "effective rank",
        hint: "exp of the entropy of σᵢ / Σσ: how many directions count",
        value: |r| real(r.effective_rank),
    },
    Row { name: "stable rank", hint: "‖A‖²_F / σ₁²", value: |r| real(r.stable_rank) },
    Row { name: "participation ratio", hint: "(Σσ²)² / Σσ⁴", value: |r| real(r.participation_ratio) },
    Row {
        name: "condition number",
        hint: "σ₁ / σ_min; ≥ where σ_min is below the rounding floor",
        value: |r| match r.condition_number {
            Some(value) => {
                let sign = if r.condition_is_lower_bound { "≥ " } else { "" };
                (format!("{sign}{}", short(value)), format!("{sign}{value:e}"))
            }
            None => absent("–", r.condition_reason.as_ref()),
        },
    },
    Row {
        name: "ln |det|",
        hint: "of a square matrix",
        value: |r| r.log_abs_det.map_or_else(|| absent("–", r.log_abs_det_reason.as_ref()), real),
    },
    Row {
        name: "sink keys, 90 %",
        hint: "the fewest keys that hold 90 % of the squared mass",
        value: |r| count(r.columns_90),
    },
    Row {
        name: "energy rank, 99 %",
        hint: "the fewest σ² that hold 99 % of the squared mass",
        value: |r| count(r.energy_rank_99),
    },
];

/// From this width on, the rows of one matrix stand in two columns.
const WIDE: f32 = 380.0;

fn numbers(series: &[Series], heading: impl Fn(&Row) -> Option<&'static str>, ui: &mut egui::Ui) {
    let palette = theme::palette(ui);
    ui.spacing_mut().item_spacing.y = 0.0;
    let width = ui.available_width();
    let height = if is_short(ui) { 18.0 } else { 20.0 };
    if let ([one], true) = (series, width >= WIDE) {
        let (left, right) = ROWS.split_at(ROWS.len().div_ceil(2));
        for (index, left) in left.iter().enumerate() {
            let (rect, _) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
            let halves = rect.split_left_right_at_fraction(0.5);
            for (row, half) in [(Some(left), halves.0), (right.get(index), halves.1)] {
                let half = half.shrink2(vec2(4.0, 0.0));
                row.into_iter().for_each(|row| line(row, index, std::slice::from_ref(one), half, ui));
            }
        }
        return;
    }
    for (index, row) in ROWS.iter().enumerate() {
        let (heading, is_first) = (heading(row), index == 0 && series.len() > 1);
        if heading.is_some() || is_first {
            let (rect, response) = ui.allocate_exact_size(vec2(width, 17.0), Sense::hover());
            if is_first {
                markers(series, rect, ui);
            }
            let (font, color) = (theme::text(theme::SMALL), theme::color(palette.accent));
            let text = heading.unwrap_or_default();
            ui.painter().text(rect.left_bottom(), egui::Align2::LEFT_BOTTOM, text, font, color);
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, text));
        }
        let (rect, _) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
        line(row, index, series, rect, ui);
    }
}

/// The width of each of `count` numbers in a row.
fn column(width: f32, count: usize) -> f32 {
    ((width - NAMES - 12.0) / count as f32).min(130.0)
}

/// The marker of each matrix above its numbers.
fn markers(series: &[Series], rect: egui::Rect, ui: &egui::Ui) {
    let column = column(rect.width(), series.len());
    for (index, series) in series.iter().rev().enumerate() {
        let at = egui::pos2(rect.right() - 12.0 - column * index as f32, rect.center().y);
        theme::marker(ui.painter(), at, 4.5, series.kind, theme::kind_color(ui, series.kind));
    }
}

/// A row in `rect`.
fn line(row: &Row, index: usize, series: &[Series], rect: egui::Rect, ui: &mut egui::Ui) {
    if index.is_multiple_of(2) {
        ui.painter().rect_filled(rect, 2.0, theme::color(theme::palette(ui).panel));
    }
    let column = column(rect.width(), series.len());
    let mut line = ui.new_child(
        egui::UiBuilder::new()
            .max_rect(rect.shrink2(vec2(6.0, 0.0)))
            .layout(Layout::left_to_right(Align::Center)),
    );
    line.spacing_mut().item_spacing.x = 0.0;
    line.label(RichText::new(row.name).size(13.0)).on_hover_text(row.hint);
    line.with_layout(Layout::right_to_left(Align::Center), |ui| {
        for series in series.iter().rev() {
            value(row, series, vec2(column, rect.height()), ui);
        }
    });
}

fn value(row: &Row, series: &Series, size: egui::Vec2, ui: &mut egui::Ui) {
    let (short, exact) = (row.value)(series.report);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        ui.set_min_width(size.x);
        let digits = if size.x < 90.0 { theme::SMALL } else { 13.0 };
        let font = if short.contains(' ') && !short.starts_with('≥') { theme::text } else { theme::mono };
        let text = RichText::new(short).font(font(digits));
        ui.label(text).on_hover_text(format!("{}: {exact}", series.name));
    });
}

fn why(series: &Series, ui: &mut egui::Ui) {
    let text = match series.report.exact_rank {
        Some(rank) => format!("{}: exact rank {rank}, {}.", series.name, series.report.exact_rank_reason),
        None => format!("{}: {}.", series.name, series.report.exact_rank_reason),
    };
    ui.add(egui::Label::new(RichText::new(text).size(13.0).weak()).wrap());
}
