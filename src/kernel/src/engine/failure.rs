//! What went wrong in a cell, in the words of a Jupyter error.

use evcxr::{CompilationError, Error};
use jupyter_protocol::ReplyError;

use super::report::report;
use crate::output::{Ending, Panic};

/// How an execution ended, as the engine knows it.
pub struct Outcome<'a> {
    /// The code that ran.
    pub code: &'a str,
    /// The number of the cell.
    pub count: usize,
    /// Variables that were there before.
    pub variables: &'a [String],
    /// Somebody interrupted it, and whether it had to be killed.
    pub interrupted: bool,
    pub killed: bool,
}

impl Outcome<'_> {
    /// The error of a cell that compiled and ran to an end of some kind; `None` if all is well.
    pub fn of_ending(&self, ending: &Ending) -> Option<ReplyError> {
        let Ending { panic, failure } = ending;
        if self.interrupted && (panic.is_some() || failure.is_some()) {
            return Some(error("Interrupted", "stopped; every variable is kept", Vec::new()));
        }
        if let Some(Panic { message, place }) = panic {
            let place = if place.is_empty() { Vec::new() } else { vec![format!("at {place}")] };
            return Some(error("Panic", message, place));
        }
        let message = failure.as_deref()?.trim_end();
        let gone = "`?` returned it; what this cell defined with `let` is gone";
        Some(error("Error", message, vec![gone.into()]))
    }

    /// The error of a cell that did not compile, or took its process with it.
    pub fn of_error(&self, failed: &Error) -> ReplyError {
        match failed {
            // What a compiler says that was stopped is of no interest.
            Error::CompilationErrors(_) | Error::Message(_) if self.interrupted => {
                error("Interrupted", "stopped before it ran; every variable is kept", Vec::new())
            }
            Error::CompilationErrors(errors) => self.of_compilation(errors),
            Error::SubprocessTerminated(_) if self.killed => {
                error("Interrupted", "the cell did not stop and was killed", vec![self.lost()])
            }
            Error::SubprocessTerminated(how) => error("Crash", &ending_in_words(how), vec![self.lost()]),
            Error::TypeRedefinedVariablesLost(names) => {
                let gone = format!("their type was defined anew, so these are gone: {}", names.join(", "));
                error("TypeRedefined", &gone, vec![])
            }
            Error::Message(message) => error("CellError", &in_plain_words(message), Vec::new()),
        }
    }

    fn of_compilation(&self, errors: &[CompilationError]) -> ReplyError {
        // Warnings come along; they are of interest only if nothing else explains the failure.
        let mut shown: Vec<_> = errors.iter().filter(|error| error.level() == "error").collect();
        if shown.is_empty() {
            shown = errors.iter().collect();
        }
        if let Some(message) = shown.iter().find_map(|error| not_kept(error)) {
            return error("CellError", &in_plain_words(&message), Vec::new());
        }
        let first = shown.first().map_or_else(String::new, |error| error.message());
        let name = format!("cell {}", self.count);
        let reports = shown.into_iter().map(|error| report(error, &name, self.code));
        error("CompileError", &first, reports.collect())
    }

    fn lost(&self) -> String {
        match self.variables {
            [] => "There were no variables to lose; functions, types and `use` are kept.".into(),
            names => {
                format!("Lost with the process: {}. Functions, types and `use` are kept.", names.join(", "))
            }
        }
    }
}

/// An error of which the notebook shows `details` below its name and message.
pub fn error(name: &str, message: &str, details: Vec<String>) -> ReplyError {
    let head = format!("\u{1b}[31m{name}\u{1b}[0m: {message}");
    // A compiler's report says its message itself.
    let head = if name == "CompileError" && !details.is_empty() { Vec::new() } else { vec![head] };
    let traceback = head.into_iter().chain(details).collect();
    ReplyError { ename: name.into(), evalue: message.into(), traceback }
}

/// The end of a process in words: `signal: 6 (SIGABRT)` says little after a stack overflow.
fn ending_in_words(how: &str) -> String {
    let words = [
        ("SIGSEGV", "the stack overflowed, or memory was used that is not there"),
        (
            "SIGABRT",
            "the process aborted: a stack overflow, a failed allocation, or a panic that could not unwind",
        ),
        ("SIGKILL", "the process was killed, most likely because memory ran out"),
        ("exit status", "the cell ended the process"),
    ];
    let meaning = words.iter().find(|(sign, _)| how.contains(sign)).map(|(_, words)| *words);
    let how = how.lines().last().unwrap_or_default().trim();
    let how = how.trim_start_matches("Subprocess terminated with status: ");
    meaning.map_or_else(|| how.to_owned(), |words| format!("{words} ({how})"))
}

/// What evcxr says of variables that it cannot keep.
const UNKEPT: &str = "be persisted";

/// The message, if the code that keeps a variable for the next cell was refused: its place is in no code of the user's.
fn not_kept(error: &CompilationError) -> Option<String> {
    // evcxr has words of its own for some.
    if error.message().contains(UNKEPT) {
        return Some(error.message());
    }
    let is_typed = error.spanned_messages().iter().any(|message| message.span.is_some());
    let rendered = error.rendered();
    let (_, rest) = rendered.split_once("put_variable::<").filter(|_| !is_typed)?;
    let (kind, rest) = rest.split_once(">(stringify!(")?;
    let (name, _) = rest.split_once(')')?;
    Some(format!("The variable `{name}` has type `{kind}`, which cannot be persisted."))
}

/// Why a variable cannot live between cells, with the fix.
fn in_plain_words(message: &str) -> String {
    let fixes = [
        (
            "is a closure",
            "Keep it in a box, `let f: Box<dyn Fn(f32) -> f32> = Box::new(|x| …);`, or write a `fn`.",
        ),
        (
            UNKEPT,
            "Variables live on in the next cell, where this one's borrows do not: keep an owned value (`.to_owned()`, `.clone()`), or put the code in braces.",
        ),
        ("determine type of variable", "Write the type: `let x: Type = …`."),
    ];
    let fix = fixes.iter().find(|(sign, _)| message.contains(sign)).map(|(_, fix)| *fix);
    let Some(fix) = fix else { return message.to_owned() };
    // The first sentence says what is wrong; what follows is evcxr's advice, in place of which stands ours.
    let sentence = message.replace('\n', " ");
    let sentence = sentence.split_inclusive(". ").next().unwrap_or_default().trim_end();
    format!("{sentence}\n{fix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(interrupted: bool, killed: bool, variables: &[String]) -> Outcome<'_> {
        Outcome { code: "x", count: 4, variables, interrupted, killed }
    }

    #[test]
    fn the_name_tells_a_panic_an_error_and_an_interrupt_apart() {
        let panic =
            Ending { panic: Some(Panic { message: "boom".into(), place: "1:2".into() }), failure: None };
        let failure = Ending { panic: None, failure: Some("no file\n".into()) };
        let plain = outcome(false, false, &[]);
        assert_eq!(plain.of_ending(&Ending::default()).map(|error| error.ename), None);
        assert_eq!(plain.of_ending(&panic).unwrap().ename, "Panic");
        let error = plain.of_ending(&failure).unwrap();
        assert_eq!((error.ename.as_str(), error.evalue.as_str()), ("Error", "no file"));
        let stopped = outcome(true, false, &[]);
        assert_eq!(stopped.of_ending(&failure).unwrap().ename, "Interrupted");
        // The cell was done before it noticed: nothing is wrong with it.
        assert!(stopped.of_ending(&Ending::default()).is_none());
    }

    #[test]
    fn what_was_lost_is_named() {
        let names = ["weights".to_owned(), "mask".to_owned()];
        let how =
            Error::SubprocessTerminated("Subprocess terminated with status: signal: 6 (SIGABRT)".into());
        let crash = outcome(false, false, &names).of_error(&how);
        assert_eq!(crash.ename, "Crash");
        assert!(crash.traceback.concat().contains("weights, mask"), "{crash:?}");
        assert!(crash.evalue.contains("stack overflow"), "{crash:?}");
        assert_eq!(outcome(true, true, &names).of_error(&how).ename, "Interrupted");
        assert_eq!(outcome(true, false, &names).of_error(&how).ename, "Crash", "it ended by itself");
        let compiler = Error::Message("Compilation failed, but no parsable errors were found".into());
        let error = outcome(true, false, &names).of_error(&compiler);
        assert_eq!((error.ename.as_str(), error.evalue.contains("kept")), ("Interrupted", true));
        assert_eq!(outcome(false, false, &names).of_error(&compiler).ename, "CellError");
    }

    #[test]
    fn what_cannot_live_between_cells_comes_with_the_fix() {
        let message = "The variable `f` is a closure, which cannot be persisted.\nYou can however …";
        let error = outcome(false, false, &[]).of_error(&Error::Message(message.into()));
        let (first, fix) = error.evalue.split_once('\n').unwrap();
        assert_eq!(first, "The variable `f` is a closure, which cannot be persisted.");
        assert!(fix.contains("Box<dyn Fn"), "{fix}");
        let message = "The variable `r` contains a reference with a non-static lifetime so\ncan't be persisted. You can …";
        let words = in_plain_words(message);
        assert!(words.contains("so can't be persisted.\n") && words.contains("owned value"), "{words}");
    }
}
