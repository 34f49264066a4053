//! The panels in a window without a display: the mouse makes edits.

use std::time::{Duration, Instant};

use egui::{PointerButton, Pos2, Rect};
use egui_kittest::kittest::Queryable;

use super::super::paint::Stroke;
use super::super::state::{Block, Edit, MaskLab, Which};
use super::View;
use crate::lab::{Lab, State as _};
use crate::labs::window::{self, drag, settle};

type Window = window::Window<View>;

fn window(panel: &'static str, state: MaskLab) -> Window {
    window::window(panel, state)
}

/// Where the matrix `name` is drawn.
fn picture(window: &Window, name: &str) -> Rect {
    window.get_by_label(name).rect()
}

/// The middle of a cell of 32.
fn cell(rect: Rect, query: usize, key: usize) -> Pos2 {
    rect.min + rect.size() / 32.0 * egui::vec2(key as f32 + 0.5, query as f32 + 0.5)
}

/// One cell that may attend.
fn dot(at: (usize, usize)) -> Stroke {
    Stroke { tool: super::Tool::Brush, from: at, to: at, size: 1, may: true, mirror: false }
}

fn causal() -> MaskLab {
    MaskLab { rule: "causal".to_owned(), ..MaskLab::default() }
}

#[test]
fn the_brush_paints_where_the_pointer_goes_and_the_ranks_follow() {
    let mut window = window("mask", causal());
    let exact = |window: &Window| window.state().answer.of(Which::Mine).map(|mine| mine.report.exact_rank);
    assert_eq!(exact(&window), Some(Some(32)));
    let rect = picture(&window, "mask");
    drag(&mut window, PointerButton::Primary, &[cell(rect, 2, 20), cell(rect, 2, 24), cell(rect, 5, 24)]);
    let pattern = window.state().state.pattern(Which::Mine);
    assert!((20..=24).all(|key| pattern[(2, key)]) && (2..=5).all(|query| pattern[(query, 24)]));
    assert_eq!(window.state().state.painted.len(), 8);
    settle(&mut window);
    assert_eq!(exact(&window), Some(None), "no longer a triangle");
    assert!(window.state_mut().undo() && window.state().state == causal(), "a stroke is one step");
    // The right button erases.
    drag(&mut window, PointerButton::Secondary, &[cell(rect, 9, 3), cell(rect, 9, 5)]);
    let pattern = window.state().state.pattern(Which::Mine);
    assert!((3..=5).all(|key| !pattern[(9, key)]) && pattern[(9, 2)] && pattern[(9, 6)]);
}

#[test]
fn rectangle_fill_mirror_and_erase_do_what_they_say() {
    let mut window = window("mask", causal());
    let rect = picture(&window, "mask");
    for name in ["rectangle", "mirror", "erase"] {
        window.get_by_label(name).click();
        window.step();
    }
    drag(&mut window, PointerButton::Primary, &[cell(rect, 10, 2), cell(rect, 12, 5)]);
    let pattern = window.state().state.pattern(Which::Mine);
    assert!((10..=12).all(|query| (2..=5).all(|key| !pattern[(query, key)] && !pattern[(key, query)])));
    assert_eq!(window.state().state.painted.len(), 24);
    assert!(window.state_mut().undo() && window.state().state == causal());
    for name in ["fill", "mirror", "erase"] {
        window.get_by_label(name).click();
        window.step();
    }
    drag(&mut window, PointerButton::Primary, &[cell(rect, 0, 30)]);
    assert!(window.state().state.pattern(Which::Mine).iter().all(|&may| may), "the future was one region");
}

#[test]
fn edges_of_prefix_and_window_are_dragged_in_the_picture() {
    let mut window =
        window("mask", MaskLab { rule: "prefix(8) & window(20)".to_owned(), ..MaskLab::default() });
    let rect = picture(&window, "mask");
    let side = rect.width() / 32.0;
    let at = |key: f32, query: f32| rect.min + egui::vec2(key * side, query * side);
    drag(&mut window, PointerButton::Primary, &[at(8.0, 4.5), at(10.0, 5.0), at(12.0, 6.0)]);
    assert_eq!(window.state().state.rule, "prefix(12) & window(20)");
    drag(&mut window, PointerButton::Primary, &[at(4.0, 24.0), at(6.0, 20.0), at(8.0, 18.0)]);
    assert_eq!(window.state().state.rule, "prefix(12) & window(10)");
    assert_eq!(window.state().state.painted.len(), 0);
    assert!(window.state_mut().undo() && window.state().state.rule == "prefix(12) & window(20)");
}

#[test]
fn a_logit_follows_the_pointer_and_its_weight_follows_the_logit() {
    let mut window = window("logits", causal());
    let rect = picture(&window, "logits");
    let before = window.state().answer.scores.get().unwrap().values[(9, 4)];
    let up = |points: f32| cell(rect, 9, 4) - egui::vec2(0.0, points);
    drag(&mut window, PointerButton::Primary, &[up(0.0), up(20.0), up(48.0)]);
    settle(&mut window);
    let after = window.state().answer.scores.get().unwrap().values[(9, 4)];
    assert!((after - before - 2.0).abs() < 0.01, "48 points are 2: {before} {after}");
    assert!(window.state_mut().undo() && window.state().state == causal());
}

#[test]
fn a_rectangle_in_the_weights_is_probed() {
    let mut window = window("weights", causal());
    let rect = picture(&window, "attention weights");
    drag(&mut window, PointerButton::Primary, &[cell(rect, 20, 3), cell(rect, 28, 12)]);
    let block = Block { queries: (20, 28), keys: (3, 12) };
    assert_eq!(window.state().state.probed(), block);
    settle(&mut window);
    assert_eq!(window.state().answer.blocks.get().unwrap()[0].report.rows, 9);
    drag(&mut window, PointerButton::Primary, &[cell(rect, 4, 4)]);
    assert_eq!(window.state().state.block, None, "a click takes it back");
}

#[test]
fn each_of_the_four_weights_is_shown_large_by_a_click() {
    let mut window = window("four", causal());
    for which in [Which::Prefix, Which::Causal] {
        let name = format!("weights under {}", causal().name(which));
        let at = picture(&window, &name).center();
        drag(&mut window, PointerButton::Primary, &[at]);
        assert_eq!(window.state().state.shown, which);
    }
}

#[test]
fn a_veiled_answer_waits_for_a_prediction() {
    let mut window = window("rank", MaskLab { veiled: true, ..causal() });
    assert!(window.query_by_label("exact rank").is_none());
    window.get_by_label("Show the answer").click();
    window.run_steps(3);
    assert!(window.query_by_label("exact rank").is_some());
    assert!(window.state_mut().undo() && window.state().state.veiled);
}

#[test]
fn a_point_of_the_phase_map_loads_into_the_lab() {
    let mut window = window("map", causal());
    let rect = picture(&window, "phase map");
    // Eight head sizes across, six scales down from the largest.
    let at = rect.min + egui::vec2(rect.width() * 2.5 / 8.0, rect.height() * 4.5 / 6.0);
    drag(&mut window, PointerButton::Primary, &[at]);
    let setup = &window.state().state.setup;
    assert_eq!((setup.head_size, setup.scale), (4, 0.25));
}

#[test]
fn a_named_mask_is_put_together_with_mine() {
    let mut painted = causal();
    painted.update(Edit::Paint(dot((3, 9)))).unwrap();
    let mut window = window("masks", painted);
    window.get_by_label("clear").click();
    window.run_steps(2);
    assert_eq!(window.state().state, causal());
    window.get_by_label("and not").click();
    window.step();
    window.get_by_label("window").click();
    window.run_steps(2);
    assert_eq!(window.state().state.rule, "causal & !window(8)");
}

/// The heatmap is there in the next frame, the numbers of the painted mask within 60 ms, those of all four within 150.
/// The bounds here are wider: other programs share the machine of the tests.
#[test]
fn painting_at_128_positions_is_answered_at_once() {
    let mut state = causal();
    state.setup.n = 128;
    let mut window = window("mask", state);
    let pattern = window.state().state.pattern(Which::Mine);
    window.state_mut().edit(Edit::Paint(dot((3, 90))));
    let start = Instant::now();
    window.step();
    let drawn = window.state().view.masked.as_ref().expect("drawn");
    assert_ne!(drawn.matrix.may_attend.as_ref(), Some(&pattern), "the next frame shows it");
    let before = window.state().answer.weighed[Which::Mine as usize].stamp();
    while window.state().answer.weighed[Which::Mine as usize].stamp() == before {
        window.state().wait(Duration::from_millis(2));
        window.state_mut().update(&egui::Context::default());
        assert!(start.elapsed() < Duration::from_secs(2));
    }
    println!("spectrum of the painted mask after {:?}", start.elapsed());
}
