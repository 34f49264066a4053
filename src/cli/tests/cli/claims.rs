//! `rankscope claims`.

use std::fs;

use rankscope::claim::{CLAIMS, Group};
use serde_json::Value;

use crate::support::{Home, holds, text_of};

/// One claim, small: it takes a fraction of a second.
const SMALL: [&str; 9] =
    ["claims", "run", "mixed-directions", "--set", "n=24", "--set", "head_sizes=2,5", "--seeds", "3"];

fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SMALL.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn every_claim_is_listed_with_its_parameters() {
    let home = Home::new();
    let text = home.stdout(&["claims", "list"]);
    let listed = home.json(&["claims", "list", "--json"]);
    assert_eq!(listed.as_array().unwrap().len(), CLAIMS.len());
    let groups: Vec<&str> =
        text.lines().filter(|line| Group::ALL.iter().any(|group| group.name() == *line)).collect();
    assert_eq!(groups, ["matrices", "mechanisms", "training", "cost"]);
    for (claim, listed) in CLAIMS.iter().zip(listed.as_array().unwrap()) {
        assert!(text.contains(claim.about().id), "{text}");
        assert_eq!(listed["group"], claim.about().group.name());
        assert_eq!(listed["id"], claim.about().id);
        assert_eq!(listed["parameters"].as_array().unwrap().len(), claim.parameters().len());
    }
    let one = home.stdout(&["claims", "list", "mixed-directions"]);
    assert!(one.contains("head_sizes") && one.contains("from 1 to 1024"), "{one}");
}

#[test]
fn a_trial_shows_its_evidence_and_the_command_that_repeats_it() {
    let home = Home::new();
    let text = home.stdout(&small(&[]));
    holds(&text, &["claim ", "source ", "verdict ", "measured "]);
    holds(&text, &["would change it", "--set seeds=3", " s on cpu"]);
    let told = home.json(&small(&["--json"]));
    let again: Vec<&str> = told[0]["command"].as_str().unwrap().split(' ').skip(1).collect();
    let repeated = home.json(&[&again[..], &["--json"]].concat());
    for part in ["measured", "spread", "verdict", "settings", "evidence_for", "evidence_against"] {
        assert_eq!(told[0][part], repeated[0][part], "{part}");
    }
    let numbers = told[0]["measured"].as_object().unwrap();
    assert!(numbers.len() >= 6 && numbers.values().all(Value::is_f64), "{numbers:?}");
    let other = home.json(&small(&["--set", "seed=9", "--json"]));
    assert_ne!(told[0]["measured"], other[0]["measured"]);
}

#[test]
fn figures_are_written_with_their_captions_and_settings() {
    let home = Home::new();
    home.stdout(&small(&["--figures", "pictures/new"]));
    let captions = fs::read_to_string(home.path("pictures/new/captions.md")).unwrap();
    let svg = fs::read_to_string(home.path("pictures/new/mixed-directions-spectra-d2.svg")).unwrap();
    assert!(captions.contains("(mixed-directions-spectra-d2.svg)") && captions.contains("--set n=24"));
    assert!(svg.contains("<metadata>") && svg.contains("\"n\":24"), "{}", &svg[..300]);
    home.stdout(&small(&["--figures", "pictures/new", "--format", "png", "--theme", "dark"]));
    let png = fs::read(home.path("pictures/new/mixed-directions-spectra-d5.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG"));
    let has = |text: &[u8]| png.windows(text.len()).any(|window| window == text);
    assert!(has(b"iTXt") && has(b"rankscope\0") && has(b"\"n\":24") && has(b"\"seeds\":3"));
}

#[test]
fn a_setting_that_no_claim_has_is_refused_with_those_there_are() {
    let home = Home::new();
    let cost = ["claims", "run", "encoder-decoder-cost"];
    let said = home.error(&[&cost[..], &["--seeds", "5"]].concat());
    let none = "--seeds is 5, but encoder-decoder-cost has no \"seeds\", expected one of ";
    assert!(said.starts_with(none) && said.contains("repeats"), "{said}");
    let said = home.error(&[&cost[..], &["--set", "seeds=5"]].concat());
    assert!(said.starts_with("--set is seeds=5, but encoder-decoder-cost has no \"seeds\""), "{said}");
    let said = home.error(&["claims", "run", "--set", "d=4"]);
    let quick = || CLAIMS.iter().filter(|claim| !claim.is_trained());
    let none = format!("--set is d=4, but none of the {} claims has \"d\"", quick().count());
    assert!(said.starts_with(&none), "{said}");
    for claim in quick() {
        assert!(claim.parameters().iter().all(|parameter| said.contains(parameter.name)), "{said}");
    }
}

#[test]
fn models_that_a_claim_leaves_out_are_named() {
    let home = Home::new();
    let t5 = home.copy_of("t5", "pair");
    home.stdout(&["models", "add", text_of(&t5)]);
    let run = ["claims", "run", "trained-low-rank", "--set", "n=16", "--set", "largest=1"];
    let note = "left out: pair (an encoder and a decoder, expected one stack)";
    let text = home.stdout(&run).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!("note {note}")), "{text}");
    let told = home.json(&[&run[..], &["--json"]].concat());
    assert!(told[0]["notes"].as_array().unwrap().contains(&note.into()), "{}", told[0]["notes"]);
}

#[test]
fn settings_that_cannot_be_are_refused_before_anything_runs() {
    let home = Home::new();
    let error = |more: &[&str]| home.error(&small(more));
    assert_eq!(error(&["--set", "n=0"]), "n is \"0\", expected a whole number from 2 to 2048");
    assert_eq!(error(&["--set", "n"]), "--set is \"n\", expected KEY=VALUE, such as n=64");
    let said = error(&["--set", "depth=3"]);
    assert!(said.contains("\"depth\", expected one of n, head_sizes"), "{said}");
    assert_eq!(error(&["--set", "seeds=0"]), "seeds is \"0\", expected a whole number from 2 to 1000");
    let said = home.error(&["claims", "run", "no-such-claim"]);
    holds(&said, &["\"no-such-claim\", expected one of", "mixed-directions"]);
    fs::write(home.path("taken"), "").unwrap();
    let said = error(&["--figures", "taken"]);
    assert!(said.starts_with("cannot make taken: "), "{said}");
    let args = small(&["--quick", "--full"]);
    assert_eq!(home.run(&args).status.code(), Some(2));
}

/// A trained claim that takes a moment.
fn tiny<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let set = "set=width=16,batch=2,evaluation_batches=1";
    let args =
        ["claims", "run", "--trained", "no-positions", "--seeds", "2", "--set", "steps=1", "--set", set];
    args.into_iter().chain(more.iter().copied()).collect()
}

fn said_by(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn parts_of_a_trained_claim_are_merged_to_the_same_digits_and_nothing_is_trained_twice() {
    let home = Home::new();
    let whole = home.json(&tiny(&["--json", "--out", "whole"]));
    assert!(whole[0]["verdict"]["training"]["ruling"].is_string(), "{}", whole[0]["verdict"]);
    let mut notes = whole[0]["notes"].as_array().unwrap().iter();
    assert!(notes.any(|note| note.as_str().unwrap().contains("published")));
    let runs = || fs::read_dir(home.path("whole")).unwrap().count();
    assert_eq!(runs(), 8);
    let again = home.run(&tiny(&["--json", "--out", "whole"]));
    assert!(again.status.success() && !said_by(&again).contains("to train"), "{}", said_by(&again));
    // The run that an interrupt left out is trained again, and no other.
    let one = fs::read_dir(home.path("whole")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&one).unwrap();
    let again = home.run(&tiny(&["--json", "--out", "whole"]));
    assert!(said_by(&again).contains("no-positions: 1 run to train"), "{}", said_by(&again));
    assert_eq!(runs(), 8);
    for (part, out) in [("1/3", "a"), ("2/3", "b"), ("3/3", "c")] {
        home.stdout(&tiny(&["--part", part, "--out", out]));
    }
    home.stdout(&["claims", "merge", "c", "a", "b", "--out", "all"]);
    let merged = home.json(&tiny(&["--json", "--out", "all"]));
    for part in ["measured", "spread", "verdict", "evidence_for", "evidence_against", "notes"] {
        assert_eq!(merged[0][part], whole[0][part], "{part}");
    }
    home.stdout(&["claims", "merge", "whole", "--out", "one"]);
    let bytes = |folder: &str| fs::read(home.path(folder).join("runs.json")).unwrap();
    assert_eq!(bytes("one"), bytes("all"));
    let said = home.error(&["claims", "run", "mixed-directions", "--part", "1/2"]);
    assert_eq!(said, "--part is 1/2, but mixed-directions trains nothing");
    let said = home.error(&["claims", "check", "mixed-directions"]);
    assert!(said.starts_with("mixed-directions trains nothing"), "{said}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_stops_a_long_run() {
    use std::io::Read;
    use std::process::{Command, Stdio};

    let home = Home::new();
    let mut command =
        home.command(&["claims", "run", "mixed-directions", "--set", "n=512", "--seeds", "1000"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Waits until the handler is set; the run itself takes minutes.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted in mixed-directions; 0 of 1 claims are finished"), "{said}");
}
