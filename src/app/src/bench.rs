//! The time to the first frame, and the time of a mask change at 128 tokens.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rankscope::Mask;
use rankscope::model::store::Store;
use rankscope::model::{MaskChoice, Tokenizer};
use serde_json::json;

use crate::args::Args;
use crate::headless::Headless;

/// Tokens of the text that is measured.
const TOKENS: usize = 128;
/// Mask changes that are measured.
const ROUNDS: usize = 12;
/// The longest that one mask change may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures and prints JSON: the medians of [`ROUNDS`] mask changes, and the longest of all frames.
///
/// # Errors
/// Where the window cannot be opened, or the model not run.
pub fn run(args: &Args, start: Instant) -> Result<()> {
    let args = Args { text: text_of(&args.model)?, ..args.clone() };
    let mut window = Headless::open(&args)?;
    window.frame(Vec::new());
    window.picture()?;
    let first_frame = start.elapsed();
    window.settle()?;
    if let Some(banner) = window.app.banners.first() {
        bail!("{}", banner.text);
    }
    let tokens = window.app.length();
    let rounds: Vec<Round> = (0..ROUNDS).map(|round| change(&mut window, round)).collect::<Result<_>>()?;
    let times = |time: fn(&Round) -> Duration| rounds.iter().map(time).collect::<Vec<_>>();
    let report = json!({
        "version": rankscope::VERSION,
        "model": args.model,
        "device": window.app.device.device.to_string(),
        "tokens": tokens,
        "mask_changes": ROUNDS,
        "first_frame_millis": millis(first_frame),
        "selected_head_millis": millis(median(times(|round| round.selected))),
        "all_heads_millis": millis(median(times(|round| round.all))),
        "longest_frame_millis": millis(times(|round| round.longest_frame).into_iter().max().unwrap_or_default()),
    });
    println!("{report:#}");
    Ok(())
}

/// What one mask change took.
struct Round {
    selected: Duration,
    all: Duration,
    longest_frame: Duration,
}

/// Changes the mask and runs frames, about a hundred in a second, until every head is there.
fn change(window: &mut Headless, round: usize) -> Result<Round> {
    let mask = if round.is_multiple_of(2) { Mask::bidirectional() } else { Mask::prefix(8 + round) };
    window.app.choose(&MaskChoice::Override(mask.clone()));
    let (start, mut selected, mut longest_frame) = (Instant::now(), None, Duration::ZERO);
    while start.elapsed() < PATIENCE {
        longest_frame = longest_frame.max(window.frame(Vec::new()));
        let shown = window.app.shown.chosen.as_ref().filter(|pass| *pass.mask(0) == mask);
        if selected.is_none() && shown.is_some_and(|pass| pass.report(window.app.selected).is_some()) {
            selected = Some(start.elapsed());
        }
        if let (Some(selected), true) =
            (selected, shown.is_some_and(|pass| pass.reports.iter().all(Option::is_some)))
        {
            let all = start.elapsed();
            window.settle()?;
            return Ok(Round { selected, all, longest_frame });
        }
        window.app.wait(Duration::from_millis(10));
    }
    bail!("{mask}: not shown within {} s", PATIENCE.as_secs())
}

/// Words that make up [`TOKENS`] tokens, or a few less, for this model.
fn text_of(model: &str) -> Result<String> {
    let tokenizer = Tokenizer::load(&Store::open()?.find(model)?)?;
    let mut text = String::from("Alice");
    for word in crate::args::FIRST_TEXT.split(' ').cycle().skip(1) {
        let longer = format!("{text} {word}");
        if tokenizer.encode(&longer)?.ids.len() > TOKENS {
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
