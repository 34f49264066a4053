//! The window around the labs.

pub mod banner;
mod command;
mod course;
mod dock;
mod export;
mod files;
pub mod lesson;
mod lessons;
mod menu;
mod open;
mod palette;
mod run;
mod session;
mod status;
mod tabs;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{CentralPanel, Frame, Margin, Panel};
use egui_wgpu::RenderState;

use crate::args::Args;
use crate::lab::{LABS, Lab, Machine};
use crate::layout::is_short;
use crate::{device, heatmap, theme};
use course::Course;
use dock::Dock;
use export::{Format, Saver};
use lesson::Lesson;
use session::{Keeper, Kept};

/// The window: its labs, opened when they are first looked at, and one of them in front.
pub struct Workbench {
    labs: Vec<Option<Open>>,
    /// The lab in front: its place in [`LABS`].
    front: usize,
    /// Labs of the kept session that have not been looked at yet.
    kept: BTreeMap<String, Kept>,
    machine: Machine,
    computing: device::Computing,
    args: Args,
    /// Errors outside the labs.
    problems: Vec<String>,
    /// The last action, for the status bar.
    note: Option<(String, Instant)>,
    /// The lessons that come with the program, a teacher's own, and both in order.
    shipped: Course,
    own: Course,
    lessons: Vec<Lesson>,
    open_lesson: Option<Lesson>,
    /// The place of the open lesson in `lessons`.
    place: Option<usize>,
    shows_note: bool,
    /// The window of lessons, while it is open.
    form: Option<lessons::Form>,
    /// The palette, while it is open.
    palette: Option<palette::Palette>,
    saver: Saver,
    exports: Vec<Listed>,
    listed: Option<Instant>,
    keeper: Option<Keeper>,
    crashes: u32,
    opened: Instant,
    looked: Instant,
    /// What would be lost by closing the window, while the window asks about it.
    closing: Option<String>,
}

/// What the lab in front can export.
struct Listed {
    name: String,
    /// The title of its panel.
    panel: &'static str,
    formats: Vec<Format>,
}

/// An open lab and where its panels stand.
struct Open {
    lab: Box<dyn Lab>,
    dock: Dock,
}

impl Workbench {
    /// Opens what the command line asks for, or what was open in the session that `home` keeps; drawing goes through
    /// `render`, and `wake` asks for a frame. Without a `home` nothing is kept.
    ///
    /// # Errors
    /// If the lab's options cannot be parsed, there is no such lab, or the requested device does not exist.
    pub fn new(
        render: &RenderState,
        args: &Args,
        home: Option<PathBuf>,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let computing = device::Computing::choose(args.device, render)?;
        heatmap::install(render);
        let machine =
            Machine { device: computing.device.clone(), window: render.device.clone(), wake: Arc::new(wake) };
        let (shipped, mut problems) = Course::open(rankscope::assets::folder("lessons"));
        let (own, of_own) = Course::open(home.as_ref().map(|home| home.join("lessons")));
        problems.extend(of_own);
        let mut workbench = Workbench {
            labs: LABS.iter().map(|_| None).collect(),
            front: 0,
            kept: BTreeMap::new(),
            machine,
            computing,
            args: args.clone(),
            problems,
            note: None,
            shipped,
            own,
            lessons: Vec::new(),
            open_lesson: None,
            place: None,
            shows_note: false,
            form: None,
            palette: None,
            saver: Saver::default(),
            exports: Vec::new(),
            listed: None,
            keeper: None,
            crashes: 0,
            opened: Instant::now(),
            looked: Instant::now(),
            closing: None,
        };
        workbench.list_lessons();
        if let Some(loss) = &args.lost {
            workbench.complain(format!("{loss}, so the window was opened again; what was open is here"));
        }
        let first = workbench.first_lab(home);
        workbench.open_asked(&first)?;
        Ok(workbench)
    }

    /// The lab in front.
    pub fn lab(&self) -> Option<&dyn Lab> {
        self.labs[self.front].as_ref().map(|open| &*open.lab)
    }

    /// The lab in front, to change it.
    pub fn lab_mut(&mut self) -> Option<&mut (dyn Lab + 'static)> {
        self.labs[self.front].as_mut().map(|open| &mut *open.lab)
    }

    /// Every message: of the window, then of the lab in front.
    pub fn banners(&self) -> Vec<String> {
        let of_lab = self.lab().map(Lab::errors).unwrap_or_default();
        self.problems.iter().cloned().chain(of_lab).collect()
    }

    /// Shows a banner, once.
    fn complain(&mut self, text: String) {
        if !self.problems.contains(&text) {
            self.problems.push(text);
        }
    }

    /// Says in the status bar what was done.
    fn tell(&mut self, text: String) {
        self.note = Some((text, Instant::now()));
    }

    /// The device that computes, and the window's.
    pub fn computing(&self) -> &device::Computing {
        &self.computing
    }

    /// Shows each error of the graphics device once.
    pub fn hear_objections(&mut self) {
        if let Some(loss) = self.computing.loss() {
            self.complain(format!("{loss}: restart rankscope, which keeps what is open"));
        }
        for text in self.computing.objections.try_iter().collect::<Vec<_>>() {
            self.complain(text);
        }
    }

    /// Whether the lab in front has nothing left to compute.
    pub fn is_settled(&self) -> bool {
        self.lab().is_none_or(Lab::is_settled)
    }

    /// Waits for results of the lab in front, at most for `patience`.
    pub fn wait(&self, patience: Duration) {
        if let Some(lab) = self.lab() {
            lab.wait(patience);
        }
    }

    /// The status bar's text on the device: its name, and why it was chosen.
    pub fn device(&self) -> (String, &str) {
        (self.computing.device.to_string(), &self.computing.why)
    }

    /// The work of a frame before it is drawn.
    fn update(&mut self, ctx: &egui::Context) {
        self.hear_objections();
        for open in self.labs.iter_mut().flatten() {
            open.lab.update(ctx);
        }
        let dropped: Vec<_> =
            ctx.input(|input| input.raw.dropped_files.iter().map(|file| file.path().to_owned()).collect());
        for path in dropped {
            self.open_path(&path);
        }
        for visit in self.lab_mut().map(Lab::visits).unwrap_or_default() {
            self.show(&visit.lab, visit.state);
        }
        for result in self.saver.results() {
            match result {
                Ok(path) => self.tell(format!("saved {}", path.display())),
                Err(problem) => self.complain(problem),
            }
        }
        for command in command::pressed(self, ctx) {
            self.run(&command, ctx);
        }
        self.keep(ctx);
        self.hold_the_door(ctx);
    }

    /// Draws the window, on a [ground](theme::ground) of one colour.
    pub fn ui(&mut self, ui: &mut egui::Ui) {
        let ctx = ui.ctx().clone();
        self.update(&ctx);
        let palette = theme::palette(ui);
        let margin = Margin::symmetric(12, if is_short(ui) { 3 } else { 6 });
        let bar = Frame::new().fill(theme::color(palette.panel)).inner_margin(margin);
        let body = Frame::new().inner_margin(margin);
        let clicked = Panel::top("labs").frame(bar).resizable(false).show(ui, |ui| tabs::ui(self, ui)).inner;
        let chosen = clicked.or_else(|| palette::ui(self, &ctx));
        if self.open_lesson.is_some() {
            Panel::top("lesson").frame(body).resizable(false).show(ui, |ui| lessons::strip(self, ui));
        }
        let banners = self.banners();
        if !banners.is_empty() {
            let panel = Panel::top("banners").frame(body).resizable(false);
            if let Some(text) = panel.show(ui, |ui| banner::ui(&banners, ui)).inner {
                self.dismiss(&text);
            }
        }
        let stop =
            Panel::bottom("status").frame(bar).resizable(false).show(ui, |ui| status::ui(self, ui)).inner;
        CentralPanel::default().frame(Frame::NONE).show(ui, |ui| {
            if let Some(open) = &mut self.labs[self.front] {
                // With ids of its own, a field keeps the focus when a banner appears above it.
                let own = egui::UiBuilder::new().scope_id(egui::Id::unique(LABS[self.front].id));
                ui.scope_builder(own, |ui| open.dock.ui(&mut *open.lab, ui));
            }
        });
        lessons::ui(self, &ctx);
        self.ask_before_closing(&ctx);
        for command in chosen.into_iter().chain(stop) {
            self.run(&command, &ctx);
        }
    }

    fn dismiss(&mut self, text: &str) {
        self.problems.retain(|problem| problem != text);
        if let Some(lab) = self.lab_mut() {
            lab.dismiss(text);
        }
    }
}
