//! The widgets in Chromium: the test moves controls, and compares the numbers that the page shows with the library's.

#[path = "../../rankscope/tests/support/skip.rs"]
mod skip;

use std::path::{Path, PathBuf};
use std::process::Command;

use rankscope::claim::Draw;
use rankscope::rank::{Spectrum, Tolerance};
use rankscope::{Device, Mask};
use rankscope_book::widget::{self, POSITIONS, SEED};
use skip::skipped;

/// The first browser of this machine that can run without a window.
fn chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}

/// The numbers of all tables of a page with this widget after `script` has run: caption, row, value.
fn numbers(chromium: &Path, name: &str, script: &str) -> Vec<(String, String, f64)> {
    let folder = tempfile::tempdir().unwrap();
    let theme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../book/theme").canonicalize().unwrap();
    let scripts = ["matrix.js", "widgets.js"]
        .map(|file| format!("<script src=\"file://{}\"></script>", theme.join(file).display()));
    let page = format!(
        "<!DOCTYPE html><html class=\"light\"><meta charset=\"utf-8\"><body>{}{}<script>{script}</script></body></html>",
        widget::block(name).unwrap(),
        scripts.concat()
    );
    let file = folder.path().join("page.html");
    std::fs::write(&file, page).unwrap();
    let mut browser = Command::new(chromium);
    browser.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]);
    browser.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
    let output = browser.arg(format!("file://{}", file.display())).output().unwrap();
    let dom = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && dom.contains("</html>"), "{dom}");
    let mut found = Vec::new();
    for table in dom.split("<caption>").skip(1) {
        let (caption, rest) = table.split_once("</caption>").unwrap();
        for row in rest.split("<tr><td>").skip(1) {
            let (head, cells) = row.split_once("</td>").unwrap();
            let values =
                cells.split("data-value=\"").skip(1).filter_map(|cell| cell.split_once('"')?.0.parse().ok());
            found.extend(values.map(|value| (caption.to_owned(), head.to_owned(), value)));
        }
    }
    assert!(!found.is_empty(), "no table in {dom}");
    found
}

fn column(numbers: &[(String, String, f64)], caption: &str) -> Vec<f64> {
    numbers.iter().filter(|(known, ..)| known == caption).map(|(.., value)| *value).collect()
}

/// Compares ranks, singular values and weights with those of the library.
fn assert_weights(found: &[(String, String, f64)], draw: &Draw, scale: f64, mask: &Mask, what: &str) {
    let weights = draw.weights(scale, mask, &Device::Cpu).unwrap();
    let spectrum = Spectrum::of(weights.view()).unwrap();
    let sigmas = column(found, "Singular values");
    assert_eq!(sigmas.len(), spectrum.values().len(), "{what}");
    for (ours, known) in sigmas.iter().zip(spectrum.values()) {
        assert!((ours - known).abs() <= 1e-13 * spectrum.values()[0], "{what}: {ours} {known}");
    }
    let ranks = column(found, "Ranks");
    assert_eq!(ranks[0], spectrum.numerical_rank(Tolerance::F32) as f64, "{what}");
    assert_eq!(ranks[1], spectrum.numerical_rank(Tolerance::F64) as f64, "{what}");
    assert!((ranks[2] - spectrum.effective_rank()).abs() < 1e-9, "{what}");
    let pattern = mask.pattern(weights.nrows());
    let seen = weights.indexed_iter().filter(|(at, _)| pattern[*at]).map(|(_, weight)| *weight);
    let cells = column(found, "Weights");
    assert_eq!(cells.len(), pattern.iter().filter(|may| **may).count(), "{what}");
    assert!(cells.iter().zip(seen).all(|(ours, known)| (ours - known).abs() < 1e-14), "{what}");
}

#[test]
fn the_prefix_slider_agrees_with_the_library() {
    let Some(chromium) = chromium() else { return skipped("no Chromium") };
    let cases = [(0, 2, 1.0, "causal"), (5, 4, 0.5, "prefix(5)"), (16, 16, 4.0, "bidirectional")];
    for (prefix, size, scale, mask) in cases {
        let script = format!(
            "const set = (name, value) => {{ const control = document.querySelector(`[name=${{name}}]`); control.value = value; \
             control.dispatchEvent(new Event('input', {{ bubbles: true }})); }}; set('prefix', {prefix}); set('size', {size}); set('scale', {scale});"
        );
        let found = numbers(&chromium, "prefix", &script);
        let draw = Draw::independent(POSITIONS[0], size, SEED);
        assert_weights(&found, &draw, scale, &Mask::parse(mask).unwrap(), mask);
    }
}

#[test]
fn a_mask_painted_by_mouse_and_by_keyboard_agrees_with_the_library() {
    let Some(chromium) = chromium() else { return skipped("no Chromium") };
    let draw = Draw::independent(POSITIONS[1], 4, SEED);
    // From the causal mask: a click on key 2 of query 1; then two keys to the right, and a click for the space bar.
    let script = "document.querySelector('[data-t=\"0\"][data-s=\"1\"]').click(); \
                  const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true })); \
                  press('ArrowRight'); press('ArrowRight'); document.activeElement.click();";
    let found = numbers(&chromium, "mask", script);
    let mut painted = Mask::causal().pattern(POSITIONS[1]);
    painted[(0, 1)] = true;
    painted[(0, 3)] = true;
    let mask = Mask::custom(painted);
    assert_weights(&found, &draw, 1.0, &mask, "painted");
    let window = "const preset = document.querySelector('[name=preset]'); preset.value = 'window(3)'; preset.dispatchEvent(new Event('change', { bubbles: true }));";
    assert_weights(&numbers(&chromium, "mask", window), &draw, 1.0, &Mask::window(3).unwrap(), "window");
}

#[test]
fn the_precomputed_widgets_show_every_number() {
    let Some(chromium) = chromium() else { return skipped("no Chromium") };
    let map = numbers(&chromium, "phase-map", "");
    assert_eq!(map.len(), 2 * 6 * 7);
    let step = "document.querySelector('[name=on]').click(); if (document.querySelector('[name=layer]').value !== '1') document.body.innerHTML = '';";
    let collapse = numbers(&chromium, "collapse", step);
    assert_eq!(collapse.len(), 4 * 13);
    let bidirectional: Vec<f64> = collapse.chunks(4).map(|layer| layer[2].2).collect();
    assert!(bidirectional[0] > 0.1 && bidirectional[12] < 1e-14, "{bidirectional:?}");
}
