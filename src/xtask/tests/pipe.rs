//! A list whose reader is gone ends without an error.
#![cfg(unix)]

use std::io::Read;
use std::process::{Command, Stdio};

#[test]
fn a_list_that_nobody_reads_ends_without_a_message() {
    let mut list = Command::new(env!("CARGO_BIN_EXE_xtask"));
    list.args(["mutate", "--check"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut list = list.spawn().unwrap();
    drop(list.stdout.take());
    let mut said = String::new();
    list.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
    list.wait().unwrap();
}
