//! Work in processes of their own: this program once more, with `--worker KIND`.
//!
//! A process reads its task, one line of JSON, and then nothing until its input ends, which asks it to stop: so it stops
//! as well if the window has gone. It prints messages, a line of JSON each.

mod process;

use std::io::{BufRead, Write, stdin, stdout};
use std::process::ExitCode;

use clap::ValueEnum;
use rankscope::run::Cancel;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use process::{Process, Received};

use crate::labs;

/// The kinds of work of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Trains one run.
    Train,
    /// Runs a kernel from another source.
    Shader,
}

impl Kind {
    fn name(self) -> String {
        self.to_possible_value().expect("no kind is left out").get_name().to_owned()
    }
}

/// Does what the task on standard input says.
pub fn work(kind: Kind) -> ExitCode {
    let done = match kind {
        Kind::Train => labs::training::worker::work(),
        Kind::Shader => labs::shader::worker::work(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The task, and a flag that is set when the input ends.
///
/// # Errors
/// If the first line is no such task.
pub fn task<T: DeserializeOwned>() -> anyhow::Result<(T, Cancel)> {
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    let task = serde_json::from_str(&line)?;
    let cancel = Cancel::default();
    let flag = cancel.clone();
    std::thread::Builder::new().name("stop".to_owned()).spawn(move || {
        let mut rest = String::new();
        while stdin().lock().read_line(&mut rest).is_ok_and(|count| count > 0) {
            rest.clear();
        }
        flag.cancel();
    })?;
    Ok((task, cancel))
}

/// Prints a message.
///
/// # Errors
/// If nobody reads it any more.
pub fn tell(message: &impl Serialize) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    serde_json::to_writer(&mut out, message)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// The code of a process in the tests: the program of the tests does not have our command line.
    #[test]
    fn as_worker() {
        if let Ok(kind) = std::env::var(super::process::VARIABLE) {
            let kind = <Kind as ValueEnum>::from_str(&kind, false).unwrap();
            println!();
            assert_eq!(work(kind), ExitCode::SUCCESS);
        }
    }

    #[test]
    fn a_process_with_no_sound_task_says_what_is_wrong() {
        for kind in Kind::value_variants() {
            let process = Process::start(*kind, &"nonsense", &[]).unwrap();
            let heard = process.receive::<()>(Duration::from_secs(60)).unwrap();
            assert!(matches!(heard, Received::End));
            let problem = process.finish(Duration::from_secs(60)).unwrap_err();
            assert!(problem.contains("expected struct Task"), "{problem}");
        }
    }

    /// With its input open it waits for nothing; dropped, it is gone at once.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_dropped_process_is_gone() {
        let task = crate::labs::shader::worker::Task {
            op: "matmul".into(),
            variant: "naive".into(),
            source: None,
            size: 2048,
        };
        let process = Process::start(Kind::Shader, &task, &[]).unwrap();
        let folder = std::path::PathBuf::from(format!("/proc/{}", process.id()));
        assert!(folder.exists());
        let start = Instant::now();
        drop(process);
        assert!(!folder.exists() && start.elapsed() < Duration::from_secs(10));
    }
}
