//! The lab's state and its numbers, without a window; its lesson.

use egui::PointerButton;
use egui_kittest::kittest::Queryable;
use rankscope::Run;

use super::compute::{Answer, How, Memory};
use super::export::REACHED;
use super::state::{Edit, Source, TheoremLab};
use super::view::View;
use crate::lab::{Lab, State, View as _, answered};
use crate::labs::window::{drag, settle, window};
use crate::labs::{self, lesson};

fn edited(state: TheoremLab, edits: impl IntoIterator<Item = Edit>) -> TheoremLab {
    labs::edited(state, edits).expect("a valid edit")
}

fn small() -> TheoremLab {
    TheoremLab { n: 6, ..TheoremLab::default() }
}

fn answer(state: &TheoremLab) -> Answer {
    answered(state, &mut Memory::default()).expect("an answer")
}

#[test]
fn a_state_comes_back_from_its_file_and_what_cannot_be_is_named() {
    let source = Edit::Source(Source::Permutation { seed: 3 });
    let state = edited(small(), [source, Edit::Paint(2, 1, 4.0), Edit::Causal(true), Edit::HeadSize(2)]);
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<TheoremLab>(&text).unwrap(), state);
    for (edit, part) in [
        (Edit::N(1), "n is 1"),
        (Edit::N(25), "n is 25"),
        (Edit::HeadSize(0), "head size is 0"),
        (Edit::Paint(0, 99, 1.0), "position of a painted cell is 99"),
        (Edit::Paint(0, 0, f64::NAN), "painted logit is NaN"),
        (Edit::Source(Source::Drawn { scale: -1.0, seed: 0 }), "scale is -1"),
    ] {
        let problem = labs::edited(small(), [edit]).unwrap_err();
        assert!(problem.contains(part), "{problem}");
    }
}

#[test]
fn both_thresholds_are_where_the_theory_says() {
    let answer = answer(&small());
    let curves = answer.curves.get().unwrap();
    for (causal, curve) in [false, true].into_iter().zip(curves) {
        assert_eq!(curve.len(), 5);
        let threshold = TheoremLab::threshold(6, causal);
        for &(size, kl) in curve {
            assert_eq!(kl < REACHED, size >= threshold, "causal {causal}, D = {size}: {kl:e}");
        }
    }
}

#[test]
fn a_head_is_constructed_from_n_minus_1_on_and_its_error_is_rounding() {
    for causal in [false, true] {
        let state = edited(small(), [Edit::Causal(causal), Edit::HeadSize(5)]);
        let answer = answer(&state);
        let reached = answer.reached.get().unwrap();
        assert_eq!(reached.how, How::Constructed);
        assert!(reached.max_error < 1e-12, "{}", reached.max_error);
        assert_eq!((reached.w_q.dim(), reached.w_k.dim()), ((6, 5), (6, 5)));
    }
    let answer = answer(&small());
    let reached = answer.reached.get().unwrap();
    assert_eq!(reached.how, How::Fitted);
    let largest = reached.difference.values.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    assert!(reached.max_error > 1e-3 && largest == reached.max_error);
}

#[test]
fn a_painted_cell_gets_the_weight_of_its_logit() {
    let state = edited(small(), [Edit::Source(Source::Uniform), Edit::Paint(3, 1, 2.0)]);
    let answer = answer(&state);
    let target = &answer.target.get().unwrap().values;
    assert!((target[(3, 1)] - 2f64.exp() / (5.0 + 2f64.exp())).abs() < 1e-15);
    assert!((target[(2, 1)] - 1.0 / 6.0).abs() < 1e-15);
}

#[test]
fn a_permutation_takes_a_head_of_two() {
    let state = edited(small(), [Edit::Source(Source::Permutation { seed: 3 }), Edit::HeadSize(2)]);
    let answer = answer(&state);
    let reached = answer.reached.get().unwrap();
    for (query, key) in state.order(3).into_iter().enumerate() {
        assert!(reached.weights.values[(query, key)] > 0.98, "{}", reached.weights.values[(query, key)]);
    }
    assert!(reached.kl < REACHED && reached.how == How::Circle, "{}", reached.kl);
}

#[test]
fn a_file_is_read_and_a_missing_one_is_named() {
    let path = std::env::temp_dir().join(format!("rankscope-app-pattern-{}.csv", std::process::id()));
    std::fs::write(&path, "1,0,0\n0.5,0.5,0\n0.2,0.3,0.5\n").unwrap();
    let file = small().dropped(&path).expect("a matrix");
    let answer = answer(&edited(small(), [file, Edit::Causal(true)]));
    std::fs::remove_file(&path).unwrap();
    let target = &answer.target.get().unwrap().values;
    assert!((target[(2, 1)] - 0.3).abs() < 1e-12 && target.nrows() == 3);
    let missing = edited(small(), [Edit::Source(Source::File { path: "no/such.csv".to_owned() })]);
    let problem = answered(&missing, &mut Memory::default()).unwrap_err().to_string();
    assert!(problem.contains("no/such.csv"), "{problem}");
    assert!(small().dropped(std::path::Path::new("a/model")).is_none());
}

#[test]
fn everything_leaves_the_lab() {
    let state = small();
    let exports = state.exports(&answer(&state), &serde_json::json!({ "lab": "theorem" }));
    let names: Vec<&str> = exports.iter().map(|export| export.panel).collect();
    assert_eq!(names, ["target", "reached", "difference", "factors", "factors", "curve"]);
    for figure in exports.into_iter().filter_map(|export| export.figure) {
        assert!(figure.to_svg(rankscope::figure::style::Theme::Dark).unwrap().contains("theorem"));
    }
    assert!(state.cell().contains("Target::random(6, 2.0, &Mask::bidirectional(), 7)"));
}

#[test]
fn a_cancelled_search_ends() {
    let run = Run::default();
    run.cancel_flag().cancel();
    let mut memory = Memory::default();
    assert!(matches!(small().compute(&mut memory, &run, &mut |_| {}), Err(rankscope::Error::Cancelled)));
}

/// Surprise 7: a pattern that a small head cannot express.
#[test]
fn the_lesson_shows_its_numbers() {
    let state = lesson::<View>("07", "theorem");
    assert!(state.veiled, "it shows its answer before the question");
    let answer = answer(&state);
    let [all, causal] = answer.curves.get().unwrap();
    let kl = |curve: &[(usize, f64)], size: usize| curve.iter().find(|point| point.0 == size).unwrap().1;
    let n = state.n;
    assert!(kl(all, 1) > 0.1, "a small head is far away: {}", kl(all, 1));
    let near = kl(all, n - 2);
    assert!(near < 1e-2 && near > 1e-9, "just below n − 1 it is near: {near}");
    assert!(kl(all, n - 1) < REACHED && kl(causal, n / 2) < REACHED);
    assert!(kl(causal, n / 2 - 1) > 1e-9);
}

#[test]
fn the_brush_paints_the_pattern() {
    let mut window = window::<View>("target", TheoremLab { source: Source::Uniform, ..small() });
    let rect = window.get_by_label("pattern").rect();
    let cell = |query: usize, key: usize| {
        rect.min + rect.size() / 6.0 * egui::vec2(key as f32 + 0.5, query as f32 + 0.5)
    };
    drag(&mut window, PointerButton::Primary, &[cell(1, 4), cell(2, 4)]);
    assert_eq!(window.state().state.painted.len(), 2);
    settle(&mut window);
    let target = window.state().answer.target.get().unwrap().clone();
    assert!(target.values[(1, 4)] > 0.9 && target.values[(2, 4)] > 0.9 && target.values[(3, 4)] < 0.2);
    assert!(window.state_mut().undo() && window.state().state.painted.len() == 0);
}

#[test]
fn all_panels_are_drawn() {
    for panel in View::PANELS {
        let window = window::<View>(panel.id, small());
        assert!(window.state().errors().is_empty(), "{}: {:?}", panel.id, window.state().errors());
    }
}
