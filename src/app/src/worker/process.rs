//! [`Process`]: the window's end of a process.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Kind;

/// Names the kind to a process of the tests.
#[cfg(test)]
pub const VARIABLE: &str = "RANKSCOPE_TEST_WORKER";
/// How much of the end of a process's stderr is shown.
const COMPLAINT: usize = 1000;

/// A process at work. Dropped, it is ended at once.
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    complaint: Option<JoinHandle<String>>,
}

/// The result of waiting for a message.
pub enum Received<M> {
    /// A message.
    Message(M),
    /// No message in time.
    Nothing,
    /// No further message: the process has ended, or is about to.
    End,
}

impl Process {
    /// Starts a process with a task, and with variables of its environment.
    ///
    /// # Errors
    /// If the system starts no process, or the task cannot be handed over.
    pub fn start(kind: Kind, task: &impl Serialize, variables: &[(&str, String)]) -> io::Result<Self> {
        let mut child = command(kind)?
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (Some(mut input), Some(output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::Error::other("a process without pipes"));
        };
        let (outbox, lines) = unbounded();
        thread::Builder::new().name("worker's messages".to_owned()).spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            // A driver may print something of its own.
            lines.filter(|line| line.starts_with(['{', '"'])).try_for_each(|line| outbox.send(line))
        })?;
        let complaint = thread::Builder::new().name("worker's errors".to_owned()).spawn(move || {
            let mut text = Vec::new();
            // The text that could be read is shown; an error of reading is ignored.
            let _ = BufReader::new(errors).read_to_end(&mut text);
            let text = String::from_utf8_lossy(&text);
            let start = text.ceil_char_boundary(text.len().saturating_sub(COMPLAINT));
            text[start..].trim().replace('\n', " ")
        })?;
        let task = serde_json::to_string(task)?;
        let written = input.write_all(task.as_bytes()).and_then(|()| input.write_all(b"\n"));
        // Dropped, it is ended: also where it does not take its task.
        let process = Process { child, input: Some(input), lines, complaint: Some(complaint) };
        written.map(|()| process)
    }

    /// The next message, if one comes within `patience`.
    ///
    /// # Errors
    /// If the line is no message.
    pub fn receive<M: DeserializeOwned>(&self, patience: Duration) -> Result<Received<M>, String> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => serde_json::from_str(&line)
                .map(Received::Message)
                .map_err(|error| format!("a process of this program says something unknown ({error})")),
            Err(RecvTimeoutError::Timeout) => Ok(Received::Nothing),
            Err(RecvTimeoutError::Disconnected) => Ok(Received::End),
        }
    }

    /// Asks it to stop.
    pub fn stop(&mut self) {
        self.input = None;
    }

    /// Waits until it has ended, and ends it after `patience`.
    ///
    /// # Errors
    /// The text on its stderr, if it did not succeed.
    pub fn finish(mut self, patience: Duration) -> Result<(), String> {
        self.stop();
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if start.elapsed() < patience => thread::sleep(Duration::from_millis(10)),
                Ok(None) => {
                    self.end();
                    return Err(format!("did not stop within {} s and was ended", patience.as_secs()));
                }
                Err(error) => return Err(error.to_string()),
            }
        };
        if status.success() {
            return Ok(());
        }
        let complaint = self.complaint.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Err(if complaint.is_empty() { format!("ended with {status}") } else { complaint })
    }

    /// Its process id.
    #[cfg(test)]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn end(&mut self) {
        // It may have ended on its own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(not(test))]
fn command(kind: Kind) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--worker", &kind.name()]);
    Ok(command)
}

/// The tests' program runs the test that is a worker.
#[cfg(test)]
fn command(kind: Kind) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["worker::tests::as_worker", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(VARIABLE, kind.name()).env("RUST_BACKTRACE", "0");
    Ok(command)
}
