//! The desktop app: labs around attention, its masks and its ranks, in one window.

mod args;
mod bench;
mod device;
mod format;
mod frame;
mod graphics;
mod headless;
mod heatmap;
mod lab;
mod labs;
mod layout;
mod theme;
mod widget;
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
    if let Some(kind) = args.worker {
        return worker::work(kind);
    }
    if args.list_labs {
        lab::LABS.iter().for_each(|row| println!("{:<10} {}", row.id, row.about));
        return ExitCode::SUCCESS;
    }
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
