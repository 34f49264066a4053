//! Random events, always the same ones, find no panic.

use egui::accesskit::Role;
use egui::{Event, Key, Modifiers, PointerButton, Pos2, Rect};
use egui_kittest::kittest::NodeT;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Window, place, settle, sound, window};
use crate::lab::LABS;

/// Random clicks, drags, wheels, keys and text over all labs, always the same ones.
fn fuzz(steps: usize, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut window = window(&["--lab", LABS[0].id]);
    let keys = [
        Key::Tab,
        Key::Enter,
        Key::Space,
        Key::Escape,
        Key::ArrowUp,
        Key::ArrowDown,
        Key::ArrowLeft,
        Key::ArrowRight,
        Key::Backspace,
        Key::Delete,
        Key::Home,
        Key::End,
        Key::K,
        Key::L,
        Key::Z,
        Key::Y,
        Key::A,
        Key::Num1,
    ];
    let texts = ["a", "7", "-1", "1e9", "prefix(3)", " ", "爱", "🙂", "\u{202e}", "causal & !", "0"];
    let mut at = Pos2::ZERO;
    for step in 0..steps {
        if step.is_multiple_of(steps.div_ceil(LABS.len() * 4).max(1)) {
            let row = &LABS[random.random_range(0..LABS.len())];
            window.state_mut().go(row);
        }
        match random.random_range(0..10) {
            0..=3 => {
                at = target(&window, &mut random);
                if !is_download(&window, at) {
                    window.hover_at(at);
                    window.event(button(at, true, &mut random));
                    if random.random_bool(0.7) {
                        window.event(button(at, false, &mut random));
                    }
                }
            }
            4..=5 => {
                at = target(&window, &mut random);
                window.hover_at(at);
            }
            6 => window.event(Event::MouseWheel {
                unit: egui::MouseWheelUnit::Point,
                source: egui::MouseWheelSource::Wheel,
                delta: egui::vec2(0.0, random.random_range(-80.0..80.0)),
                phase: egui::TouchPhase::Move,
                modifiers: Modifiers::NONE,
            }),
            7..=8 => {
                let key = keys[random.random_range(0..keys.len())];
                let modifiers = if random.random_bool(0.3) { Modifiers::COMMAND } else { Modifiers::NONE };
                let focus =
                    window.root().children_recursive().find(|node| node.accesskit_node().is_focused());
                let name = focus.and_then(|node| node.accesskit_node().label()).unwrap_or_default();
                if !name.contains("Fetch") {
                    window.key_press_modifiers(modifiers, key);
                }
            }
            _ => window.event(Event::Text(texts[random.random_range(0..texts.len())].to_owned())),
        }
        window.step();
        let lab = LABS[window.state().front].id;
        sound(&window, &format!("step {step} of seed {seed}, at {at:?}, lab {lab}"));
        if random.random_bool(0.02) {
            while let Some(banner) = window.state().banners().first().cloned() {
                window.state_mut().dismiss(&banner);
            }
        }
    }
    window.event(button(at, false, &mut random));
    settle(&mut window);
    sound(&window, "the end");
}

/// The middle of a control, or any place.
fn target(window: &Window, random: &mut ChaCha8Rng) -> Pos2 {
    let rects: Vec<Rect> = window
        .root()
        .children_recursive()
        .filter(|node| node.accesskit_node().role() != Role::Label)
        .filter_map(|node| place(&node))
        .filter(|rect| rect.width() > 4.0 && rect.height() > 4.0)
        .collect();
    let (x, y) = (random.random_range(0.0..1.0), random.random_range(0.0..1.0));
    if rects.is_empty() || random.random_bool(0.2) {
        return egui::pos2(1280.0 * x, 800.0 * y);
    }
    let rect = rects[random.random_range(0..rects.len())];
    rect.min + rect.size() * egui::vec2(x, y)
}

/// Whether a click there would download a model.
fn is_download(window: &Window, at: Pos2) -> bool {
    window.root().children_recursive().any(|node| {
        node.accesskit_node().label().is_some_and(|label| label.contains("Fetch"))
            && place(&node).is_some_and(|rect| rect.contains(at))
    })
}

fn button(pos: Pos2, pressed: bool, random: &mut ChaCha8Rng) -> Event {
    let button = if random.random_bool(0.9) { PointerButton::Primary } else { PointerButton::Secondary };
    Event::PointerButton { pos, button, pressed, modifiers: Modifiers::NONE }
}

#[test]
fn random_events_find_no_panic() {
    fuzz(300, 1);
}

#[test]
#[ignore = "takes minutes: cargo test --workspace --bin rankscope-app ten_thousand -- --ignored"]
fn ten_thousand_random_events_find_no_panic() {
    for seed in 0..10 {
        fuzz(1000, 100 + seed);
    }
}
