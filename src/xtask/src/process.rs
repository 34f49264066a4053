//! Running programs in the foreground, and carrying their exit codes to ours.

use std::fmt;
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context, Result};

/// A program ran and did not succeed; carries the code that we exit with.
#[derive(Debug)]
pub struct Failed {
    /// What went wrong, in words.
    message: String,
    /// The program's exit code; `None` if a signal ended it.
    code: Option<i32>,
}

impl Failed {
    /// A failure of the program that ended with `status`.
    pub fn new(message: impl Into<String>, status: ExitStatus) -> Self {
        Failed { message: format!("{} ({status})", message.into()), code: status.code() }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failed {}

/// The exit code for `error`: that of the program that failed, otherwise 1.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    let code = error.downcast_ref::<Failed>().and_then(|failed| failed.code).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// The cargo that started us, so that a toolchain chosen with `+name` stays chosen.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs `command` with our standard streams; fails with `message` unless it succeeds.
pub fn run(command: &mut Command, message: &str) -> Result<()> {
    let status = command.status().with_context(|| cannot_start(command))?;
    if status.success() { Ok(()) } else { Err(Failed::new(message, status).into()) }
}

/// The message for a program that could not even be started.
pub fn cannot_start(command: &Command) -> String {
    format!("cannot start {}", command.get_program().to_string_lossy())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<()> {
        run(Command::new("sh").args(["-c", script]), "the script failed")
    }

    #[test]
    fn the_exit_code_of_a_program_becomes_ours() {
        assert!(shell("exit 0").is_ok());
        let error = shell("exit 42").unwrap_err();
        assert_eq!(exit_code(&error), ExitCode::from(42));
        assert_eq!(error.to_string(), "the script failed (exit status: 42)");
    }

    #[test]
    fn a_signal_or_a_program_that_is_not_there_gives_one() {
        assert_eq!(exit_code(&shell("kill -9 $$").unwrap_err()), ExitCode::from(1));
        let error = run(&mut Command::new("/no/such/program"), "unused").unwrap_err();
        assert_eq!(error.to_string(), "cannot start /no/such/program");
        assert_eq!(exit_code(&error), ExitCode::from(1));
    }
}
