//! Mechanisms beside softmax, under the mask that is shown.

use egui::{Grid, RichText, Ui};
use rankscope::numbers::short;

use super::super::state::{Edit, MaskLab};
use super::{choose, waiting};
use crate::lab::Desk;
use crate::theme;

/// Draws the table; a click on a name makes the lab use that mechanism.
pub fn ui(desk: &mut Desk<'_, MaskLab>, ui: &mut Ui) {
    choose(desk, ui);
    let Some(ranks) = desk.answer.mechanisms.get() else { return waiting(ui) };
    let mut chosen = None;
    egui::ScrollArea::vertical().show(ui, |ui| {
        ui.multiply_opacity(1.0 - desk.fade(&desk.answer.mechanisms));
        Grid::new("mechanisms").num_columns(5).spacing([12.0, 6.0]).striped(true).show(ui, |ui| {
            for (head, hint) in [
                ("weights by", "a click computes the whole lab with it"),
                ("exact", "the rank by theorem; – where there is none"),
                ("f64", "singular values above n · 2⁻⁵² · σ₁"),
                ("effective", "exp of the entropy of σᵢ / Σσ"),
                ("min |aᵢᵢ|", "a triangle is singular exactly where a diagonal entry is 0"),
            ] {
                ui.label(RichText::new(head).size(13.0).weak()).on_hover_text(hint);
            }
            ui.end_row();
            for row in ranks {
                let is_used = row.mechanism.is_like(desk.state.setup.mechanism);
                let name =
                    ui.selectable_label(is_used, row.mechanism.name()).on_hover_text(row.mechanism.formula());
                if name.clicked() && !is_used {
                    chosen = Some(row.mechanism);
                }
                let exact = row.theorem.rank.map_or_else(|| "–".to_owned(), |rank| rank.to_string());
                for (text, hint) in [
                    (exact, row.theorem.reason.clone()),
                    (row.report.numerical_rank_f64.to_string(), "numerical rank in f64".to_owned()),
                    (short(row.report.effective_rank), format!("{:e}", row.report.effective_rank)),
                    (short(row.smallest_diagonal), format!("{:e}", row.smallest_diagonal)),
                ] {
                    ui.label(RichText::new(text).font(theme::mono(13.0))).on_hover_text(hint);
                }
                ui.end_row();
            }
        });
        ui.add_space(6.0);
        for row in ranks {
            let text = format!("{}: {}.", row.mechanism.name(), row.theorem.reason);
            ui.add(egui::Label::new(RichText::new(text).size(13.0).weak()).wrap());
        }
    });
    if let Some(mechanism) = chosen {
        desk.edit(Edit::Mechanism(mechanism));
    }
}
