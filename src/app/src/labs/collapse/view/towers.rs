//! A tower for each kind of layer and each mask: one floor for each layer, the input at the bottom.

use egui::{Align2, Pos2, Rect, Role, Sense, StrokeKind, WidgetInfo, pos2, vec2};
use rankscope::model::stack::NormPlace;
use rankscope::numbers::short;

use super::residual::waiting;
use crate::lab::Desk;
use crate::labs::collapse::compute::Tower;
use crate::labs::collapse::state::{Collapse, Edit, Net};
use crate::theme;
use crate::widget::axes::tip;
use crate::widget::spectrum::power;

/// Room for the names of the switches at the left, and for the bar of colours at the right.
const NAMES: f32 = 84.0;
const BAR: f32 = 62.0;
/// Height of a line of switches.
const LINE: f32 = 17.0;
/// log₁₀ of the smallest ratio that has a colour of its own.
const LOWEST: f64 = -15.0;

/// A part of a layer, and whether a kind of layer has it.
type Switch = (&'static str, fn(Net) -> bool);

/// The switches of a kind of layer, one line each.
const SWITCHES: [Switch; 4] = [
    ("skip", |net| net.skip),
    ("MLP", |net| net.mlp),
    ("norm before", |net| net.norm == NormPlace::Before),
    ("norm after", |net| net.norm == NormPlace::After),
];

/// Draws the panel; a click on a tower chooses its layers.
pub fn ui(desk: &mut Desk<'_, Collapse>, ui: &mut egui::Ui) {
    let Some(towers) = desk.answer.towers.get().filter(|towers| !towers.is_empty()) else {
        return waiting(ui);
    };
    let mut chosen = None;
    ui.scope(|ui| {
        ui.multiply_opacity(1.0 - desk.fade(&desk.answer.towers));
        let (frame, _) = ui.allocate_exact_size(ui.available_size(), Sense::hover());
        let place = Place::of(towers, frame);
        labels(&place, frame, ui);
        for (index, tower) in towers.iter().enumerate() {
            chosen = chosen.or(one(desk.state, &place, index, tower, ui));
        }
    });
    if let Some(net) = chosen {
        desk.edit(Edit::Net(net));
    }
}

/// Where the floors stand.
struct Place {
    area: Rect,
    group: f32,
    floors: usize,
    masks: usize,
}

impl Place {
    fn of(towers: &[Tower], frame: Rect) -> Self {
        let below = 16.0 + SWITCHES.len() as f32 * LINE;
        let size = frame.size() - vec2(NAMES + BAR, below + 4.0);
        let area = Rect::from_min_size(frame.min + vec2(NAMES, 2.0), size.max(vec2(60.0, 30.0)));
        let falls = &towers[0].falls;
        let floors = falls.first().map_or(1, |(_, logs)| logs.len()).max(1);
        Place { area, group: area.width() / towers.len() as f32, floors, masks: falls.len().max(1) }
    }

    /// The room of all masks of a kind of layer.
    fn tower(&self, index: usize) -> Rect {
        let left = self.area.left() + self.group * index as f32;
        let width = self.group - if self.group > 26.0 { 7.0 } else { 3.0 };
        Rect::from_min_size(pos2(left, self.area.top()), vec2(width, self.area.height()))
    }

    fn cell(&self, index: usize, mask: usize, layer: usize) -> Rect {
        let tower = self.tower(index);
        let (width, height) = (tower.width() / self.masks as f32, tower.height() / self.floors as f32);
        let bottom = tower.bottom() - height * layer as f32;
        let corner = pos2(tower.left() + width * mask as f32, bottom - height);
        Rect::from_min_size(corner, vec2(width - 1.0, (height - 1.0).max(1.0)))
    }

    fn at(&self, index: usize, pos: Pos2) -> Option<(usize, usize)> {
        let tower = self.tower(index);
        let mask = ((pos.x - tower.left()) / tower.width() * self.masks as f32) as usize;
        let layer = ((tower.bottom() - pos.y) / tower.height() * self.floors as f32) as usize;
        (tower.contains(pos) && mask < self.masks && layer < self.floors).then_some((mask, layer))
    }
}

/// The place of a ratio on the map of amounts: 1 for a ratio of 1, 0 for pure rounding.
fn shade(log: f64) -> f64 {
    (1.0 - log / LOWEST).clamp(0.0, 1.0)
}

fn one(state: &Collapse, place: &Place, index: usize, tower: &Tower, ui: &mut egui::Ui) -> Option<Net> {
    let palette = theme::palette(ui);
    let map = theme::of(ui.visuals()).sequential();
    let rect = place.tower(index);
    for (mask, (which, logs)) in tower.falls.iter().enumerate() {
        for (layer, &log) in logs.iter().enumerate() {
            let is_rounding = log <= state.floor().log10();
            let color =
                if is_rounding { theme::color(palette.floor) } else { theme::color(map.at(shade(log))) };
            ui.painter().rect_filled(place.cell(index, mask, layer), 0.0, color);
        }
        let foot = pos2(place.cell(index, mask, 0).center().x, rect.bottom() + 8.0);
        let kind = which.kind();
        theme::marker(ui.painter(), foot, 3.5, kind, theme::kind_color(ui, kind));
    }
    for (line, (_, has)) in SWITCHES.iter().enumerate() {
        let at = pos2(rect.center().x, rect.bottom() + 16.0 + LINE * (line as f32 + 0.5));
        if has(tower.net) {
            ui.painter().circle_filled(at, 4.0, theme::color(palette.ink));
        } else {
            ui.painter().circle_stroke(at, 2.5, (1.0, theme::color(palette.grid)));
        }
    }
    let below = vec2(0.0, 16.0 + LINE * SWITCHES.len() as f32);
    let whole = Rect::from_min_max(rect.min, rect.max + below).expand2(vec2(2.0, 1.0));
    let response = ui.interact(whole, ui.scope_id().with(("tower", index)), Sense::click());
    let is_chosen = tower.net == state.net;
    let name = format!("tower of {}", tower.net.in_words());
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, is_chosen, &name));
    if is_chosen || response.has_focus() {
        ui.painter().rect_stroke(whole, 2.0, (1.5, theme::color(palette.accent)), StrokeKind::Outside);
    }
    if let Some(pointer) = response.hover_pos() {
        let text = match place.at(index, pointer) {
            Some((mask, layer)) => {
                let (which, logs) = &tower.falls[mask];
                let ratio = short(10f64.powf(logs[layer]));
                format!("{}\n{}, layer {layer}: ratio {ratio}", tower.net.in_words(), which.name())
            }
            None => tower.net.in_words(),
        };
        let left = index >= 6;
        let align = if left { Align2::RIGHT_BOTTOM } else { Align2::LEFT_BOTTOM };
        tip(ui, pointer + vec2(if left { -10.0 } else { 10.0 }, -8.0), align, &text);
    }
    response.clicked().then_some(tower.net)
}

/// Names of the lines, numbers of the layers, and which colour is which ratio.
fn labels(place: &Place, frame: Rect, ui: &egui::Ui) {
    let palette = theme::palette(ui);
    let (muted, font) = (theme::color(palette.muted), theme::text(theme::SMALL));
    let left = place.area.left() - 8.0;
    let painter = ui.painter();
    for (line, (name, _)) in SWITCHES.iter().enumerate() {
        let y = place.area.bottom() + 16.0 + LINE * (line as f32 + 0.5);
        painter.text(pos2(left, y), Align2::RIGHT_CENTER, *name, font.clone(), muted);
    }
    let height = place.area.height() / place.floors as f32;
    let last = place.floors - 1;
    for layer in [0, last / 2, last] {
        let y = place.area.bottom() - height * (layer as f32 + 0.5);
        let name = if layer == 0 { "input".to_owned() } else { format!("layer {layer}") };
        painter.text(pos2(left, y), Align2::RIGHT_CENTER, name, font.clone(), muted);
    }
    let corner = pos2(frame.right() - BAR + 12.0, place.area.top() + 20.0);
    let bar = Rect::from_min_size(corner, vec2(12.0, (place.area.height() - 24.0).max(20.0)));
    painter.text(bar.left_top() - vec2(0.0, 6.0), Align2::LEFT_BOTTOM, "ratio", font.clone(), muted);
    let map = theme::of(ui.visuals()).sequential();
    let steps = 40;
    for step in 0..steps {
        let top = bar.top() + bar.height() * step as f32 / steps as f32;
        let rect =
            Rect::from_min_size(pos2(bar.left(), top), vec2(bar.width(), bar.height() / steps as f32 + 0.5));
        painter.rect_filled(rect, 0.0, theme::color(map.at(1.0 - f64::from(step) / f64::from(steps))));
    }
    for log in [0.0, -5.0, -10.0, LOWEST] {
        let y = bar.top() + bar.height() * (1.0 - shade(log)) as f32;
        painter.text(pos2(bar.right() + 4.0, y), Align2::LEFT_CENTER, power(log), font.clone(), muted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labs::collapse::state::Which;

    #[test]
    fn every_floor_is_met_where_it_is_drawn() {
        let falls = [Which::Bidirectional, Which::Causal].map(|which| (which, vec![0.0; 13]));
        let towers: Vec<Tower> = Net::all().map(|net| Tower { net, falls: falls.to_vec() }).collect();
        let place = Place::of(&towers, Rect::from_min_size(pos2(10.0, 20.0), vec2(590.0, 300.0)));
        for (index, mask, layer) in [(0, 0, 0), (5, 1, 7), (11, 1, 12)] {
            let cell = place.cell(index, mask, layer);
            assert!(place.area.contains_rect(cell));
            assert_eq!(place.at(index, cell.center()), Some((mask, layer)));
        }
        assert_eq!([0.0, -7.5, -15.0, -40.0].map(shade), [1.0, 0.5, 0.0, 0.0]);
    }
}
