//! A panel of a lab in a window without a display, for the tests of the labs.

use std::time::Duration;

use clap::Parser;
use egui::{PointerButton, Pos2};
use egui_kittest::Harness;

use crate::args::Args;
use crate::headless;
use crate::lab::{Bench, Lab, Opening, View};

/// A window with one panel.
pub type Window<V> = Harness<'static, Bench<V>>;

/// The panel `panel` of a lab in `state`, with all numbers computed.
pub fn window<V: View>(panel: &'static str, state: V::State) -> Window<V> {
    let machine = headless::machine();
    let args = Args::parse_from(["rankscope-app"]);
    let bench = Bench::new(&Opening { machine: &machine, args: &args }, state);
    let mut window = Harness::builder().with_size((420.0, 420.0)).allow_missing_glyphs().build_ui_state(
        move |ui, bench: &mut Bench<V>| {
            bench.update(&ui.ctx().clone());
            Lab::ui(bench, panel, ui);
        },
        bench,
    );
    settle(&mut window);
    window
}

/// Runs frames until all numbers are there.
pub fn settle<V: View>(window: &mut Window<V>) {
    for _ in 0..400 {
        window.step();
        if window.state().is_settled() {
            window.step();
            return;
        }
        window.state().wait(Duration::from_millis(20));
    }
    panic!("the numbers never came");
}

/// Presses `button` at the first place, moves through the others, and lets go at the last.
pub fn drag<V: View>(window: &mut Window<V>, button: PointerButton, path: &[Pos2]) {
    let press = |pos: Pos2, pressed: bool| egui::Event::PointerButton {
        pos,
        button,
        pressed,
        modifiers: egui::Modifiers::default(),
    };
    window.hover_at(path[0]);
    window.step();
    window.event(press(path[0], true));
    window.step();
    for &pos in &path[1..] {
        window.hover_at(pos);
        window.step();
    }
    window.event(press(path[path.len() - 1], false));
    window.step();
    window.step();
}
