//! A training run: how it ended, and its losses.

use super::{Rich, escape, lines, picture, table};
use crate::numbers::short;
use crate::train::History;

impl Rich for History {
    fn text(&self) -> String {
        let sample = self.samples.last().map(|(_, sample)| format!("\n{sample}")).unwrap_or_default();
        lines(&rows(self)) + &sample
    }

    fn html(&self) -> String {
        let sample = self.samples.last().map(|(_, sample)| format!("<pre>{}</pre>", escape(sample)));
        let losses = self.losses();
        let picture = if losses.curves.is_empty() { String::new() } else { picture(&losses) };
        table(&rows(self)) + &picture + &sample.unwrap_or_default()
    }
}

fn rows(history: &History) -> Vec<(&'static str, String)> {
    let settings = &history.settings;
    let mut rows = vec![
        ("learned", format!("{} on {}", settings.objective, settings.data)),
        ("steps", format!("{} of {}", history.steps.len(), settings.steps)),
    ];
    rows.extend(history.steps.last().map(|last| ("loss", short(last.loss.into()))));
    if let Some((step, metrics)) = history.evaluations.last() {
        let accuracy = short(100.0 * metrics.accuracy);
        let loss = short(metrics.loss);
        rows.push(("held out", format!("loss {loss}, {accuracy} % of tokens right after step {step}")));
    }
    rows
}
