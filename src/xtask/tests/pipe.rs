//! What is printed may lose its reader.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

#[test]
fn a_list_whose_reader_has_seen_enough_ends_without_a_word() {
    let mut list = Command::new(env!("CARGO_BIN_EXE_xtask"));
    list.args(["mutate", "--list"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut list = list.spawn().unwrap();
    let mut first = String::new();
    let mut reader = BufReader::with_capacity(64, list.stdout.take().unwrap());
    reader.read_line(&mut first).unwrap();
    assert!(first.starts_with("mask."), "{first}");
    drop(reader);
    let mut said = String::new();
    list.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
    list.wait().unwrap();
}
