//! The terminal's view of a run while it trains: one line that changes, and a line at each evaluation.

use std::collections::VecDeque;
use std::io::{IsTerminal, stderr};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use rankscope::numbers::{scaled, short};
use rankscope::train::folder::RunFolder;
use rankscope::train::{Event, StepReport, Trainer};

use crate::output::{bars, say};

/// Number of the last steps whose losses are shown as mean and spread.
const WINDOW: usize = 50;
/// The number of bars of the curve.
const BARS: usize = 24;

/// The view of one run.
pub struct View {
    steps: usize,
    began: Instant,
    /// Steps that were made before this process began.
    before: usize,
    /// The mean losses of equal pieces of the run so far; the last one is being filled.
    pieces: Vec<(f64, usize)>,
    recent: VecDeque<StepReport>,
    bar: Option<ProgressBar>,
    /// The step of the last checkpoint.
    saved: Option<usize>,
}

impl View {
    pub fn new(steps: usize, before: usize) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg}").expect("the template is a constant");
            ProgressBar::new_spinner().with_style(style)
        });
        View {
            steps,
            began: Instant::now(),
            before,
            pieces: Vec::new(),
            recent: VecDeque::new(),
            bar,
            saved: None,
        }
    }

    /// The lines before the first step.
    pub fn begin(&self, trainer: &Trainer, folder: &RunFolder) {
        let settings = trainer.settings();
        let name = folder.about().preset.as_deref().unwrap_or("settings");
        say(&format!(
            "{} {}: {} parameters, {} on {}, {} steps on {}, seed {}",
            name,
            folder.about().name,
            scaled(trainer.parameters().count() as f64, ""),
            settings.objective,
            settings.data,
            settings.steps,
            folder.about().device,
            settings.seed
        ));
        if let Some(remark) = trainer.lesson().examples().remark() {
            say(&remark);
        }
    }

    pub fn show(&mut self, event: &Event) {
        match event {
            Event::Step(report) => self.step(report),
            Event::Evaluated { step, metrics } => {
                let spread = match self.recent.is_empty() {
                    true => String::new(),
                    false => format!("loss {}   ", self.loss()),
                };
                let (loss, right) = (short(metrics.loss), short(100.0 * metrics.accuracy));
                self.line(&format!(
                    "step {step:>6}   {spread}held out: loss {loss}, {right} % of tokens right"
                ));
            }
            Event::Saved { step, .. } => self.saved = Some(*step),
            Event::Sample { step, text } if *step == self.steps => self.line(text),
            _ => (),
        }
    }

    /// The step of the last checkpoint that was written.
    pub fn saved(&self) -> Option<usize> {
        self.saved
    }

    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }

    fn step(&mut self, report: &StepReport) {
        self.recent.push_back(*report);
        if self.recent.len() > WINDOW {
            self.recent.pop_front();
        }
        let piece = self.steps.div_ceil(BARS).max(1);
        let index = (report.step - 1) / piece;
        while self.pieces.len() <= index {
            self.pieces.push((0.0, 0));
        }
        let (sum, count) = &mut self.pieces[index];
        (*sum, *count) = (*sum + f64::from(report.loss), *count + 1);
        let Some(bar) = &self.bar else { return };
        let seconds: f64 = self.recent.iter().map(|report| report.seconds).sum();
        let tokens: usize = self.recent.iter().map(|report| report.tokens).sum();
        let pace = self.began.elapsed().as_secs_f64() / (report.step - self.before) as f64;
        let means = self.pieces.iter().filter(|(_, n)| *n > 0).map(|(sum, n)| sum / *n as f64);
        let [curve] = bars([&means.collect::<Vec<_>>()]);
        bar.set_message(format!(
            "step {}/{}   loss {}   {} tokens/s   {} left   {curve}",
            report.step,
            self.steps,
            self.loss(),
            scaled(tokens as f64 / seconds, ""),
            time(pace * (self.steps - report.step) as f64),
        ));
    }

    /// Mean ± standard deviation of the last losses.
    fn loss(&self) -> String {
        let n = self.recent.len() as f64;
        let mean = self.recent.iter().map(|report| f64::from(report.loss)).sum::<f64>() / n;
        let variance =
            self.recent.iter().map(|report| (f64::from(report.loss) - mean).powi(2)).sum::<f64>() / n;
        format!("{mean:.3} ± {:.3}", variance.sqrt())
    }
}

/// Minutes and seconds.
fn time(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds / 60 {
        0 => format!("{seconds} s"),
        minutes => format!("{minutes} min {} s", seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_falling_loss_falls() {
        assert_eq!(bars([&[4.0, 3.0, 2.5, 0.5]]), ["█▆▅▁"]);
        assert_eq!(bars([&[2.0, 2.0]]), ["▁▁"]);
        assert_eq!([time(59.4), time(61.0)], ["59 s", "1 min 1 s"]);
    }
}
