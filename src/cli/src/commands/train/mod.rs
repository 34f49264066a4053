//! `rankscope train`: trains a small transformer, and keeps its run in a folder.

mod view;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use rankscope::device::Device;
use rankscope::train::folder::{self, About, RunFolder, runs};
use rankscope::train::{Event, Settings, Trainer, TrainingPreset, presets_in_words};
use rankscope::{Error, Run};

use crate::args::DeviceArgs;
use crate::output::{emit, say};
use view::View;

/// Steps that are timed first, when a run is given minutes in place of steps.
const TIMED: usize = 12;

fn help() -> String {
    format!(
        "Presets:
{}
Every setting is a key that --set changes; --show prints them all. The folder of a run holds run.json, tables (CSV) of
its steps, evaluations and ranks, samples, the attention of one sequence at every record (--set record_every=50), and a
checkpoint that the other commands take as --model.

Examples:
  rankscope train
      a GPT-2 of 123,000 parameters on English bytes
  rankscope train english-bert --minutes 5 --out bert
  rankscope train --data notes.txt --set layers=4 --set positions=alibi --steps 2000
  rankscope train --data 'recall(pairs=8)' --set objective=outputs --seeds 5
  rankscope train --resume bert
      goes on with an interrupted run",
        presets_in_words()
    )
}

#[derive(Args)]
#[command(after_help = help())]
pub struct TrainArgs {
    /// The settings to begin with
    #[arg(default_value = "gpt", conflicts_with = "resume")]
    preset: String,

    /// A JSON file of settings in place of a preset
    #[arg(long, value_name = "FILE", conflicts_with_all = ["resume", "preset"])]
    settings: Option<PathBuf>,

    /// What to learn: a shipped text, a file, a folder, or a task (see `rankscope tasks list`)
    #[arg(long, value_name = "NAME|FILE|DIR|TASK", conflicts_with = "resume")]
    data: Option<String>,

    /// Steps of the optimiser
    #[arg(long, value_name = "N", conflicts_with_all = ["minutes", "resume"])]
    steps: Option<usize>,

    /// Train each seed for about M minutes: the time of a step is measured first
    #[arg(long, value_name = "M", conflicts_with = "resume")]
    minutes: Option<f64>,

    /// How many runs, with the preset's seed and those after it
    #[arg(long, value_name = "K", conflicts_with = "resume", value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: Option<u64>,

    /// The folder of the run; with --seeds, of the runs [default: one in $RANKSCOPE_RUNS or the user's data folder]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    out: Option<PathBuf>,

    /// Change one setting; may be repeated
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "resume")]
    set: Vec<String>,

    /// Continue the run of this name, or in this folder
    #[arg(long, value_name = "DIR|NAME")]
    resume: Option<String>,

    /// Print the settings as JSON, and train nothing
    #[arg(long, conflicts_with = "resume")]
    show: bool,

    #[command(flatten)]
    device: DeviceArgs,
}

pub fn execute(args: &TrainArgs, run: &Run) -> Result<()> {
    if let Some(name) = &args.resume {
        return resume(&runs::find(name)?, &Device::choose(args.device.request()?)?.device, run);
    }
    let (preset, base) = match &args.settings {
        Some(path) => (None, Settings::open(path)?),
        None => (Some(args.preset.as_str()), TrainingPreset::find(&args.preset)?.settings()),
    };
    let mut settings = base.clone();
    if let Some(data) = &args.data {
        settings.data.clone_from(data);
    }
    if let Some(steps) = args.steps {
        settings.steps = steps;
    }
    args.set.iter().try_for_each(|assignment| settings.set(assignment))?;
    settings.check()?;
    if args.show {
        return emit(&format!("{}\n", serde_json::to_string_pretty(&settings)?));
    }
    let device = Device::choose(args.device.request()?)?.device;
    if let Some(minutes) = args.minutes {
        settings.steps = steps_in(&settings, minutes, &device, run)?;
    }
    let name = settings.name(&base);
    let about = |settings: Settings| About {
        name: name.clone(),
        preset: preset.map(str::to_owned),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        device: device.to_string(),
        settings,
    };
    let out = match &args.out {
        Some(out) => out.clone(),
        None => runs::new_folder(preset.unwrap_or("settings"), &name)?,
    };
    let Some(seeds) = args.seeds else { return train(&out, about(settings), &device, run) };
    for seed in settings.seed..settings.seed + seeds {
        let folder = out.join(format!("seed-{seed}"));
        train(&folder, about(Settings { seed, ..settings.clone() }), &device, run)?;
    }
    Ok(())
}

/// The number of steps that fit into `minutes`, with evaluations and records, estimated from the first steps.
fn steps_in(settings: &Settings, minutes: f64, device: &Device, run: &Run) -> Result<usize> {
    if !(minutes > 0.0 && minutes.is_finite()) {
        bail!("--minutes is {minutes}, expected a number above 0");
    }
    let mut trainer = Trainer::new(settings.clone(), device)?;
    let mut times = (0..TIMED).map(|_| Ok(trainer.step(run)?.seconds)).collect::<Result<Vec<_>>>()?;
    times.sort_by(f64::total_cmp);
    let step = times[TIMED / 2];
    let steps = (60.0 * minutes / step) as usize;
    say(&format!("{steps} steps fit into {minutes} min at {:.1} ms a step", 1e3 * step));
    Ok(steps.max(1))
}

/// A new run in a folder of its own.
fn train(folder: &Path, about: About, device: &Device, run: &Run) -> Result<()> {
    // An error in the settings is reported before a folder is made.
    let trainer = Trainer::new(about.settings.clone(), device)?;
    go(trainer, &RunFolder::create(folder, about)?, run)
}

fn resume(path: &Path, device: &Device, run: &Run) -> Result<()> {
    let (trainer, folder) = folder::resume(path, device)?;
    if trainer.step_count() >= trainer.settings().steps {
        say(&format!("the run in {} is finished: nothing was done", path.display()));
        return Ok(());
    }
    say(&format!("continues after step {}", trainer.step_count()));
    go(trainer, &folder, run)
}

fn go(mut trainer: Trainer, folder: &RunFolder, run: &Run) -> Result<()> {
    let mut view = View::new(trainer.settings().steps, trainer.step_count());
    view.begin(&trainer, folder);
    let result = trainer.train(Some(&folder.checkpoint()), &run.quiet(), &mut |event: &Event| {
        folder.write(event)?;
        view.show(event);
        Ok(())
    });
    view.finish();
    match result {
        Ok(()) => emit(&format!("{}\n", folder.path().display())),
        Err(error) => {
            let is_cancelled = matches!(error, Error::Cancelled);
            if !is_cancelled {
                folder.fail(&error)?;
            }
            let path = folder.path().display();
            match view.saved() {
                Some(step) if is_cancelled => {
                    say(&format!("stopped at step {step}; to go on: rankscope train --resume '{path}'"));
                }
                Some(step) => say(&format!("the last good checkpoint is that of step {step}, in {path}")),
                None => (),
            }
            Err(error.into())
        }
    }
}
