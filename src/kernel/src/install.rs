//! `install`, `uninstall`, `status`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use crate::args::{InstallArgs, Place};
use crate::home::{self, Home};
use crate::toolchain::Toolchain;
use crate::{library, spare, spec, trial, workspace};

/// The shared home and the kernelspec's folder of a place.
///
/// # Errors
/// If no environment is active for `--sys-prefix`, or the user has no home.
pub fn places(place: &Place) -> Result<(Home, PathBuf)> {
    let environment = || {
        let names = ["VIRTUAL_ENV", "CONDA_PREFIX"];
        let found = names.iter().find_map(std::env::var_os);
        found.map(PathBuf::from).context("--sys-prefix: no environment is active; name it with --prefix DIR")
    };
    let prefix = match &place.prefix {
        Some(prefix) => Some(std::path::absolute(prefix)?),
        None if place.sys_prefix => Some(environment()?),
        None => None,
    };
    Ok(match prefix {
        Some(prefix) => (Home::under(&prefix), spec::under(&prefix)),
        None => (Home::of_user()?, spec::of_user()?),
    })
}

/// Makes what is missing or out of date, or everything if forced.
///
/// # Errors
/// If a part of it cannot be made.
pub fn install(args: &InstallArgs) -> Result<()> {
    let (home, folder) = places(&args.place)?;
    let toolchain = Toolchain::find()?;
    toolchain.enter(None);
    let standard = spec::library_sources(&toolchain.sysroot)?;
    let sources = match &args.sources {
        Some(sources) => sources.clone(),
        None => library::own_sources()?,
    };
    if !sources.join("lib.rs").is_file() {
        let wanted = "--sources is the library's folder, src/rankscope of a checkout";
        bail!("{} has no lib.rs: {wanted}", sources.display());
    }
    let is_current = || Toolchain::of(&home).is_ok_and(|found| found == toolchain);
    let program = std::env::current_exe()?;
    if args.force || args.sources.is_some() || !is_current() || library::check(&home, &program).is_err() {
        spare::end_of(&home)?;
        library::build(&home, &toolchain, &sources, &standard, &mut |step| println!("{step}"))?;
    }
    keep_program(&home.program())?;
    spec::write(&folder, &spec::content(&home.program(), &home))?;
    println!("kernel    {}\nlibrary   {}", folder.display(), home.path().display());
    Ok(())
}

/// Copies this program with its modification time, which says which program made the library.
fn keep_program(target: &Path) -> Result<()> {
    let program = std::env::current_exe()?.canonicalize()?;
    if program == target {
        return Ok(());
    }
    fs::create_dir_all(target.parent().context("no folder")?)?;
    let aside = target.with_extension("new");
    fs::copy(&program, &aside).with_context(|| format!("cannot write {}", aside.display()))?;
    fs::File::options().append(true).open(&aside)?.set_modified(fs::metadata(&program)?.modified()?)?;
    // A kernel that runs keeps the old file.
    fs::rename(&aside, target)?;
    Ok(())
}

/// Removes the files that `install` made.
///
/// # Errors
/// If a folder cannot be removed.
pub fn uninstall(place: &Place) -> Result<()> {
    let (home, folder) = places(place)?;
    spare::end_of(&home)?;
    for path in [folder.as_path(), home.path()] {
        if path.exists() {
            fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))?;
            println!("removed   {}", path.display());
        }
    }
    workspace::sweep(&home::running()?);
    Ok(())
}

/// Says what is installed, and whether a cell runs in a desktop session's environment.
///
/// # Errors
/// If the kernel cannot be used as it is.
pub fn status(place: &Place) -> Result<()> {
    let (home, folder) = places(place)?;
    let mut missing = Vec::new();
    let mut say = |name: &str, path: PathBuf, problem: Option<String>| {
        let verdict = problem.as_deref().unwrap_or("ok");
        println!("{name:<9} {} ({verdict})", path.display());
        missing.extend(problem.map(|_| name.to_owned()));
    };
    let known = folder.join("kernel.json").is_file();
    say("kernel", folder, (!known).then(|| "not there".to_owned()));
    let checked = library::check(&home, &home.program());
    let is_usable = checked.is_ok();
    say("library", home.path().to_owned(), checked.err().map(|error| format!("{error:#}")));
    let standard = home.standard();
    let is_there = standard.join("std/src/lib.rs").is_file();
    say("rust-src", standard, (!is_there).then(|| "not there".to_owned()));
    let refused = if is_usable { trial::of_installed(&home).err() } else { Some(anyhow!("not tried")) };
    say("a cell", home.program(), refused.map(|error| format!("{error:#}")));
    for state in workspace::states(&home::running()?) {
        if state["spare"] != true {
            let (kernel, child, doing) = (&state["kernel"], &state["child"], &state["state"]);
            println!("running   kernel {kernel}, cells {child}: {doing}{}", workspace::memory(&state));
        }
    }
    println!("spare     {}", spare::in_words());
    if missing.is_empty() { Ok(()) } else { bail!("not usable: {}", missing.join(", ")) }
}
