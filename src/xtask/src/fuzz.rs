//! `cargo xtask fuzz`: millions of hostile inputs for all code that reads files of others.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::process;

/// The options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub struct Args {
    /// The targets; without names, all of them in parallel.
    targets: Vec<Target>,
    /// The duration.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// The fuzz targets, as the files in `fuzz_targets` are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// `config.json` of a model.
    Config,
    /// The header of `model.safetensors`.
    Safetensors,
    /// The mask language.
    Mask,
    /// Matrices for `rankscope rank --matrix`.
    Npy,
    /// Patterns of attention for `rankscope claims run head-size-bottleneck --set target=FILE`.
    Csv,
}

impl Target {
    fn name(self) -> String {
        self.to_possible_value().expect("no target is left out").get_name().to_owned()
    }
}

/// The folders that are used.
struct Places {
    library: PathBuf,
    target: PathBuf,
}

/// Runs `cargo xtask fuzz`.
pub fn run(args: &Args) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let places =
        Places { library: root.join("src/rankscope"), target: process::target_folder()?.join("fuzz") };
    let found = cargo_fuzz(&places, "--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        bail!("cargo-fuzz is not installed; install it with: cargo install cargo-fuzz --locked");
    }
    use_our_versions(&root.join("Cargo.lock"), &places.library.join("fuzz/Cargo.lock"))?;
    let mut build = cargo_fuzz(&places, "build");
    process::run(build.args(BUILD), "the fuzz targets could not be built")?;
    let targets = if args.targets.is_empty() { Target::value_variants() } else { &args.targets };
    let runs = targets.iter().map(|&target| Ok((target, start(&places, target, args.seconds)?)));
    let runs = runs.collect::<Result<Vec<_>>>()?;
    println!("{} s each; their output is in {}", args.seconds, places.target.join("logs").display());
    let mut failed = Vec::new();
    for (target, mut run) in runs {
        let status = run.wait()?;
        println!("{}: {}", target.name(), last_words(&places, target)?);
        if !status.success() {
            failed.push(target.name());
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("found something: {}", failed.join(", ")) }
}

/// The library has next to no unsafe code, so address sanitizing would cost speed and find little; the
/// targets bring their own limit on allocations.
const BUILD: [&str; 3] = ["--sanitizer", "none", "--debug-assertions"];

/// `cargo fuzz …`, in the library's folder, with the flags of nightly allowed on stable.
fn cargo_fuzz(places: &Places, verb: &str) -> Command {
    let mut command = process::cargo();
    command.args(["fuzz", verb]).current_dir(&places.library);
    command.env("CARGO_TARGET_DIR", &places.target).env("RUSTC_BOOTSTRAP", "1");
    command
}

/// Fuzzes the same versions of the dependencies that are shipped.
fn use_our_versions(ours: &Path, theirs: &Path) -> Result<()> {
    let modified = |file: &Path| fs::metadata(file).and_then(|data| data.modified());
    if !modified(theirs).is_ok_and(|theirs| modified(ours).is_ok_and(|ours| ours <= theirs)) {
        fs::copy(ours, theirs).with_context(|| format!("cannot write {}", theirs.display()))?;
    }
    Ok(())
}

fn start(places: &Places, target: Target, seconds: u64) -> Result<Child> {
    let fuzz = places.library.join("fuzz");
    let corpus = corpus(places, target)?;
    let mut command = cargo_fuzz(places, "run");
    command.args(BUILD).arg(target.name()).arg(corpus).arg("--");
    command.arg(format!("-max_total_time={seconds}"));
    command.args(["-timeout=5", "-rss_limit_mb=2048", "-max_len=4096", "-print_final_stats=1"]);
    command.arg(format!("-dict={}", fuzz.join("dictionaries").join(target.name()).display()) + ".dict");
    command.env("RAYON_NUM_THREADS", "1").env("OPENBLAS_NUM_THREADS", "1");
    let log = log(places, target);
    fs::create_dir_all(log.parent().context("a log in a folder")?)?;
    let log = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().with_context(|| process::cannot_start(&command))
}

fn log(places: &Places, target: Target) -> PathBuf {
    places.target.join("logs").join(target.name()).with_extension("log")
}

/// The inputs found so far, with the seeds among them.
fn corpus(places: &Places, target: Target) -> Result<PathBuf> {
    let corpus = places.target.join("corpus").join(target.name());
    fs::create_dir_all(&corpus)?;
    let mut seeds = files(&places.library.join("fuzz/seeds").join(target.name()))?;
    if target == Target::Config {
        for folder in files(&places.library.join("tests/fixtures/tiny"))? {
            seeds.push(folder.join("config.json"));
        }
    }
    for (index, seed) in seeds.iter().enumerate() {
        let copy = corpus.join(format!("seed-{index}"));
        fs::copy(seed, copy).with_context(|| format!("cannot copy {}", seed.display()))?;
    }
    Ok(corpus)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// How many inputs were tried, and the input that failed.
fn last_words(places: &Places, target: Target) -> Result<String> {
    let text = String::from_utf8_lossy(&fs::read(log(places, target))?).into_owned();
    let after = |key: &str| text.lines().rev().find_map(|line| Some(line.split_once(key)?.1.trim()));
    let executions = after("stat::number_of_executed_units:").unwrap_or("an unknown number of");
    let finding = after("Test unit written to ").map_or(String::new(), |file| format!(", found {file}"));
    Ok(format!("{executions} executions{finding}"))
}
