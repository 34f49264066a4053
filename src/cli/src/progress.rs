//! A progress bar on stderr: only on a terminal, and only once something has taken a second.

use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rankscope::Run;
use rankscope::run::Progress;

use crate::output::say;

/// Work that takes less shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// The bar of one process.
#[derive(Clone)]
pub struct Watch {
    started: Instant,
    bar: Arc<Mutex<Option<ProgressBar>>>,
}

impl Watch {
    pub fn new() -> Self {
        Watch { started: Instant::now(), bar: Arc::default() }
    }

    /// `run` with a progress bar if stderr is a terminal, otherwise with one line if it must wait for another process.
    pub fn watched(&self, run: Run) -> Run {
        if !stderr().is_terminal() {
            let is_said = AtomicBool::new(false);
            return run.with_progress(move |progress| {
                if progress.stage.starts_with("waiting") && !is_said.swap(true, Ordering::Relaxed) {
                    say(&progress.stage);
                }
            });
        }
        let watch = self.clone();
        run.with_progress(move |progress| watch.show(&progress))
    }

    fn show(&self, progress: &Progress) {
        if self.started.elapsed() < PATIENCE {
            return;
        }
        if progress.total > 0 && progress.done >= progress.total {
            // Clears the bar, so that the next message starts on an empty line.
            return self.finish();
        }
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bar.get_or_insert_with(ProgressBar::no_length);
        bar.set_style(style(progress.total > 0));
        bar.set_message(progress.stage.clone());
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    }

    /// Clears the bar away.
    pub fn finish(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }
}

fn style(is_counted: bool) -> ProgressStyle {
    let template =
        if is_counted { "{msg} {bar:32} {percent:>3} %  {elapsed}" } else { "{msg} …  {elapsed}" };
    let style = ProgressStyle::with_template(template).expect("the template is a constant");
    style.progress_chars("━╸─")
}
