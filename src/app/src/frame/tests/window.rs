//! The window: keys, palette, lessons, links, and the session that is kept.

use std::time::Duration;

use egui::accesskit::Role;
use egui::{Event, Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use serde_json::{Value, json};

use super::{kept_window, press, settle, shows, state, window};
use crate::frame::lesson::Lesson;
use crate::lab::LABS;

#[test]
fn keys_open_the_palette_which_opens_labs_and_themes() {
    let mut window = window(&["--lab", LABS[0].id]);
    press(&mut window, Modifiers::COMMAND, Key::K);
    assert!(shows(&window, "Reset the panels of this lab"));
    window.event(Event::Text("theme".to_owned()));
    window.run_steps(2);
    assert!(!shows(&window, "Reset the panels of this lab"));
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(!shows(&window, "Light or dark theme"), "the palette closes");
    assert_eq!(window.ctx.theme(), egui::Theme::Light);
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::P);
    assert!(shows(&window, "Light or dark theme"));
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(!shows(&window, "Light or dark theme"));
    for (row, key) in LABS.iter().zip([Key::Num1, Key::Num2, Key::Num3]) {
        press(&mut window, Modifiers::COMMAND, key);
        assert_eq!(LABS[window.state().front].id, row.id);
    }
}

#[test]
fn a_teacher_makes_a_lesson_in_the_window_and_a_student_opens_it() {
    let home = tempfile::tempdir().unwrap();
    let mut window = kept_window(&["--lab", "model"], Some(home.path()));
    press(&mut window, Modifiers::COMMAND, Key::L);
    let question = "Which head looks back furthest?";
    for (name, text) in [("Title", "Heads differ"), ("Question", question), ("Note", "Look at layer 2.")] {
        let field =
            window.get_all_by_label(name).find(|node| node.accesskit_node().role() != Role::Label).unwrap();
        field.focus();
        window.step();
        window.event(Event::Text(text.to_owned()));
        window.run_steps(2);
    }
    window.get_by_label("Keep in my lessons").click();
    window.run_steps(3);
    assert!(window.state().banners().is_empty(), "{:?}", window.state().banners());
    assert!(shows(&window, "1. Heads differ") || shows(&window, "Heads differ"));
    let file = home.path().join("lessons/01-heads-differ.json");
    let lesson = Lesson::read(&file).unwrap();
    assert_eq!(lesson.prompt, question);
    drop(window);
    let mut student = super::window(&["--lesson", file.to_str().unwrap()]);
    assert!(shows(&student, question) && !shows(&student, "Look at layer 2."));
    student.get_by_label("Note").click();
    student.run_steps(2);
    assert!(shows(&student, "Look at layer 2."));
    student.get_by_label("Close the lesson").click();
    student.run_steps(2);
    assert!(!shows(&student, question));
}

#[test]
fn the_lessons_that_come_with_the_program_open_in_order() {
    let mut window = window(&["--lab", LABS[0].id]);
    let (lessons, shipped) = (window.state().lessons.clone(), window.state().shipped.lessons.len());
    assert_eq!(lessons.len(), shipped);
    for (index, lesson) in lessons.iter().enumerate() {
        assert!(!lesson.title.is_empty() && !lesson.prompt.is_empty(), "{lesson:?}");
        window.state_mut().show_listed(index);
        settle(&mut window);
        assert!(window.state().banners().is_empty(), "{}: {:?}", lesson.title, window.state().banners());
        assert_eq!((window.state().place, LABS[window.state().front].id), (Some(index), lesson.lab.as_str()));
        assert!(shows(&window, &lesson.title));
        assert!(holds(&state(&window), &lesson.state), "{}: {}", lesson.title, state(&window));
    }
}

/// Whether `shown` has everything that a file states; what the file leaves out has its default.
fn holds(shown: &Value, stated: &Value) -> bool {
    match (shown, stated) {
        (Value::Object(shown), Value::Object(stated)) => {
            stated.iter().all(|(name, value)| shown.get(name).is_some_and(|shown| holds(shown, value)))
        }
        (Value::Array(shown), Value::Array(stated)) => {
            shown.len() == stated.len()
                && shown.iter().zip(stated).all(|(shown, stated)| holds(shown, stated))
        }
        // 1 in a file is 1.0 in the state.
        (Value::Number(shown), Value::Number(stated)) => shown.as_f64() == stated.as_f64(),
        _ => shown == stated,
    }
}

#[test]
fn what_was_open_is_there_again_and_a_crash_is_told() {
    let home = tempfile::tempdir().unwrap();
    let mut window = kept_window(&[], Some(home.path()));
    let row = LABS.last().unwrap();
    window.state_mut().go(row);
    settle(&mut window);
    let ctx = window.ctx.clone();
    ctx.set_theme(egui::Theme::Light);
    window.run_steps(2);
    window.state_mut().close(&ctx);
    drop(window);
    let mut window = kept_window(&[], Some(home.path()));
    assert_eq!(LABS[window.state().front].id, row.id);
    assert!(window.state().banners().is_empty(), "{:?}", window.state().banners());
    window.state().dress(&window.ctx);
    assert_eq!(window.ctx.theme(), egui::Theme::Light);
    std::thread::sleep(Duration::from_millis(1100)); // until it is written as open
    window.run_steps(2);
    drop(window); // nobody closes it
    let window = kept_window(&[], Some(home.path()));
    let banners = window.state().banners();
    assert!(banners[0].contains("what was open is here again"), "{banners:?}");
}

#[test]
fn files_and_links_with_nonsense_are_told_and_the_window_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let state_of = |state: Value| Lesson::new(LABS[0].id, state).to_file();
    let cases = [
        (file("broken.json", "{"), "this is no lesson"),
        (file("figure.svg", "<svg/>"), "carries no lesson"),
        (file("wrong.json", &state_of(json!(7))), ""),
        (file("strange.json", &state_of(json!({ "no such field": 1 }))), ""),
        (
            file("other.json", "{\"version\": 1, \"lab\": \"alchemy\", \"state\": {}}"),
            "there is no lab \"alchemy\"",
        ),
        ("no/such/file.npy".to_owned(), "no such file"),
        ("rankscope://nowhere".to_owned(), "there is no lab \"nowhere\""),
        ("rankscope://lesson/77".to_owned(), "there is no lesson \"77\""),
        ("rankscope:".to_owned(), "the link cannot be opened"),
    ];
    let mut window = window(&["--lab", LABS[0].id]);
    let before = state(&window);
    for (what, part) in cases {
        window.state_mut().open_any(&what);
        window.run_steps(2);
        let banners = window.state().banners();
        assert!(banners.iter().any(|banner| banner.contains(part)), "{what}: {banners:?}");
        assert!(shows(&window, "Dismiss"), "{what}");
        while let Some(banner) = window.state().banners().first().cloned() {
            window.state_mut().dismiss(&banner);
        }
    }
    assert_eq!(state(&window), before);
}

/// The window also opens again then; testing that needs a display.
#[test]
fn a_lost_graphics_device_is_said_and_what_is_open_stays() {
    let home = tempfile::tempdir().unwrap();
    let mut window = kept_window(&["--lab", "mask"], Some(home.path()));
    let before = state(&window);
    assert_eq!(window.state().computing().loss(), None);
    window.state().machine.window.destroy();
    window.run_steps(2);
    assert!(shows(&window, "the graphics device was lost"), "{:?}", window.state().banners());
    let ctx = window.ctx.clone();
    window.state_mut().close(&ctx);
    drop(window);
    let why = "the graphics device was lost (by a test)";
    let again = kept_window(&["--lost", why], Some(home.path()));
    assert!(shows(&again, why) && !shows(&again, "ended unexpectedly"));
    assert_eq!(state(&again), before);
}
