//! The state of the shader lab: a kernel, its source, and whether it is to be run.

use std::time::{Duration, Instant};

use ndarray::array;
use rankscope::device::gpu::{Kernel, SourceProblem};
use rankscope::ops::bench::MAX_SIZE;
use rankscope::ops::ladder::{LADDERS, Ladder, Variant, ladder};
use rankscope::{Error, Result, Run};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::worker::{Message, Numbers, Task};
use crate::lab::{self, Export, Machine, Part, Stamp, State};
use crate::labs::exports::table;
use crate::worker::{Kind, Process, Received};

/// Seconds that a kernel may take, and the most that can be asked for.
pub const LIMIT: u32 = 10;
pub const MOST_SECONDS: u32 = 600;
/// The size that the lab opens with.
pub const SIZE: usize = 128;
/// The longest source.
const LONGEST: usize = 200_000;
/// How long a device may take to open.
const OPENING: Duration = Duration::from_secs(60);

/// The state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shader {
    /// The operation, on the list of ladders.
    pub op: String,
    /// The rung of its ladder.
    pub variant: String,
    /// The changed source; `None` for the shipped one.
    pub source: Option<String>,
    /// n, as `rankscope kernels bench --size`.
    pub size: usize,
    /// Seconds after which the run of a source is ended.
    pub limit: u32,
    /// How often a run was asked for; 0 after a change, which is not run.
    pub runs: u32,
}

impl Default for Shader {
    fn default() -> Self {
        let (op, variant) = ("matmul".into(), "tiled".into());
        Shader { op, variant, source: None, size: SIZE, limit: LIMIT, runs: 0 }
    }
}

/// Every edit of the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Edit {
    /// Chooses another kernel, with its own source.
    Kernel {
        /// The operation.
        op: String,
        /// The rung.
        variant: String,
    },
    /// Changes the source.
    Source(String),
    /// Restores the shipped source.
    Reset,
    /// Runs at another size.
    Size(usize),
    /// Sets the seconds after which a run is ended.
    Limit(u32),
    /// Runs it.
    Run,
}

/// The answer.
#[derive(Default)]
pub struct Answer {
    /// The error in the source, if there is one.
    pub problem: Part<Option<SourceProblem>>,
    /// The results of the last run.
    pub found: Part<Found>,
}

/// The results of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The device.
    pub device: String,
    /// The numbers of the shipped source.
    pub shipped: Option<Numbers>,
    /// The numbers of the changed source.
    pub changed: Option<Numbers>,
    /// Why the run did not finish.
    pub failure: Option<String>,
}

/// A piece of the answer.
pub enum News {
    /// Whether the source can be run.
    Problem(Option<SourceProblem>),
    /// The results of a run so far.
    Found(Found),
}

impl State for Shader {
    type Edit = Edit;
    type Answer = Answer;
    type News = News;
    type Memory = ();

    fn memory(_: &Machine) {}

    fn check(&self) -> Result<(), String> {
        self.kernel()?;
        if !(1..=MAX_SIZE).contains(&self.size) {
            return Err(format!("size is {}, expected 1 to {MAX_SIZE}", self.size));
        }
        if !(1..=MOST_SECONDS).contains(&self.limit) {
            return Err(format!("limit is {} s, expected 1 to {MOST_SECONDS}", self.limit));
        }
        match self.source.as_ref().map_or(0, String::len) {
            length if length > LONGEST => {
                Err(format!("source has {length} bytes, expected at most {LONGEST}"))
            }
            _ => Ok(()),
        }
    }

    fn update(&mut self, edit: Edit) -> Result<(), String> {
        let runs = if edit == Edit::Run { self.runs.saturating_add(1) } else { 0 };
        match edit {
            Edit::Kernel { op, variant } => (self.op, self.variant, self.source) = (op, variant, None),
            Edit::Source(source) => self.source = (source != self.kernel()?.source).then_some(source),
            Edit::Reset => self.source = None,
            Edit::Size(size) => self.size = size,
            Edit::Limit(limit) => self.limit = limit,
            Edit::Run => (),
        }
        self.runs = runs;
        Ok(())
    }

    fn compute(&self, (): &mut (), run: &Run, tell: &mut dyn FnMut(News)) -> Result<()> {
        let kernel = self.kernel().map_err(Error::Model)?;
        let problem = self.source.as_ref().and_then(|source| kernel.check(source).err());
        let is_sound = problem.is_none();
        tell(News::Problem(problem));
        match self.runs > 0 && is_sound {
            true => self.run(run, tell),
            false => Ok(()),
        }
    }

    fn take(answer: &mut Answer, news: News, stamp: Stamp) {
        match news {
            News::Problem(problem) => answer.problem.put(problem, stamp),
            News::Found(found) => answer.found.put(found, stamp),
        }
    }

    fn about(&self, answer: &Answer) -> String {
        let device = answer.found.get().map_or("", |found| found.device.as_str());
        let on = if device.is_empty() { String::new() } else { format!(" on {device}") };
        format!("{}/{}{on}", self.op, self.variant)
    }

    fn exports(&self, answer: &Answer, _lesson: &Value) -> Vec<Export> {
        let Some(found) = answer.found.get() else { return Vec::new() };
        let sources = [("shipped", found.shipped), ("changed", found.changed)];
        let rows: Vec<(&str, Numbers)> =
            sources.iter().filter_map(|(name, all)| Some((*name, (*all)?))).collect();
        let mut values = ndarray::Array2::zeros((rows.len(), 4));
        for (mut row, (_, Numbers { max_error, tolerance, micros, gflops, .. })) in
            values.rows_mut().into_iter().zip(&rows)
        {
            row.assign(&array![max_error.unwrap_or(f64::NAN), *tolerance, *micros, *gflops]);
        }
        let numbers = lab::Numbers {
            rows: rows.iter().map(|(name, _)| (*name).to_owned()).collect(),
            columns: ["max_error", "tolerance", "micros", "gflops"].map(str::to_owned).into(),
            values,
        };
        let name = format!("{} {} at size {}", self.op, self.variant, self.size);
        if rows.is_empty() { Vec::new() } else { vec![table("result", name, numbers)] }
    }

    fn cell(&self) -> String {
        let replace = self.source.as_ref().map_or_else(String::new, |source| {
            let hashes = "#".repeat(1 + source.matches('#').count());
            format!(
                "if let Device::Gpu(gpu) = &device {{\n    let kernel = ladder({:?})?.variant({:?})?.kernel.expect(\"a kernel\");\n    \
                 gpu.replace(kernel, r{hashes}\"{source}\"{hashes})?;\n}}\n",
                self.op, self.variant
            )
        });
        format!(
            "use rankscope::{{Device, Run, device::DeviceRequest}};\nuse rankscope::ops::{{bench, ladder::ladder}};\n\
             let device = Device::choose(DeviceRequest::Gpu)?.device;\n{replace}\
             bench::trial(&device, {:?}, {:?}, {}, &Run::default())?",
            self.op, self.variant, self.size
        )
    }
}

impl Shader {
    /// The ladder and its rung.
    ///
    /// # Errors
    /// If there is no such rung, with the names that exist.
    pub fn rung(&self) -> Result<(&'static Ladder, &'static Variant), String> {
        let ladder = ladder(&self.op).map_err(|error| error.to_string())?;
        Ok((ladder, ladder.variant(&self.variant).map_err(|error| error.to_string())?))
    }

    /// The kernel.
    ///
    /// # Errors
    /// As [`rung`](Self::rung), and for a rung that is put together from other operations.
    pub fn kernel(&self) -> Result<&'static Kernel, String> {
        let (ladder, variant) = self.rung()?;
        variant.kernel.ok_or_else(|| {
            let all = kernels().filter(|(other, _)| other.op == ladder.op).map(|(_, variant)| variant.name);
            let names = all.collect::<Vec<_>>().join(", ");
            format!("{}/{} has no kernel of its own, expected one of {names}", self.op, self.variant)
        })
    }

    /// The source as it is now.
    pub fn source(&self) -> &str {
        let shipped = self.kernel().map_or("", |kernel| kernel.source);
        self.source.as_deref().unwrap_or(shipped)
    }

    /// Runs it in a process of its own, which is ended when its time is over.
    fn run(&self, run: &Run, tell: &mut dyn FnMut(News)) -> Result<()> {
        let (op, variant, source) = (self.op.clone(), self.variant.clone(), self.source.clone());
        let task = Task { op, variant, source, size: self.size };
        let process = Process::start(Kind::Shader, &task, &[])
            .map_err(|error| Error::Model(format!("no process to run the kernel in: {error}")))?;
        let mut found = Found::default();
        let limit = Duration::from_secs(self.limit.into());
        let (mut since, mut patience) = (Instant::now(), OPENING);
        loop {
            let [done, total] = [since.elapsed(), patience].map(|time| time.as_millis() as usize);
            run.step("running the kernel", done, total)?;
            match process.receive(Duration::from_millis(50)).map_err(Error::Model)? {
                Received::Message(message) => {
                    (since, patience) = (Instant::now(), limit);
                    found.hear(message);
                    tell(News::Found(found.clone()));
                }
                Received::Nothing if since.elapsed() < patience => (),
                Received::Nothing => {
                    found.failure = Some(found.too_long(patience));
                    tell(News::Found(found));
                    return Ok(()); // dropped, the process is ended
                }
                Received::End => break,
            }
        }
        if let Err(problem) = process.finish(Duration::from_secs(5)) {
            found.failure.get_or_insert(format!("the process broke: {problem}"));
        }
        tell(News::Found(found));
        Ok(())
    }
}

impl Found {
    fn hear(&mut self, message: Message) {
        match message {
            Message::Device(name) => self.device = name,
            Message::Shipped(numbers) => self.shipped = Some(numbers),
            Message::Changed(numbers) => self.changed = Some(numbers),
            Message::Failed(problem) => self.failure = Some(problem),
        }
    }

    fn too_long(&self, patience: Duration) -> String {
        let seconds = patience.as_secs();
        match (&self.shipped, self.device.is_empty()) {
            (_, true) => format!("no device opened within {seconds} s"),
            (None, _) => {
                format!("the shipped source did not end within {seconds} s: a smaller size takes less")
            }
            (Some(_), _) => {
                format!("it did not end within {seconds} s and was ended: is there an endless loop?")
            }
        }
    }
}

/// Every rung with a kernel, ladder by ladder.
pub fn kernels() -> impl Iterator<Item = (&'static Ladder, &'static Variant)> {
    let of = |ladder: &&'static Ladder| {
        let ladder = *ladder;
        let with_kernel = ladder.variants.iter().filter(|variant| variant.kernel.is_some());
        with_kernel.map(move |variant| (ladder, variant))
    };
    LADDERS.iter().flat_map(of)
}
