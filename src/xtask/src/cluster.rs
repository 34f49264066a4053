//! `cargo xtask cluster`: the trained claims as jobs of Snakemake, by `src/cluster/Snakefile`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::machine::{Here, Machine};
use crate::process;

/// The options of `cargo xtask cluster`.
#[derive(clap::Args)]
pub struct Args {
    /// Jobs at once.
    #[arg(long, default_value_t = 2)]
    cores: usize,
    /// The number of parts into which the runs are divided.
    #[arg(long, default_value_t = 4)]
    parts: usize,
    /// Claims; if none is named, a small sweep that takes moments and is compared with a run in one process.
    claims: Vec<String>,
    /// Further arguments of `rankscope claims run`, for example `-- --full`.
    #[arg(last = true)]
    options: Vec<String>,
}

/// Claims and settings of runs that take moments.
const SMALL: (&str, &str) =
    ("no-positions mixed-heads", "--seeds 2 --set steps=1 --set set=width=16,batch=2,evaluation_batches=1");

/// Runs `cargo xtask cluster`.
pub fn run(args: &Args) -> Result<()> {
    let target = process::target_folder()?;
    let snakemake = install(&target.join("snakemake"), &Here)?;
    let programs = process::build(&["--bin=rankscope"])?;
    let program = programs.get("rankscope").context("cargo built no rankscope")?;
    let is_small = args.claims.is_empty();
    let folder = target.join(if is_small { "cluster-small" } else { "cluster" });
    if is_small && folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let (claims, options) = match is_small {
        true => (SMALL.0.to_owned(), SMALL.1.to_owned()),
        false => (args.claims.join(" "), args.options.join(" ")),
    };
    let config = |name: &str, value: &str| format!("{name}={value}");
    let mut command = Command::new(snakemake);
    command.arg("--snakefile").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../cluster/Snakefile"));
    command.arg("--directory").arg(&folder).args(["--cores", &args.cores.to_string(), "--quiet", "all"]);
    command.args(["--rerun-incomplete", "--config"]).args([
        config("program", &program.display().to_string()),
        config("parts", &args.parts.to_string()),
        config("claims", &claims),
        config("options", &options),
    ]);
    process::run(&mut command, "Snakemake ended with an error")?;
    if is_small {
        compare(program, &folder)?;
    }
    print!("{}", std::fs::read_to_string(folder.join("verdicts.md"))?);
    Ok(())
}

/// Trains the same runs in one process: the merged files must be the same bytes.
fn compare(program: &Path, folder: &Path) -> Result<()> {
    let (one, merged) = (folder.join("one"), folder.join("one-merged"));
    let rankscope = |args: &str, last: &Path| -> Result<()> {
        let mut command = Command::new(program);
        command.args(args.split(' ')).arg(last);
        process::run(&mut command, "rankscope ended with an error")
    };
    let (claims, options) = SMALL;
    rankscope(&format!("claims run --trained {claims} {options} --device cpu --part 1/1 --out"), &one)?;
    rankscope(&format!("claims merge {} --out", one.display()), &merged)?;
    let [ours, theirs] = [merged, folder.join("results")].map(|at| std::fs::read(at.join("runs.json")));
    if ours? != theirs? {
        bail!("the parts of {} differ from what one process finds", folder.display());
    }
    eprintln!("The parts together are what one process finds, to the digit.");
    Ok(())
}

/// Installs Snakemake in a Python environment of its own.
fn install(folder: &Path, machine: &dyn Machine) -> Result<PathBuf> {
    let snakemake = folder.join("bin/snakemake");
    if machine.exists(&snakemake) {
        return Ok(snakemake);
    }
    eprintln!("Installing Snakemake in {}.", folder.display());
    let python = machine.program("python3");
    process::install_python(python, folder, &["snakemake"], "Snakemake could not be installed")?;
    Ok(snakemake)
}
