//! Every lab on the list and the window around them, through the accessibility tree.

mod fuzz;
mod kept;
mod labs;
mod window;

use std::time::{Duration, Instant};

use clap::Parser;
use egui::{Key, Modifiers, Rect};
use egui_kittest::Harness;
use egui_kittest::kittest::NodeT;
use egui_kittest::wgpu::WgpuTestRenderer;
use serde_json::Value;

use super::Workbench;
use crate::args::Args;
use crate::{headless, theme};

type Window = Harness<'static, Workbench>;

fn window(arguments: &[&str]) -> Window {
    kept_window(arguments, None)
}

fn kept_window(arguments: &[&str], home: Option<&std::path::Path>) -> Window {
    let args = Args::parse_from([&["rankscope-app"], arguments].concat());
    let render = headless::predictable();
    let mut workbench = Workbench::new(&render, &args, home.map(Into::into), || {}).unwrap();
    workbench.saver.folder = "no such folder".to_owned();
    let mut window = Harness::builder()
        .with_size([1280.0, 800.0])
        .with_step_dt(0.02)
        .allow_missing_glyphs()
        .with_context_setup(|ctx| theme::install(ctx, egui::Theme::Dark))
        .renderer(WgpuTestRenderer::from_render_state(render))
        .build_ui_state(|ui, workbench: &mut Workbench| workbench.ui(ui), workbench);
    settle(&mut window);
    window
}

/// Frames until the lab in front has its answer, or for ten seconds.
fn settle(window: &mut Window) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        window.step();
        if window.state().is_settled() {
            break;
        }
        window.state().wait(Duration::from_millis(50));
    }
    window.run_steps(2);
}

fn shows(window: &Window, part: &str) -> bool {
    let nodes = window.root().children_recursive();
    let mut texts =
        nodes.flat_map(|node| [node.accesskit_node().label(), node.accesskit_node().value()]).flatten();
    texts.any(|text| text.contains(part))
}

fn press(window: &mut Window, modifiers: Modifiers, key: Key) {
    window.key_press_modifiers(modifiers, key);
    window.run_steps(2);
}

fn state(window: &Window) -> Value {
    window.state().lab().unwrap().state()
}

fn sound(window: &Window, where_: &str) {
    let banners = window.state().banners();
    assert!(banners.iter().all(|text| !text.contains("internal error")), "{where_}: {banners:?}");
}

/// Where a node is drawn, if it is.
fn place(node: &egui_kittest::Node<'_>) -> Option<Rect> {
    node.accesskit_node().bounding_box().map(|_| node.rect())
}
