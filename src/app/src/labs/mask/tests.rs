//! The lab's state and its numbers, without a window.

use std::collections::BTreeSet;

use rankscope::{Mask, Run};

use super::answer::{Answer, ExactSight, News};
use super::compute::Memory;
use super::mechanism::Mechanism;
use super::paint::{Stroke, Tool};
use super::rule::Compose;
use super::state::{Block, Edit, MaskLab, Which};
use crate::lab::{State, answered};
use crate::labs;

fn edited(edits: impl IntoIterator<Item = Edit>) -> MaskLab {
    labs::edited(MaskLab::default(), edits).expect("a valid edit")
}

fn stroke(from: (usize, usize), to: (usize, usize)) -> Stroke {
    Stroke { tool: Tool::Brush, from, to, size: 1, may: true, mirror: false }
}

fn answer(state: &MaskLab) -> Answer {
    answered(state, &mut Memory::default()).expect("an answer")
}

/// The names of the pieces that are told, in order.
fn told(state: &MaskLab, memory: &mut Memory) -> Vec<String> {
    let mut told = Vec::new();
    let name = |news: &News| match news {
        News::Weighed(which, _) => format!("{which:?}"),
        other => format!("{other:?}").split(['(', ' ']).next().unwrap_or_default().to_owned(),
    };
    state.compute(memory, &Run::default(), &mut |news| told.push(name(&news))).expect("an answer");
    told
}

#[test]
fn a_state_comes_back_from_its_file() {
    let state = edited([
        Edit::N(48),
        Edit::Logit(3, 2, -1.25),
        Edit::Mechanism(Mechanism::Sink { logit: 0.5 }),
        Edit::Paint(stroke((0, 5), (3, 9))),
        Edit::Compose(Compose::AndNot, "window(3)".to_owned()),
        Edit::Compare(Which::Prefix, false),
        Edit::Block(Some(Block::between((9, 4), (2, 1)))),
        Edit::Exact(true),
    ]);
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<MaskLab>(&text).unwrap(), state);
    assert_eq!(state.rule, "prefix(8) & two-sided-window(20) & !window(3)");
    assert_eq!(state.probed(), Block { queries: (2, 9), keys: (1, 4) });
    assert_eq!(serde_json::from_str::<MaskLab>("{}").unwrap(), MaskLab::default());
    assert!(serde_json::from_str::<MaskLab>(r#"{"sede": 1}"#).is_err());
}

#[test]
fn what_cannot_be_is_named() {
    for (edit, part) in [
        (Edit::N(1), "n is 1, expected a number from 2 to 512"),
        (Edit::HeadSize(0), "head size is 0"),
        (Edit::Scale(f64::NAN), "scale is NaN"),
        (Edit::Alignment(1.5), "alignment is 1.5"),
        (Edit::Rule("prefix(".to_owned()), "mask \"prefix(\""),
        (Edit::Rule("heads(causal, anti-causal)".to_owned()), "one head"),
        (Edit::Compose(Compose::And, "nonsense".to_owned()), "nonsense"),
        (Edit::Handle(9, 1), "no edge 9"),
        (Edit::Logit(0, 0, f64::INFINITY), "logit (0, 0) is inf"),
        (Edit::Logit(0, 4000, 0.0), "position of a changed logit is 4000"),
        (Edit::Mechanism(Mechanism::Differential { lambda: -1.0 }), "λ is -1"),
        (Edit::Block(Some(Block { queries: (5, 2), keys: (0, 1) })), "block is queries (5, 2)"),
    ] {
        let problem = labs::edited(MaskLab::default(), [edit.clone()]).unwrap_err();
        assert!(problem.contains(part), "{edit:?}: {problem}");
    }
}

#[test]
fn the_cheap_and_the_edited_come_first_and_what_is_known_is_not_computed_again() {
    let (mut memory, mut state) = (Memory::default(), MaskLab::default());
    let first = told(&state, &mut memory);
    assert_eq!(first[..3], ["Scores", "Weights", "Mine"]);
    assert_eq!(first[6..], ["Blocks", "Sight", "Mechanisms", "Exact", "Phases"]);
    assert_eq!(
        first[3..6].iter().map(String::as_str).collect::<BTreeSet<_>>(),
        ["Bidirectional", "Causal", "Prefix"].into()
    );
    state.update(Edit::Paint(stroke((0, 31), (3, 31)))).unwrap();
    // The three others are known, so they are told at once, and the painted one is the only one to be computed.
    assert_eq!(told(&state, &mut memory)[2..6], ["Causal", "Prefix", "Bidirectional", "Mine"]);
    let same = MaskLab { hidden: vec![Which::Causal], ..state.clone() };
    assert!(same.is_answered_by(&state) && !MaskLab { exact: true, ..state.clone() }.is_answered_by(&state));
}

#[test]
fn from_what_is_known_the_same_answer_comes() {
    let (mut memory, mut state) = (Memory::default(), MaskLab::default());
    for edit in [
        Edit::Paint(stroke((2, 20), (9, 25))),
        Edit::Mechanism(Mechanism::Sigmoid),
        Edit::Show(Which::Causal),
        Edit::Logit(4, 4, 3.0),
        Edit::Prefix(4),
        Edit::Mechanism(Mechanism::Softmax),
        Edit::N(24),
    ] {
        told(&state, &mut memory);
        state.update(edit).unwrap();
        let (known, fresh) = (answered(&state, &mut memory).unwrap(), answer(&state));
        for which in Which::ALL {
            let [known, fresh] = [&known, &fresh].map(|answer| answer.of(which).unwrap());
            assert_eq!(known.matrix, fresh.matrix);
            assert_eq!(known.report.spectrum, fresh.report.spectrum);
        }
        assert_eq!(known.weights.get(), fresh.weights.get());
        assert_eq!(known.blocks.get().unwrap()[2].share, fresh.blocks.get().unwrap()[2].share);
    }
}

#[test]
fn a_painted_cell_is_a_weight_and_its_ranks_follow() {
    let all = edited([Edit::Rule("!bidirectional".to_owned()), Edit::Paint(stroke((0, 0), (31, 31)))]);
    let answer = answer(&all);
    let mine = answer.of(Which::Mine).unwrap();
    assert!(mine.matrix.values.indexed_iter().all(|((t, s), &weight)| weight == f64::from(u8::from(t == s))));
    assert_eq!((mine.report.exact_rank, mine.report.effective_rank.round()), (Some(32), 32.0));
    assert_eq!(all.pattern(Which::Mine), Mask::window(1).unwrap().pattern(32));
}

#[test]
fn a_changed_logit_changes_its_row_of_weights_alone() {
    let (drawn, changed) = (answer(&MaskLab::default()), answer(&edited([Edit::Logit(5, 2, 4.0)])));
    let [before, after] = [&drawn, &changed].map(|answer| &answer.of(Which::Causal).unwrap().matrix.values);
    assert_eq!(changed.scores.get().unwrap().values[(5, 2)], 4.0);
    assert!(after[(5, 2)] > before[(5, 2)]);
    for row in (0..32).filter(|&row| row != 5) {
        assert_eq!(before.row(row), after.row(row));
    }
}

#[test]
fn exact_singular_values_go_where_f64_cannot_and_agree_where_it_can() {
    let state = edited([Edit::N(64), Edit::HeadSize(16), Edit::Show(Which::Causal), Edit::Exact(true)]);
    let answer = answer(&state);
    let Some(ExactSight::Found(exact, _)) = answer.exact.get() else { panic!("a triangular mask") };
    let sight = answer.sight.get().unwrap();
    let (f64, log_det) = (sight.f64.values(), sight.log_det.unwrap());
    assert!((exact[0].unwrap() - f64[0].log10()).abs() < 1e-12);
    // |det| is the product of the singular values, and of the diagonal.
    let product: f64 = exact.iter().map(|log| log.expect("seen")).sum::<f64>() * std::f64::consts::LN_10;
    assert!((product / log_det - 1.0).abs() < 1e-3, "{product} {log_det}");
    assert_eq!((sight.sign, sight.is_triangular), (Some(1), true));
    let mine = edited([Edit::Exact(true)]);
    assert!(matches!(answered(&mine, &mut Memory::default()).unwrap().exact.get(), Some(ExactSight::Not(_))));
}

#[test]
fn everything_leaves_the_lab_with_what_recreates_it() {
    let state = MaskLab::default();
    let lesson = serde_json::json!({ "lab": "mask" });
    let exports = state.exports(&answer(&state), &lesson);
    let panels: BTreeSet<&str> = exports.iter().map(|export| export.panel).collect();
    assert_eq!(panels, ["logits", "map", "mask", "rank", "spectrum", "weights"].into());
    for export in exports {
        if let Some(figure) = export.figure {
            let svg = figure.to_svg(rankscope::figure::style::Theme::Light).expect("a picture");
            assert!(svg.contains(r#"{"lab":"mask"}"#), "{}", export.name);
        }
    }
    assert!(state.exports(&Answer::default(), &lesson).len() == 1, "the mask needs no numbers");
    let cell = edited([Edit::Paint(stroke((0, 9), (0, 11)))]).cell();
    assert!(cell.contains("[[0, 9, 11, 1]]") && cell.contains("prefix(8) & two-sided-window(20)"), "{cell}");
}
