//! The behaviour that scripts rely on: exit codes, and what goes to stdout and stderr.

use std::process::Stdio;

use rankscope::mask::MASKS;

use crate::support::{Home, TEXT};

#[test]
fn the_version_and_the_help() {
    let home = Home::new();
    assert_eq!(home.stdout(&["--version"]), format!("rankscope {}\n", env!("CARGO_PKG_VERSION")));
    let commands: [&[&str]; 6] = [&[], &["rank"], &["trace"], &["models"], &["devices"], &["claims"]];
    for command in commands {
        let help = home.stdout(&[command, &["--help"]].concat());
        assert!(help.contains("Usage: rankscope") && help.contains("rankscope "), "{help}");
    }
    let help = home.stdout(&["rank", "--help"]);
    assert!(MASKS.iter().all(|kind| help.contains(kind.name)), "{help}");
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let home = Home::new();
    let cases: [&[&str]; 9] = [
        &[],
        &["rnak"],
        &["rank"],
        &["rank", "--model", "glass-en"],
        &["rank", "--model", "glass-en", "--text", "a", "--ids", "3"],
        &["rank", "--model", "glass-en", "--text", "a", "--device", "tpu"],
        &["rank", "--matrix", "m.npy", "--model", "glass-en"],
        &["rank", "--matrix", "m.npy", "--compare", "causal"],
        &["trace", "--model", "glass-en", "--text", "a"],
    ];
    for args in cases {
        let output = home.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn a_success_says_nothing_on_stderr() {
    let home = Home::new();
    for form in [&[][..], &["--json"], &["--csv"]] {
        let output = home.run(&[&["rank", "--model", "glass-en", "--text", TEXT], form].concat());
        assert!(output.status.success() && output.stderr.is_empty() && !output.stdout.is_empty());
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = Home::new();
    let mut command = home.command(&["rank", "--model", "glass-en", "--text", TEXT, "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn the_same_command_says_the_same_again() {
    let home = Home::new();
    let args = ["rank", "--model", "glass-en", "--text", TEXT, "--csv"];
    assert_eq!(home.stdout(&args), home.stdout(&args));
}
