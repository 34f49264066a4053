//! `rankscope runs`: trained runs, side by side.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use rankscope::figure::style::{Kind, Theme};
use rankscope::figure::{Curve, Figure, Lines, PlotAxis, save};
use rankscope::numbers::short_or_dash;
use rankscope::train::folder::runs::{self, RunSummary};
use rankscope::train::folder::{Table, export, table};
use rankscope::train::twin::Results;
use serde_json::json;

use super::twin::report;
use crate::args::expect_svg;
use crate::output::{columns, distinct, emit, emit_json, facts, say};

const EXAMPLES: &str = "\
A run is named by how its settings differ from its preset. NAME is one that `list` shows, or the folder of a run.

Examples:
  rankscope runs list
  rankscope runs show gpt/run
  rankscope runs compare gpt/seed-0 gpt/seed-1
  rankscope runs plot gpt/seed-0 gpt/seed-1 --out losses.svg
  rankscope runs plot gpt/run --what effective-rank --out ranks.svg
  rankscope runs export gpt/run --out my-model
  rankscope runs remove gpt/run";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct RunsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List the runs
    List {
        /// The folder to look in [default: $RANKSCOPE_RUNS, otherwise rankscope/runs in your data folder]
        #[arg(long, value_name = "DIR")]
        folder: Option<PathBuf>,
        /// Print an array of objects
        #[arg(long)]
        json: bool,
    },
    /// Describe a run, and how far it has come
    Show {
        /// The run
        name: String,
        /// Print an object
        #[arg(long)]
        json: bool,
    },
    /// Put runs side by side: the settings in which they differ, and their losses
    Compare {
        /// The runs
        #[arg(required = true, num_args = 2..)]
        names: Vec<String>,
    },
    /// Draw a quantity of runs over the steps
    Plot {
        /// The runs
        #[arg(required = true)]
        names: Vec<String>,
        /// The quantity to draw over the steps
        #[arg(long, value_enum, default_value_t = What::Loss)]
        what: What,
        /// The figure's file, .svg
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Put the parts of a twin together, and say what they show
    Merge {
        /// The files that `rankscope twin --part … --out` wrote
        #[arg(required = true)]
        parts: Vec<PathBuf>,
        /// The file for the merged results
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// A figure of the losses of every seed
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
        /// Print an object
        #[arg(long)]
        json: bool,
    },
    /// Write the model of a run into a folder: in f16, with its tokenizer and a card
    Export {
        /// The run
        name: String,
        /// The new folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Delete a run
    Remove {
        /// The run
        name: String,
    },
}

/// What can be drawn over the steps.
#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// The loss on held-out data
    Loss,
    /// The loss of every step's batch
    TrainingLoss,
    /// The mean effective rank over all heads
    EffectiveRank,
    /// The mean of σ₂/σ₁ over all heads
    SecondRatio,
    /// The norm of the gradients
    Norm,
}

pub fn execute(args: &RunsArgs) -> Result<()> {
    match &args.action {
        Action::List { folder, json } => {
            let folder = folder.clone().map_or_else(runs::runs_folder, Ok)?;
            let runs = runs::list(&folder)?;
            if *json {
                return emit_json(&runs.iter().map(as_json).collect::<Vec<_>>());
            }
            if runs.is_empty() {
                say(&format!("no runs in {}; `rankscope train` makes one", folder.display()));
                return Ok(());
            }
            emit(&list(&runs))
        }
        Action::Show { name, json } => {
            let run = runs::summary(&runs::find(name)?)?;
            if *json { emit_json(&as_json(&run)) } else { emit(&show(&run)) }
        }
        Action::Compare { names } => emit(&compare(&found(names)?)),
        Action::Plot { names, what, out } => {
            expect_svg("--out", Some(out))?;
            save(out, figure(&found(names)?, *what)?.to_svg(Theme::Light)?)?;
            Ok(())
        }
        Action::Merge { parts, out, svg, json } => {
            expect_svg("--svg", svg.as_deref())?;
            let parts = parts.iter().map(|path| Results::open(path)).collect::<Result<Vec<_>, _>>()?;
            let all = Results::merge(parts)?;
            out.as_ref().map_or(Ok(()), |path| all.save(path))?;
            report(&all, svg.as_deref(), *json)
        }
        Action::Export { name, out } => {
            export(&runs::find(name)?, out)?;
            emit(&format!("{}\n", out.display()))
        }
        Action::Remove { name } => {
            let path = runs::remove(name)?;
            say(&format!("removed {}", path.display()));
            Ok(())
        }
    }
}

fn found(names: &[String]) -> Result<Vec<RunSummary>> {
    names
        .iter()
        .map(|name| Ok(RunSummary { name: name.clone(), ..runs::summary(&runs::find(name)?)? }))
        .collect()
}

fn as_json(run: &RunSummary) -> serde_json::Value {
    json!({
        "name": run.name, "path": run.path, "step": run.step, "held_out_loss": run.held_out_loss,
        "training_loss": run.training_loss, "about": run.about,
    })
}

fn list(runs: &[RunSummary]) -> String {
    let row = |run: &RunSummary| {
        let settings = &run.about.settings;
        let what = format!("{} {}", run.about.preset.as_deref().unwrap_or("settings"), run.about.name);
        vec![
            run.name.clone(),
            what.trim_end().to_owned(),
            format!("{}/{}", run.step, settings.steps),
            settings.seed.to_string(),
            short_or_dash(run.training_loss),
            short_or_dash(run.held_out_loss),
        ]
    };
    columns(&["run", "what", "steps", "seed", "loss", "held out"], runs.iter().map(row).collect())
}

fn show(run: &RunSummary) -> String {
    let settings = &run.about.settings;
    let differences = settings.differences(&rankscope::train::Settings::default());
    let set = differences.iter().map(|(key, value, _)| format!("{key}={value}")).collect::<Vec<_>>();
    let checkpoint = run.path.join("checkpoint");
    let model =
        if checkpoint.is_dir() { checkpoint.display().to_string() } else { "no checkpoint yet".into() };
    let [training, held_out] = [run.training_loss, run.held_out_loss].map(short_or_dash);
    facts(&[
        ("run", run.path.display().to_string()),
        ("preset", run.about.preset.clone().unwrap_or_else(|| "none".into())),
        ("settings", if set.is_empty() { "the defaults".into() } else { set.join(" ") }),
        ("seed", settings.seed.to_string()),
        ("steps", format!("{} of {}", run.step, settings.steps)),
        ("loss", format!("{training} in training, {held_out} on held-out data")),
        ("device", run.about.device.clone()),
        ("model", model),
    ])
}

/// The settings in which runs differ, a row each, and the runs' last losses.
fn compare(runs: &[RunSummary]) -> String {
    let first = &runs[0].about.settings;
    let differences = runs[1..].iter().flat_map(|run| run.about.settings.differences(first));
    let keys = distinct(differences.map(|(key, ..)| key));
    let value = |run: &RunSummary, key: &str| run.about.settings.value(key).unwrap_or_else(|| "–".into());
    let mut rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| [key.clone()].into_iter().chain(runs.iter().map(|run| value(run, key))).collect())
        .collect();
    let mut add = |label: &str, of: fn(&RunSummary) -> String| {
        rows.push([label.to_owned()].into_iter().chain(runs.iter().map(of)).collect());
    };
    add("steps made", |run| run.step.to_string());
    add("loss", |run| short_or_dash(run.training_loss));
    add("held out", |run| short_or_dash(run.held_out_loss));
    let header: Vec<&str> = [""].into_iter().chain(runs.iter().map(|run| run.name.as_str())).collect();
    columns(&header, rows)
}

fn figure(runs: &[RunSummary], what: What) -> Result<Lines> {
    let (name, column, label) = match what {
        What::Loss => (Table::Evaluation, 1, "loss on held-out data (nats)"),
        What::TrainingLoss => (Table::Steps, 1, "loss of the batch (nats)"),
        What::EffectiveRank => (Table::Ranks, 3, "effective rank, mean over heads"),
        What::SecondRatio => (Table::Ranks, 5, "σ₂/σ₁, mean over heads"),
        What::Norm => (Table::Steps, 2, "norm of the gradients"),
    };
    let mut curves = Vec::new();
    for run in runs {
        let mut points: Vec<(f64, f64, usize)> = Vec::new();
        for row in table(&run.path, name)? {
            let number = |column: usize| row.get(column).and_then(|field| field.parse::<f64>().ok());
            let (Some(step), Some(y)) = (number(0), number(column)) else { continue };
            match points.last_mut() {
                Some((at, sum, count)) if *at == step => (*sum, *count) = (*sum + y, *count + 1),
                _ => points.push((step, y, 1)),
            }
        }
        if points.is_empty() {
            let hint = if matches!(name, Table::Ranks) { "; train with --set record_every=50" } else { "" };
            bail!("{}: nothing was recorded of the {label}{hint}", run.name);
        }
        let means = points.into_iter().map(|(step, sum, count)| (step, sum / count as f64));
        curves.push(Curve::new(run.name.clone(), Kind::Plain, means));
    }
    let settings: Vec<_> = runs.iter().map(|run| json!({"run": run.name, "about": run.about})).collect();
    Ok(Lines {
        title: format!("{} over training", label.split([',', '(']).next().unwrap_or(label).trim()),
        x: PlotAxis::linear("step"),
        y: PlotAxis::linear(label),
        curves,
        references: Vec::new(),
        settings: json!(settings),
    })
}
