//! The parts of the window, one a file: its state above, `ui` below.

pub mod banner;
pub mod colour_bar;
pub mod head;
pub mod mask;
pub mod model;
pub mod rank;
pub mod spectrum;
pub mod status;
pub mod tokens;
pub mod top;
pub mod wall;

use egui::Rect;

use crate::app::App;
use crate::heatmap::{Part, Picture};
use crate::theme;
use crate::worker::Pass;

/// Draws a part of the weights of `pass` over `rect`.
fn weights(app: &App, pass: &Pass, part: Part, rect: Rect, ui: &egui::Ui) {
    let picture = Picture {
        buffers: pass.buffers.clone(),
        part,
        scale: app.scale,
        theme: theme::of(ui.visuals()),
        fade: app.shown.fade(),
        rect,
    };
    ui.painter().add(egui_wgpu::Callback::new_paint_callback(rect, picture));
}
