//! `rankscope train`, `runs` and `twin`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use crate::support::Home;

/// A run that takes a moment.
fn small() -> Vec<&'static str> {
    let settings = "width=12 heads=2 layers=1 batch=2 length=16 evaluation_batches=1";
    settings.split(' ').flat_map(|setting| ["--set", setting]).collect()
}

fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["train"], more, &small()].concat()
}

/// The steps of a run without their times.
fn steps(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("steps.csv")).unwrap();
    text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned()).collect()
}

#[test]
fn a_run_is_trained_listed_compared_drawn_exported_and_removed() {
    let home = Home::new();
    let more = ["--steps", "4", "--set", "evaluate_every=2", "--set", "record_every=2", "--seeds", "2"];
    let printed = home.stdout(&train(&[&more[..], &["--out", "runs"]].concat()));
    assert_eq!(printed.lines().collect::<Vec<_>>(), ["runs/seed-0", "runs/seed-1"]);
    let run = home.path("runs/seed-0");
    assert_eq!(steps(&run).len(), 5);
    let rows = |name: &str| fs::read_to_string(run.join(name)).unwrap().lines().count() - 1;
    assert_eq!([rows("evaluation.csv"), rows("ranks.csv"), rows("gradients.csv")], [3, 6, 2]);
    let listed = home.json(&["runs", "list", "--folder", "runs", "--json"]);
    assert_eq!(listed[1]["name"], "seed-1");
    assert_eq!(listed[1]["about"]["settings"]["seed"], 1);
    assert!(home.stdout(&["runs", "list", "--folder", "runs"]).contains("seed-0  gpt layers=1 width=12"));
    assert!(home.stdout(&["runs", "show", "runs/seed-0"]).contains("4 of 4"));
    let compared = home.stdout(&["runs", "compare", "runs/seed-0", "runs/seed-1"]);
    let seeds = compared.lines().find(|line| line.trim_start().starts_with("seed ")).unwrap();
    assert_eq!(seeds.split_whitespace().collect::<Vec<_>>(), ["seed", "0", "1"], "{compared}");
    for what in ["loss", "training-loss", "effective-rank", "second-ratio", "norm"] {
        home.stdout(&["runs", "plot", "runs/seed-0", "runs/seed-1", "--what", what, "--out", "figure.svg"]);
        assert!(fs::read_to_string(home.path("figure.svg")).unwrap().contains("seed-1"), "{what}");
    }
    home.stdout(&["runs", "export", "runs/seed-0", "--out", "model"]);
    let card = fs::read_to_string(home.path("model/README.md")).unwrap();
    assert!(card.contains("rankscope train gpt --set 'layers=1'") && card.contains("held-out"), "{card}");
    let written = home.stdout(&["generate", "--model", "model", "--text", "I was", "--tokens", "3"]);
    assert!(!written.is_empty());
    let error = home.error(&["runs", "export", "runs/seed-0", "--out", "model"]);
    assert!(error.contains("not there yet"), "{error}");
    home.stdout(&["runs", "remove", "runs/seed-0"]);
    assert!(!run.exists());
    assert!(home.error(&["runs", "show", "runs/seed-0"]).contains("rankscope runs list"));
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_goes_on_and_ends_as_if_nothing_had_been() {
    let home = Home::new();
    let settings = ["--steps", "400", "--set", "evaluate_every=400", "--set", "dropout=0.1"];
    home.stdout(&train(&[&settings[..], &["--out", "whole"]].concat()));
    let mut command = home.command(&train(&[&settings[..], &["--out", "run"]].concat()));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let table = home.path("run/steps.csv");
    while fs::read_to_string(&table).map_or(0, |text| text.lines().count()) < 5 {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it was interrupted");
        std::thread::yield_now();
    }
    // SAFETY: a signal to a child that is still there.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let said: Vec<_> = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said:?}");
    assert!(said.iter().any(|line| line.contains("rankscope train --resume 'run'")), "{said:?}");
    let made = steps(&home.path("run")).len() - 1;
    assert!((4..400).contains(&made), "{made}");
    home.stdout(&["train", "--resume", "run"]);
    assert_eq!(steps(&home.path("run")), steps(&home.path("whole")));
    let weights = |run: &str| fs::read(home.path(run).join("checkpoint/model.safetensors")).unwrap();
    assert!(weights("run") == weights("whole"));
    let again = home.run(&["train", "--resume", "run"]);
    assert!(again.status.success() && String::from_utf8_lossy(&again.stderr).contains("nothing was done"));
}

#[test]
fn parts_of_a_twin_together_are_the_whole_and_two_keys_are_refused() {
    let home = Home::new();
    let few = ["--smallest", "0.05", "--seeds", "2", "--set", "steps=3", "--set", "warmup=1"];
    let twin = |more: &[&str]| {
        home.stdout(&[&["twin", "--vary", "positions=rotary,none"], more, &small(), &few].concat())
    };
    let whole = twin(&["--out", "whole.json", "--svg", "twin.svg"]);
    assert!(whole.contains("none - rotary") && whole.contains("95 % interval over 2 seeds"), "{whole}");
    assert!(fs::read_to_string(home.path("twin.svg")).unwrap().contains("rotary, seed 1"));
    twin(&["--part", "1/2", "--out", "a.json"]);
    twin(&["--part", "2/2", "--out", "b.json"]);
    assert!(home.error(&["runs", "merge", "a.json"]).contains("without none with seed 0"));
    assert_eq!(home.stdout(&["runs", "merge", "b.json", "a.json", "--out", "all.json"]), whole);
    let text = |name: &str| fs::read_to_string(home.path(name)).unwrap();
    assert_eq!(text("all.json"), text("whole.json"));
    let equal = home.error(&["twin", "--vary", "width=12,12", "--smallest", "0.1"]);
    assert!(equal.contains("exactly one"), "{equal}");
}

#[test]
fn bad_input_is_named_and_leaves_nothing() {
    let home = Home::new();
    fs::write(home.path("empty.txt"), "").unwrap();
    fs::write(home.path("binary.txt"), [0u8, 159, 146, 150, 255, 0, 1].repeat(100)).unwrap();
    fs::write(home.path("short.txt"), "too short").unwrap();
    fs::create_dir(home.path("pictures")).unwrap();
    fs::write(home.path("pictures/a.png"), [137u8, 80, 78, 71, 13, 10, 26, 10]).unwrap();
    fs::write(home.path("wrong.json"), "{\"layres\": 2}").unwrap();
    fs::create_dir(home.path("diary")).unwrap();
    fs::write(home.path("diary/today.md"), "dear diary").unwrap();
    let cases: [(&[&str], &str); 13] = [
        (&["--data", "empty.txt"], "empty.txt"),
        (&["--data", "binary.txt"], "binary.txt"),
        (&["--data", "short.txt"], "short.txt"),
        (&["--data", "pictures"], "pictures"),
        (&["--data", "nowhere.txt"], "nowhere.txt"),
        (&["--data", "copy(items=99)"], "at least 199"),
        (&["--settings", "wrong.json"], "layers is near it"),
        (&["--set", "rate=fast"], "setting rate is \"fast\", expected a number"),
        (&["--set", "batch=0"], "setting batch is 0"),
        (&["--minutes", "0"], "--minutes is 0"),
        (&["--out", "diary"], "a new or an empty folder"),
        (&["english-grt"], "english-gpt"),
        (&["--resume", "nowhere"], "rankscope runs list"),
    ];
    for (args, expected) in cases {
        // The other settings are those of a small run, unless they would hide the error.
        let is_alone = args.contains(&"--resume");
        let others = if is_alone { vec![] } else { small()[..8].to_vec() };
        let error = home.error(&[&["train"], &others[..], args].concat());
        assert!(error.contains(expected), "{args:?}: {error}");
    }
    let wild = ["--set", "rate=1e30", "--steps", "50", "--out", "fast"];
    let fast = home.run(&[&["train"], &small()[..8], &wild].concat());
    assert_eq!(fast.status.code(), Some(1));
    let said = String::from_utf8(fast.stderr).unwrap();
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("error: learning rate is too large: at step "), "{said}");
    assert!(last.contains("not finite"), "{said}");
    assert_eq!(fs::read_to_string(home.path("diary/today.md")).unwrap(), "dear diary");
    assert!(!home.path("data/rankscope/runs").exists(), "nothing is left of a run that could not begin");
    assert_eq!(home.run(&["train", "--seeds", "0"]).status.code(), Some(2));
    let run = train(&["--steps", "1", "--out", "run"]);
    home.stdout(&run);
    assert!(home.error(&run).contains("--resume"));
    let state = home.path("run/checkpoint/training.json");
    fs::write(&state, fs::read_to_string(&state).unwrap().replace("\"width\": 12", "\"width\": 24")).unwrap();
    let error = home.error(&["train", "--resume", "run"]);
    assert!(error.contains("width"), "{error}");
}
