//! The list of models, with a remark on each, and the download of those that are not here.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, bounded};
use egui::{ComboBox, ProgressBar, RichText};
use rankscope::Run;
use rankscope::model::store::{Entry, Store};
use rankscope::numbers::scaled;
use rankscope::run::{Cancel, Progress};

use super::{Desk, View};
use crate::labs::model::state::{Edit, Side};

/// The uses of the checkpoints that come with the program.
const WORDS: &[(&str, &str)] = &[
    ("english-gpt", "causal; writes on: the usual decoder-only model"),
    ("english-gpt-linear", "causal, with linear attention in place of softmax"),
    ("english-causal", "decoder-only; reads a beginning causally, then writes on"),
    ("english-prefix", "decoder-only; reads a beginning both ways (prefix mask), then writes on"),
    ("english-bert", "bidirectional; fills in masked tokens"),
    ("english-bert-mixed", "forward and backward masks in turns; fills in masked tokens"),
    ("english-t5", "encoder-decoder; has cross-attention"),
    ("english-redllm", "encoder-decoder with rotary positions; has cross-attention"),
    ("glass-en", "causal, of the LLaMA type; trained elsewhere"),
];

/// The models to choose from, and the pull under way.
#[derive(Default)]
pub struct Catalog {
    entries: Option<Vec<Entry>>,
    pull: Option<Pull>,
}

struct Pull {
    side: Side,
    name: String,
    cancel: Cancel,
    progress: Arc<Mutex<Option<Progress>>>,
    result: Receiver<rankscope::Result<()>>,
}

impl Catalog {
    /// Reads the list of models where it is not known, and takes the result of a pull.
    pub fn tend(&mut self, desk: &mut Desk<'_>) {
        if let Some((pull, result)) = self.ended() {
            self.entries = None;
            match result {
                Ok(()) => desk.edit(Edit::Model(pull.side, pull.name.clone())),
                Err(rankscope::Error::Cancelled) => {}
                Err(error) => desk.problem(error.to_string()),
            }
        }
        if self.entries.is_none() {
            match Store::open().and_then(|store| store.list()) {
                Ok(entries) => self.entries = Some(first_of_each_name(entries)),
                Err(error) => {
                    desk.problem(error.to_string());
                    self.entries = Some(Vec::new());
                }
            }
        }
    }

    fn ended(&mut self) -> Option<(Pull, rankscope::Result<()>)> {
        let result = self.pull.as_ref()?.result.try_recv().ok()?;
        Some((self.pull.take()?, result))
    }

    fn start(&mut self, side: Side, name: &str, ctx: &egui::Context) {
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
        self.pull = Some(Pull { side, name: name.to_owned(), cancel, progress, result });
    }
}

impl Drop for Pull {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// The list without a bundled model that is installed under the same name.
fn first_of_each_name(mut entries: Vec<Entry>) -> Vec<Entry> {
    let mut known = HashSet::new();
    entries.retain(|entry| known.insert(entry.name.clone()));
    entries
}

/// The use of a model.
fn word(entry: &Entry) -> Option<&str> {
    let own = WORDS.iter().find(|(name, _)| *name == entry.name).map(|(_, word)| *word);
    own.or(entry.note.as_deref())
}

/// The list of models, and the progress of a download.
pub fn picker(view: &mut View, desk: &mut Desk<'_>, side: Side, ui: &mut egui::Ui) {
    let Some(reading) = desk.state.reading(side) else { return };
    let is_file = view.paths[side as usize].is_open || reading.file.is_some();
    let name = std::path::Path::new(&reading.model).file_name();
    let shown = match (is_file, name) {
        (true, _) => "weights from a file".to_owned(),
        (false, Some(name)) => name.to_string_lossy().into_owned(),
        (false, None) => reading.model.clone(),
    };
    let (mut chosen, mut wanted, mut opens_file) = (None, None, false);
    let combo = ComboBox::new("model", "").width(150.0).height(420.0).selected_text(shown);
    let response = combo.show_ui(ui, |ui| {
        ui.set_min_width(430.0);
        for entry in view.models.entries.iter().flatten() {
            let line = line(entry, !is_file && reading.model == entry.name, ui);
            if line.clicked() {
                *(if entry.path.is_some() { &mut chosen } else { &mut wanted }) = Some(entry.name.clone());
            }
        }
        opens_file = ui.selectable_label(is_file, "Weights from a file …").clicked();
    });
    response.response.on_hover_text(&reading.model);
    if opens_file {
        view.paths[side as usize].is_open = true;
    }
    if let Some(name) = chosen {
        view.paths[side as usize].is_open = false;
        desk.edit(Edit::Model(side, name));
    }
    if let Some(name) = wanted.filter(|_| view.models.pull.is_none()) {
        view.models.start(side, &name, ui.ctx());
    }
    progress(&view.models, side, ui);
}

/// A model, its use, and its size.
fn line(entry: &Entry, is_chosen: bool, ui: &mut egui::Ui) -> egui::Response {
    let size = entry.size_bytes.map(|size| format!(", {}", scaled(size as f64, "B"))).unwrap_or_default();
    let family = entry.family.as_deref().unwrap_or("?");
    let fetch = if entry.path.is_some() { "" } else { "Fetch " };
    let line = ui.selectable_label(is_chosen, format!("{fetch}{} ({family}{size})", entry.name));
    if let Some(word) = word(entry) {
        ui.horizontal(|ui| {
            ui.add_space(14.0);
            ui.add(egui::Label::new(RichText::new(word).size(13.0).weak()).truncate());
        });
    }
    line
}

fn progress(models: &Catalog, side: Side, ui: &mut egui::Ui) {
    let Some(pull) = models.pull.as_ref().filter(|pull| pull.side == side) else { return };
    let step = pull.progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match step {
        Some(step) => {
            let part = if step.total > 0 { step.done as f32 / step.total as f32 } else { 0.0 };
            let bar = ProgressBar::new(part).desired_width(140.0).desired_height(16.0);
            ui.add(bar).on_hover_text(format!("Fetching {}: {}", pull.name, step.stage));
        }
        None => drop(ui.spinner().on_hover_text(format!("Fetching {}", pull.name))),
    }
    if ui.button("Cancel").clicked() {
        pull.cancel.cancel();
    }
}

#[cfg(test)]
mod tests {
    use rankscope::model::store::Origin;

    use super::*;

    #[test]
    fn every_model_that_comes_with_the_program_has_a_word() {
        let bundled = Store::open().unwrap().list().unwrap();
        let bundled = bundled.into_iter().filter(|entry| entry.origin == Origin::Bundled);
        let names: Vec<String> = bundled.map(|entry| entry.name).collect();
        assert!(names.len() >= WORDS.len(), "{names:?}");
        for name in names {
            assert!(WORDS.iter().any(|(known, _)| *known == name), "{name}");
        }
    }

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
