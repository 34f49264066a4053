//! The attention movie: a scrubber, every head, one head large, its spectrum.

use std::sync::Arc;

use egui::{Align2, Rect, RichText, Sense, Slider, StrokeKind, UiBuilder, WidgetInfo, vec2};

use super::{View, nothing};
use crate::heatmap::{Colours, Scale};
use crate::lab::Desk;
use crate::labs::controls::picture;
use crate::labs::training::recording::{Frame, Recording};
use crate::labs::training::state::{Edit, Training};
use crate::layout::{Head, Wall};
use crate::theme;
use crate::widget::heatmap::Heatmap;
use crate::widget::{colour_bar, spectrum};

/// Seconds that a frame is shown.
const PACE: f64 = 0.35;
/// The most characters of a token's label.
const LABEL: usize = 5;
/// Panels higher than this have a colour bar.
const ROOMY: f32 = 360.0;
/// The square root makes small weights distinguishable.
const COLOURS: Colours = Colours::Weights(Scale::Root);
const EMPTY: &str = "No attention was recorded yet. Start records the weights of every head, on the same held-out sequence, twenty times on the way.";

/// The runs of the first seed that have a movie, each with the frame that is shown.
fn shown<'a>(desk: &Desk<'a, Training>) -> Vec<(&'a Arc<Recording>, &'a Arc<Frame>)> {
    let runs = desk.answer.runs.get().map_or(&[][..], Vec::as_slice);
    runs.iter().filter_map(|run| Some((run, run.frame(desk.state.step)?))).collect()
}

impl View {
    pub(super) fn movie(&mut self, desk: &mut Desk<'_, Training>, ui: &mut egui::Ui) {
        let shown = shown(desk);
        if shown.is_empty() {
            return nothing(EMPTY, ui);
        }
        self.scrubber(desk, &shown, ui);
        let chosen = side_by_side(shown.len(), 0.0, ui, |at, ui| {
            let (run, frame) = shown[at];
            ui.label(RichText::new(format!("{}, step {}", run.name, frame.step)).size(13.0));
            wall(desk, frame, ui)
        });
        if let Some(Head { layer, head }) = chosen.into_iter().flatten().next() {
            desk.edit(Edit::Head { layer, head });
        }
    }

    fn scrubber(
        &mut self,
        desk: &mut Desk<'_, Training>,
        shown: &[(&Arc<Recording>, &Arc<Frame>)],
        ui: &mut egui::Ui,
    ) {
        // The longest movie.
        let steps =
            shown.iter().map(|(run, _)| run.frames.iter().map(|frame| frame.step).collect::<Vec<_>>());
        let steps = steps.max_by_key(Vec::len).unwrap_or_default();
        let last = steps.len().saturating_sub(1);
        let at = desk.state.step.map_or(last, |step| steps.iter().rposition(|&at| at <= step).unwrap_or(0));
        ui.horizontal(|ui| {
            let label = if self.playing.is_some() { "Stop" } else { "Play" };
            if ui.button(label).clicked() {
                self.playing = self.playing.is_none().then_some(f64::NEG_INFINITY);
                if self.playing.is_some() && at == last {
                    desk.edit(Edit::Step(steps.first().copied()));
                }
            }
            ui.spacing_mut().slider_width = (ui.available_width() - 150.0).max(80.0);
            let mut place = at;
            let slider = Slider::new(&mut place, 0..=last).show_value(false);
            let slider = ui.add(slider);
            let spoken = format!("recorded step {}", steps.get(at).copied().unwrap_or(0));
            slider.widget_info(|| WidgetInfo::labeled(egui::Role::Slider, true, &spoken));
            if slider.changed() {
                self.playing = None;
                desk.edit(Edit::Step(steps.get(place).copied().filter(|_| place < last)));
            }
            ui.label(spoken);
        });
        self.play(at, &steps, desk, ui);
    }

    /// Shows the next frame when it is time to.
    fn play(&mut self, at: usize, steps: &[usize], desk: &mut Desk<'_, Training>, ui: &egui::Ui) {
        let Some(since) = self.playing else { return };
        let now = ui.input(|input| input.time);
        if since == f64::NEG_INFINITY {
            self.playing = Some(now);
        } else if now - since >= PACE {
            match steps.get(at + 1) {
                Some(&step) => desk.edit(Edit::Step((at + 2 < steps.len()).then_some(step))),
                None => self.playing = None,
            }
            if self.playing.is_some() {
                self.playing = Some(now);
            }
        }
        ui.ctx().request_repaint_after(std::time::Duration::from_millis(50));
    }
}

/// Draws `count` columns of the same width, and leaves room `below` them; returns the result of each.
fn side_by_side<T>(
    count: usize,
    below: f32,
    ui: &mut egui::Ui,
    mut column: impl FnMut(usize, &mut egui::Ui) -> T,
) -> Vec<T> {
    const GAP: f32 = 14.0;
    let mut room = ui.available_rect_before_wrap();
    room.max.y -= below;
    let width = ((room.width() + GAP) / count.max(1) as f32 - GAP).max(10.0);
    let of = |at: usize| {
        let corner = room.min + vec2((width + GAP) * at as f32, 0.0);
        Rect::from_min_size(corner, vec2(width, room.height()))
    };
    let found = (0..count).map(|at| {
        let builder = UiBuilder::new().max_rect(of(at)).id_salt(("column", at));
        let mut ui = ui.new_child(builder);
        ui.shrink_clip_rect(of(at));
        column(at, &mut ui)
    });
    let found = found.collect();
    ui.allocate_rect(room, Sense::hover());
    found
}

/// Draws every head of a frame; returns the one that was clicked.
fn wall(desk: &Desk<'_, Training>, frame: &Frame, ui: &mut egui::Ui) -> Option<Head> {
    let heads = frame.layers.iter().map(|layer| layer.heads.len()).max().unwrap_or(0);
    let room = ui.available_rect_before_wrap();
    let corner = room.min + vec2(22.0, 18.0);
    let sides = (frame.layers.len(), heads);
    let wall = Wall::fit(corner, room.max - corner - vec2(3.0, 3.0), sides, 0.0, ui.pixels_per_point());
    let palette = theme::palette(ui);
    let (muted, accent) = (theme::color(palette.muted), theme::color(palette.accent));
    let font = theme::text(theme::SMALL);
    for head in 0..heads {
        let at = wall.rect(Head { layer: 0, head }).center_top() - vec2(0.0, 3.0);
        ui.painter().text(at, Align2::CENTER_BOTTOM, format!("H{head}"), font.clone(), muted);
    }
    let mut clicked = None;
    for (layer, of_layer) in frame.layers.iter().enumerate() {
        let at = wall.rect(Head { layer, head: 0 }).left_center() - vec2(4.0, 0.0);
        ui.painter().text(at, Align2::RIGHT_CENTER, format!("L{layer}"), font.clone(), muted);
        for (head, (matrix, report)) in of_layer.heads.iter().enumerate() {
            let place = Head { layer, head };
            let rect = wall.rect(place);
            let response = ui.interact(rect, ui.scope_id().with(("head", layer, head)), Sense::click());
            picture(response.id, matrix, COLOURS, desk.fade(&desk.answer.runs), rect, ui);
            let is_chosen = (desk.state.layer, desk.state.head) == (layer, head);
            let line = if is_chosen { (2.0, accent) } else { (1.0, theme::color(palette.grid)) };
            ui.painter().rect_stroke(rect, 0.0, line, StrokeKind::Outside);
            let text = format!(
                "{}, head {head}: effective rank {} of {}, numerical rank (f32) {}",
                of_layer.name,
                rankscope::numbers::short(report.effective_rank),
                matrix.dim().0,
                report.numerical_rank_f32
            );
            response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, &text));
            if response.on_hover_text(&text).clicked() {
                clicked = Some(place);
            }
        }
    }
    clicked
}

/// The chosen head, large.
pub(super) fn head(desk: &mut Desk<'_, Training>, ui: &mut egui::Ui) {
    let shown = shown(desk);
    if shown.is_empty() {
        return nothing("The head that is chosen in the movie appears here.", ui);
    }
    let has_bar = ui.available_height() > ROOMY;
    let below = if has_bar { colour_bar::HEIGHT + 8.0 } else { 0.0 };
    side_by_side(shown.len(), below, ui, |at, ui| {
        let (run, frame) = shown[at];
        let Some((matrix, _)) = desk.state.head_in(frame) else { return };
        let name = format!("{}, L{} H{}", run.name, desk.state.layer, desk.state.head);
        ui.label(RichText::new(&name).size(13.0));
        let labels = |count: usize| -> Vec<String> {
            frame.labels(count).iter().map(|token| theme::label(ui, token, LABEL)).collect()
        };
        let (rows, columns) = (labels(matrix.dim().0), labels(matrix.dim().1));
        Heatmap::new(&name, matrix, COLOURS)
            .with_labels(&rows, &columns)
            .with_fade(desk.fade(&desk.answer.runs))
            .show(ui);
    });
    if has_bar {
        ui.add_space(6.0);
        colour_bar::of(COLOURS, "attention weight", ui.available_width(), ui);
    }
}

/// The spectra of the chosen head.
pub(super) fn spectrum(desk: &mut Desk<'_, Training>, ui: &mut egui::Ui) {
    let shown = shown(desk);
    if shown.is_empty() {
        return nothing("The singular values of the chosen head appear here.", ui);
    }
    let series: Vec<_> = shown
        .iter()
        .filter_map(|(run, frame)| {
            let (_, report) = desk.state.head_in(frame)?;
            Some(spectrum::Series { name: run.name.clone(), kind: run.kind, report })
        })
        .collect();
    crate::widget::rank_card::legend(&series, ui);
    spectrum::ui(&series, (ui.available_height() - 48.0).max(80.0), ui);
}
