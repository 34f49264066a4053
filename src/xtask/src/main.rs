//! `cargo xtask`: set-up and checks for rankscope. It needs no system library itself, so it always builds.

mod bench;
mod book;
mod check;
mod cluster;
mod fuzz;
mod library_sources;
mod machine;
mod manager;
mod mutate;
mod notebook;
mod process;
mod requirement;
mod setup;
mod start;
mod suite;
mod vulkan;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Set-up and checks for rankscope.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// One variant per subcommand, one module per variant.
#[derive(Subcommand)]
enum Command {
    /// Set up this machine, build, and open the app on a sentence.
    Start(start::Args),
    /// Install the system packages that are missing.
    Setup(setup::Args),
    /// Set up this machine and run every test.
    Test(suite::Args),
    /// Set up JupyterLab with the kernel for Rust cells, and open the notebooks.
    Notebook(notebook::Args),
    /// Execute the notebooks and write their outputs.
    Notebooks(notebook::ExecuteArgs),
    /// Build the book into `target/book`, or check it.
    Book(book::Args),
    /// Time rankscope beside numpy and PyTorch.
    Bench(bench::Args),
    /// Spread the runs of trained claims over jobs of Snakemake, and merge them.
    Cluster(cluster::Args),
    /// Feed hostile input to everything that reads files.
    Fuzz(fuzz::Args),
    /// Break the library on purpose and see that a test notices.
    Mutate(mutate::Args),
}

fn main() -> ExitCode {
    process::end_without_a_reader();
    let result = match Cli::parse().command {
        Command::Start(args) => start::run(&args),
        Command::Setup(args) => setup::run(&args),
        Command::Test(args) => suite::run(&args),
        Command::Notebook(args) => notebook::run(&args),
        Command::Notebooks(args) => notebook::execute(&args),
        Command::Book(args) => book::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Cluster(args) => cluster::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Mutate(args) => mutate::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            process::exit_code(&error)
        }
    }
}
