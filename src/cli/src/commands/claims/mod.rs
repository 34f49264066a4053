//! `rankscope claims`: the claims of the popular account, each with its experiment and verdict.

mod check;
mod report;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use rankscope::claim::{self, CLAIMS, Claim, Effort, Group, RunsAt, Settings, Trial};
use rankscope::figure::save;
use rankscope::figure::style::Theme;
use rankscope::train::Kept;
use rankscope::train::folder::runs::runs_folder;
use rankscope::train::twin::Share;
use rankscope::{Device, Error, Run};
use serde_json::{Value, json};

use crate::args::DeviceArgs;
use crate::output::{distinct, emit, emit_json, facts, say};

const ABOUT: &str = "\
A claim is tried in up to four arenas: in exact arithmetic (proved, refuted, open), in floating point over drawn \
inputs, in trained models, and in training: runs that differ in one setting, with the smallest difference that matters \
stated beforehand. A fixed rule in the claim's source derives each verdict from the measurements. The printed settings \
reproduce the numbers. What trained runs found is kept, so that none is made twice and an interrupted claim goes on.

Examples:
  rankscope claims run                                  every claim, quickly
  rankscope claims run mixed-directions --full --figures figures
  rankscope claims run mixed-directions --set n=128 --set head_sizes=4,64 --seeds 20
  rankscope claims run --trained                        the claims that are tried by training
  rankscope claims run --trained --full --part 1/4 --out a
      a quarter of their runs; the others elsewhere, then: rankscope claims merge a b c d --out all
  rankscope claims check no-positions                   trains again what the stored results come from";

#[derive(Args)]
#[command(after_help = ABOUT)]
pub struct ClaimsArgs {
    #[command(subcommand)]
    command: ClaimsCommand,
}

#[derive(Subcommand)]
enum ClaimsCommand {
    /// List the claims, or the parameters of some of them
    List(ListArgs),
    /// Run experiments, and print the evidence and the verdict of each
    Run(RunArgs),
    /// Put the parts of trained claims together
    Merge {
        /// The folders that `rankscope claims run --part … --out` wrote
        #[arg(required = true)]
        parts: Vec<PathBuf>,
        /// The folder for the merged runs, which `rankscope claims run --trained --out` reads
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Train again the runs behind the results that come with the program, and compare
    Check(check::CheckArgs),
}

#[derive(Args)]
struct ListArgs {
    /// Claims to show with their parameters; if none is named, all claims, one a line
    ids: Vec<String>,
    /// Print an array of objects
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct RunArgs {
    /// Claims; if none is named, all that take seconds
    ids: Vec<String>,
    /// If none is named, all that are tried by training: it takes minutes, less if runs are kept already
    #[arg(long)]
    trained: bool,
    /// The i-th of n parts of the runs to be trained, without verdicts
    #[arg(long, value_name = "I/N", conflicts_with_all = ["json", "table", "figures"])]
    part: Option<Share>,
    /// Where trained runs are kept [default: claims in the folder of `rankscope runs`]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seconds for a claim, a minute for a trained one: few draws, small sizes [the default]
    #[arg(long)]
    quick: bool,
    /// More draws and larger sizes
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// Number of draws, an error if none of the claims draws; the same as --set seeds=N
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// Set a parameter of all claims that have it, an error if none has (`rankscope claims list ID` names
    /// them)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print an array of objects
    #[arg(long)]
    json: bool,
    /// Print the verdicts alone, as a table in Markdown
    #[arg(long, conflicts_with = "json")]
    table: bool,
    /// Write the figures to a folder, with their captions in captions.md
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
    /// The figures' file format
    #[arg(long, value_parser = ["svg", "png"], default_value = "svg", requires = "figures")]
    format: String,
    /// The figures' colours
    #[arg(long, value_parser = ["light", "dark"], default_value = "light", requires = "figures")]
    theme: String,
}

pub fn execute(args: &ClaimsArgs, run: &Run) -> Result<()> {
    match &args.command {
        ClaimsCommand::List(args) => list(args),
        ClaimsCommand::Run(args) => match args.part {
            Some(part) => run_part(args, part, run),
            None => run_all(args, run),
        },
        ClaimsCommand::Merge { parts, out } => {
            let all = Kept::merge(parts, out)?;
            say(&format!("{} runs in {}", all.count(), out.display()));
            Ok(())
        }
        ClaimsCommand::Check(args) => check::execute(args, run),
    }
}

/// The claims of these ids, in the order given; without ids, the claims for which `is_usual` holds.
fn chosen(ids: &[String], is_usual: impl Fn(&Claim) -> bool) -> Result<Vec<&'static Claim>> {
    if ids.is_empty() {
        return Ok(CLAIMS.iter().copied().filter(|claim| is_usual(claim)).collect());
    }
    Ok(ids.iter().map(|id| claim::find(id)).collect::<rankscope::Result<_>>()?)
}

fn list(args: &ListArgs) -> Result<()> {
    let claims = chosen(&args.ids, |_| true)?;
    if args.json {
        let all = claims.iter().map(|claim| describe(claim)).collect::<Result<Vec<_>>>()?;
        return emit_json(&all);
    }
    if args.ids.is_empty() {
        let group = |group: Group| {
            let claims = claims.iter().map(|claim| claim.about()).filter(|about| about.group == group);
            let rows: Vec<_> = claims.map(|about| (about.id, about.statement.to_owned())).collect();
            format!("{}\n{}", group.name(), facts(&rows))
        };
        return emit(&Group::ALL.map(group).join("\n"));
    }
    let paragraphs = claims.iter().map(|claim| report::about(claim));
    emit(&paragraphs.collect::<Vec<_>>().join("\n"))
}

fn describe(claim: &Claim) -> Result<Value> {
    let mut about = serde_json::to_value(claim.about())?;
    about["parameters"] = json!(claim.parameters());
    Ok(about)
}

/// Trains a part of the runs of all claims together.
fn run_part(args: &RunArgs, part: Share, run: &Run) -> Result<()> {
    let claims = chosen(&args.ids, Claim::is_trained)?;
    if let Some(claim) = claims.iter().find(|claim| !claim.is_trained()) {
        bail!("--part is {part}, but {} trains nothing", claim.about().id);
    }
    let mut all = settings(args, &claims)?;
    // Runs that come with the program do not count as finished: the parts together train every run.
    let runs = RunsAt { shipped: false, folder: Some(results_folder(args)?) };
    all.iter_mut().for_each(|settings| settings.keep_runs(runs.clone()));
    let count = claim::train(&all, part, run)?;
    say(&format!("{count} runs, a part: `rankscope claims merge` puts it together with the others"));
    Ok(())
}

/// Where trained runs are kept.
fn results_folder(args: &RunArgs) -> Result<PathBuf> {
    Ok(args.out.clone().map_or_else(|| runs_folder().map(|runs| runs.join("claims")), Ok)?)
}

fn run_all(args: &RunArgs, run: &Run) -> Result<()> {
    let claims = chosen(&args.ids, |claim| claim.is_trained() == args.trained)?;
    let mut all = settings(args, &claims)?;
    if claims.iter().any(|claim| claim.is_trained()) {
        let runs = RunsAt { shipped: true, folder: Some(results_folder(args)?) };
        all.iter_mut().for_each(|settings| settings.keep_runs(runs.clone()));
    }
    if let Some(folder) = &args.figures {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let (mut trials, mut failed, mut stopped) = (Vec::new(), Vec::new(), None);
    for (claim, settings) in claims.iter().zip(&all) {
        let id = claim.about().id;
        match claim::missing(settings)? {
            0 => {}
            1 => say(&format!("{id}: 1 run to train")),
            count => say(&format!("{id}: {count} runs to train")),
        }
        // After an interrupt or a failed claim, the finished results are still printed.
        match claim::run(claim, settings, run) {
            Ok(trial) => {
                if !args.json && !args.table {
                    emit(&format!("{}\n", report::trial(&trial)))?;
                }
                trials.push(trial);
            }
            Err(error @ Error::Cancelled) => {
                say(&format!("interrupted in {id}; {} of {} claims are finished", trials.len(), all.len()));
                stopped = Some(error);
                break;
            }
            Err(error) => failed.push(format!("{id}: {error}")),
        }
    }
    if let Some(folder) = &args.figures {
        figures(&trials, folder, args)?;
    }
    if args.json {
        emit_json(&trials.iter().map(Trial::to_json).collect::<Vec<_>>())?;
    } else if args.table {
        emit(&report::table(&trials))?;
    } else if trials.len() > 1 {
        emit(&report::verdicts(&trials))?;
    }
    match (stopped, failed.is_empty()) {
        (Some(error), _) => Err(error.into()),
        (None, true) => Ok(()),
        (None, false) => bail!("{}", failed.join("; ")),
    }
}

/// The settings of each claim. At least one of the claims must have the key.
fn settings(args: &RunArgs, claims: &[&'static Claim]) -> Result<Vec<Settings>> {
    // Quick is the default; the flag only says so.
    let effort = if args.full && !args.quick { Effort::Full } else { Effort::Quick };
    let device = Device::choose(args.device.request()?)?.device;
    let settings = claims.iter().map(|claim| Settings::new(claim, effort, device.clone()));
    let mut all = settings.collect::<rankscope::Result<Vec<_>>>()?;
    let mut pairs: Vec<(&str, &str, String)> = Vec::new();
    let seeds = args.seeds.map(|seeds| seeds.to_string());
    pairs.extend(seeds.iter().map(|seeds| ("seeds", seeds.as_str(), format!("--seeds is {seeds}"))));
    for set in &args.set {
        let Some((key, value)) = set.split_once('=') else {
            bail!("--set is {set:?}, expected KEY=VALUE, such as n=64");
        };
        pairs.push((key.trim(), value.trim(), format!("--set is {set}")));
    }
    for (key, value, given) in pairs {
        if !all.iter().any(|settings| settings.has(key)) {
            bail!("{given}, but {}", lacking(key, claims, &all));
        }
        for settings in all.iter_mut().filter(|settings| settings.has(key)) {
            settings.set(key, value)?;
        }
    }
    Ok(all)
}

/// The message that no claim has `key`, with the keys that exist.
fn lacking(key: &str, claims: &[&'static Claim], all: &[Settings]) -> String {
    let who = match claims {
        [claim] => format!("{} has no", claim.about().id),
        _ => format!("none of the {} claims has", claims.len()),
    };
    let names = distinct(all.iter().flat_map(Settings::values).map(|(name, _)| name));
    format!("{who} {key:?}, expected one of {}", names.join(", "))
}

fn figures(trials: &[Trial], folder: &Path, args: &RunArgs) -> Result<()> {
    let theme = if args.theme == "dark" { Theme::Dark } else { Theme::Light };
    let mut captions = String::from("# Captions\n");
    for trial in trials {
        for illustration in trial.evidence.illustrations() {
            let file = format!("{}-{}.{}", trial.about.id, illustration.name, args.format);
            let bytes = match args.format.as_str() {
                "png" => illustration.figure.to_png(theme)?,
                _ => illustration.figure.to_svg(theme)?.into_bytes(),
            };
            save(folder.join(&file), bytes)?;
            let (caption, command) = (&illustration.caption, trial.settings.command());
            captions.push_str(&format!("\n![{file}]({file})\n\n{caption} `{command}`\n"));
        }
    }
    Ok(save(folder.join("captions.md"), captions)?)
}
