//! The desktop app: a sentence, a model, its attention under any mask, and the ranks of the weights.

mod app;
mod args;
mod bench;
mod device;
mod format;
mod graphics;
mod headless;
mod heatmap;
mod layout;
#[cfg(test)]
mod tests;
mod theme;
mod view;
mod window;
mod worker;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

fn main() -> ExitCode {
    let start = Instant::now();
    // SAFETY: no other thread has been started yet.
    unsafe { rankscope::device::quieten_drivers() };
    let args = args::Args::parse();
    let outcome = match &args.screenshot {
        Some(path) => headless::screenshot(&args, path),
        None if args.bench => bench::run(&args, start),
        None => window::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rankscope-app: {error:#}");
            ExitCode::FAILURE
        }
    }
}
