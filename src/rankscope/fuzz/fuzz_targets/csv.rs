//! Attention patterns in `.csv` files, with arbitrary bytes: a valid target, or an error in one line.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rankscope::express::{MAX_POSITIONS, Target};
use rankscope_fuzz::{checked, folder, put};

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| folder("csv"));

fuzz_target!(|bytes: &[u8]| {
    put(&FOLDER, "target.csv", bytes);
    if let Some((target, _)) = checked(Target::load_either(&FOLDER.join("target.csv"))) {
        assert!(target.positions() >= 1 && target.positions() <= MAX_POSITIONS);
    }
});
