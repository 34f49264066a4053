//! The program in a real window: an X server without a screen (Xvfb), and a mouse moved by xdotool.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[path = "../../rankscope/tests/support/skip.rs"]
mod skip;

use skip::skipped;

/// How long a change may take until it is seen, on a busy machine with a software renderer.
const PATIENCE: Duration = Duration::from_secs(90);
const SIZE: (usize, usize) = (1280, 800);
/// Where the mask lab has its ranks in a window of this size: left, top, right, bottom.
const RANK_CARD: [usize; 4] = [790, 460, 1270, 760];
/// Two masked entries near the lower left corner of the mask that is painted.
const STROKE: [(usize, usize); 2] = [(640, 398), (650, 398)];

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_installed(program: &str) -> bool {
    let help = Command::new(program).arg("-help").stdout(Stdio::null()).stderr(Stdio::null()).status();
    help.is_ok()
}

/// A server with one screen of this size, which it keeps as a file in `folder`; the name of its display.
fn server(folder: &Path) -> (Running, String) {
    let (width, height) = SIZE;
    let mut server = Command::new("Xvfb")
        .args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0"])
        .args([&format!("{width}x{height}x24"), "-fbdir"])
        .arg(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("Xvfb");
    let mut number = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).expect("the number of the display");
    (Running(server), format!(":{}", number.trim()))
}

/// The pixels of a part of the screen: Xvfb writes XWD, a header of 32-bit numbers, the highest byte first, a table of
/// colours of 12 bytes each, and the rows.
fn pixels(folder: &Path, [left, top, right, bottom]: [usize; 4]) -> Vec<u8> {
    let file = fs::read(folder.join("Xvfb_screen0")).expect("the screen");
    let field = |index: usize| {
        u32::from_be_bytes(file[4 * index..4 * index + 4].try_into().expect("four bytes")) as usize
    };
    let (header, bits, row, colours) = (field(0), field(11), field(12), field(19));
    assert_eq!((field(4), field(5), bits), (SIZE.0, SIZE.1, 32));
    let start = header + 12 * colours;
    let part = |y: usize| &file[start + y * row + 4 * left..start + y * row + 4 * right];
    (top..bottom).flat_map(part).copied().collect()
}

/// Waits until `found` says so.
fn wait_for(what: &str, mut found: impl FnMut() -> bool) {
    let start = Instant::now();
    while !found() {
        assert!(start.elapsed() < PATIENCE, "not within {} s: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Waits until two looks at a part of the screen are the same, and not one colour.
fn at_rest(folder: &Path, part: [usize; 4]) -> Vec<u8> {
    let mut last = Vec::new();
    wait_for("a picture at rest", || {
        let now = pixels(folder, part);
        let is_drawn = now.chunks(4).any(|pixel| pixel[..3] != now[..3]);
        std::mem::replace(&mut last, now.clone()) == now && is_drawn
    });
    last
}

/// The number of strokes that the program has kept.
fn painted(data: &Path) -> usize {
    let Ok(text) = fs::read(data.join("rankscope/app/session.json")) else { return 0 };
    let Ok(session) = serde_json::from_slice::<serde_json::Value>(&text) else { return 0 };
    session["labs"]["mask"]["state"]["painted"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_mask_painted_with_the_mouse_changes_the_rank_card() {
    if !is_installed("Xvfb") || !is_installed("xdotool") {
        return skipped("no Xvfb and xdotool");
    }
    let folder = tempfile::tempdir().unwrap();
    let (_server, display) = server(folder.path());
    let data = folder.path().join("data");
    let program = Command::new(env!("CARGO_BIN_EXE_rankscope-app"))
        .args(["--lab", "mask", "--theme", "dark"])
        .env("DISPLAY", &display)
        .env("XDG_DATA_HOME", &data)
        .env("XDG_RUNTIME_DIR", folder.path())
        .env_remove("WAYLAND_DISPLAY")
        .stderr(Stdio::piped())
        .spawn();
    let mut program = Running(program.expect("the program"));
    let before = at_rest(folder.path(), RANK_CARD);
    assert_eq!(painted(&data), 0);
    let mouse = |arguments: &[&str]| {
        let status = Command::new("xdotool").args(arguments).env("DISPLAY", &display).status();
        assert!(status.expect("xdotool").success(), "xdotool {arguments:?}");
        std::thread::sleep(Duration::from_millis(300));
    };
    let go = |(x, y): (usize, usize)| mouse(&["mousemove", &x.to_string(), &y.to_string()]);
    go(STROKE[0]);
    mouse(&["mousedown", "1"]);
    go(STROKE[1]);
    mouse(&["mouseup", "1"]);
    wait_for("the stroke in the kept session", || painted(&data) > 0);
    wait_for("other ranks", || pixels(folder.path(), RANK_CARD) != before);
    assert!(program.0.try_wait().unwrap().is_none(), "the program ended");
    // The window system takes the window away: one line in place of a trace, and the stroke is still kept.
    mouse(&["search", "--name", "rankscope", "windowclose"]);
    wait_for("the end of the program", || program.0.try_wait().unwrap().is_some());
    let mut said = String::new();
    program.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("what was open is kept") && !said.contains("panicked"), "{said}");
    assert!(painted(&data) > 0);
}
