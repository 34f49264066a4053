//! The shared library that cells use, made from what cargo has already built.
//!
//! The library is linked from the rlib that stands beside this program in cargo's target folder, by one call of
//! rustc: nothing is compiled a second time. To compile a cell against it, rustc also reads the metadata of all its
//! dependencies, so copies of that are kept beside it; the checkout and the target folder are not needed again.

mod facade;
mod others;
mod standard;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::compile;
use crate::home::Home;
use crate::toolchain::{ADVICE, Toolchain};
use crate::trial;

/// The name of the shared library's crate.
pub const SHARED: &str = "rankscope_cells";

/// Its source. The process of the cells looks for two of the functions by their names.
const SOURCE: &str = include_str!("shared/lib.rs");

/// Makes what all kernels share: library, metadata, facade, template.
///
/// # Errors
/// If a part of it cannot be made.
pub fn build(
    home: &Home,
    toolchain: &Toolchain,
    sources: &Path,
    standard: &Path,
    say: &mut dyn FnMut(&str),
) -> Result<()> {
    let started = std::time::Instant::now();
    fs::create_dir_all(home.path()).with_context(|| format!("cannot make {}", home.path().display()))?;
    let _ = fs::remove_file(home.stamp());
    toolchain.write(home)?;
    say("linking the shared library");
    link(home, say)?;
    say("writing the facade");
    facade::write(home, sources)?;
    standard::write(standard, &home.standard())?;
    fs::create_dir_all(home.settings())?;
    fs::write(home.settings().join("evcxr.toml"), "[evcxr]\nopt_level = \"0\"\n")?;
    say("running a first cell (rust-analyzer reads the standard library)");
    let template = home.template();
    if template.exists() {
        fs::remove_dir_all(&template)?;
    }
    fs::create_dir_all(&template)?;
    trial::run(&std::env::current_exe()?, home, &template)?;
    tidy(&template)?;
    compile::remove_tools(&template);
    fs::write(home.stamp(), format!("{:#}\n", stamp(&std::env::current_exe()?, toolchain)?))?;
    say(&format!("ready after {:.1} s", started.elapsed().as_secs_f64()));
    Ok(())
}

/// Checks that what is installed was made by `program`, with the compiler that is installed now.
///
/// # Errors
/// If it was not, with what to do.
pub fn check(home: &Home, program: &Path) -> Result<()> {
    let toolchain = Toolchain::of(home)?;
    toolchain.check()?;
    let text = fs::read_to_string(home.stamp()).with_context(|| {
        format!("the installation in {} was not finished: {ADVICE}", home.path().display())
    })?;
    let (found, wanted): (Value, _) =
        (serde_json::from_str(&text).unwrap_or_default(), stamp(program, &toolchain)?);
    if found != wanted {
        let (made, now) = (&found["kernel"], &wanted["kernel"]);
        bail!("the library for cells was made by the kernel {made}, this is {now}: {ADVICE}");
    }
    Ok(())
}

/// The program and the compiler by which the library was made.
fn stamp(program: &Path, toolchain: &Toolchain) -> Result<Value> {
    let modified = fs::metadata(program).with_context(|| format!("no {}", program.display()))?.modified()?;
    let made = modified.duration_since(std::time::UNIX_EPOCH)?.as_millis();
    Ok(json!({ "kernel": format!("{} of {made}", env!("CARGO_PKG_VERSION")), "compiler": toolchain.version }))
}

/// The sources of the checkout that this program was built from.
///
/// # Errors
/// If the checkout is gone.
pub fn own_sources() -> Result<PathBuf> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rankscope");
    sources
        .canonicalize()
        .with_context(|| format!("{} is gone: name the library's sources with --sources", sources.display()))
}

/// The file of the shared library.
pub fn file(home: &Home) -> PathBuf {
    home.library().join(format!("{}{SHARED}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX))
}

fn link(home: &Home, say: &mut dyn FnMut(&str)) -> Result<()> {
    for folder in [home.library(), home.metadata()] {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder)?;
    }
    let built = built_crates()?;
    let source = home.library().join("cells.rs");
    fs::write(&source, SOURCE)?;
    let mut refused = String::new();
    for candidate in candidates(&built)? {
        match link_with(home, &source, &built, &candidate)? {
            Linked::Yes(inputs) => return keep_metadata(home, &built, &inputs, &source),
            Linked::No(why) => {
                let name = candidate.file_name().unwrap_or_default().to_string_lossy();
                say(&format!("{name} cannot be linked ({}): an older build is next", first_error(&why)));
                refused = why;
            }
        }
    }
    bail!("no build of the library in {} can be linked: {}", built.display(), first_error(&refused))
}

enum Linked {
    Yes(String),
    No(String),
}

fn link_with(home: &Home, source: &Path, built: &Path, rlib: &Path) -> Result<Linked> {
    let output = Command::new("rustc")
        .current_dir("/")
        .args(["--edition=2024", "--crate-type=dylib", "--crate-name", SHARED, "-Cprefer-dynamic"])
        .args(["-Cstrip=debuginfo", "--print=link-args"])
        .arg(format!("--extern=rankscope={}", rlib.display()))
        .arg(format!("-Ldependency={}", built.display()))
        .arg("--out-dir")
        .arg(home.library())
        .arg(source)
        .output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(match output.status.success() {
        true => Linked::Yes(text(&output.stdout)),
        false => Linked::No(text(&output.stderr)),
    })
}

/// Runs cargo in a folder, for `what` and with further arguments; an error unless it succeeds.
fn cargo(folder: &Path, what: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new("cargo").arg(what).args(arguments).current_dir(folder).output();
    succeeded(what, output).map(drop)
}

/// The output of cargo's command `what`; an error unless it succeeded.
fn succeeded(what: &str, output: std::io::Result<Output>) -> Result<Output> {
    let output = output.context("cargo does not run: is a Rust toolchain installed?")?;
    if !output.status.success() {
        bail!("cargo {what}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output)
}

/// Cargo's folder of compiled crates: `deps` beside this program, or the folder of this program if it is a test.
fn built_crates() -> Result<PathBuf> {
    let program = std::env::current_exe()?.canonicalize()?;
    let folder = program.parent().context("no folder")?;
    let beside = if folder.ends_with("deps") { folder.to_owned() } else { folder.join("deps") };
    if !beside.is_dir() {
        let advice = "run `install` from a build of the checkout";
        bail!("{} is not in cargo's target folder: {advice}", program.display());
    }
    Ok(beside)
}

/// Builds of the library, the latest first: cargo keeps one for each set of features.
fn candidates(built: &Path) -> Result<Vec<PathBuf>> {
    let is_ours = |name: &str| {
        let hash = name.strip_prefix("librankscope-").and_then(|rest| rest.strip_suffix(".rlib"));
        hash.is_some_and(|hash| hash.chars().all(|digit| digit.is_ascii_hexdigit()))
    };
    let mut found: Vec<_> = fs::read_dir(built)?
        .flatten()
        .filter(|entry| is_ours(&entry.file_name().to_string_lossy()))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    found.sort();
    Ok(found.into_iter().rev().map(|(_, path)| path).collect())
}

/// Keeps the metadata that rustc reads of the crates in the library; `linked` is the command that linked it.
fn keep_metadata(home: &Home, built: &Path, linked: &str, source: &Path) -> Result<()> {
    let words = linked.split(['"', ' ', '\n']).filter(|word| word.ends_with(".rlib"));
    // By name: the linker may have been given a copy.
    let rlibs = words.filter_map(|word| Some(built.join(Path::new(word).file_name()?)));
    for rlib in rlibs.filter(|path| path.is_file()) {
        // Metadata alone is a third of the size; not every crate has it apart.
        let apart = rlib.with_extension("rmeta");
        keep(home, if apart.is_file() { &apart } else { &rlib })?;
    }
    let probe = source.with_file_name("probe.rs");
    fs::write(&probe, format!("extern crate {SHARED};\npub use {SHARED}::*;\n"))?;
    let mut tried = BTreeSet::new();
    // Macro crates are not linked, but rustc needs their metadata; its error names one missing crate at a time.
    loop {
        let output = Command::new("rustc")
            .current_dir("/")
            .args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "-Cprefer-dynamic"])
            .arg(format!("-Lall={}", home.library().display()))
            .arg(format!("-Ldependency={}", home.metadata().display()))
            .arg("--out-dir")
            .arg(home.library())
            .arg(&probe)
            .output()?;
        if output.status.success() {
            break;
        }
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        let missing =
            complaint.split("can't find crate for `").nth(1).and_then(|rest| rest.split('`').next());
        let Some(missing) = missing.filter(|missing| tried.insert((*missing).to_owned())) else {
            bail!("cells cannot use the shared library: {}", first_error(&complaint));
        };
        keep_all_named(home, built, missing)?;
    }
    for left in ["probe.rs", "libprobe.rmeta"] {
        let _ = fs::remove_file(home.library().join(left));
    }
    Ok(())
}

/// Keeps every build of a crate; rustc chooses the one with the right fingerprint.
fn keep_all_named(home: &Home, built: &Path, name: &str) -> Result<()> {
    let start = format!("lib{name}-");
    for entry in fs::read_dir(built)?.flatten() {
        let path = entry.path();
        let kind = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if entry.file_name().to_string_lossy().starts_with(&start) && ["rmeta", "so", "dylib"].contains(&kind)
        {
            keep(home, &path)?;
        }
    }
    Ok(())
}

/// Hard-links the file where that is possible, and copies it elsewhere: rustc replaces files and never writes into them.
fn keep(home: &Home, path: &Path) -> Result<()> {
    let target = home.metadata().join(path.file_name().unwrap_or_default());
    if target.exists() || fs::hard_link(path, &target).is_ok() {
        return Ok(());
    }
    fs::copy(path, &target).with_context(|| format!("cannot keep {}", path.display()))?;
    Ok(())
}

fn first_error(complaint: &str) -> String {
    complaint.lines().find(|line| line.starts_with("error")).unwrap_or("rustc said nothing").to_owned()
}

/// Removes what the first cells left in the template: every kernel would copy it for nothing.
fn tidy(template: &Path) -> Result<()> {
    ["code_", "libcode_", "incremental", "trial", "short"]
        .iter()
        .try_for_each(|name| remove_named(template, name))
}

fn remove_named(folder: &Path, start: &str) -> Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(start) {
            if path.is_dir() { fs::remove_dir_all(&path)? } else { fs::remove_file(&path)? }
        } else if path.is_dir() {
            remove_named(&path, start)?;
        }
    }
    Ok(())
}
