//! Where the scores come from.

use egui::{ComboBox, RichText, Ui};

use super::super::mechanism::Mechanism;
use super::super::setup::Setup;
use super::super::state::{Edit, MOST_HEAD_SIZE, MOST_POSITIONS, MOST_SCALE, MOST_SEED, MaskLab};
use crate::lab::Desk;
use crate::labs::controls::slider;
use crate::widget::number::Number;
use rankscope::numbers::short;

/// Room for the names of the sliders.
const NAMES: f32 = 84.0;

/// Draws the sliders.
pub fn ui(desk: &mut Desk<'_, MaskLab>, ui: &mut Ui) {
    egui::ScrollArea::vertical().show(ui, |ui| {
        ui.spacing_mut().slider_width = (ui.available_width() - NAMES - 72.0).clamp(50.0, 240.0);
        let (usual, lab) = (MaskLab::default(), desk.state);
        let (setup, plain) = (&lab.setup, &usual.setup);
        let n = Number::new("positions n", setup.n, 2..=MOST_POSITIONS, plain.n).name_width(NAMES);
        slider(n.logarithmic().help("The tokens of the sequence; the weights are n × n"), Edit::N, desk, ui);
        let size = Number::new("head size D", setup.head_size, 1..=MOST_HEAD_SIZE, plain.head_size);
        let size = size.help("Numbers in a query and a key: rank(QKᵀ) ≤ D").name_width(NAMES);
        slider(size.logarithmic(), Edit::HeadSize, desk, ui);
        let scale = Number::new("logit scale", setup.scale, 0.0..=MOST_SCALE, plain.scale).name_width(NAMES);
        let help = "The factor on q·k/√D; 0 makes attention uniform, 8 nearly one-hot";
        slider(scale.help(help), Edit::Scale, desk, ui);
        let alignment = Number::new("alignment α", setup.alignment, 0.0..=1.0, plain.alignment);
        let help = "K = α·Q + √(1 − α²)·noise: 0 is independent, 1 is K = Q, where each token attends to \
                    itself most";
        slider(alignment.help(help).name_width(NAMES), Edit::Alignment, desk, ui);
        let seed = Number::new("seed", setup.seed, 0..=MOST_SEED, plain.seed).name_width(NAMES);
        slider(seed.help("Which Q and K are drawn"), Edit::Seed, desk, ui);
        let longest = setup.n.max(lab.prefix);
        let prefix = Number::new("prefix p", lab.prefix, 0..=longest, setup.n / 2).name_width(NAMES);
        let help = "The compared mask prefix(p): everyone sees the first p keys";
        slider(prefix.help(help), Edit::Prefix, desk, ui);
        mechanism(setup, desk, ui);
        chain(desk, ui);
        if setup.logits.len() > 0 {
            ui.horizontal(|ui| {
                let count = setup.logits.len();
                let end = if count == 1 { "" } else { "s" };
                ui.label(RichText::new(format!("{count} logit{end} changed")).weak());
                if ui.button("as drawn").clicked() {
                    desk.edit(Edit::DrawnLogits);
                }
            });
        }
    });
}

fn mechanism(setup: &Setup, desk: &mut Desk<'_, MaskLab>, ui: &mut Ui) {
    ui.horizontal(|ui| {
        let start = ui.cursor().left();
        let label = ui.label("weights by");
        ui.add_space((start + NAMES - label.rect.right()).max(0.0));
        let combo = ComboBox::from_id_salt("mechanism").width(112.0).selected_text(setup.mechanism.name());
        let response = combo.show_ui(ui, |ui| {
            for each in Mechanism::all() {
                let is_chosen = each.is_like(setup.mechanism);
                if ui.selectable_label(is_chosen, each.name()).on_hover_text(each.formula()).clicked()
                    && !is_chosen
                {
                    desk.edit(Edit::Mechanism(each));
                }
            }
        });
        response.response.labelled_by(label.id).on_hover_text(setup.mechanism.formula());
    });
    match setup.mechanism {
        Mechanism::Sink { logit } => {
            let number = Number::new("sink logit b", logit, -10.0..=10.0, 0.0).name_width(NAMES);
            let number = number.help("exp(b) is added to every row's sum");
            slider(number, |logit| Edit::Mechanism(Mechanism::Sink { logit }), desk, ui);
        }
        Mechanism::Differential { lambda } => {
            let number = Number::new("λ", lambda, 0.0..=2.0, 0.2).name_width(NAMES);
            let number = number.help("A₁ − λ·A₂; λ = 1 leaves the first query no weight");
            slider(number, |lambda| Edit::Mechanism(Mechanism::Differential { lambda }), desk, ui);
        }
        _ => {}
    }
}

/// What is computed, with the numbers of this state.
fn chain(desk: &Desk<'_, MaskLab>, ui: &mut Ui) {
    let Setup { n, head_size, mechanism, .. } = &desk.state.setup;
    let least = n.min(head_size);
    let lines = [
        format!("S = scale · QKᵀ/√D, of rank ≤ {least} of {n}"),
        format!("A: weights of S by {}, under a mask", mechanism.name()),
        format!("A is {n} × {n}, 1/n = {}", short(1.0 / *n as f64)),
    ];
    ui.add_space(4.0);
    for line in lines {
        ui.add(egui::Label::new(RichText::new(line).size(13.0).weak()).wrap());
    }
}
