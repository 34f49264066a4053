//! The desktop app: a sentence, a model, its attention under any mask, and the ranks of it.

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
    quieten_drivers();
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

/// Keeps Mesa's device chooser from complaining about a missing `XDG_RUNTIME_DIR` on stderr.
fn quieten_drivers() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: called first thing in `main`, when no other thread can be reading the environment.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
