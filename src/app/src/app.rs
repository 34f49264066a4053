//! The window's state and layout.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{CentralPanel, Frame, Margin, Panel};
use egui_wgpu::RenderState;
use rankscope::model::{MaskChoice, Tokens};
use rankscope::run::Progress;

use crate::args::Args;
use crate::device;
use crate::heatmap::{self, Scale};
use crate::layout::{Head, columns, is_short};
use crate::theme;
use crate::view::{banner, head, mask, model, rank, status, tokens, top, wall};
use crate::worker::{Brought, Event, Job, Opened, Pass, Worker};

/// If new results take longer than this, the old ones are dimmed and progress is shown.
pub const PATIENCE: Duration = Duration::from_millis(300);

/// The whole window.
pub struct App {
    /// Model work.
    worker: Worker,
    /// What to compute now.
    pub job: Job,
    /// The job sent last.
    sent: Option<Job>,
    /// The selected head.
    pub selected: Head,
    /// How weights become colours.
    pub scale: Scale,
    /// The results so far.
    pub shown: Shown,
    /// The text of the path field, while it is open.
    pub path: Option<String>,
    /// The mask's controls.
    pub mask: mask::Picker,
    /// Models to choose from.
    pub models: model::Catalog,
    /// What went wrong and was not dismissed.
    pub banners: Vec<banner::Banner>,
    /// Where numbers are computed, and why there.
    pub device: device::Computing,
    /// Leaves out what differs from run to run: timings.
    pub steady: bool,
}

/// The results of the job sent last; older ones stay, marked stale, until newer ones arrive.
#[derive(Default)]
pub struct Shown {
    /// The open model.
    pub model: Option<Arc<Opened>>,
    /// The tokens of the text.
    pub tokens: Option<Arc<Tokens>>,
    /// The summary of the checks of a file's weights.
    pub checks: Arc<Vec<(&'static str, String)>>,
    /// Attention under the chosen mask, or of a file.
    pub chosen: Option<Arc<Pass>>,
    /// The pass before `chosen`, until `chosen` has all its reports.
    pub previous: Option<Arc<Pass>>,
    /// Attention under the mask of training.
    pub trained: Option<Arc<Pass>>,
    /// Whether `chosen` belongs to an older job.
    pub stale: bool,
    /// Since when the job has been running.
    pub busy: Option<Instant>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// How long the last job took.
    pub took: Option<Duration>,
}

impl Shown {
    /// The newest pass with a report of the head `at`: `chosen`, or the pass before it.
    pub fn reported(&self, at: Head) -> Option<&Pass> {
        [&self.chosen, &self.previous]
            .into_iter()
            .flatten()
            .map(Arc::as_ref)
            .find(|pass| pass.report(at).is_some())
    }

    /// How far the panel of the head `at` is faded: also while its report is that of an older pass.
    pub fn report_fade(&self, at: Head) -> f32 {
        let waits = self.chosen.as_ref().is_some_and(|pass| pass.report(at).is_none());
        if waits && self.is_slow() { 0.6 } else { self.fade() }
    }

    /// Shows `pass`, and keeps the pass before it until all reports are there.
    fn replace(&mut self, pass: Arc<Pass>, at: Head) {
        let other = |shown: &Arc<Pass>| shown.masks != pass.masks || shown.tokens.ids != pass.tokens.ids;
        if let Some(shown) = self.chosen.take().filter(other)
            && shown.report(at).is_some()
        {
            self.previous = Some(shown);
        }
        if pass.reports.iter().all(Option::is_some) {
            self.previous = None;
        }
        (self.chosen, self.stale) = (Some(pass), false);
    }

    /// Whether the job takes long enough to show its progress.
    pub fn is_slow(&self) -> bool {
        self.busy.is_some_and(|since| since.elapsed() >= PATIENCE)
    }

    /// How far results are faded, from 0 to 1.
    pub fn fade(&self) -> f32 {
        let failed = self.stale && self.busy.is_none();
        if failed || (self.stale && self.is_slow()) { 0.6 } else { 0.0 }
    }
}

impl App {
    /// Opens the window's state on `args`; drawing goes through `render`, and `wake` asks for a frame.
    ///
    /// # Errors
    /// If the mask cannot be parsed, or the requested device does not exist.
    pub fn new(
        render: &RenderState,
        args: &Args,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> rankscope::Result<Self> {
        let mask: MaskChoice = args.mask.parse()?;
        let device = device::Computing::choose(args.device, render)?;
        heatmap::install(render);
        let worker = Worker::start(device.device.clone(), render.device.clone(), wake);
        let selected = Head { layer: args.layer.unwrap_or(1), head: args.head.unwrap_or(1) };
        let brought = args.attention.as_ref().map(|path| Brought {
            path: path.clone(),
            name: args.name.clone(),
            tokens: args.tokens.clone(),
            sequence: args.sequence,
        });
        let path = brought.as_ref().map(|brought| brought.path.display().to_string());
        let (model, text) = (args.model.clone(), args.text.clone());
        let job = Job { model, text, mask, brought, first: selected };
        let steady = args.screenshot.is_some();
        let mut app = App {
            worker,
            sent: None,
            selected,
            scale: Scale::Root,
            shown: Shown::default(),
            path,
            mask: mask::Picker::new(&job.mask),
            models: model::Catalog::default(),
            banners: Vec::new(),
            device,
            steady,
            job,
        };
        app.models.reload(&mut app.banners);
        app.send();
        Ok(app)
    }

    /// The work between frames: takes events from the worker, then sends it a newer job.
    pub fn update(&mut self, ctx: &egui::Context) {
        for event in self.worker.news() {
            self.take(event);
        }
        self.hear_objections();
        if let Some(name) = self.models.news(&mut self.banners) {
            self.open_model(name);
        }
        let dropped = ctx.input(|input| input.raw.dropped_files.first().map(|file| file.path().to_owned()));
        if let Some(path) = dropped {
            self.open(path);
        }
        if self.sent.as_ref().is_none_or(|sent| self.differs(sent)) && self.may_supersede() {
            self.send();
        }
        if self.shown.busy.is_some() {
            ctx.request_repaint_after(PATIENCE);
        }
    }

    /// Shows each error of the graphics device once.
    pub fn hear_objections(&mut self) {
        for text in self.device.objections.try_iter() {
            if self.banners.iter().all(|banner| banner.text != text) {
                self.banners.push(banner::Banner { text, of_job: false });
            }
        }
    }

    /// Whether the job is finished.
    pub fn is_settled(&self) -> bool {
        self.shown.busy.is_none() && self.sent.as_ref().is_some_and(|sent| !self.differs(sent))
    }

    /// Waits for the worker, at most for `patience`.
    pub fn wait(&self, patience: Duration) {
        self.worker.wait(patience);
    }

    fn differs(&self, sent: &Job) -> bool {
        let job = &self.job;
        (&sent.model, &sent.text, &sent.mask, &sent.brought)
            != (&job.model, &job.text, &job.mask, &job.brought)
    }

    /// Shows a model by name or folder.
    pub fn open_model(&mut self, name: String) {
        (self.path, self.job.brought, self.job.model) = (None, None, name);
    }

    /// Shows what was dropped or typed: a model's folder, or a file of weights.
    pub fn open(&mut self, path: PathBuf) {
        if path.is_dir() {
            return self.open_model(path.display().to_string());
        }
        self.path = Some(path.display().to_string());
        self.job.brought = Some(Brought { path, name: None, tokens: None, sequence: 0 });
    }

    /// While a slider is dragged, a mask is shown with the ranks of the selected head before the next one is
    /// computed; any other change replaces the job at once.
    pub fn may_supersede(&self) -> bool {
        let parts = |job: &Job| (job.model.clone(), job.text.clone(), job.brought.clone());
        let same = |sent: &Job| parts(sent) == parts(&self.job);
        let only_the_mask = self.sent.as_ref().is_some_and(same);
        let reported = self.shown.chosen.as_ref().is_some_and(|pass| pass.report(self.selected).is_some());
        let is_shown = reported && !self.shown.stale;
        is_shown || self.shown.busy.is_none() || !only_the_mask
    }

    fn send(&mut self) {
        self.job.first = self.selected;
        self.worker.send(self.job.clone());
        self.sent = Some(self.job.clone());
        self.shown.stale = true;
        self.shown.busy = Some(Instant::now());
        self.shown.progress = None;
    }

    /// Shows an event of the job.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Model(model) => {
                let same = self.shown.model.as_ref().is_some_and(|shown| shown.name == model.name);
                if !same {
                    (self.shown.chosen, self.shown.previous, self.shown.trained) = (None, None, None);
                    (self.shown.tokens, self.shown.checks) = (None, Arc::default());
                }
                self.selected = self.selected.moved(0, 0, model.layers, model.heads);
                self.shown.model = Some(model);
            }
            Event::Tokens(tokens) => self.shown.tokens = Some(tokens),
            Event::Chosen(pass) => {
                self.shown.replace(pass, self.selected);
                self.banners.retain(|banner| !banner.of_job);
            }
            Event::Trained(pass) => self.shown.trained = Some(pass),
            Event::Checks(checks) => self.shown.checks = checks,
            Event::Progress(progress) => self.shown.progress = Some(progress),
            Event::Done(took) => {
                self.shown.took = Some(took);
                (self.shown.busy, self.shown.progress) = (None, None);
            }
            Event::Failed(text) => {
                (self.shown.busy, self.shown.progress) = (None, None);
                self.banners.retain(|banner| !banner.of_job);
                self.banners.push(banner::Banner { text, of_job: true });
            }
        }
    }

    /// Sets the mask and its controls.
    pub fn choose(&mut self, mask: &MaskChoice) {
        self.mask = mask::Picker::new(mask);
        self.job.mask = mask.clone();
    }

    /// How many positions the text has; 1 while it is not known.
    pub fn length(&self) -> usize {
        self.shown.tokens.as_ref().map_or(1, |tokens| tokens.pieces.len().max(1))
    }

    /// Draws the window.
    pub fn ui(&mut self, ui: &mut egui::Ui) {
        self.update(&ui.ctx().clone());
        let palette = theme::palette(ui);
        let short = is_short(ui);
        let margin = Margin::symmetric(12, if short { 4 } else { 8 });
        let bar = Frame::new().fill(theme::color(palette.panel)).inner_margin(margin);
        let body = Frame::new().fill(theme::color(palette.background)).inner_margin(margin);
        Panel::top("top").frame(bar).resizable(false).show(ui, |ui| top::ui(self, ui));
        let strip = !short && self.models.offers(); // else it stands in the status bar
        if !self.banners.is_empty() || strip {
            Panel::top("banners").frame(body).resizable(false).show(ui, |ui| {
                banner::ui(&mut self.banners, ui);
                if strip {
                    model::offer(&mut self.models, ui);
                }
            });
        }
        Panel::top("tokens").frame(body).resizable(false).show(ui, |ui| tokens::ui(self, ui));
        Panel::top("mask").frame(body).resizable(false).show(ui, |ui| mask::ui(self, ui));
        Panel::bottom("status").frame(bar).resizable(false).show(ui, |ui| status::ui(self, ui));
        let heads = self.shown.model.as_ref().map_or(1, |model| model.heads);
        let (left, right) = columns(ui.available_width(), heads);
        Panel::right("rank").frame(body).resizable(false).exact_size(right).show(ui, |ui| rank::ui(self, ui));
        Panel::left("wall").frame(body).resizable(false).exact_size(left).show(ui, |ui| wall::ui(self, ui));
        CentralPanel::default().frame(body).show(ui, |ui| head::ui(self, ui));
    }

    /// The chosen mask; `None` until the model is known.
    pub fn note(&self) -> Option<String> {
        let description = self.shown.model.as_ref()?.description.as_ref()?;
        match &self.job.mask {
            MaskChoice::AsTrained => None,
            chosen => chosen.note(description),
        }
    }
}
