//! Twins side by side: the value of each seed, the paired difference, its interval and the verdict.

use std::sync::Arc;

use egui::{Grid, RichText, ScrollArea};
use rankscope::numbers::short;

use super::nothing;
use crate::lab::Desk;
use crate::labs::training::figures;
use crate::labs::training::recording::{Recording, differences, variants};
use crate::labs::training::state::Training;
use crate::widget::lines;

pub(super) fn ui(desk: &mut Desk<'_, Training>, ui: &mut egui::Ui) {
    let Some(beside) = &desk.state.plan.beside else {
        let text = "One run alone. Choose what a run beside it differs in, at the end of the sentence, to \
                    compare two.";
        return nothing(text, ui);
    };
    let runs = desk.answer.runs.get().map_or(&[][..], Vec::as_slice);
    let figure = figures::paired(desk.state, runs);
    if figure.curves.is_empty() {
        return nothing("Differences appear here once both runs of a seed were evaluated.", ui);
    }
    let metric = beside.metric.replace('_', " ");
    let room = ui.available_height();
    ScrollArea::vertical().show(ui, |ui| {
        let all = variants(runs);
        for run in all.iter().skip(1) {
            let found = differences(runs, run.job.variant, &beside.metric);
            let Some(last) = found.last() else { continue };
            let is_over = runs.iter().all(|run| run.is_over());
            let what = format!("{metric} of {} minus that of {}", run.name, all[0].name);
            let words = match &last.paired {
                Some(paired) => {
                    let (low, high) = paired.interval;
                    let verdict =
                        paired.verdict(beside.smallest).map_or_else(|e| e.to_string(), |v| v.to_string());
                    let verdict = if is_over { verdict } else { format!("{verdict}, so far") };
                    let [mean, low, high] = [last.mean(), low, high].map(short);
                    format!("{mean}, 95 % interval {low} to {high}: {verdict}")
                }
                None => format!("{} in one seed; an interval needs two", short(last.mean())),
            };
            ui.label(RichText::new(format!("{what} at step {}:", last.step)).weak());
            ui.label(RichText::new(words).strong());
        }
        seeds(runs, &beside.metric, ui);
        let height = (room - ui.min_rect().height() - 12.0).max(120.0);
        lines::ui(&figure, height, desk.fade(&desk.answer.runs), ui);
    });
}

/// The last value of every run.
fn seeds(runs: &[Arc<Recording>], metric: &str, ui: &mut egui::Ui) {
    let all = variants(runs);
    Grid::new("seeds").striped(true).spacing([18.0, 2.0]).show(ui, |ui| {
        ui.label(RichText::new("seed").weak());
        all.iter().for_each(|run| drop(ui.label(RichText::new(&run.name).weak())));
        ui.end_row();
        for row in runs.chunks(all.len().max(1)) {
            let Some(first) = row.first() else { continue };
            ui.label(first.job.seed.to_string());
            for run in row {
                let last = run.curve(metric).last().copied();
                let text = last.map_or_else(|| "–".to_owned(), |(_, value)| short(value));
                let label = ui.label(RichText::new(text).monospace());
                if let Some((step, value)) = last {
                    label.on_hover_text(format!("{value} at step {step}"));
                }
            }
            ui.end_row();
        }
    });
}
