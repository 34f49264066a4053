//! The contract of a lab, tested on the smallest one that has everything: a number and its square.

use std::time::Duration;

use clap::Parser;
use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use rankscope::{Error, Result, Run};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Bench, Desk, Export, Lab, Layout, Machine, Opening, Panel, Part, Stamp, State, View, answered};
use crate::args::Args;
use crate::headless;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Square {
    number: u32,
}

#[derive(Clone, Serialize, Deserialize)]
enum Edit {
    Number(u32),
    Add(u32),
}

impl State for Square {
    type Edit = Edit;
    type Answer = Part<u32>;
    type News = u32;
    type Memory = ();

    fn memory(_: &Machine) {}

    fn check(&self) -> std::result::Result<(), String> {
        if self.number <= 100 {
            Ok(())
        } else {
            Err(format!("number is {}, expected at most 100", self.number))
        }
    }

    fn update(&mut self, edit: Edit) -> std::result::Result<(), String> {
        match edit {
            Edit::Number(number) => self.number = number,
            Edit::Add(more) => self.number += more,
        }
        Ok(())
    }

    fn compute(&self, (): &mut (), run: &Run, tell: &mut dyn FnMut(u32)) -> Result<()> {
        run.step("squaring", 0, 1)?;
        match self.number {
            13 => Err(Error::invalid("number", 13, "another one")),
            66 => panic!("a bug"),
            number => {
                tell(number * number);
                Ok(())
            }
        }
    }

    fn take(answer: &mut Part<u32>, news: u32, stamp: Stamp) {
        answer.put(news, stamp);
    }

    fn exports(&self, _: &Part<u32>, _: &Value) -> Vec<Export> {
        Vec::new()
    }

    fn cell(&self) -> String {
        format!("{0} * {0}", self.number)
    }
}

#[derive(Default)]
struct Plain;

impl View for Plain {
    type State = Square;
    const PANELS: &'static [Panel] = &[Panel { id: "square", title: "Square", help: "n²" }];

    fn layout() -> Layout {
        Layout::panel("square")
    }

    fn ui(&mut self, _: &str, desk: &mut Desk<'_, Square>, ui: &mut egui::Ui) {
        let mut number = desk.state.number;
        if ui.add(egui::Slider::new(&mut number, 0..=100).text("number")).changed() {
            desk.edit(Edit::Number(number));
        }
        if ui.button("add one").clicked() {
            desk.edit(Edit::Add(1));
        }
        // Below the controls, which stay in place when the answer comes.
        if let Some(square) = desk.answer.get() {
            ui.label(format!("the square is {square}"));
        }
    }
}

fn bench() -> Bench<Plain> {
    let machine = headless::machine();
    let args = Args::parse_from(["rankscope-app"]);
    Bench::new(&Opening { machine: &machine, args: &args }, Square::default())
}

fn settle(bench: &mut Bench<Plain>) {
    let ctx = egui::Context::default();
    for _ in 0..200 {
        bench.update(&ctx);
        if bench.is_settled() {
            return;
        }
        bench.wait(Duration::from_millis(50));
    }
    panic!("the square never came");
}

#[test]
fn an_edit_is_answered_and_a_wrong_one_leaves_the_state_as_it_was() {
    assert_eq!(answered(&Square { number: 9 }, &mut ()).unwrap().get(), Some(&81));
    let mut bench = bench();
    bench.edit(Edit::Number(7));
    settle(&mut bench);
    assert_eq!((bench.answer.get(), bench.errors()), (Some(&49), vec![]));
    bench.edit(Edit::Number(101));
    assert_eq!(bench.errors(), ["number is 101, expected at most 100"]);
    assert_eq!(bench.state.number, 7);
    bench.edit(Edit::Number(8));
    assert!(bench.errors().is_empty());
}

#[test]
fn edits_of_one_kind_are_one_step_and_steps_go_back_and_forth() {
    let mut bench = bench();
    for number in 1..=5 {
        bench.edit(Edit::Number(number));
    }
    bench.edit(Edit::Add(1));
    assert_eq!(bench.can_undo_redo(), (true, false));
    assert!(bench.undo() && bench.state.number == 5);
    assert!(bench.undo() && bench.state.number == 0);
    assert!(!bench.undo());
    assert!(bench.redo() && bench.redo() && bench.state.number == 6);
    assert!(!bench.redo());
    assert!(bench.undo());
    bench.edit(Edit::Number(50));
    assert_eq!(bench.can_undo_redo(), (true, false), "a new edit ends what could be made again");
}

#[test]
fn errors_and_panics_of_a_computation_are_told_and_the_old_answer_stays() {
    let mut bench = bench();
    bench.edit(Edit::Number(3));
    settle(&mut bench);
    for (number, part) in [(13, "number is 13"), (66, "internal error, please report it: a bug")] {
        bench.edit(Edit::Number(number));
        settle(&mut bench);
        assert!(bench.errors()[0].contains(part), "{:?}", bench.errors());
        assert_eq!(bench.answer.get(), Some(&9));
        assert_eq!(bench.status().fade(bench.answer.stamp()), 0.6);
    }
    bench.edit(Edit::Number(4));
    settle(&mut bench);
    assert_eq!((bench.answer.get(), bench.errors()), (Some(&16), vec![]));
    assert_eq!(bench.status().fade(bench.answer.stamp()), 0.0);
}

#[test]
fn a_state_is_loaded_as_it_was_saved_and_nonsense_is_named() {
    let mut bench = bench();
    bench.edit(Edit::Number(12));
    let saved = Lab::state(&bench);
    bench.edit(Edit::Add(5));
    bench.load(saved).unwrap();
    assert_eq!(bench.state, Square { number: 12 });
    assert!(bench.undo() && bench.state.number == 17);
    for (state, part) in [
        (json!({ "number": 1000 }), "expected at most 100"),
        (json!({ "nomber": 1 }), "nomber"),
        (json!({ "number": "many" }), "expected u32"),
        (json!(7), "expected struct"),
    ] {
        assert!(bench.load(state.clone()).unwrap_err().contains(part), "{state}");
        assert_eq!(bench.state.number, 17);
    }
}

#[test]
fn a_drag_in_the_view_is_one_step() {
    let mut window = Harness::builder().build_ui_state(
        |ui, bench: &mut Bench<Plain>| {
            bench.update(&ui.ctx().clone());
            Lab::ui(bench, "square", ui);
        },
        bench(),
    );
    window.step();
    let rect = window.get_by_role(Role::Slider).rect();
    let at = |part: f32| egui::pos2(rect.left() + part * rect.width().min(100.0), rect.center().y);
    window.drag_at(at(0.1));
    for step in 1..8 {
        window.hover_at(at(0.1 + 0.1 * step as f32));
        window.step();
    }
    window.drop_at(at(0.9));
    window.step();
    window.step();
    let reached = window.state().state.number;
    assert!(reached > 20, "{reached}");
    assert!(window.state_mut().undo());
    assert_eq!(window.state().state.number, 0);
    assert!(!window.state_mut().undo());
}
