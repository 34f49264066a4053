//! The stand-in for rustc that cargo runs.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::process::Command;

use anyhow::Result;
use serde_json::json;

use super::become_program;

/// The variable by which cargo starts rustc through another program.
pub const WRAPPER: &str = "RUSTC_WORKSPACE_WRAPPER";
/// The variable that names the file in which rustc's arguments are noted.
pub const NOTES: &str = "RANKSCOPE_KERNEL_RUSTC_NOTES";
/// The outputs that cargo asks rustc for when it builds a cell; when cargo only checks, it asks for others.
pub const EMIT: &str = "--emit=dep-info,link";
/// The identity of evcxr's crate, which cargo derives from all that it depends on. With one identity, the types that a
/// cell defines are the same types in the next cell, also after a `:dep`.
const IDENTITY: &str = "metadata=rankscope-cells";

/// Notes the arguments and the variables of the package, where a cell is compiled, and becomes rustc.
///
/// # Errors
/// If the notes cannot be written or rustc cannot be started.
pub fn note_and_become() -> Result<Infallible> {
    let mut arguments = std::env::args().skip(1);
    let rustc = arguments.next().unwrap_or_default();
    let with_identity = |word: String| if word.starts_with("metadata=") { IDENTITY.into() } else { word };
    let arguments: Vec<String> = arguments.map(with_identity).collect();
    if let Some(notes) = std::env::var_os(NOTES).filter(|_| arguments.iter().any(|word| word == EMIT)) {
        // The variables that cargo sets for the package. CARGO_MAKEFLAGS is left out: its job server ends with cargo.
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with("CARGO_"))?;
            Some((name, value.into_string().ok()?)).filter(|(name, _)| name != "CARGO_MAKEFLAGS")
        });
        let variables: BTreeMap<String, String> = variables.collect();
        fs::write(notes, json!({ "arguments": arguments, "variables": variables }).to_string())?;
    }
    become_program(Command::new(rustc).args(arguments).env_remove(NOTES))
}
