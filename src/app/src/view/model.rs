//! The list of models, and the offer to download the one that is missing.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, bounded};
use egui::{Align, ComboBox, Frame, Layout, Margin, ProgressBar, RichText, Stroke};
use rankscope::Run;
use rankscope::model::store::{Entry, Origin, Store};
use rankscope::numbers::scaled;
use rankscope::run::{Cancel, Progress};

use super::banner::Banner;
use crate::app::App;
use crate::layout::is_short;
use crate::theme;

/// The bidirectional model that the first screen offers.
const OFFERED: &str = "minilm-l6";

/// The models to choose from, and the pull under way.
#[derive(Default)]
pub struct Catalog {
    entries: Vec<Entry>,
    pull: Option<Pull>,
    declined: bool,
}

struct Pull {
    name: String,
    cancel: Cancel,
    progress: Arc<Mutex<Option<Progress>>>,
    result: Receiver<rankscope::Result<()>>,
}

impl Catalog {
    /// Reads the list of models again.
    pub fn reload(&mut self, banners: &mut Vec<Banner>) {
        match Store::open().and_then(|store| store.list()) {
            Ok(entries) => self.entries = first_of_each_name(entries),
            Err(error) => banners.push(Banner { text: error.to_string(), of_job: false }),
        }
    }

    /// Whether a model is offered or on its way.
    pub fn offers(&self) -> bool {
        self.pull.is_some() || (!self.declined && self.offered().is_some())
    }

    fn offered(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == OFFERED && entry.origin == Origin::Available)
    }

    /// The name of a model that has just been pulled.
    pub fn news(&mut self, banners: &mut Vec<Banner>) -> Option<String> {
        let result = self.pull.as_ref()?.result.try_recv().ok()?;
        let pull = self.pull.take()?;
        self.reload(banners);
        match result {
            Ok(()) => Some(pull.name.clone()),
            Err(rankscope::Error::Cancelled) => None,
            Err(error) => {
                banners.push(Banner { text: error.to_string(), of_job: false });
                None
            }
        }
    }

    fn start(&mut self, name: &str, ctx: &egui::Context) {
        let (outbox, result) = bounded(1);
        let (cancel, progress) = (Cancel::default(), Arc::new(Mutex::new(None)));
        let (wake, watched) = (ctx.clone(), progress.clone());
        let run = Run::default().with_cancel(cancel.clone()).with_progress(move |step| {
            *watched.lock().unwrap_or_else(PoisonError::into_inner) = Some(step);
            wake.request_repaint();
        });
        let (wanted, wake) = (name.to_owned(), ctx.clone());
        std::thread::spawn(move || {
            let outcome = Store::open().and_then(|store| store.pull(&wanted, &run)).map(drop);
            // The window may have been closed meanwhile.
            let _ = outbox.send(outcome);
            wake.request_repaint();
        });
        self.pull = Some(Pull { name: name.to_owned(), cancel, progress, result });
    }
}

impl Drop for Pull {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// A model that is installed as well as bundled is found under its name once, the installed one.
fn first_of_each_name(mut entries: Vec<Entry>) -> Vec<Entry> {
    let mut known = HashSet::new();
    entries.retain(|entry| known.insert(entry.name.clone()));
    entries
}

/// The list of models in the top bar.
pub fn picker(app: &mut App, ui: &mut egui::Ui) {
    let mut chosen = None;
    let mut wanted = None;
    let shown =
        std::path::Path::new(&app.job.model).file_name().map(|name| name.to_string_lossy().into_owned());
    let shown = match app.path {
        Some(_) => "weights from a file".to_owned(),
        None => shown.unwrap_or_else(|| app.job.model.clone()),
    };
    let combo = ComboBox::new("model", "").width(150.0).selected_text(shown);
    let response = combo.show_ui(ui, |ui| {
        for entry in &app.models.entries {
            let size =
                entry.size_bytes.map(|size| format!(", {}", scaled(size as f64, "B"))).unwrap_or_default();
            let family = entry.family.as_deref().unwrap_or("?");
            let here = entry.path.is_some();
            let text = if here {
                format!("{} ({family}{size})", entry.name)
            } else {
                format!("Fetch {} ({family}{size})", entry.name)
            };
            let mut line = ui.selectable_label(app.job.model == entry.name, text);
            if let Some(note) = &entry.note {
                line = line.on_hover_text(note);
            }
            if line.clicked() {
                *(if here { &mut chosen } else { &mut wanted }) = Some(entry.name.clone());
            }
        }
        if ui.selectable_label(app.path.is_some(), "Weights from a file …").clicked() {
            app.path.get_or_insert_default();
        }
    });
    response.response.on_hover_text(&app.job.model);
    if let Some(name) = chosen {
        app.open_model(name);
    }
    if let Some(name) = wanted.filter(|_| app.models.pull.is_none()) {
        app.models.start(&name, ui.ctx());
    }
}

/// The strip that offers the missing model, or shows how far its pull is.
pub fn offer(models: &mut Catalog, ui: &mut egui::Ui) {
    let palette = theme::palette(ui);
    let frame = Frame::new()
        .fill(theme::color(palette.panel))
        .stroke(Stroke::new(1.0, theme::color(palette.grid)))
        .corner_radius(4)
        .inner_margin(Margin::symmetric(10, 5));
    frame.show(ui, |ui| {
        ui.horizontal(|ui| match &models.pull {
            Some(_) => progress(models, ui),
            None => question(models, ui),
        });
    });
}

/// The same in a few words, for the status bar of a low window; from right to left.
pub fn brief_offer(models: &mut Catalog, ui: &mut egui::Ui) {
    if models.pull.is_some() {
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| progress(models, ui));
    } else if let Some(entry) = models.offered() {
        let text = format!("Fetch {OFFERED}{}", download(entry, " (", ")"));
        answers(models, &text, ui);
    }
}

/// How much there is to fetch, between `before` and `after`.
fn download(entry: &Entry, before: &str, after: &str) -> String {
    let size = |size| format!("{before}{} download{after}", scaled(size as f64, "B"));
    entry.size_bytes.map(size).unwrap_or_default()
}

/// The two buttons.
fn answers(models: &mut Catalog, fetch: &str, ui: &mut egui::Ui) {
    if ui.button("Not now").clicked() {
        models.declined = true;
    }
    let hint = "Downloads a trained bidirectional model (BERT) and verifies its checksum";
    if ui.button(fetch).on_hover_text(hint).clicked() {
        models.start(OFFERED, ui.ctx());
    }
}

fn question(models: &mut Catalog, ui: &mut egui::Ui) {
    let Some(entry) = models.offered() else { return };
    let size = download(entry, ", ", "");
    let text =
        format!("{OFFERED} is not here yet: a trained bidirectional model (BERT{size}) to compare with.");
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        answers(models, "Fetch it", ui);
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| ui.add(egui::Label::new(text).truncate()));
    });
}

fn progress(models: &mut Catalog, ui: &mut egui::Ui) {
    let Some(pull) = &models.pull else { return };
    let step = pull.progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
    ui.label(format!("Fetching {}", pull.name));
    if let Some(step) = step {
        let part = if step.total > 0 { step.done as f32 / step.total as f32 } else { 0.0 };
        ui.add(
            ProgressBar::new(part)
                .desired_width(if is_short(ui) { 120.0 } else { 260.0 })
                .desired_height(16.0),
        );
        ui.label(RichText::new(step.stage).weak());
    } else {
        ui.spinner();
    }
    if ui.button("Cancel").clicked() {
        pull.cancel.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_is_installed_and_bundled_is_listed_once() {
        let entry = |name: &str, origin| Entry {
            is_trained_here: false,
            name: name.to_owned(),
            origin,
            path: None,
            family: None,
            parameters: None,
            size_bytes: None,
            licence: None,
            note: None,
        };
        let [a, b, again] = [("a", Origin::Installed), ("b", Origin::Bundled), ("a", Origin::Bundled)]
            .map(|(name, origin)| entry(name, origin));
        assert_eq!(first_of_each_name(vec![a.clone(), b.clone(), again]), [a, b]);
    }
}
