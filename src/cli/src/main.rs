//! The `rankscope` command: traces, ranks, models and devices without a window.
//!
//! Only the result goes to stdout; progress, summaries and errors go to stderr. Exit codes: 0, 1 for
//! an error, 2 for wrong usage, 130 when interrupted.

mod args;
mod commands;
mod output;
mod progress;
mod subject;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use rankscope::run::Cancel;
use rankscope::{Error, Run};

use commands::Command;
use progress::Watch;

/// Why are today's LLMs decoder-only? Traces of real models under any attention mask, and the ranks of
/// their attention matrices.
#[derive(Parser)]
#[command(name = "rankscope", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  rankscope rank --model glass-en --text \"the cat sat on the mat\"
      the rank of every head's attention matrix, as trained (causal)
  rankscope rank --model glass-en --text \"cats\" --compare causal,bidirectional
      the same weights with and without the causal mask, side by side
  rankscope trace --model glass-en --text \"the cat sat\" --out trace.safetensors
      every intermediate of the forward pass, to a file
  rankscope generate --model glass-en --text \"Once upon a time\"
      a model continues a text, token by token, with a cache of keys and values
  rankscope count --compare llama-7b,redllm-8b
      parameters, operations and bytes, from sizes alone
  rankscope models pull minilm-l6
      a bidirectional model to compare with
  rankscope devices
      which device would compute, and why";

fn main() -> ExitCode {
    // SAFETY: no other thread has been started yet.
    unsafe { rankscope::device::quieten_drivers() };
    let cli = Cli::parse();
    let cancel = Cancel::default();
    let flag = cancel.clone();
    // Without a handler an interrupt still ends the process, only without the message `cancelled`.
    let _ = ctrlc::set_handler(move || {
        if flag.is_cancelled() {
            std::process::exit(130);
        }
        flag.cancel();
    });
    let watch = Watch::new();
    let result = cli.command.execute(&watch.watched(Run::default().with_cancel(cancel)));
    watch.finish();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // If stderr is closed too, only the exit code tells of the error.
            let _ = writeln!(io::stderr(), "error: {}", one_line(&error));
            let cancelled = matches!(error.downcast_ref(), Some(Error::Cancelled));
            ExitCode::from(if cancelled { 130 } else { 1 })
        }
    }
}

/// Whether the reader of stdout closed it, as `head` does after its last line.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn one_line(error: &anyhow::Error) -> String {
    format!("{error:#}").lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
