//! The first view and the exported cell of every lab, compared with the files under `tests`: `RANKSCOPE_WRITE=1` writes
//! these anew, to be looked at before they are committed.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use image::{DynamicImage, GrayImage, ImageFormat};

use crate::args::Args;
use crate::headless::{self, Headless};
use crate::lab::{LABS, Opening};

/// The share of pixels that may differ, and the difference in grey from which on a pixel counts: drivers smooth edges
/// in different ways, and measured times are never the same.
const MOST_PIXELS: f64 = 0.02;
const LEAST_DIFFERENCE: u8 = 40;

fn kept(folder: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder).join(file)
}

fn writes() -> bool {
    std::env::var_os("RANKSCOPE_WRITE").is_some_and(|value| value == "1")
}

/// The cells are compiled by `tests/cells.rs`.
#[test]
fn every_lab_exports_the_cell_that_is_compiled() {
    let machine = headless::machine();
    let args = Args::parse_from(["rankscope-app"]);
    for row in LABS {
        let lab = (row.open)(&Opening { machine: &machine, args: &args }).unwrap();
        let (path, block) = (kept("cells", &format!("{}.rs", row.id)), format!("{{\n{}\n}}\n", lab.cell()));
        if writes() {
            fs::write(&path, &block).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(kept, block, "{}: another cell than in {}", row.id, path.display());
    }
}

#[test]
fn the_first_view_of_every_lab_looks_as_it_did() {
    for row in LABS {
        let args = ["rankscope-app", "--lab", row.id, "--scale", "0.5", "--theme", "dark"];
        let args = Args::parse_from([&args[..], &["--screenshot", "none.png"]].concat());
        let mut window = Headless::open(&args).unwrap();
        window.settle().unwrap();
        let picture = DynamicImage::from(window.picture().unwrap()).to_luma8();
        let path = kept("pictures", &format!("{}.png", row.id));
        if writes() {
            picture.save_with_format(&path, ImageFormat::Png).unwrap();
        }
        let before = image::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let differing = differing(&before.to_luma8(), &picture);
        let said = format!("{:.1} % of the pixels differ from {}", 100.0 * differing, path.display());
        assert!(differing <= MOST_PIXELS, "{}: {said}", row.id);
    }
}

/// The share of pixels that differ; all of them if the pictures differ in size.
fn differing(before: &GrayImage, now: &GrayImage) -> f64 {
    if before.dimensions() != now.dimensions() {
        return 1.0;
    }
    let pairs = before.iter().zip(now.iter());
    let count = pairs.filter(|(before, now)| before.abs_diff(**now) >= LEAST_DIFFERENCE).count();
    count as f64 / before.len() as f64
}
