//! `cargo xtask bench`: rankscope and the tools that people use today, timed in one run, as ratios.
//!
//! Machines are noisy, so the sides take turns and medians are compared. A side that is not installed
//! (PyTorch, numpy) is left out by name.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

mod kernel;
mod models;
mod ops;
mod table;
mod training;

use table::{Bar, Row, number, table};

/// 128 tokens for MiniLM, its two special tokens included.
const TEXT: &str = include_str!("../bench/text.txt");

/// The options of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Args {
    /// The Python with torch, transformers and numpy to compare with.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Runs of every side of a comparison.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Only the Jupyter kernel; the Python needs jupyter_client and jupyter_kernel_test.
    #[arg(long)]
    kernel: bool,
    /// Only steps of training, over widths; the Python needs torch.
    #[arg(long, conflicts_with = "kernel")]
    training: bool,
}

/// Runs `cargo xtask bench`: the page goes to standard output and to `<target>/bench/results.md`.
pub fn run(args: &Args) -> Result<()> {
    if args.kernel {
        print!("{}", kernel::table(args)?);
        return Ok(());
    }
    if args.training {
        print!("{}", training::table(args)?);
        return Ok(());
    }
    let programs = Programs::build()?;
    let mut rows = Vec::new();
    rows.extend(whole_process(args, &programs)?);
    for (count, size) in [("72", "128"), ("1000", "64"), ("100", "256")] {
        rows.extend(decompositions(args, &programs, (count, size))?);
    }
    rows.push(phase_map(args, &programs)?);
    rows.extend(models::rows(args, &programs)?);
    rows.extend(app(&programs)?);
    let mut page = heading(&programs)?;
    page.push_str(&table(&rows));
    let folder = programs.cli.ancestors().nth(2).unwrap_or(Path::new("")).join("bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    page.push_str(&models::growth(&programs, &folder)?);
    page.push_str(&ops::table(args, &programs)?);
    page.push_str(&models::gpu_passes(&programs)?);
    print!("{page}");
    let file = folder.join("results.md");
    std::fs::write(&file, page).with_context(|| format!("cannot write {}", file.display()))?;
    eprintln!("results page  {}", file.display());
    Ok(())
}

struct Programs {
    cli: PathBuf,
    app: PathBuf,
    svd_time: PathBuf,
    op_time: PathBuf,
    model_time: PathBuf,
}

/// The machine of the measurements.
fn heading(programs: &Programs) -> Result<String> {
    let devices = listed(&programs.cli, "devices --json")?;
    let describe = |adapter: &Value| {
        let text = format!("{}, driver {} {}", adapter["name"], adapter["driver"], adapter["driver_info"]);
        text.replace('"', "")
    };
    let adapters = devices["adapters"].as_array().into_iter().flatten();
    let adapters: Vec<String> = adapters.map(describe).collect();
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let adapters = if adapters.is_empty() { "none".to_owned() } else { adapters.join("; ") };
    Ok(format!("# rankscope bench\n\nProcessor: {}, {cores} threads. Adapter: {adapters}.\n\n", processor()))
}

/// The processor's name, where the system tells.
fn processor() -> String {
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or(std::env::consts::ARCH, |(_, name)| name).to_owned()
}

impl Programs {
    fn build() -> Result<Self> {
        let targets = ["--bin=rankscope", "--bin=rankscope-app", "--examples"];
        let executables = process::build(&targets)?;
        let find =
            |name: &str| executables.get(name).cloned().with_context(|| format!("cargo built no {name}"));
        Ok(Programs {
            cli: find("rankscope")?,
            app: find("rankscope-app")?,
            svd_time: find("svd_time")?,
            op_time: find("op_time")?,
            model_time: find("model_time")?,
        })
    }
}

/// A command whose BLAS chooses its own kernels: on some machines the environment fixes slow ones.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_remove("OPENBLAS_CORETYPE").env_remove("OPENBLAS_L2_SIZE").stdin(Stdio::null());
    command
}

/// `rankscope rank --model minilm-l6` on 128 tokens against the same report in Python, whole processes.
fn whole_process(args: &Args, programs: &Programs) -> Result<Vec<Row>> {
    let text = TEXT.trim();
    let mut ours = command(&programs.cli);
    ours.args(["rank", "--model", "minilm-l6", "--json", "--text", text]);
    let Some(model) = model_folder(&programs.cli, "minilm-l6")? else {
        let why = "minilm-l6 is not installed: `rankscope models pull minilm-l6`";
        eprintln!("left out: the whole process ({why})");
        return Ok(Vec::new());
    };
    let mut theirs = has_modules(&args.python, "torch, transformers, numpy").then(|| command(&args.python));
    if let Some(theirs) = &mut theirs {
        theirs.arg(script("rank_report.py")).arg(&model).arg(text).env("HF_HUB_OFFLINE", "1");
    }
    let (mut our_costs, mut their_costs) = (Vec::new(), Vec::new());
    measure(&mut ours)?; // the file cache is warm for both
    for _ in 0..args.runs {
        our_costs.push(measure(&mut ours)?);
        if let Some(theirs) = &mut theirs {
            their_costs.push(measure(theirs)?);
        }
    }
    let row = |what: &str, unit, of: fn(&Cost) -> f64, bar| Row {
        what: what.to_owned(),
        unit,
        ours: median(our_costs.iter().map(of)).expect("at least one run"),
        theirs: median(their_costs.iter().map(of)),
        bar: Bar::Ratio(bar),
    };
    Ok(vec![
        row("rank report, MiniLM, 128 tokens: wall", "ms", |cost| cost.wall_millis, 1.0 / 20.0),
        row("rank report, MiniLM, 128 tokens: peak memory", "MiB", |cost| cost.peak_mib, 0.25),
    ])
}

/// What a command of rankscope prints as JSON.
fn listed(cli: &Path, arguments: &str) -> Result<Value> {
    let output = command(cli).args(arguments.split(' ')).output().context("cannot run rankscope")?;
    serde_json::from_slice(&output.stdout).with_context(|| format!("`{arguments}`"))
}

fn model_folder(cli: &Path, name: &str) -> Result<Option<PathBuf>> {
    let models = listed(cli, "models list --json")?;
    let found = models.as_array().into_iter().flatten().find(|model| model["name"] == name);
    Ok(found.and_then(|model| model["path"].as_str()).map(PathBuf::from))
}

/// A phase map: 20 × 20 points at n = 128, 3 draws each, both masks.
fn phase_map(args: &Args, programs: &Programs) -> Result<Row> {
    let time = || printed_number(command(&programs.svd_time).arg("phase-map"));
    let times = (0..args.runs).map(|_| time()).collect::<Result<Vec<_>>>()?;
    Ok(Row {
        what: "phase map, 20 x 20 points, n = 128, 3 draws".to_owned(),
        unit: "ms",
        ours: median(times.into_iter()).expect("at least one run"),
        theirs: None,
        bar: Bar::Absolute(20_000.0),
    })
}

/// Singular values of `count` matrices of `size` rows against numpy: the batch in one call, as most people write it,
/// and split over threads of our own, which is numpy at its best.
fn decompositions(args: &Args, programs: &Programs, (count, size): (&str, &str)) -> Result<Vec<Row>> {
    let has_numpy = has_modules(&args.python, "numpy");
    let theirs = |way: &str| {
        let mut theirs = command(&args.python);
        theirs.arg(script("svd.py")).args([count, size, way]);
        if way == "split" {
            theirs.env("OPENBLAS_NUM_THREADS", "1");
        }
        has_numpy.then_some(theirs)
    };
    let mut ways = ["whole", "split"].map(|way| (way, theirs(way), Vec::new()));
    let mut our_times = Vec::new();
    for _ in 0..args.runs {
        our_times.push(printed_number(command(&programs.svd_time).args([count, size]))?);
        for (_, theirs, times) in &mut ways {
            times.extend(theirs.as_mut().map(printed_number).transpose()?);
        }
    }
    let ours = median(our_times.into_iter()).expect("at least one run");
    Ok(ways
        .map(|(way, _, times)| Row {
            what: format!("{count} SVDs of {size} x {size}, values only; numpy: {way} batch"),
            unit: "ms",
            ours,
            theirs: median(times.into_iter()),
            bar: Bar::Ratio(1.0),
        })
        .into())
}

/// The app's own measurements, with the limits of its design.
fn app(programs: &Programs) -> Result<Vec<Row>> {
    let figures = printed(command(&programs.app).arg("--bench"))?;
    let bars = [
        ("first_frame_millis", "app: start to first frame", 500.0),
        ("content_millis", "app: start to first frame with content", 1000.0),
        ("painted_mask_millis", "app: painted entry to spectrum, n = 128", 60.0),
        ("painted_all_masks_millis", "app: painted entry to all four spectra, n = 128", 150.0),
        ("painting_longest_frame_millis", "app: longest frame while painting", 33.0),
        ("selected_head_millis", "app: mask change to selected head, 128 tokens", 100.0),
        ("all_heads_millis", "app: mask change to all heads, 128 tokens", 400.0),
        ("longest_frame_millis", "app: longest frame meanwhile", 16.0),
        ("scrolled_frame_millis", "app: frame of a scrolled wall of 12 x 12 heads, 128 tokens", 33.0),
    ];
    let row = |(field, what, bar): (&str, &str, f64)| {
        let ours = figures[field].as_f64().with_context(|| format!("the app's benchmark has no {field}"))?;
        Ok(Row { what: what.to_owned(), unit: "ms", ours, theirs: None, bar: Bar::Absolute(bar) })
    };
    bars.into_iter().map(row).collect()
}

struct Cost {
    wall_millis: f64,
    peak_mib: f64,
}

/// Runs a whole process: its wall time and its largest resident memory.
fn measure(command: &mut Command) -> Result<Cost> {
    let start = Instant::now();
    let child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn();
    let child = child.with_context(|| process::cannot_start(command))?;
    let (status, peak_mib) = process::wait_with_peak_memory(child)?;
    if !status.success() {
        return Err(process::Failed::new("a side of the comparison failed", status).into());
    }
    Ok(Cost { wall_millis: start.elapsed().as_secs_f64() * 1000.0, peak_mib })
}

/// The JSON that a program prints.
fn printed(command: &mut Command) -> Result<Value> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| process::cannot_start(command))?;
    if !output.status.success() {
        return Err(process::Failed::new("a side of the comparison failed", output.status).into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).with_context(|| format!("{command:?} printed {text:?}, expected JSON"))
}

fn printed_number(command: &mut Command) -> Result<f64> {
    let value = printed(command)?;
    value.as_f64().with_context(|| format!("{command:?} printed {value}, expected a number"))
}

fn has_modules(python: &Path, modules: &str) -> bool {
    let import = format!("import {modules}");
    let found = command(python).args(["-c", &import]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        eprintln!("left out: {} has no {modules}; name one that does with --python", python.display());
    }
    found
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bench").join(name)
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
