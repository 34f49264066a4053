//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{install, kernel, spare, trial};

/// Jupyter kernel for Rust cells with rankscope loaded.
#[derive(Parser)]
#[command(name = "rankscope-kernel", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds the shared library for cells, warms a workspace, and tells Jupyter about the kernel.
    Install(InstallArgs),
    /// Removes the kernel from Jupyter, with its library and workspaces.
    Uninstall(Place),
    /// Says what is installed and which kernels run, and runs a test cell; exits with 1 if something is missing.
    Status(Place),
    /// Keeps an engine warm for the next kernel that starts, so that its first cell is answered at once; the default
    /// while 2 GiB of memory are available.
    Spare {
        #[command(subcommand)]
        change: Spare,
    },
    /// Runs a cell in a folder; `install` and `status` call this.
    #[command(hide = true)]
    Try {
        /// The folder in which it is compiled.
        folder: PathBuf,
    },
    /// Serves one notebook; Jupyter calls this.
    Run {
        /// The connection file that Jupyter wrote.
        #[arg(long, value_name = "FILE")]
        connection_file: PathBuf,
    },
}

/// The actions on the spare.
#[derive(Subcommand)]
enum Spare {
    /// Keeps a spare from now on, and warms the first one at once.
    On(Place),
    /// Keeps no spare from now on, and ends the one that runs.
    Off,
    /// Runs the spare; kernels call this.
    #[command(hide = true)]
    Wait,
}

/// Where the kernel is installed.
#[derive(Args, Clone, Default)]
pub struct Place {
    /// For this user (the default).
    #[arg(long, conflicts_with_all = ["sys_prefix", "prefix"])]
    #[allow(dead_code)] // it only states the default
    user: bool,
    /// For the Python environment that is active (VIRTUAL_ENV or CONDA_PREFIX), for everyone who uses it.
    #[arg(long, conflicts_with = "prefix")]
    pub sys_prefix: bool,
    /// For the environment under this folder.
    #[arg(long, value_name = "DIR")]
    pub prefix: Option<PathBuf>,
}

/// The options of `install`.
#[derive(Args)]
pub struct InstallArgs {
    #[command(flatten)]
    pub place: Place,
    /// The folder of the library's sources (`src/rankscope` of a checkout).
    #[arg(long, value_name = "DIR")]
    pub sources: Option<PathBuf>,
    /// Builds everything again, even if it is up to date.
    #[arg(long)]
    pub force: bool,
}

/// Runs what the command line says.
pub fn run() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Install(args) => install::install(&args),
        Command::Uninstall(place) => install::uninstall(&place),
        Command::Status(place) => install::status(&place),
        Command::Spare { change: Spare::On(place) } => spare::on(&install::places(&place)?.0),
        Command::Spare { change: Spare::Off } => spare::off(),
        Command::Spare { change: Spare::Wait } => spare::wait(),
        Command::Try { folder } => trial::try_cell(&folder),
        Command::Run { connection_file } => kernel::run(&connection_file),
    }
}
