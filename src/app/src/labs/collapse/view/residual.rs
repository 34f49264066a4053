//! The curves: the residual, and the weight of the first token.

use rankscope::figure::Reference;
use serde_json::Value;

use crate::lab::Desk;
use crate::labs::collapse::export::{pull_lines, residual_lines};
use crate::labs::collapse::state::{Collapse, Edit};
use crate::widget::lines;

/// Draws the residual; a click or a drag chooses the layer that is shown.
pub fn fall(desk: &mut Desk<'_, Collapse>, ui: &mut egui::Ui) {
    let Some(falls) = desk.answer.falls.get() else { return waiting(ui) };
    let mut figure = residual_lines(desk.state, falls, &Value::Null);
    figure.references.push(Reference::at(format!("layer {}", desk.state.layer), desk.state.layer as f64));
    let pointed = lines::ui(&figure, ui.available_height(), desk.fade(&desk.answer.falls), ui);
    let is_down = pointed.response.is_pointer_button_down_on() || pointed.response.clicked();
    if let Some((x, _)) = pointed.at.filter(|_| is_down) {
        let layer = x.round().clamp(0.0, desk.state.layers as f64) as usize;
        if layer != desk.state.layer {
            desk.edit(Edit::Layer(layer));
        }
    }
}

/// Draws the weight of the first token.
pub fn pull(desk: &mut Desk<'_, Collapse>, ui: &mut egui::Ui) {
    let Some(pulls) = desk.answer.pulls.get() else { return waiting(ui) };
    let figure = pull_lines(desk.state, pulls, &Value::Null);
    lines::ui(&figure, ui.available_height(), desk.fade(&desk.answer.pulls), ui);
}

/// Shown in place of results that are not there yet.
pub fn waiting(ui: &mut egui::Ui) {
    ui.centered_and_justified(|ui| ui.weak("computing …"));
}
