//! The time to the first frame and to its content, of painting a mask, of a model under another mask, and of a frame
//! while a wall of heads is scrolled, at 128 tokens.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use egui::{Event, Modifiers, MouseWheelSource, MouseWheelUnit, TouchPhase};
use egui_wgpu::RendererOptions;
use ndarray::Array5;
use rankscope::array::to_npy;
use rankscope::model::store::Store;
use rankscope::model::{self, Tokenizer};
use rankscope::{Device, Mask};
use serde_json::json;

use crate::args::Args;
use crate::headless::{Headless, without_banners};
use crate::labs::mask;
use crate::labs::model::Open;

/// Tokens of the text that is measured.
const TOKENS: usize = 128;
/// Layers and heads of the wall that is scrolled; a wall of 12 × 12 fits into the window without scrolling.
const LAYERS: usize = 24;
const HEADS: usize = 12;
/// Changes of each kind that are measured.
const ROUNDS: usize = 12;
/// The longest that one change may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures and prints JSON: the medians of [`ROUNDS`] changes, and the longest of all frames.
///
/// # Errors
/// If the window cannot be opened, or the model cannot be run.
pub fn run(args: &Args, start: Instant) -> Result<()> {
    let of = |lab: &str, text: String| Args { lab: Some(lab.to_owned()), text, ..args.clone() };
    let mut window = Headless::open(&of("mask", args.text.clone()))?;
    window.frame(Vec::new());
    window.picture()?;
    let first_frame = start.elapsed();
    while !mask(&mut window)?.shows().0 && start.elapsed() < PATIENCE {
        window.frame(Vec::new());
        window.app.wait(Duration::from_millis(5));
    }
    window.picture()?;
    let content = start.elapsed();
    mask(&mut window)?.resize(TOKENS);
    window.settle()?;
    let painted: Vec<Round> = (0..ROUNDS).map(|round| paint(&mut window, round)).collect::<Result<_>>()?;
    let mut window = Headless::open(&of("model", text_of(&args.model)?))?;
    window.settle()?;
    without_banners(&window.app)?;
    let tokens = explorer(&mut window)?.length();
    let changed: Vec<Round> = (0..ROUNDS).map(|round| change(&mut window, round)).collect::<Result<_>>()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("wall.npy");
    std::fs::write(&file, wall(TOKENS))?;
    let (interface, scrolled) = scroll(&Args { attention: Some(file), ..of("model", String::new()) })?;
    let report = json!({
        "version": rankscope::VERSION,
        "model": args.model,
        "device": window.app.device().0,
        "adapter": window.adapter,
        "tokens": tokens,
        "mask_changes": ROUNDS,
        "first_frame_millis": millis(first_frame),
        "content_millis": millis(content),
        "painted_mask_millis": millis(typical(&painted, |round| round.first)),
        "painted_all_masks_millis": millis(typical(&painted, |round| round.all)),
        "painting_longest_frame_millis": millis(longest(&painted)),
        "selected_head_millis": millis(typical(&changed, |round| round.first)),
        "all_heads_millis": millis(typical(&changed, |round| round.all)),
        "longest_frame_millis": millis(longest(&changed)),
        "wall_heads": LAYERS * HEADS,
        "scrolled_interface_millis": millis(interface),
        "scrolled_frame_millis": millis(scrolled),
    });
    println!("{report:#}");
    Ok(())
}

fn typical(rounds: &[Round], time: fn(&Round) -> Duration) -> Duration {
    median(rounds.iter().map(time).collect())
}

fn longest(rounds: &[Round]) -> Duration {
    rounds.iter().map(|round| round.longest_frame).max().unwrap_or_default()
}

fn mask(window: &mut Headless) -> Result<&mut mask::Open> {
    let lab = window.app.lab_mut().and_then(|lab| lab.as_any().downcast_mut());
    lab.context("the mask lab is not in front")
}

fn explorer(window: &mut Headless) -> Result<&mut Open> {
    window.model().context("the model explorer is not in front")
}

/// The time of one change until its first result, and until all results.
struct Round {
    first: Duration,
    all: Duration,
    longest_frame: Duration,
}

/// Changes the model's mask and waits for the selected head, then for all heads.
fn change(window: &mut Headless, round: usize) -> Result<Round> {
    let mask = if round.is_multiple_of(2) { Mask::bidirectional() } else { Mask::prefix(8 + round) };
    let start = Instant::now();
    explorer(window)?.choose(&mask);
    answered(window, start, |window| Ok(explorer(window)?.shows(&mask)))
}

/// Paints one entry of a mask and waits for its ranks, then for those of all masks.
fn paint(window: &mut Headless, round: usize) -> Result<Round> {
    let start = Instant::now();
    mask(window)?.paint((TOKENS / 2, TOKENS / 2 + 8 + round), true);
    window.frame(Vec::new()); // sends the painted mask to the thread
    answered(window, start, |window| Ok(mask(window)?.shows()))
}

/// Runs frames, about a hundred in a second, until `shows` reports the first result and then all; counts from `start`.
fn answered(
    window: &mut Headless,
    start: Instant,
    shows: impl Fn(&mut Headless) -> Result<(bool, bool)>,
) -> Result<Round> {
    let (mut first, mut longest_frame) = (None, Duration::ZERO);
    while start.elapsed() < PATIENCE {
        longest_frame = longest_frame.max(window.frame(Vec::new()));
        let (shows_first, shows_all) = shows(window)?;
        if first.is_none() && shows_first {
            first = Some(start.elapsed());
        }
        if let (Some(first), true) = (first, shows_all) {
            let all = start.elapsed();
            window.settle()?;
            return Ok(Round { first, all, longest_frame });
        }
        window.app.wait(Duration::from_millis(10));
    }
    bail!("no result within {} s", PATIENCE.as_secs())
}

/// Weights of [`LAYERS`] × [`HEADS`] heads over `tokens` positions as an `.npy` file: uniform causal attention.
fn wall(tokens: usize) -> Vec<u8> {
    let weight = |(_, _, _, query, key)| if key <= query { 1.0 / (query + 1) as f64 } else { 0.0 };
    to_npy(&Array5::from_shape_fn((LAYERS, 1, HEADS, tokens, tokens), weight))
}

/// The median time of a frame's interface alone, and with its drawing as in a window, while the wall of `args`'s file is
/// scrolled down and up again.
fn scroll(args: &Args) -> Result<(Duration, Duration)> {
    let mut window =
        Headless::open_with(args, RendererOptions { dithering: false, ..RendererOptions::default() })?;
    window.settle()?;
    without_banners(&window.app)?;
    let pointer = Event::PointerMoved(egui::pos2(150.0, 450.0));
    window.frame(vec![pointer]);
    let before = window.picture()?;
    let (mut interface, mut whole) = (Vec::new(), Vec::new());
    for round in 0..4 * ROUNDS {
        let by = if round < 2 * ROUNDS { -40.0 } else { 40.0 };
        let (unit, phase, modifiers) = (MouseWheelUnit::Point, TouchPhase::Move, Modifiers::NONE);
        let source = MouseWheelSource::Wheel;
        let wheel = Event::MouseWheel { unit, delta: egui::vec2(0.0, by), phase, modifiers, source };
        let start = Instant::now();
        interface.push(window.frame(vec![wheel]));
        window.draw()?;
        whole.push(start.elapsed());
        if round == ROUNDS && window.picture()? == before {
            bail!("the wall did not scroll");
        }
    }
    Ok((median(interface), median(whole)))
}

/// Words that make up [`TOKENS`] tokens, or a few less; no more than the model can read.
fn text_of(name: &str) -> Result<String> {
    let folder = Store::open()?.find(name)?;
    let tokenizer = Tokenizer::load(&folder)?;
    let context = model::load(&folder, &Device::Cpu)?.description().context;
    let mut text = String::from("Alice");
    for word in crate::args::FIRST_TEXT.split(' ').cycle().skip(1) {
        let longer = format!("{text} {word}");
        if tokenizer.encode(&longer)?.ids.len() > TOKENS.min(context) {
            break;
        }
        text = longer;
    }
    Ok(text)
}

fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 10.0
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
