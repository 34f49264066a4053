//! The private folder of a running kernel: a copy of the template, gone when the kernel is.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::home::Home;
use crate::open;

/// A folder that belongs to one process.
#[derive(Debug)]
pub struct Workspace {
    path: PathBuf,
    facts: Mutex<Facts>,
}

/// The facts that `status` shows.
#[derive(Debug)]
struct Facts {
    /// The process that Jupyter knows; for a kernel on a spare this is not our own process.
    kernel: u32,
    /// The home of a spare's library, while it waits.
    spare_of: Option<String>,
    state: &'static str,
    child: Option<u32>,
}

impl Workspace {
    /// Makes a new folder under `running`; sweeps what dead kernels left there.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn create(running: &Path) -> Result<Self> {
        fs::create_dir_all(running).with_context(|| format!("cannot make {}", running.display()))?;
        sweep(running);
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
        let path = running.join(format!("{}-{nanos:08x}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let facts = Facts { kernel: std::process::id(), spare_of: None, state: "warming", child: None };
        let workspace = Workspace { path, facts: Mutex::new(facts) };
        workspace.write_facts(&workspace.facts());
        Ok(workspace)
    }

    /// The folder that holds this one and those of other kernels.
    pub fn among(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// Notes that this folder belongs to a spare.
    pub fn wait_as_spare(&self, home: &Home) {
        let mut facts = self.facts();
        facts.spare_of = Some(home.path().to_string_lossy().into_owned());
        self.write_facts(&facts);
    }

    /// Notes that this folder belongs to the kernel that Jupyter knows as `kernel`.
    pub fn serve_for(&self, kernel: u32) {
        let mut facts = self.facts();
        (facts.kernel, facts.spare_of) = (kernel, None);
        self.write_facts(&facts);
    }

    /// Copies the template of `home` into it.
    ///
    /// # Errors
    /// If the template is not there or the disk is full.
    pub fn fill(&self, home: &Home) -> Result<()> {
        let template = home.template();
        copy(&template, &self.cells()).with_context(|| format!("cannot copy {}", template.display()))
    }

    /// The folder in which cells are compiled.
    pub fn cells(&self) -> PathBuf {
        self.path.join("cells")
    }

    /// Removes the folder. A compiler that is still running may write once more, so this is tried for two seconds.
    pub fn remove(&self) {
        for _ in 0..40 {
            if fs::remove_dir_all(&self.path).is_ok() || !self.path.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Writes what this kernel is doing into a file that `status` reads; an error is ignored.
    pub fn write_state(&self, state: &'static str, child: Option<u32>) {
        let mut facts = self.facts();
        (facts.state, facts.child) = (state, child);
        self.write_facts(&facts);
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        open(&self.facts)
    }

    fn write_facts(&self, facts: &Facts) {
        let Facts { kernel, spare_of, state, child } = facts;
        let state = json!({
            "kernel": kernel, "process": std::process::id(), "child": child, "state": state,
            "spare": spare_of.is_some(), "home": spare_of,
        });
        let aside = self.path.join("state.new");
        if fs::write(&aside, state.to_string()).is_ok() {
            let _ = fs::rename(aside, self.path.join("state.json"));
        }
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        self.remove();
    }
}

/// How many cells have been compiled in a folder of cells: evcxr renames the library of each to `code_NUMBER`.
pub fn built_cells(cells: &Path) -> usize {
    let entries = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
    let is_cell = |name: &str| name.trim_start_matches("lib").starts_with("code_");
    let targets = entries(cells.join("target")).map(|entry| entry.path().join("debug"));
    let folders = targets.flat_map(|debug| [debug.join("deps"), debug]);
    folders.flat_map(entries).filter(|entry| is_cell(&entry.file_name().to_string_lossy())).count()
}

/// The states of the running kernels under `running`.
pub fn states(running: &Path) -> Vec<Value> {
    let Ok(entries) = fs::read_dir(running) else { return Vec::new() };
    let folders = entries.flatten().map(|entry| entry.path()).filter(|path| owner_lives(path));
    let texts = folders.filter_map(|path| fs::read_to_string(path.join("state.json")).ok());
    texts.filter_map(|text| serde_json::from_str(&text).ok()).collect()
}

/// The resident memory of a kernel and its cells, in words; empty where the system does not say.
pub fn memory(state: &Value) -> String {
    let kib = |id: &Value| -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", id.as_u64()?)).ok()?;
        text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?.parse().ok()
    };
    let found: Vec<u64> = ["process", "child"].iter().filter_map(|name| kib(&state[name])).collect();
    if found.is_empty() { String::new() } else { format!(", {} MiB", found.iter().sum::<u64>() / 1024) }
}

/// Removes the folders of kernels that are gone.
pub fn sweep(running: &Path) {
    let Ok(entries) = fs::read_dir(running) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if owner(&path).is_some() && !owner_lives(&path) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// The process id in a folder's name.
fn owner(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.split('-').next()?.parse().ok()
}

fn owner_lives(path: &Path) -> bool {
    owner(path).is_some_and(lives)
}

/// Whether there is such a process.
pub fn lives(id: u32) -> bool {
    // SAFETY: signal 0 only asks whether the process is there.
    unsafe { libc::kill(id as libc::pid_t, 0) == 0 }
}

/// Copies a folder with the modification times of its files, by which cargo sees that nothing has to be built again.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&source, &target)?;
        } else {
            fs::copy(&source, &target)?;
            let modified = entry.metadata()?.modified()?;
            fs::File::options().write(true).open(&target)?.set_modified(modified)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_is_a_copy_with_its_times_and_goes_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::under(folder.path());
        fs::create_dir_all(home.template().join("src")).unwrap();
        let source = home.template().join("src/lib.rs");
        fs::write(&source, "fn f() {}").unwrap();
        let old = SystemTime::now() - std::time::Duration::from_secs(1234);
        fs::File::options().write(true).open(&source).unwrap().set_modified(old).unwrap();

        let running = folder.path().join("running");
        let dead = running.join("999999999-0");
        fs::create_dir_all(&dead).unwrap();
        let workspace = Workspace::create(&running).unwrap();
        workspace.fill(&home).unwrap();
        let copied = workspace.cells().join("src/lib.rs");
        assert_eq!(fs::metadata(&copied).unwrap().modified().unwrap(), old);
        assert!(!dead.exists(), "what a dead kernel left is swept");

        workspace.write_state("ready", Some(7));
        assert_eq!(states(&running)[0]["child"], 7);
        workspace.wait_as_spare(&home);
        assert_eq!((&states(&running)[0]["spare"], &states(&running)[0]["child"]), (&json!(true), &json!(7)));
        workspace.serve_for(41);
        let state = &states(&running)[0];
        assert_eq!((&state["spare"], &state["kernel"]), (&json!(false), &json!(41)));
        assert_eq!(state["process"], std::process::id());
        #[cfg(target_os = "linux")]
        assert!(memory(state).ends_with(" MiB"), "{}", memory(state));
        drop(workspace);
        assert_eq!(fs::read_dir(&running).unwrap().count(), 0);
    }
}
