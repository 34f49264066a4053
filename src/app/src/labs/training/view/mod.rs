//! How the training lab is drawn.

mod movie;
mod plan;
mod twins;

use egui::{RichText, ScrollArea};

use super::figures;
use super::state::{Edit, Training};
use crate::lab::{Desk, Layout, Panel, View as Draws};
use crate::widget::lines;

/// What only the view remembers.
#[derive(Default)]
pub struct View {
    /// The word that is being typed.
    typed: String,
    /// Whether the movie plays, and when it last went on.
    playing: Option<f64>,
}

impl Draws for View {
    type State = Training;

    const PANELS: &'static [Panel] = &[
        Panel {
            id: "plan",
            title: "Plan",
            help: "What is trained. Emphasised words can be changed; every run is made in a process of its own and kept in a folder that `rankscope runs list` shows.",
        },
        Panel {
            id: "loss",
            title: "Curves",
            help: "Cross-entropy in nats for each target, −ln p(target), on held-out data; a curve for every run, with # before its seed. A dashed upright line marks the step at which a run broke.",
        },
        Panel {
            id: "movie",
            title: "Attention movie",
            help: "The weights of every head, layers down and heads across, on the same held-out sequence at every recorded step; of the first seed. Click a head to look at it.",
        },
        Panel {
            id: "head",
            title: "Head",
            help: "The weights softmax(QKᵀ/√D + mask) of the chosen head: queries down, keys across.",
        },
        Panel {
            id: "heads",
            title: "Rank over training",
            help: "Effective rank: exp of the entropy of σᵢ/Σσ of the weights (Roy and Vetterli 2007), mean over four held-out sequences.",
        },
        Panel {
            id: "spectrum",
            title: "Spectrum",
            help: "Singular values of the chosen head's weights, relative to the largest.",
        },
        Panel {
            id: "twins",
            title: "Twins",
            help: "Runs of one seed begin with the same weights and see the same batches. The interval is that of Student's t over the differences, one for each seed.",
        },
        Panel {
            id: "samples",
            title: "Samples",
            help: "The output of the model for a held-out example at the movie's step.",
        },
    ];

    fn layout() -> Layout {
        let left =
            Layout::column([(0.46, Layout::panel("loss")), (0.54, Layout::tabs(["twins", "samples"]))]);
        let below = Layout::row([(0.58, Layout::panel("head")), (0.42, Layout::tabs(["heads", "spectrum"]))]);
        let right = Layout::column([(0.45, Layout::panel("movie")), (0.55, below)]);
        Layout::column([(0.18, Layout::panel("plan")), (0.82, Layout::row([(0.34, left), (0.66, right)]))])
    }

    fn ui(&mut self, id: &str, desk: &mut Desk<'_, Training>, ui: &mut egui::Ui) {
        match id {
            "plan" => self.plan(desk, ui),
            "loss" => curves(desk, ui),
            "movie" => self.movie(desk, ui),
            "head" => movie::head(desk, ui),
            "heads" => ranks(desk, ui),
            "spectrum" => movie::spectrum(desk, ui),
            "twins" => twins::ui(desk, ui),
            _ => samples(desk, ui),
        }
    }
}

/// What a panel says while there is nothing to show.
fn nothing(text: &str, ui: &mut egui::Ui) {
    ui.add_space(8.0);
    ui.add(egui::Label::new(RichText::new(text).weak()).wrap());
}

/// Draws the list of what can be drawn; returns the name that was clicked.
fn choose(
    name: &str,
    names: impl Iterator<Item = &'static str>,
    chosen: &str,
    ui: &mut egui::Ui,
) -> Option<String> {
    let mut found = None;
    let shown = chosen.replace('_', " ");
    ui.horizontal(|ui| {
        ui.label(RichText::new("draw").weak());
        let combo = egui::ComboBox::new(name, "").selected_text(shown).show_ui(ui, |ui| {
            for other in names {
                if ui.selectable_label(other == chosen, other.replace('_', " ")).clicked() {
                    found = Some(other.to_owned());
                }
            }
        });
        let spoken = format!("{name}: {chosen}");
        combo.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, &spoken));
    });
    found
}

fn curves(desk: &mut Desk<'_, Training>, ui: &mut egui::Ui) {
    let runs = desk.answer.runs.get().map_or(&[][..], Vec::as_slice);
    let figure = figures::losses(desk.state, runs);
    let chosen = choose("curve", figures::curves(), &desk.state.curve, ui);
    if figure.curves.is_empty() {
        nothing("Nothing was trained yet. Start draws a point at every evaluation.", ui);
    } else {
        lines::ui(&figure, ui.available_height(), desk.fade(&desk.answer.runs), ui);
    }
    chosen.into_iter().for_each(|name| desk.edit(Edit::Curve(name)));
}

fn ranks(desk: &mut Desk<'_, Training>, ui: &mut egui::Ui) {
    let runs = desk.answer.runs.get().map_or(&[][..], Vec::as_slice);
    let figure = figures::heads(desk.state, runs);
    let names = rankscope::train::HEAD_METRICS.iter().map(|(name, _)| *name);
    let chosen = choose("number of the heads", names, &desk.state.metric, ui);
    if figure.curves.is_empty() {
        nothing("Nothing was recorded yet.", ui);
    } else {
        let shown = lines::ui(&figure, ui.available_height(), desk.fade(&desk.answer.runs), ui);
        if let Some((step, _)) = shown.at.filter(|_| shown.response.clicked()) {
            desk.edit(Edit::Step(Some(step.max(0.0).round() as usize)));
        }
    }
    chosen.into_iter().for_each(|name| desk.edit(Edit::Metric(name)));
}

fn samples(desk: &mut Desk<'_, Training>, ui: &mut egui::Ui) {
    let runs = desk.answer.runs.get().map_or(&[][..], Vec::as_slice);
    let first = runs.iter().filter(|run| run.job.seed == desk.state.plan.settings.seed);
    let samples: Vec<_> = first.filter_map(|run| Some((run, run.sample(desk.state.step)?))).collect();
    if samples.is_empty() {
        nothing("Nothing was written yet: every evaluation tries the model on a held-out example.", ui);
    }
    ScrollArea::both().show(ui, |ui| {
        for (run, (step, text)) in samples {
            ui.label(RichText::new(format!("{}, step {step}", run.name)).weak());
            ui.add(egui::Label::new(RichText::new(text).monospace()).wrap());
            ui.add_space(8.0);
        }
    });
}
