//! `rankscope twin`: runs that differ in one setting alone, and their difference.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use rankscope::figure::style::Theme;
use rankscope::figure::{Figure, save};
use rankscope::train::twin::{FULL, Results, SEEDS, Share, TWIN_PRESETS, Twin, TwinPreset};
use rankscope::train::{Settings, Trainer, TrainingPreset, at_commas};
use rankscope::{Device, Run};
use serde_json::json;

use crate::args::{DeviceArgs, expect_svg};
use crate::output::{columns, emit, emit_json, say};

fn help() -> String {
    let twins: String =
        TWIN_PRESETS.iter().map(|preset| format!("  {:24} {}\n", preset.name, preset.question)).collect();
    format!(
        "Twins:
{twins}
Variants of one seed begin with the same weights and see the same batches in the same order. The smallest difference
that matters is stated before the first run. From the 95 % interval of the differences, one for each seed, follows a
word: larger, smaller, no difference above it, not resolved.

Examples:
  rankscope twin directions --out directions.json --svg directions.svg
  rankscope twin --vary positions=rotary,alibi --smallest 0.02
  rankscope twin directions --part 1/2 --out a.json
      half of the runs; the other half elsewhere, then: rankscope runs merge a.json b.json --out all.json"
    )
}

#[derive(Args)]
#[command(after_help = help(), arg_required_else_help = true)]
pub struct TwinArgs {
    /// A twin of the list below
    #[arg(required_unless_present = "vary")]
    name: Option<String>,

    /// A twin of your own: the key and its values, the reference first
    #[arg(long, value_name = "KEY=A,B", conflicts_with = "name")]
    vary: Option<String>,

    /// The settings that the variants of --vary share: a preset of `rankscope train`
    #[arg(long, value_name = "PRESET", default_value = "gpt", conflicts_with = "name")]
    of: String,

    /// The metric that is compared [default: the twin's, or loss]
    #[arg(long)]
    metric: Option<String>,

    /// The smallest difference that matters [default: the twin's]
    #[arg(long, value_name = "X", required_unless_present = "name")]
    smallest: Option<f64>,

    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = SEEDS)]
    seeds: usize,

    /// Five times as many steps
    #[arg(long)]
    full: bool,

    /// Changes one setting of all variants; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// The i-th of n parts of the runs
    #[arg(long, value_name = "I/N", default_value_t = Share::WHOLE, requires = "out")]
    part: Share,

    /// The file in which results are kept, run by run: an interrupted twin continues from it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// A figure of the losses of every seed
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Print an object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    device: DeviceArgs,
}

pub fn execute(args: &TwinArgs, run: &Run) -> Result<()> {
    expect_svg("--svg", args.svg.as_deref())?;
    let twin = twin(args)?;
    let device = Device::choose(args.device.request()?)?.device;
    let jobs = twin.jobs(args.part).len();
    say(&format!(
        "{} of {}: {jobs} runs on {device}; {} is compared, and {} is the smallest difference that matters",
        twin.key(),
        twin.names().join(", "),
        twin.metric(),
        twin.smallest()
    ));
    // An error in any variant is reported before the first run.
    for job in twin.jobs(Share::WHOLE).into_iter().take(twin.names().len()) {
        Trainer::new(twin.settings(job), &device)?;
    }
    let mut done = 0;
    let results = twin.run(args.part, args.out.as_deref(), run, |settings: &Settings, run| {
        done += 1;
        let outcome = Trainer::outcome(settings, &device, &run.quiet())?;
        let (key, metric) = (twin.key(), twin.metric());
        let value = settings.value(&key).unwrap_or_default();
        let found = outcome.metrics.get(metric).map_or("–".into(), |found| format!("{found:.4}"));
        say(&format!("run {done}: {key}={value}, seed {}: {metric} {found}", settings.seed));
        Ok(outcome)
    })?;
    if args.part != Share::WHOLE {
        say("a part: `rankscope runs merge` puts it together with the others");
        return Ok(());
    }
    report(&results, args.svg.as_deref(), args.json)
}

fn twin(args: &TwinArgs) -> Result<Twin> {
    let preset = args.name.as_deref().map(TwinPreset::find).transpose()?;
    let mut base = match preset {
        Some(preset) => preset.base(),
        None => TrainingPreset::find(&args.of)?.settings(),
    };
    if args.full {
        base.steps *= FULL;
        base.evaluate_every *= FULL;
    }
    args.set.iter().try_for_each(|assignment| base.set(assignment))?;
    let metric = args.metric.as_deref().or(preset.map(|preset| preset.metric)).unwrap_or("loss");
    let Some(smallest) = args.smallest.or(preset.map(|preset| preset.smallest)) else {
        bail!("--smallest is missing, expected the smallest difference of {metric} that matters")
    };
    let (key, values) = match (preset, &args.vary) {
        (Some(preset), _) => (preset.key, preset.values.iter().map(|&value| value.to_owned()).collect()),
        (None, Some(vary)) => match vary.split_once('=') {
            Some((key, values)) => (key.trim(), at_commas(values)),
            None => bail!("--vary is {vary:?}, expected KEY=A,B, such as positions=rotary,alibi"),
        },
        (None, None) => bail!("no twin; name one, or give --vary"),
    };
    Ok(Twin::vary(&base, key, &values, args.seeds, metric, smallest)?)
}

/// The report of results: every seed, means, intervals, the verdict.
pub fn report(results: &Results, svg: Option<&Path>, json: bool) -> Result<()> {
    if let Some(path) = svg {
        save(path, results.figure()?.to_svg(Theme::Light)?)?;
    }
    if json {
        let comparisons = results.comparisons()?;
        let comparisons = comparisons.iter().map(|comparison| {
            json!({
                "variant": comparison.variant, "reference": comparison.reference,
                "differences": comparison.paired.differences.values(), "verdict": comparison.verdict.to_string(),
            })
        });
        let comparisons: Vec<_> = comparisons.collect();
        return emit_json(&json!({ "comparisons": comparisons, "results": results }));
    }
    let mut rows = results.table()?.into_iter();
    let header = rows.next().unwrap_or_default();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    emit(&columns(&header, rows.collect()))?;
    emit(&format!("\n{}\n", results.in_words()?.join("\n")))
}
