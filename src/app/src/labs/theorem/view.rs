//! How the Theorem 1 lab is drawn.

use std::sync::Arc;

use egui::{CursorIcon, Label, RichText, Ui};
use rankscope::numbers::short;

use super::compute::{How, Reached};
use super::export::{REACHED, figure};
use super::state::{Edit, MOST_POSITIONS, MOST_SEED, MOST_STRENGTH, Source, TheoremLab};
use crate::heatmap::{Colours, Matrix, Scale};
use crate::lab::{self, Desk, Layout, Panel};
use crate::labs::controls::{ask, slider};
use crate::widget::heatmap::Heatmap;
use crate::widget::lines;
use crate::widget::number::Number;
use crate::widget::veil::waiting;

/// Room for the names of the sliders.
const NAMES: f32 = 92.0;

/// What only the view remembers.
pub struct View {
    /// The logit that the brush gives.
    brush: f64,
    /// Where the brush was last.
    last: Option<(usize, usize)>,
    /// The path of a file as it is being typed.
    path: String,
    /// Whether a path is asked for.
    asks: bool,
}

impl Default for View {
    fn default() -> Self {
        View { brush: 4.0, last: None, path: String::new(), asks: false }
    }
}

impl lab::View for View {
    type State = TheoremLab;

    const PANELS: &'static [Panel] = &[
        Panel {
            id: "setup",
            title: "Setup",
            help: "The pattern P that is wanted, and the head that is to produce it",
        },
        Panel {
            id: "target",
            title: "Pattern P: draw here",
            help: "The attention weights that are wanted. Paint with the brush; every row is normalised to 1",
        },
        Panel {
            id: "reached",
            title: "Weights A of the head",
            help: "softmax(Q·Kᵀ/√D) with Q = X·W_q and K = X·W_k, embeddings X = I",
        },
        Panel { id: "difference", title: "A − P", help: "What is left: weights minus pattern" },
        Panel {
            id: "factors",
            title: "W_q and W_k",
            help: "The projections [n, D]; with X = I they are the queries and keys themselves",
        },
        Panel {
            id: "curve",
            title: "How large must the head be?",
            help: "KL(P ‖ A) of the best head found, by its size. Bhojanapalli et al. 2020 (arXiv 2002.07028), Theorem 1, \
                   made sharp: log P centred by rows has rank n − 1; under the causal mask ⌊n/2⌋ is enough",
        },
    ];

    fn layout() -> Layout {
        let panel = Layout::panel;
        let above = Layout::row([
            (0.9, panel("setup")),
            (1.0, panel("target")),
            (1.0, panel("reached")),
            (1.0, panel("difference")),
        ]);
        let below = Layout::row([(1.45, panel("factors")), (2.45, panel("curve"))]);
        Layout::column([(1.0, above), (1.0, below)])
    }

    fn ui(&mut self, id: &str, desk: &mut Desk<'_, TheoremLab>, ui: &mut Ui) {
        match id {
            "setup" => setup(self, desk, ui),
            "target" => target(self, desk, ui),
            "reached" => matrix("weights of the head", |reached| &reached.weights, desk, ui),
            "difference" => matrix("weights minus pattern", |reached| &reached.difference, desk, ui),
            "factors" => factors(desk, ui),
            _ => curve(desk, ui),
        }
    }
}

fn setup(view: &mut View, desk: &mut Desk<'_, TheoremLab>, ui: &mut Ui) {
    egui::ScrollArea::vertical().show(ui, |ui| {
        ui.spacing_mut().slider_width = (ui.available_width() - NAMES - 72.0).clamp(50.0, 240.0);
        let state = desk.state;
        source(view, desk, ui);
        if !matches!(state.source, Source::File { .. }) {
            let n = Number::new("positions n", state.n, 2..=MOST_POSITIONS, 12).name_width(NAMES);
            slider(n.help("Rows and columns of the pattern"), Edit::N, desk, ui);
        }
        ui.horizontal(|ui| {
            for (causal, name, help) in [
                (false, "no mask", "Every query may attend to every key"),
                (true, "causal", "A query may attend to itself and to earlier keys"),
            ] {
                if ui.selectable_label(state.causal == causal, name).on_hover_text(help).clicked() {
                    desk.edit(Edit::Causal(causal));
                }
            }
        });
        let size = Number::new("head size D", state.head_size, 1..=MOST_POSITIONS, 3).name_width(NAMES);
        let size = size.help("Numbers in a query and a key: the logits have rank D at most");
        slider(size, Edit::HeadSize, desk, ui);
        let brush = Number::new("brush: logit", view.brush, -MOST_STRENGTH..=MOST_STRENGTH, 4.0);
        let brush = brush.help("The logit of a painted cell; 0 is that of the uniform pattern");
        view.brush = brush.name_width(NAMES).show(ui).unwrap_or(view.brush);
        let count = state.painted.len();
        if count > 0 && ui.button(format!("clear {count} painted cells")).clicked() {
            desk.edit(Edit::Unpaint);
        }
        ui.add_space(4.0);
        verdict(desk, ui);
    });
}

fn source(view: &mut View, desk: &mut Desk<'_, TheoremLab>, ui: &mut Ui) {
    let state = desk.state;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let all = [
            ("drawn", Source::default(), "The softmax of normally distributed logits"),
            ("uniform", Source::Uniform, "Every key alike: paint on it"),
            ("permutation", Source::Permutation { seed: 7 }, "Each query attends to a key of its own"),
        ];
        for (name, source, help) in all {
            let is_chosen = std::mem::discriminant(&state.source) == std::mem::discriminant(&source);
            if ui.selectable_label(is_chosen, name).on_hover_text(help).clicked() {
                view.asks = false;
                if !is_chosen {
                    desk.edit(Edit::Source(source));
                }
            }
        }
        let is_file = matches!(state.source, Source::File { .. });
        let help = "A matrix from a file (.npy, .npz, .safetensors, .csv); it can be dropped on the window";
        if ui.selectable_label(is_file || view.asks, "file").on_hover_text(help).clicked() {
            view.asks = true;
        }
    });
    let numbered = |seed: u64| Number::new("seed", seed, 0..=MOST_SEED, 7).name_width(NAMES);
    match &state.source {
        Source::Drawn { scale, seed } => {
            let number = Number::new("logit scale", *scale, 0.0..=8.0, 2.0).name_width(NAMES);
            let number = number.help("Standard deviation of the logits of the pattern");
            slider(number, |scale| Edit::Source(Source::Drawn { scale, seed: *seed }), desk, ui);
            let number = numbered(*seed).help("Which pattern is drawn");
            slider(number, |seed| Edit::Source(Source::Drawn { scale: *scale, seed }), desk, ui);
        }
        Source::Permutation { seed } => {
            let number = numbered(*seed).help("Which permutation is drawn");
            slider(number, |seed| Edit::Source(Source::Permutation { seed }), desk, ui);
        }
        Source::Uniform | Source::File { .. } => {}
    }
    if view.asks || matches!(state.source, Source::File { .. }) {
        path(view, desk, ui);
    }
}

/// The path of a file with a pattern.
fn path(view: &mut View, desk: &mut Desk<'_, TheoremLab>, ui: &mut Ui) {
    ui.horizontal(|ui| {
        let label = ui.label("path");
        if let (true, Source::File { path }) = (view.path.is_empty(), &desk.state.source) {
            view.path.clone_from(path);
        }
        let field = egui::TextEdit::singleline(&mut view.path).desired_width(ui.available_width() - 8.0);
        let field = ui.add(field).labelled_by(label.id);
        let source = Source::File { path: view.path.trim().to_owned() };
        if field.lost_focus() && !view.path.trim().is_empty() && source != desk.state.source {
            desk.edit(Edit::Source(source));
        }
    });
}

/// What the head reaches, in words.
fn verdict(desk: &Desk<'_, TheoremLab>, ui: &mut Ui) {
    let Some(reached) = desk.answer.reached.get() else { return };
    ui.multiply_opacity(1.0 - desk.fade(&desk.answer.reached));
    let n = reached.weights.dim().0;
    let (strong, how) = match (reached.kl < REACHED, reached.how) {
        (_, How::Constructed) => (
            "constructed: the pattern is produced exactly, up to rounding",
            "W_q and W_k from the singular vectors of log P, centred by rows",
        ),
        (_, How::Circle) => {
            ("constructed: keys on a circle, D = 2", "each query points at its key; the logits are large")
        }
        (true, How::Fitted) => ("found: the pattern is produced exactly, up to rounding", "by descent"),
        (false, How::Fitted) => (
            "not reached: this is the best head found",
            "by descent from two starts, so an upper bound of the distance",
        ),
    };
    ui.add(Label::new(RichText::new(strong).strong()).wrap()).on_hover_text(how);
    for (line, exact) in [
        (format!("KL(P ‖ A) = {} nats", short(reached.kl)), reached.kl),
        (format!("max |A − P| = {}", short(reached.max_error)), reached.max_error),
    ] {
        ui.label(RichText::new(line).size(13.0)).on_hover_text(format!("{exact:e}"));
    }
    let threshold = TheoremLab::threshold(n, desk.state.causal);
    let name = if desk.state.causal { "⌊n/2⌋" } else { "n − 1" };
    let line = format!("Almost every pattern of {n} positions needs D ≥ {name} = {threshold}.");
    ui.add(Label::new(RichText::new(line).size(13.0).weak()).wrap());
}

fn target(view: &mut View, desk: &mut Desk<'_, TheoremLab>, ui: &mut Ui) {
    let Some(target) = desk.answer.target.get() else { return waiting(ui) };
    let touch = Heatmap::new("pattern", target, Colours::Weights(Scale::Root))
        .with_bar("weight, √ scale")
        .with_fade(desk.fade(&desk.answer.target))
        .show(ui);
    if touch.hovered.is_some() {
        ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
    }
    let painted = touch.drag.map(|(_, at)| at).or(touch.entered);
    // A click within one frame has an end, but no start.
    let painted = painted.or(touch.dropped.filter(|_| view.last.is_none()).map(|(_, at)| at));
    if let Some((query, key)) = painted.filter(|&at| view.last != Some(at) && target.is_there(at)) {
        let logit = if touch.is_secondary { -view.brush } else { view.brush };
        desk.edit(Edit::Paint(query, key, logit));
    }
    view.last = touch.drag.map(|(_, at)| at);
}

fn matrix(name: &str, of: fn(&Reached) -> &Arc<Matrix>, desk: &Desk<'_, TheoremLab>, ui: &mut Ui) {
    let Some(reached) = desk.answer.reached.get() else { return waiting(ui) };
    let matrix = of(reached);
    let is_difference = Arc::ptr_eq(matrix, &reached.difference);
    let (colours, unit) = match is_difference {
        true => (Colours::Difference(matrix.largest()), "A − P"),
        false => (Colours::Weights(Scale::Root), "weight, √ scale"),
    };
    let fade = desk.fade(&desk.answer.reached);
    Heatmap::new(name, matrix, colours).with_bar(unit).with_fade(fade).show(ui);
}

fn factors(desk: &Desk<'_, TheoremLab>, ui: &mut Ui) {
    let Some(reached) = desk.answer.reached.get() else { return waiting(ui) };
    let fade = desk.fade(&desk.answer.reached);
    ui.columns(2, |columns| {
        for (ui, (name, matrix)) in columns.iter_mut().zip([("W_q", &reached.w_q), ("W_k", &reached.w_k)]) {
            let axes = ("rows", "columns");
            Heatmap::new(name, matrix, Colours::Difference(matrix.largest()))
                .with_axes(axes.0, axes.1)
                .with_bar(name)
                .with_fade(fade)
                .show(ui);
        }
    });
}

fn curve(desk: &mut Desk<'_, TheoremLab>, ui: &mut Ui) {
    let curves = desk.answer.curves.get().filter(|curves| curves.iter().any(|curve| curve.len() > 1));
    let (Some(curves), Some(target)) = (curves, desk.answer.target.get()) else { return waiting(ui) };
    if desk.state.veiled {
        return ask("how large must the head be?", Edit::Veil(false), desk, ui);
    }
    let figure = figure(desk.state.head_size, target.dim().0, curves);
    let pointed = lines::ui(&figure, ui.available_height(), desk.fade(&desk.answer.curves), ui);
    if let Some((x, _)) = pointed.at.filter(|_| pointed.response.clicked()) {
        desk.edit(Edit::HeadSize((x.round().max(1.0) as usize).min(MOST_POSITIONS)));
    }
}
