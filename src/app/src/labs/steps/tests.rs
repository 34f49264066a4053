//! The lab's state and its numbers, without a window.

use egui_kittest::kittest::Queryable;
use rankscope::Device;
use rankscope::claim::attention_weights;
use rankscope::rank::Tolerance;

use super::chain::Step;
use super::state::{Edit, StepsLab};
use super::view::View;
use crate::lab::{Lab, State, View as _, answered};
use crate::labs;
use crate::labs::window::{drag, window};

fn edited(edits: impl IntoIterator<Item = Edit>) -> StepsLab {
    labs::edited(StepsLab::default(), edits).expect("a valid edit")
}

#[test]
fn the_steps_end_at_the_library_s_weights() {
    for mask in ["causal", "bidirectional", "prefix(2)", "!bidirectional"] {
        let state = edited([Edit::N(6), Edit::HeadSize(3), Edit::Mask(mask.to_owned())]);
        let [q, k, v] = state.inputs();
        let answer = answered(&state, &mut ()).unwrap();
        let chain = answer.get().unwrap();
        let weights = attention_weights(&q, &k, 1.0, &mask.parse().unwrap(), &Device::Cpu).unwrap();
        let ours = &chain.result(Step::Weights).values;
        assert!((ours - &weights).iter().all(|error| error.abs() < 1e-14), "{mask}");
        assert!(
            (&chain.result(Step::Context).values - &weights.dot(&v)).iter().all(|error| error.abs() < 1e-13)
        );
        assert_eq!(chain.report.spectrum.numerical_rank(Tolerance::F64), chain.report.numerical_rank_f64);
    }
}

#[test]
fn the_arithmetic_of_an_entry_is_written_out() {
    let state = edited([
        Edit::N(2),
        Edit::HeadSize(1),
        Edit::Number(0, 1, 0, 2.0),
        Edit::Number(1, 0, 0, -0.5),
        Edit::Number(1, 1, 0, 0.0),
        Edit::Number(2, 0, 0, 1.0),
        Edit::Number(2, 1, 0, 3.0),
    ]);
    let answer = answered(&state, &mut ()).unwrap();
    let chain = answer.get().unwrap();
    let text = |step: Step, cell| chain.arithmetic(step, cell).unwrap();
    assert_eq!(text(Step::Products, (1, 0)), "p[1, 0] = 2·(-0.5) = -1");
    assert_eq!(text(Step::Scores, (1, 0)), "s[1, 0] = -1 / √1 = -1");
    assert_eq!(text(Step::Mask, (0, 1)), "query 0 does not see key 1");
    assert_eq!(text(Step::Exponentials, (1, 0)), "e[1, 0] = exp(-1 − 0) = 0.368");
    assert_eq!(text(Step::Weights, (1, 0)), "a[1, 0] = 0.368 / 1.37 = 0.269");
    assert!(text(Step::Context, (1, 0)).starts_with("c[1, 0] = 0.269·1 + 0.731·3 = 2.46"));
    assert_eq!(chain.arithmetic(Step::Context, (1, 1)), None, "V has one column");
}

#[test]
fn the_rank_is_revealed_after_a_prediction_only_and_hidden_again_by_a_change() {
    let mut state = StepsLab::default();
    assert!(state.update(Edit::Reveal(true)).unwrap_err().contains("predict"));
    let state = edited([Edit::Guess(4), Edit::Reveal(true), Edit::Step(Step::Weights), Edit::Cell(1, 1)]);
    assert!(state.revealed && state.guess == Some(4));
    let changed = edited([Edit::Guess(4), Edit::Reveal(true), Edit::Seed(8)]);
    assert!(!changed.revealed && changed.guess.is_none());
}

#[test]
fn every_step_that_a_shader_does_shows_its_lines() {
    for step in Step::ALL {
        let shader = step.shader();
        assert_eq!(shader.is_none(), matches!(step, Step::Inputs | Step::Rank));
        assert!(shader.is_none_or(|(_, lines)| !lines.is_empty()), "{step:?}");
    }
    assert_eq!((Step::Inputs.moved(-1), Step::Rank.moved(1)), (Step::Inputs, Step::Rank));
    assert_eq!(Step::Scores.moved(2), Step::Exponentials);
}

#[test]
fn a_state_comes_back_from_its_file_and_what_cannot_be_is_named() {
    let state = edited([Edit::Number(1, 0, 1, -2.5), Edit::Step(Step::Rank), Edit::Guess(3)]);
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<StepsLab>(&text).unwrap(), state);
    for (edit, part) in [
        (Edit::N(9), "n is 9"),
        (Edit::Number(3, 0, 0, 1.0), "matrix of a changed number is 3"),
        (Edit::Number(0, 0, 0, f64::NAN), "changed number is NaN"),
        (Edit::Cell(8, 0), "row of the entry is 8"),
        (Edit::Mask("cauzal".to_owned()), "cauzal"),
    ] {
        let problem = labs::edited(StepsLab::default(), [edit]).unwrap_err();
        assert!(problem.contains(part), "{problem}");
    }
    let moved = StepsLab { step: Step::Mask, cell: (1, 0), ..state.clone() };
    assert!(moved.is_answered_by(&state));
}

#[test]
fn every_step_leaves_the_lab_as_a_table() {
    let state = StepsLab::default();
    let answer = answered(&state, &mut ()).unwrap();
    let exports = state.exports(&answer, &serde_json::Value::Null);
    assert_eq!(exports.len(), 7);
    for export in exports {
        assert_eq!(export.numbers.unwrap().values.nrows(), 4);
    }
    assert!(State::cell(&state).contains("attention_weights"));
}

#[test]
fn a_teacher_clicks_through_and_predicts_before_the_spectrum_is_shown() {
    let mut steps = window::<View>("steps", StepsLab::default());
    steps.get_by_label("next →").click();
    steps.run_steps(3);
    assert_eq!(steps.state().state.step, Step::Products);
    steps.get_by_label_contains("Rank").click();
    steps.run_steps(3);
    assert_eq!(steps.state().state.step, Step::Rank);
    let mut numbers = window::<View>("numbers", StepsLab { step: Step::Rank, ..StepsLab::default() });
    assert!(numbers.query_by_label_contains("hidden until you predict").is_some());
    numbers.get_by_label("3").click();
    numbers.run_steps(3);
    numbers.get_by_label("reveal").click();
    numbers.run_steps(3);
    assert!(numbers.state().state.revealed && numbers.state().state.guess == Some(3));
    assert!(numbers.query_by_label_contains("Look again: exactly 4").is_some());
}

#[test]
fn a_click_on_a_number_writes_out_its_arithmetic() {
    let mut numbers = window::<View>("numbers", StepsLab { step: Step::Mask, ..StepsLab::default() });
    let rect = numbers.get_by_label("matrix S, masked").rect();
    // The last row and the first column, beside the numbers of rows and columns.
    let place = egui::pos2(rect.left() + 24.0, rect.bottom() - 6.0);
    drag(&mut numbers, egui::PointerButton::Primary, &[place]);
    assert_eq!(numbers.state().state.cell, (3, 0));
    for step in Step::ALL {
        for panel in View::PANELS {
            let window = window::<View>(panel.id, StepsLab { step, ..StepsLab::default() });
            assert!(window.state().errors().is_empty());
        }
    }
}
