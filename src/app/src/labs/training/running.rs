//! Training: a process for each run that is under way, and the folders in which they leave what they do.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use rankscope::train::Settings;
use rankscope::train::folder::{About, runs};
use rankscope::{Device, Error, Result, Run};

use super::plan::Plan;
use super::recording::{Recording, variants};
use super::state::{News, Training};
use super::worker::{Message, Task};
use crate::worker::{Kind, Process, Received};

/// How often a run's folder is read while it is trained.
const OFTEN: Duration = Duration::from_millis(200);
/// How long a process may take to write its last checkpoint.
const PATIENCE: Duration = Duration::from_secs(60);

/// The memory between computations: where runs are, and what was read of them.
pub struct Memory {
    device: Device,
    /// Where new runs are kept.
    own: Result<PathBuf, String>,
    /// Runs that come with the program.
    shipped: Option<PathBuf>,
    known: HashMap<PathBuf, Arc<Recording>>,
}

impl Memory {
    /// Where to compute, and where runs are kept.
    pub fn new(device: Device, own: Result<PathBuf, String>) -> Self {
        Memory { device, own, shipped: runs::shipped(), known: HashMap::new() }
    }

    /// The folder of a run: this user's, or the one that comes with the program.
    fn find(&self, plan: &Plan, settings: &Settings) -> Option<PathBuf> {
        let places = [self.own.as_ref().ok(), self.shipped.as_ref()];
        let folder = plan.folder(settings);
        let mut places = places.into_iter().flatten().map(|place| place.join(&folder));
        places.find(|path| path.join("run.json").is_file())
    }

    /// The runs of a plan, read from their folders.
    pub fn read(&mut self, plan: &Plan, runs: Vec<Recording>, run: &Run) -> Result<Vec<Arc<Recording>>> {
        let read = |empty: Recording| {
            run.check()?;
            let Recording { job, name, kind, .. } = empty.clone();
            let empty = Arc::new(empty);
            let path = self.find(plan, &empty.history.settings);
            let known = path.and_then(|path| self.known.get(&path));
            let known = known.map(|known| {
                Arc::new(Recording { job, name: name.clone(), kind, ..Recording::clone(known) })
            });
            self.look(plan, &known.unwrap_or(empty), run)
        };
        let all: Vec<_> = runs.into_iter().map(read).collect::<Result<_>>()?;
        self.known = all.iter().filter_map(|run| Some((run.folder.clone()?, run.clone()))).collect();
        Ok(all)
    }

    /// The run, read again.
    fn look(&self, plan: &Plan, before: &Arc<Recording>, run: &Run) -> Result<Arc<Recording>> {
        match self.find(plan, &before.history.settings) {
            None => Ok(before.clone()),
            Some(path) => Ok(Arc::new(before.read(&path, before.job.seed == plan.settings.seed, run)?)),
        }
    }
}

/// Trains the runs that are not at their end, the variants of a seed at the same time, until `run` is cancelled: then
/// every process writes its checkpoint first.
pub fn train(
    state: &Training,
    memory: &mut Memory,
    mut all: Vec<Arc<Recording>>,
    run: &Run,
    tell: &mut dyn FnMut(News),
) -> Result<()> {
    let cores = available_parallelism().map_or(1, usize::from);
    let lanes = variants(&all).len().clamp(1, cores);
    let mut waiting: Vec<usize> = (0..all.len()).rev().filter(|&at| !all[at].is_over()).collect();
    let total: usize = all.iter().map(|run| run.history.settings.steps).sum();
    let mut going: Vec<(usize, Process)> = Vec::new();
    let mut looked = Instant::now();
    let ended = loop {
        while going.len() < lanes
            && let Some(at) = waiting.pop()
        {
            going.push((at, begin(&state.plan, &all[at], memory, cores.div_ceil(lanes))?));
        }
        if going.is_empty() {
            return Ok(());
        }
        let mut over = Vec::new();
        for (place, (_, process)) in going.iter().enumerate() {
            if is_over(process, OFTEN / (2 * going.len() as u32))? {
                over.push(place);
            }
        }
        if looked.elapsed() >= OFTEN || !over.is_empty() {
            for &(at, _) in &going {
                // Frames are read whole, even if the training is just being stopped.
                all[at] = memory.look(&state.plan, &all[at], &Run::new(run.seed()))?;
                memory.known.extend(all[at].folder.clone().map(|folder| (folder, all[at].clone())));
                tell(News::Run(at, all[at].clone()));
            }
            looked = Instant::now();
        }
        for place in over.into_iter().rev() {
            let (at, process) = going.remove(place);
            finish(process, &all[at])?;
        }
        let done = all.iter().map(|run| run.step()).sum();
        if let Err(error) = run.step("training", done, total) {
            break Err(error);
        }
    };
    going.iter_mut().for_each(|(_, process)| process.stop());
    going.into_iter().try_for_each(|(at, process)| finish(process, &all[at]))?;
    ended
}

/// Starts the process of a run.
fn begin(plan: &Plan, recording: &Recording, memory: &Memory, threads: usize) -> Result<Process> {
    let own = memory.own.as_ref().map_err(|problem| Error::Model(problem.clone()))?;
    let settings = recording.history.settings.clone();
    let folder = own.join(plan.folder(&settings));
    let base = Plan::of(&plan.preset).map_or_else(|_| Settings::default(), |plan| plan.settings);
    let parent = folder.parent().unwrap_or(own);
    fs::create_dir_all(parent).map_err(|error| Error::io(parent, error))?;
    let about = About {
        name: Settings { seed: base.seed, ..settings.clone() }.name(&base),
        preset: Some(plan.preset.clone()),
        version: rankscope::VERSION.to_owned(),
        device: String::new(), // the process fills it in
        settings,
    };
    let device = if memory.device.is_gpu() { "gpu" } else { "cpu" }.to_owned();
    let task = Task { folder: folder.clone(), about, device };
    let threads = ["OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"].map(|name| (name, threads.to_string()));
    Process::start(Kind::Train, &task, &threads).map_err(|error| no_process(&folder, &error))
}

fn no_process(folder: &Path, error: &io::Error) -> Error {
    Error::io(folder, io::Error::other(format!("no process to train in: {error}")))
}

/// Takes all messages that have come, waiting for `patience` at most; returns whether that was the last of them.
fn is_over(process: &Process, mut patience: Duration) -> Result<bool> {
    loop {
        match process.receive(patience).map_err(Error::Model)? {
            Received::Message(Message::Step(_)) => patience = Duration::ZERO,
            Received::Nothing => return Ok(false),
            Received::End => return Ok(true),
        }
    }
}

fn finish(process: Process, run: &Recording) -> Result<()> {
    let ended = process.finish(PATIENCE);
    ended.map_err(|problem| Error::Model(format!("the training of {}: {problem}", run.title())))
}
