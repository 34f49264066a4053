//! The block probe: ranks of a rectangle of the weights under each mask.

use egui::{Grid, RichText, Ui};
use rankscope::numbers::short;

use super::super::state::{Block, Edit, MaskLab};
use super::{tag, waiting};
use crate::lab::Desk;
use crate::theme;

/// Draws the table.
pub fn ui(desk: &mut Desk<'_, MaskLab>, ui: &mut Ui) {
    let Block { queries, keys } = desk.state.probed();
    let (rows, columns) = (queries.1 - queries.0 + 1, keys.1 - keys.0 + 1);
    ui.label(format!(
        "queries {} … {}, keys {} … {}: {rows} × {columns}",
        queries.0, queries.1, keys.0, keys.1
    ));
    let Some(blocks) = desk.answer.blocks.get() else { return waiting(ui) };
    ui.scope(|ui| {
        ui.multiply_opacity(1.0 - desk.fade(&desk.answer.blocks));
        Grid::new("block").num_columns(5).spacing([16.0, 6.0]).striped(true).show(ui, |ui| {
            for (head, hint) in [
                ("mask", ""),
                ("rank f64", "singular values of the block above max(rows, columns) · 2⁻⁵² · σ₁"),
                ("rank f32", "singular values of the block above max(rows, columns) · 2⁻²³ · σ₁"),
                ("effective", "exp of the entropy of σᵢ / Σσ of the block"),
                ("share", "the block's part of ‖A‖²_F, the squared weights"),
            ] {
                ui.label(RichText::new(head).size(13.0).weak()).on_hover_text(hint);
            }
            ui.end_row();
            for block in blocks {
                ui.horizontal(|ui| tag(block.which, &desk.state.name(block.which), ui));
                let report = &block.report;
                for (text, exact) in [
                    (report.numerical_rank_f64.to_string(), None),
                    (report.numerical_rank_f32.to_string(), None),
                    (short(report.effective_rank), Some(report.effective_rank)),
                    (format!("{:.1} %", 100.0 * block.share), Some(block.share)),
                ] {
                    let label = ui.label(RichText::new(text).font(theme::mono(13.0)));
                    if let Some(exact) = exact {
                        label.on_hover_text(format!("{exact:e}"));
                    }
                }
                ui.end_row();
            }
        });
    });
    ui.add_space(6.0);
    let say = "Drag a rectangle in the weights. The lower left block is what the first positions send to the later ones: \
               there causal and bidirectional attention look alike, and the diagonal alone makes the triangle regular \
               (Dao & Gu 2024, arXiv 2405.21060, on blocks below the diagonal).";
    ui.add(egui::Label::new(RichText::new(say).size(13.0).weak()).wrap());
    if desk.state.block.is_some() && ui.button("lower left block").clicked() {
        desk.edit(Edit::Block(None));
    }
}
