//! How the step-by-step lab is drawn.

use std::sync::Arc;

use egui::{DragValue, Label, RichText, Ui};
use rankscope::figure::style::Kind;

use super::chain::{Chain, Step};
use super::state::{Edit, MOST_HEAD_SIZE, MOST_NUMBER, MOST_POSITIONS, MOST_SEED, StepsLab};
use super::table::{Marked, marked, table};
use crate::heatmap::Matrix;
use crate::lab::{self, Desk, Layout, Panel};
use crate::labs::controls::slider;
use crate::theme;
use crate::widget::number::Number;
use crate::widget::rank_card;
use crate::widget::spectrum::{self, Series};
use crate::widget::veil::waiting;

/// Room for the names of the sliders.
const NAMES: f32 = 92.0;

/// What only the view remembers.
#[derive(Default)]
pub struct View {
    /// The mask as it is being typed.
    draft: Option<String>,
    /// Which of Q, K and V the selected entry belongs to.
    input: usize,
}

impl lab::View for View {
    type State = StepsLab;

    const PANELS: &'static [Panel] = &[
        Panel {
            id: "steps",
            title: "Steps",
            help: "softmax(mask(Q·Kᵀ/√D))·V, Vaswani et al. 2017 (arXiv 1706.03762), one step at a time",
        },
        Panel {
            id: "numbers",
            title: "Numbers",
            help: "The operands of the step, and its result; click an entry to see its arithmetic",
        },
        Panel {
            id: "how",
            title: "Formula and shader",
            help: "The step as a formula, as arithmetic of one entry, and as a line of the shader that does it on a GPU",
        },
    ];

    fn layout() -> Layout {
        Layout::row([
            (0.85, Layout::panel("steps")),
            (2.4, Layout::column([(2.2, Layout::panel("numbers")), (1.0, Layout::panel("how"))])),
        ])
    }

    fn ui(&mut self, id: &str, desk: &mut Desk<'_, StepsLab>, ui: &mut Ui) {
        match id {
            "steps" => steps(self, desk, ui),
            "numbers" => numbers(self, desk, ui),
            _ => how(self, desk, ui),
        }
    }
}

fn steps(view: &mut View, desk: &mut Desk<'_, StepsLab>, ui: &mut Ui) {
    egui::ScrollArea::vertical().show(ui, |ui| {
        let state = desk.state;
        for (number, step) in (1..).zip(Step::ALL) {
            let text = RichText::new(format!("{number}  {}", step.title())).size(15.0);
            let button = egui::Button::selectable(step == state.step, text).right_text("");
            let row = ui.add_sized([ui.available_width(), 26.0], button);
            if row.on_hover_text(step.formula()).clicked() {
                desk.edit(Edit::Step(step));
            }
        }
        ui.add_space(6.0);
        ui.horizontal(|ui| {
            let back = ui.add_enabled(state.step != Step::Inputs, egui::Button::new("← back"));
            let next = ui.add_enabled(state.step != Step::Rank, egui::Button::new("next →"));
            if back.clicked() {
                desk.edit(Edit::Step(state.step.moved(-1)));
            }
            if next.clicked() {
                desk.edit(Edit::Step(state.step.moved(1)));
            }
        });
        ui.separator();
        setup(view, desk, ui);
    });
}

fn setup(view: &mut View, desk: &mut Desk<'_, StepsLab>, ui: &mut Ui) {
    ui.spacing_mut().slider_width = (ui.available_width() - NAMES - 64.0).clamp(50.0, 240.0);
    let state = desk.state;
    let n = Number::new("positions n", state.n, 2..=MOST_POSITIONS, 4).name_width(NAMES);
    slider(n.help("Tokens of the sequence"), Edit::N, desk, ui);
    let size = Number::new("head size D", state.head_size, 1..=MOST_HEAD_SIZE, 2).name_width(NAMES);
    slider(size.help("Numbers in a query, a key and a value"), Edit::HeadSize, desk, ui);
    let seed = Number::new("seed", state.seed, 0..=MOST_SEED, 7).name_width(NAMES);
    slider(seed.help("Which Q, K and V are drawn"), Edit::Seed, desk, ui);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        for mask in ["causal", "prefix(2)", "bidirectional"] {
            if ui.selectable_label(state.mask == mask, mask).clicked() {
                view.draft = None;
                desk.edit(Edit::Mask(mask.to_owned()));
            }
        }
    });
    ui.horizontal(|ui| {
        let label = ui.label("mask");
        let mut text = view.draft.clone().unwrap_or_else(|| state.mask.clone());
        let field = egui::TextEdit::singleline(&mut text)
            .desired_width(ui.available_width() - 8.0)
            .font(theme::mono(13.0));
        let field = ui.add(field).labelled_by(label.id);
        if field.changed() {
            view.draft = Some(text.clone());
        }
        if field.lost_focus() && view.draft.take().is_some() {
            desk.edit(Edit::Mask(text));
        }
    });
    if !state.changed.is_empty() && ui.button("numbers as drawn").clicked() {
        desk.edit(Edit::Drawn);
    }
}

fn numbers(view: &mut View, desk: &mut Desk<'_, StepsLab>, ui: &mut Ui) {
    let Some(chain) = desk.answer.get() else { return waiting(ui) };
    let step = desk.state.step;
    ui.horizontal(|ui| {
        ui.label(RichText::new(step.title()).size(18.0).strong());
        ui.label(RichText::new(step.formula()).size(16.0));
    });
    ui.add(Label::new(RichText::new(step.words()).weak()).wrap());
    ui.add_space(6.0);
    if step == Step::Rank {
        return rank(chain, desk, ui);
    }
    let mut tables: Vec<(&str, &Arc<Matrix>, bool)> = match step {
        Step::Inputs => {
            let named = ["Q", "K", "V"].into_iter().zip(&chain.inputs);
            named.map(|(name, matrix)| (name, matrix, true)).collect()
        }
        _ => chain.operands(step).into_iter().map(|(name, matrix)| (name, matrix, false)).collect(),
    };
    if step != Step::Inputs {
        tables.push((result_name(step), chain.result(step), true));
    }
    let columns: usize = tables.iter().map(|(_, matrix, _)| matrix.dim().1).sum();
    let rows = tables.iter().map(|(_, matrix, _)| matrix.dim().0).max().unwrap_or(1);
    let gaps = 44.0 * tables.len() as f32;
    let side = ((ui.available_width() - gaps) / columns as f32)
        .min((ui.available_height() - 52.0) / (0.6 * rows as f32));
    let side = side.clamp(34.0, 170.0);
    let mut clicked = None;
    ui.horizontal_top(|ui| {
        for (index, (name, matrix, is_result)) in tables.iter().enumerate() {
            let marked = marked(step, name, *is_result, desk.state.cell, index == view.input);
            if let Some(cell) = table(name, matrix, marked, side, ui) {
                clicked = Some((index, *is_result, cell));
            }
            ui.add_space(16.0);
        }
    });
    if let Some((index, true, (row, column))) = clicked {
        view.input = if step == Step::Inputs { index } else { 0 };
        desk.edit(Edit::Cell(row, column));
    }
}

fn result_name(step: Step) -> &'static str {
    match step {
        Step::Inputs => "Q",
        Step::Products => "Q·Kᵀ",
        Step::Scores => "S",
        Step::Mask => "S, masked",
        Step::Exponentials => "E",
        Step::Weights | Step::Rank => "A",
        Step::Context => "C",
    }
}

/// Predict, then reveal.
fn rank(chain: &Chain, desk: &mut Desk<'_, StepsLab>, ui: &mut Ui) {
    let (n, guess, revealed) = (desk.state.n, desk.state.guess, desk.state.revealed);
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new("My prediction: the rank of A is").size(15.0));
        for rank in 0..=n {
            if ui.selectable_label(guess == Some(rank), RichText::new(rank.to_string()).size(15.0)).clicked()
            {
                desk.edit(Edit::Guess(rank));
            }
        }
        let text = if revealed { "hide" } else { "reveal" };
        let button = ui.add_enabled(guess.is_some(), egui::Button::new(text));
        if button.on_disabled_hover_text("Predict first").clicked() {
            desk.edit(Edit::Reveal(!revealed));
        }
    });
    ui.add_space(6.0);
    let kind = desk.state.mask.parse().map_or(Kind::Custom, |mask| Kind::of(&mask));
    let series = [Series { name: desk.state.mask.clone(), kind, report: &chain.report }];
    ui.columns(2, |columns| {
        let side = (columns[0].available_width() - 40.0) / n as f32;
        table("A", chain.result(Step::Weights), Marked::Nothing, side.clamp(34.0, 70.0), &mut columns[0]);
        let ui = &mut columns[1];
        if !revealed {
            ui.label(RichText::new("The singular values are hidden until you predict.").weak());
            return;
        }
        let seen = chain.report.numerical_rank_f64;
        let right = guess == Some(chain.report.exact_rank.unwrap_or(seen));
        let verdict = if right { "Right." } else { "Look again:" };
        let exact = chain.report.exact_rank.map_or("no theorem".to_owned(), |rank| format!("exactly {rank}"));
        ui.label(RichText::new(format!("{verdict} {exact}; f64 sees {seen} of {n}.")).strong());
        let height = (ui.available_height() * 0.45).max(110.0);
        spectrum::ui(&series, height, ui);
        egui::ScrollArea::vertical().show(ui, |ui| rank_card::ui(&series, ui));
    });
}

fn how(view: &View, desk: &mut Desk<'_, StepsLab>, ui: &mut Ui) {
    let Some(chain) = desk.answer.get() else { return };
    let (step, cell) = (desk.state.step, desk.state.cell);
    ui.label(RichText::new(step.formula()).size(18.0));
    ui.add_space(4.0);
    if step == Step::Inputs {
        let number = chain.inputs.get(view.input).and_then(|matrix| matrix.values.get(cell)).copied();
        let Some(mut number) = number else { return };
        ui.horizontal(|ui| {
            let name = ["Q", "K", "V"][view.input.min(2)];
            let label = ui.label(format!("{name}[{}, {}] =", cell.0, cell.1));
            let field =
                DragValue::new(&mut number).range(-MOST_NUMBER..=MOST_NUMBER).speed(0.1).max_decimals(1);
            if ui.add(field).labelled_by(label.id).changed() {
                desk.edit(Edit::Number(view.input, cell.0, cell.1, (number * 10.0).round() / 10.0));
            }
            ui.label(RichText::new("drag or type to change it").weak());
        });
    } else if let Some(text) = chain.arithmetic(step, cell) {
        ui.add(Label::new(RichText::new(text).font(theme::mono(14.0))).wrap());
    }
    ui.add_space(8.0);
    if let Some((file, lines)) = step.shader() {
        ui.label(RichText::new(format!("on a GPU, {file}:")).weak());
        for (number, line) in lines {
            let text = RichText::new(format!("{number:>4}  {line}")).font(theme::mono(13.0));
            ui.add(Label::new(text).wrap());
        }
    }
}
