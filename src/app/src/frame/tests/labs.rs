//! Every lab on the list: opened, operated, undone, exported, and brought back from its lesson.

use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui::{Event, Key, Modifiers, Rect};
use egui_kittest::kittest::NodeT;
use rankscope::figure::style::Theme;
use serde_json::Value;

use super::{Window, place, press, settle, sound, state, window};
use crate::frame::export::Format;
use crate::frame::lesson::Lesson;
use crate::lab::LABS;

/// Room of the bars above and below the panels.
const BARS: (f32, f32) = (40.0, 40.0);

/// A control: its role, its name, and its index among controls of that role and name.
type Control = (Role, String, usize);

/// The controls of the lab in front, in order. Not those that download.
fn controls(window: &Window) -> Vec<Control> {
    let mut found: Vec<Control> = Vec::new();
    for node in window.root().children_recursive() {
        let Some(rect) = place(&node) else { continue };
        let inside = rect.top() >= BARS.0 && rect.bottom() <= 800.0 - BARS.1;
        let node = node.accesskit_node();
        let operable = matches!(
            node.role(),
            Role::Button
                | Role::CheckBox
                | Role::RadioButton
                | Role::ComboBox
                | Role::Slider
                | Role::SpinButton
                | Role::TextInput
                | Role::MultilineTextInput
                | Role::Image
                | Role::Link
        );
        let name = node.label().unwrap_or_default();
        let is_harmless = !name.starts_with("Fetch") && !name.contains("rankscope");
        if operable && inside && !node.is_disabled() && is_harmless {
            let before = found.iter().filter(|other| other.0 == node.role() && other.1 == name).count();
            found.push((node.role(), name, before));
        }
    }
    found
}

/// Operates a control as its kind allows; false if it is not there any more.
fn operate(window: &mut Window, (role, name, index): &Control, round: usize) -> bool {
    let is_same = |node: &egui_kittest::Node<'_>| {
        let node = node.accesskit_node();
        node.role() == *role && node.label().unwrap_or_default() == *name
    };
    let node = window.root().children_recursive().filter(is_same).nth(*index);
    let Some(node) = node else { return false };
    let rect = place(&node).unwrap_or(Rect::ZERO);
    match role {
        Role::Slider => {
            node.focus();
            window.step();
            window.key_press(if round.is_multiple_of(2) { Key::ArrowRight } else { Key::ArrowLeft });
        }
        Role::SpinButton => {
            if round.is_multiple_of(2) {
                node.increment_accesskit();
            } else {
                node.decrement_accesskit();
            }
        }
        Role::TextInput | Role::MultilineTextInput => {
            node.focus();
            window.step();
            window.event(Event::Text("a".to_owned()));
        }
        Role::Image => {
            let at = |part: f32| rect.min + rect.size() * part;
            window.drag_at(at(0.3));
            window.step();
            window.hover_at(at(0.6));
            window.step();
            window.drop_at(at(0.6));
        }
        _ => node.click(),
    }
    window.run_steps(2);
    true
}

#[test]
fn every_lab_opens_operates_undoes_exports_and_comes_back_from_its_lesson() {
    for row in LABS {
        let mut window = window(&["--lab", row.id]);
        sound(&window, row.id);
        assert!(window.state().banners().is_empty(), "{}: {:?}", row.id, window.state().banners());
        let first = state(&window);
        let controls = controls(&window);
        assert!(!controls.is_empty(), "{} has no control", row.id);
        let unnamed: Vec<&Control> = controls.iter().filter(|(_, name, _)| name.trim().is_empty()).collect();
        assert!(unnamed.is_empty(), "{}: controls that a screen reader cannot name: {unnamed:?}", row.id);
        for (round, control) in controls.iter().take(60).enumerate() {
            operate(&mut window, control, round);
            sound(&window, &format!("{}: {control:?}", row.id));
            press(&mut window, Modifiers::NONE, Key::Escape);
            // Some controls, once there is something to show, open another lab.
            window.state_mut().go(row);
        }
        settle(&mut window);
        let last = state(&window);
        exports(&mut window, row.id);
        comes_back(&window, &last, row.id);
        undoes(&mut window, &first, &last, row.id);
    }
}

/// Every export in every format that it has is written, and a figure carries the lesson.
fn exports(window: &mut Window, id: &str) {
    let lesson = window.state().lesson().unwrap();
    let lab = window.state().lab().unwrap();
    for export in lab.exports(&lesson.to_json()) {
        assert!(lab.panels().iter().any(|panel| panel.id == export.panel), "{id}: no panel {}", export.panel);
        for format in Format::ALL.into_iter().filter(|format| format.is_of(&export)) {
            let what = format!("{id}: {} as {}", export.name, format.name());
            let bytes = format.bytes(&export, Theme::Light);
            let bytes = bytes.unwrap_or_else(|problem| panic!("{what}: {problem}"));
            if format == Format::Svg {
                assert_eq!(Lesson::parse(&bytes).as_ref(), Ok(&lesson), "{id}: {}", export.name);
            }
        }
    }
}

fn comes_back(window: &Window, last: &Value, id: &str) {
    let lesson = Lesson::parse(window.state().lesson().unwrap().to_file().as_bytes()).unwrap();
    let mut other = super::window(&["--lab", id]);
    other.state_mut().show_lesson(lesson);
    settle(&mut other);
    assert_eq!(state(&other), *last, "{id}: the lesson brings another state back");
    assert_eq!(other.state().lesson().unwrap().layout, window.state().lesson().unwrap().layout, "{id}");
}

fn undoes(window: &mut Window, first: &Value, last: &Value, id: &str) {
    while window.state_mut().lab_mut().unwrap().undo() {}
    assert_eq!(state(window), *first, "{id}: undo does not lead back to the first state");
    while window.state_mut().lab_mut().unwrap().redo() {}
    assert_eq!(state(window), *last, "{id}: redo does not lead to the last state");
    settle(window);
    sound(window, id);
}

#[test]
fn a_lab_at_rest_asks_for_no_frames() {
    for row in LABS {
        let mut window = window(&["--lab", row.id]);
        let start = Instant::now();
        while !window.state().is_settled() && start.elapsed() < Duration::from_secs(60) {
            settle(&mut window);
        }
        // Runs until the last results are shown and animations have ended.
        window.run_steps(40);
        assert!(!window.ctx.has_requested_repaint(), "{}: {:?}", row.id, window.ctx.repaint_causes());
    }
}
