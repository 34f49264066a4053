//! `cargo xtask setup`: says which system packages are missing, asks, and installs them.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Result, bail, ensure};

use crate::check::{Finding, State, survey};
use crate::machine::{Here, Machine};
use crate::manager::{MANAGERS, Manager, Rights};

/// The options of `cargo xtask setup`.
#[derive(clap::Args)]
pub struct Args {
    /// Install the missing packages without asking.
    #[arg(long)]
    pub yes: bool,
    /// Only show what would be installed, and by which commands.
    #[arg(long)]
    pub dry_run: bool,
}

/// The user, who may be absent.
trait User {
    fn say(&mut self, line: &str);
    /// Whether somebody can answer a question.
    fn is_there(&self) -> bool;
    /// Asks a question; true for yes, the usual answer.
    fn agrees(&mut self, question: &str) -> bool;
}

struct Terminal;

impl User for Terminal {
    fn say(&mut self, line: &str) {
        eprintln!("{line}");
    }

    fn is_there(&self) -> bool {
        std::io::stdin().is_terminal()
    }

    fn agrees(&mut self, question: &str) -> bool {
        eprint!("{question} [Y/n] ");
        let mut answer = String::new();
        let heard = std::io::stderr().flush().and_then(|()| std::io::stdin().lock().read_line(&mut answer));
        heard.is_ok() && means_yes(&answer)
    }
}

/// Whether a line of input means yes; the end of the input, which has no line end, does not.
fn means_yes(line: &str) -> bool {
    line.ends_with('\n') && ["", "y", "yes"].contains(&line.trim().to_lowercase().as_str())
}

/// Runs `cargo xtask setup`.
pub fn run(args: &Args) -> Result<()> {
    set_up(&Here, &mut Terminal, args)
}

/// The set-up before another command; it asks, unless `yes`.
pub fn before_the_rest(yes: bool) -> Result<()> {
    run(&Args { yes, dry_run: false })
}

fn set_up(machine: &dyn Machine, user: &mut dyn User, args: &Args) -> Result<()> {
    let findings = survey(machine);
    if findings.is_empty() {
        user.say("Set-up: nothing is missing.");
        return Ok(());
    }
    report(user, &findings);
    if findings.iter().any(Finding::is_installable) {
        let installed = install(machine, user, args, &findings);
        if args.dry_run {
            return installed;
        }
        match installed {
            Err(error) if findings.iter().all(|finding| finding.requirement.optional) => {
                user.say(&format!("Going on without it: {error}"));
            }
            other => other?,
        }
    }
    conclude(&survey(machine))
}

impl Finding {
    fn is_installable(&self) -> bool {
        matches!(self.state, State::Missing(_))
    }

    fn detail(&self) -> &str {
        match &self.state {
            State::Present => "",
            State::Missing(detail) | State::Blocked(detail) => detail,
        }
    }
}

/// Prints what is missing, by heading.
fn report(user: &mut dyn User, findings: &[Finding]) {
    user.say("Set-up: this is missing.");
    for group in findings.chunk_by(|a, b| a.requirement.what == b.requirement.what) {
        let details: Vec<_> = group.iter().map(Finding::detail).collect();
        let mut heading = group[0].requirement.what;
        for line in filled(&details) {
            user.say(&format!("  {heading:<20}{line}"));
            heading = "";
        }
        if group[0].requirement.optional {
            user.say(&format!("  {:<20}(only notebooks and their tests need it)", ""));
        }
    }
}

/// The items with commas between them, in lines of about 70 characters.
fn filled(items: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            None => lines.push((*item).into()),
            Some(line) => {
                line.push(',');
                if line.len() + item.len() < 70 {
                    line.push(' ');
                    line.push_str(item);
                } else {
                    lines.push((*item).into());
                }
            }
        }
    }
    lines
}

/// Installs the missing requirements that packages contain: shows the commands, asks, runs them.
fn install(machine: &dyn Machine, user: &mut dyn User, args: &Args, findings: &[Finding]) -> Result<()> {
    let installable: Vec<_> = findings.iter().filter(|finding| finding.is_installable()).collect();
    let Some(manager) = Manager::of(machine) else {
        user.say("Please install:");
        installable.iter().for_each(|finding| user.say(&format!("  {}", finding.requirement.by_hand)));
        bail!("{}", no_manager(machine));
    };
    let packages: Vec<_> =
        installable.iter().map(|finding| (manager.packages)(&finding.requirement.packages)).collect();
    let rights = Rights::of(machine, manager, user.is_there());
    let refresh = manager.refresh_command(rights);
    let install = manager.install_command(rights, &packages);

    user.say(if rights == Rights::None { "To install it, as root:" } else { "To install it:" });
    refresh.iter().chain([&install]).for_each(|command| user.say(&format!("  {}", command.join(" "))));
    if args.dry_run {
        return Ok(());
    }
    let needs_root = "installing needs root, and there is no sudo: run the lines above as root";
    ensure!(rights != Rights::None, needs_root);
    if !args.yes && user.is_there() {
        ensure!(user.agrees("Install it now?"), "nothing was installed; the lines above do it by hand");
    }
    if refresh.is_some_and(|command| !machine.install(&command)) {
        user.say("The package lists could not be renewed; trying with the old ones.");
    }
    ensure!(machine.install(&install), "this failed: {}", install.join(" "));
    Ok(())
}

fn no_manager(machine: &dyn Machine) -> String {
    let known = MANAGERS.iter().filter(|manager| manager.os == machine.os());
    let known: Vec<_> = known.map(|manager| manager.program).collect();
    let reason = match known.as_slice() {
        [] => "packages are not installed for you on this system".into(),
        known => format!("found none of the package managers {}", known.join(", ")),
    };
    format!("{reason}: install the things above, then run this again")
}

/// An error if a requirement that is not optional is still missing.
fn conclude(findings: &[Finding]) -> Result<()> {
    let needed = findings.iter().filter(|finding| !finding.requirement.optional);
    let needed: Vec<_> =
        needed.map(|finding| format!("{} ({})", finding.requirement.what, finding.detail())).collect();
    ensure!(needed.is_empty(), "still missing: {}", needed.join("; "));
    Ok(())
}

#[cfg(test)]
#[path = "setup_tests.rs"]
mod tests;
