//! Code blocks that nothing runs.

use crate::book::Chapter;
use crate::fault::Fault;
use crate::markup::{self, What};

/// Run or compiled: by the builder, or as a test of the documentation.
const RUN: [&str; 3] = ["figure", "run", "rust"];
/// Shown as it is.
const SHOWN: [&str; 6] = ["text", "sh", "json", "toml", "wgsl", "python"];

/// Fences of other languages, Rust that is not run, and code by indentation.
pub fn check(chapter: &Chapter) -> Vec<Fault> {
    let mut faults = Vec::new();
    for piece in markup::read(&chapter.text).pieces {
        let mut fault =
            |what: &str, expected: &str| faults.push(chapter.fault(piece.range.start, what, expected));
        match &piece.what {
            What::Indented => fault("code by indentation", "a fence with a language"),
            What::Code { language, .. }
                if RUN.contains(&language.as_str()) || SHOWN.contains(&language.as_str()) => {}
            What::Code { language, .. } if language.starts_with("rust") => {
                fault(&format!("a block `{language}`, which does not run"), "`rust` alone");
            }
            What::Code { language, body } if body.trim_start().starts_with("$ rankscope") => {
                let what = format!("a block `{language}` with a command's output, which may be old");
                fault(&what, "`run` with the command");
            }
            What::Code { language, .. } => {
                let what = format!("a block of the language {language:?}");
                fault(&what, &[&RUN[..], &SHOWN[..]].concat().join(", "));
            }
            _ => {}
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::chapter;
    use super::*;

    #[test]
    fn what_does_not_run_is_found() {
        let sound = "```run\nrankscope devices\n```\n\n```rust\nassert!(true);\n```\n\n```text\nx\n```\n";
        assert_eq!(check(&chapter(sound)), []);
        for wrong in [
            "```rust,ignore\nx\n```\n",
            "```\nx\n```\n",
            "```console\n$ rankscope devices\n```\n",
            "a\n\n    x\n",
            "```rust,no_run\nx\n```\n",
        ] {
            assert_eq!(check(&chapter(wrong)).len(), 1, "{wrong}");
        }
        let faults = check(&chapter("a\n\n```rust,ignore\nx\n```\n"));
        assert_eq!(faults[0].line, 3);
    }
}
