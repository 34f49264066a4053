//! The wall: every head of every layer as a small heatmap.

use egui::{
    Align2, Event, EventFilter, Key, Rect, RichText, Role, ScrollArea, Sense, StrokeKind, WidgetInfo, pos2,
    vec2,
};
use rankscope::numbers::short;

use super::{colour_bar, weights};
use crate::app::App;
use crate::heatmap::{Part, Scale};
use crate::layout::{Head, Wall, is_short, label_step, middle};
use crate::theme;
use crate::worker::Pass;

/// Room for the numbers of layers and heads.
const LABELS: egui::Vec2 = vec2(28.0, 18.0);

/// Draws the wall with its title above and the colour bar below.
pub fn ui(app: &mut App, ui: &mut egui::Ui) {
    ui.horizontal(|ui| {
        ui.heading("All heads");
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| scales(&mut app.scale, ui));
    });
    let Some(pass) = app.shown.chosen.clone() else {
        ui.add_space(8.0);
        let text = if app.shown.busy.is_some() {
            "Computing …"
        } else {
            "Nothing to show yet: choose a model and type a text."
        };
        ui.weak(text);
        return;
    };
    if !is_short(ui) {
        ui.label(RichText::new("In each picture: queries down, keys across.").size(13.0).weak());
    }
    let room = ui.available_size() - LABELS - vec2(6.0, colour_bar::HEIGHT + 12.0);
    let scale = ui.pixels_per_point();
    let fitted = Wall::fit(pos2(0.0, 0.0), room, pass.layers(), pass.heads(), scale);
    ScrollArea::vertical().max_height(room.y + LABELS.y + 6.0).auto_shrink([false, true]).show(ui, |ui| {
        let (rect, response) =
            ui.allocate_exact_size(fitted.size() + LABELS + vec2(4.0, 4.0), Sense::click());
        let snap = |value: f32| (value * scale).round() / scale;
        let origin = pos2(snap(rect.left() + LABELS.x), snap(rect.top() + LABELS.y));
        let wall = Wall { origin, ..fitted };
        draw(app, &pass, &wall, ui);
        interact(app, &pass, &wall, response, ui);
    });
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        ui.add_space(LABELS.x - 8.0);
        colour_bar::ui(app.scale, (fitted.size().x).max(220.0).min(ui.available_width()), ui);
    });
}

fn scales(scale: &mut Scale, ui: &mut egui::Ui) {
    ui.spacing_mut().item_spacing.x = 4.0;
    for choice in Scale::ALL.iter().rev() {
        ui.selectable_value(scale, *choice, choice.name());
    }
    if ui.available_width() > 50.0 {
        ui.weak("scale");
    }
}

fn draw(app: &App, pass: &Pass, wall: &Wall, ui: &egui::Ui) {
    let rect = Rect::from_min_size(wall.origin, wall.size());
    weights(app, pass, Part::Wall { cell: wall.cell, pitch: wall.pitch() }, rect, ui);
    let ink = theme::color(theme::palette(ui).muted);
    let font = theme::mono(theme::SMALL);
    for layer in (0..wall.layers).step_by(label_step(rect.height(), wall.layers, 14.0)) {
        let y = wall.rect(Head { layer, head: 0 }).center().y;
        ui.painter().text(
            pos2(rect.left() - 6.0, y),
            Align2::RIGHT_CENTER,
            format!("L{layer}"),
            font.clone(),
            ink,
        );
    }
    for head in (0..wall.heads).step_by(label_step(rect.width(), wall.heads, 30.0)) {
        let x = middle(rect.left(), rect.width() + wall.gap, head, wall.heads) - wall.gap / 2.0;
        ui.painter().text(
            pos2(x, rect.top() - 4.0),
            Align2::CENTER_BOTTOM,
            format!("H{head}"),
            font.clone(),
            ink,
        );
    }
    outline(ui, wall.rect(app.selected), 2.0, theme::color(theme::palette(ui).accent));
}

fn outline(ui: &egui::Ui, cell: Rect, width: f32, color: egui::Color32) {
    ui.painter().rect_stroke(cell, 1.0, (width, color), StrokeKind::Outside);
}

fn interact(app: &mut App, pass: &Pass, wall: &Wall, response: egui::Response, ui: &egui::Ui) {
    let selected = app.selected;
    let name = format!("All heads, selected layer {} head {}", selected.layer, selected.head);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    if response.clicked() {
        response.request_focus();
        if let Some(at) = response.interact_pointer_pos().and_then(|pos| wall.hit(pos)) {
            app.selected = at;
        }
    }
    if response.has_focus() {
        let arrows = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..Default::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, arrows));
    }
    if response.has_focus() || ui.memory(|memory| memory.focused().is_none()) {
        let (down, across) = arrows(ui);
        app.selected = app.selected.moved(down, across, wall.layers, wall.heads);
    }
    if let Some(at) = response.hover_pos().and_then(|pos| wall.hit(pos)) {
        outline(ui, wall.rect(at), 1.0, theme::color(theme::palette(ui).ink));
        response.on_hover_ui_at_pointer(|ui| summary(pass, at, ui));
    }
}

/// How far the arrow keys pressed in this frame move the selection: down, across.
fn arrows(ui: &egui::Ui) -> (isize, isize) {
    ui.input(|input| {
        input.events.iter().fold((0, 0), |(down, across), event| match event {
            Event::Key { key: Key::ArrowDown, pressed: true, .. } => (down + 1, across),
            Event::Key { key: Key::ArrowUp, pressed: true, .. } => (down - 1, across),
            Event::Key { key: Key::ArrowRight, pressed: true, .. } => (down, across + 1),
            Event::Key { key: Key::ArrowLeft, pressed: true, .. } => (down, across - 1),
            _ => (down, across),
        })
    })
}

fn summary(pass: &Pass, at: Head, ui: &mut egui::Ui) {
    ui.label(format!("Layer {}, head {}", at.layer, at.head));
    if let Some(report) = pass.report(at) {
        ui.monospace(format!("effective rank {}", short(report.effective_rank)));
        ui.monospace(format!("columns with 90 % of the mass {}", report.columns_90));
    }
}
