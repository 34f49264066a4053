//! [`Session`]: the open labs and their states, kept in a file and restored after the window was closed or the program
//! has crashed.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};
use rankscope::figure::save;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lab::Layout;

/// After more crashes than this in a row the program does not restore the session.
const MOST_CRASHES: u32 = 2;

/// The open labs, and the look of the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// The lab in front.
    pub lab: String,
    /// The state of each open lab, and where its panels stand.
    pub labs: BTreeMap<String, Kept>,
    /// Whether the theme is the dark one.
    pub is_dark: Option<bool>,
    /// The scale of everything; 1 is the usual size.
    pub scale: Option<f32>,
    /// Whether the window was closed by the user.
    pub is_closed: bool,
    /// Crashes since the user last closed the window.
    pub crashes: u32,
}

/// An open lab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its state.
    pub state: Value,
    /// Where its panels stand.
    pub layout: Layout,
}

/// Writes the session, on a thread of its own.
pub struct Keeper {
    /// Held until the program ends: a second window leaves the file alone.
    _lock: File,
    written: Session,
    outbox: Option<Sender<Session>>,
    problems: Receiver<String>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// The session that was kept in `folder`, and its keeper; `None` while another window keeps it.
    ///
    /// # Errors
    /// One sentence, if the folder cannot be written, or the kept session cannot be read: it is then put aside.
    pub fn open(folder: PathBuf) -> Result<Option<(Session, Keeper, Option<String>)>, String> {
        let problem = |error: std::io::Error| {
            format!("what is open is not kept, because {} cannot be written: {error}", folder.display())
        };
        std::fs::create_dir_all(&folder).map_err(problem)?;
        let lock = File::create(folder.join("session.lock")).map_err(problem)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(problem(error)),
        }
        let path = folder.join("session.json");
        let (mut session, said) = read(&path);
        if !session.is_closed && !session.lab.is_empty() {
            session.crashes += 1;
        }
        let (outbox, inbox) = unbounded::<Session>();
        let (complaints, problems) = unbounded();
        let thread = std::thread::Builder::new().name("autosave".to_owned()).spawn(move || {
            while let Ok(session) = inbox.recv() {
                let session = inbox.try_iter().last().unwrap_or(session);
                let written = serde_json::to_string(&session).map_err(|error| error.to_string());
                let written = written.and_then(|text| save(&path, text).map_err(|error| error.to_string()));
                if let Err(error) = written {
                    let _ = complaints.send(format!("what is open is not kept: {error}"));
                }
            }
        });
        let thread = thread.map_err(problem)?;
        let written = session.clone();
        let keeper = Keeper { _lock: lock, written, outbox: Some(outbox), problems, thread: Some(thread) };
        Ok(Some((session, keeper, said)))
    }

    /// Writes `now`, if it differs from the session that was written last.
    pub fn keep(&mut self, now: Session) {
        if now != self.written {
            self.write(now);
        }
    }

    /// The session that was written last.
    pub fn kept(&self) -> &Session {
        &self.written
    }

    fn write(&mut self, session: Session) {
        if let Some(outbox) = &self.outbox {
            // The thread ends only when this sender is dropped.
            let _ = outbox.send(session.clone());
        }
        self.written = session;
    }

    /// Writes `last` as closed by the user, and waits until it is written.
    pub fn close(&mut self, last: Session) {
        self.write(Session { is_closed: true, crashes: 0, ..last });
        self.finish();
    }

    fn finish(&mut self) {
        self.outbox = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Errors while writing.
    pub fn problems(&self) -> Vec<String> {
        self.problems.try_iter().collect()
    }
}

/// Runs also when the window ends in a panic.
impl Drop for Keeper {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Session {
    /// The message about crashes on opening, and whether to restore the session.
    pub fn after_a_crash(&self) -> (Option<String>, bool) {
        match self.crashes {
            0 => (None, true),
            crashes if crashes <= MOST_CRASHES => {
                let text = "rankscope ended unexpectedly; what was open is here again. Undo, or Reset in the palette, starts afresh.";
                (Some(text.to_owned()), true)
            }
            crashes => {
                let text =
                    format!("rankscope ended unexpectedly {crashes} times in a row, so it starts afresh.");
                (Some(text), false)
            }
        }
    }
}

/// The kept session; if it cannot be read, its file is renamed, and a message says so.
fn read(path: &std::path::Path) -> (Session, Option<String>) {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return (Session::default(), None),
        Err(error) => return aside(path, &error),
    };
    match serde_json::from_str(&text) {
        Ok(session) => (session, None),
        Err(error) => aside(path, &error),
    }
}

fn aside(path: &std::path::Path, error: &dyn std::fmt::Display) -> (Session, Option<String>) {
    let kept = path.with_extension("broken.json");
    let moved = match std::fs::rename(path, &kept) {
        Ok(()) => format!("; the file is kept as {}", kept.display()),
        Err(_) => String::new(),
    };
    let said = format!("what was open cannot be read ({error}), so rankscope starts afresh{moved}");
    (Session::default(), Some(said))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn session(lab: &str) -> Session {
        let kept = Kept { state: json!({ "n": 7 }), layout: Layout::panel("a") };
        Session { lab: lab.to_owned(), labs: [(lab.to_owned(), kept)].into(), ..Session::default() }
    }

    fn open(folder: &std::path::Path) -> (Session, Keeper, Option<String>) {
        Keeper::open(folder.to_owned()).unwrap().expect("nobody else holds it")
    }

    #[test]
    fn what_was_open_comes_back_after_closing_and_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let (first, mut keeper, said) = open(folder.path());
        assert_eq!((first.clone(), said, first.after_a_crash()), (Session::default(), None, (None, true)));
        assert!(Keeper::open(folder.path().to_owned()).unwrap().is_none(), "a second window leaves it alone");
        keeper.close(session("mask"));
        drop(keeper);
        let (second, mut keeper, _) = open(folder.path());
        assert_eq!(second, Session { is_closed: true, ..session("mask") });
        keeper.write(Session { is_closed: false, ..second.clone() });
        while read(&folder.path().join("session.json")).0 != keeper.written {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        drop(keeper); // as a crash does: nobody closes
        let (third, mut keeper, _) = open(folder.path());
        assert_eq!((third.crashes, third.labs.clone()), (1, second.labs));
        assert!(third.after_a_crash().0.unwrap().contains("is here again"));
        keeper.close(Session { crashes: 9, ..third });
        drop(keeper);
        assert_eq!(open(folder.path()).0.crashes, 0);
        assert!(!Session { crashes: 3, ..Session::default() }.after_a_crash().1);
    }

    #[test]
    fn a_broken_file_is_put_aside_and_a_folder_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("session.json"), "{\"lab\": ").unwrap();
        let (session, _keeper, said) = open(folder.path());
        assert_eq!(session, Session::default());
        assert!(said.unwrap().contains("session.broken.json"));
        assert!(folder.path().join("session.broken.json").exists());
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let problem = Keeper::open(file.join("below")).err().unwrap();
        assert!(problem.contains("is not kept"), "{problem}");
    }

    #[test]
    fn a_disk_that_is_full_is_told_once_for_each_try() {
        let folder = tempfile::tempdir().unwrap();
        let (_, mut keeper, _) = open(folder.path());
        std::fs::create_dir(folder.path().join("session.json")).unwrap(); // nothing can be renamed to it
        keeper.close(session("mask"));
        let problems = keeper.problems();
        assert!(problems.len() == 1 && problems[0].contains("what is open is not kept"), "{problems:?}");
    }
}
