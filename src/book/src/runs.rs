//! Runs of training that ship: their settings, their last evaluation, and their losses over the steps.

use std::path::{Path, PathBuf};

use rankscope::figure::style::Kind;
use rankscope::figure::{Curve, Lines, PlotAxis};
use serde_json::Value;

use crate::command::at_path;

/// The folders with runs, under the root of the repository.
const FOLDERS: [&str; 3] = ["assets/runs", "assets/runs/app", "assets/results"];
/// Checkpoints, whose cards say how they were trained.
const CHECKPOINTS: &str = "assets/checkpoints";

/// The runs under a root.
#[derive(Debug)]
pub struct Runs {
    root: PathBuf,
}

impl Runs {
    /// The runs of the repository at `root`.
    pub fn new(root: &Path) -> Self {
        Runs { root: root.to_owned() }
    }

    /// `{{run:NAME.KEY}}`. The name is that of a run's folder, such as `reverse-twins-a1da2bf3/seed-0`, or of a shipped
    /// checkpoint.
    ///
    /// A run has every column of its last evaluation (`loss`, `accuracy`, …), every column of its first as `first.loss`
    /// and so on, and every setting (`steps`, `width`, …). A file `NAME.json` under `assets/results` has the paths in
    /// it. A checkpoint has `loss`, `accuracy`, `parameters`, and `steps`.
    ///
    /// # Errors
    /// If there is no such number, with what is expected.
    pub fn number(&self, path: &str) -> Result<f64, String> {
        let (name, key) = path.split_once('.').ok_or("NAME.KEY, such as english-gpt.loss")?;
        if let Some(text) = self.text(&format!("assets/results/{name}.json")) {
            let json: Value = serde_json::from_str(&text).map_err(|error| format!("JSON ({error})"))?;
            return at_path(&json, key);
        }
        match self.folder(name) {
            Some(folder) => of_run(&folder, key),
            None => match self.text(&format!("{CHECKPOINTS}/{name}/README.md")) {
                Some(card) => of_card(&card, key),
                None => Err(format!("a run under {}, or a checkpoint that ships", FOLDERS.join(", "))),
            },
        }
    }

    /// The losses of a run over its steps.
    ///
    /// # Errors
    /// If there is no such run, with what is expected.
    pub fn losses(&self, name: &str) -> Result<Lines, String> {
        let folder = self.folder(name).ok_or_else(|| format!("a run under {}", FOLDERS.join(", ")))?;
        let curve = |name: &str, kind, file: &str| -> Result<Curve, String> {
            let table = Csv::read(&folder.join(file))?;
            let point = |row| Some((table.value(row, "step")?, table.value(row, "loss")?));
            Ok(Curve::new(name, kind, (0..table.rows.len()).filter_map(point)))
        };
        Ok(Lines {
            title: format!("Loss over training: {name}"),
            x: PlotAxis::linear("step"),
            y: PlotAxis::linear("loss in nats"),
            curves: vec![
                curve("batch", Kind::Plain, "steps.csv")?,
                curve("held out", Kind::Causal, "evaluation.csv")?,
            ],
            references: Vec::new(),
            settings: settings(&folder)?,
        })
    }

    fn folder(&self, name: &str) -> Option<PathBuf> {
        let mut folders = FOLDERS.iter().map(|folder| self.root.join(folder).join(name));
        folders.find(|folder| folder.join("run.json").is_file())
    }

    fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok()
    }
}

fn settings(folder: &Path) -> Result<Value, String> {
    let text = std::fs::read_to_string(folder.join("run.json")).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("JSON in run.json ({error})"))
}

fn of_run(folder: &Path, key: &str) -> Result<f64, String> {
    let table = Csv::read(&folder.join("evaluation.csv"))?;
    let last = table.rows.len().saturating_sub(1);
    let found = match key.strip_prefix("first.") {
        Some(column) => table.value(0, column),
        None => table.value(last, key),
    };
    match found {
        // `step` is not offered: the setting `steps` says the same.
        Some(value) if key != "step" => Ok(value),
        _ => at_path(&settings(folder)?["settings"], key)
            .map_err(|_| format!("one of {}, or a setting such as steps", table.head.join(", "))),
    }
}

/// A number of a checkpoint's card.
fn of_card(card: &str, key: &str) -> Result<f64, String> {
    let before = |unit: &str| {
        let end = card.find(unit)?;
        let number: String = card[..end].trim_end().rsplit([' ', '|']).next()?.replace(',', "");
        number.parse().ok()
    };
    let found = match key {
        "loss" => before("nats a token"),
        "accuracy" => before("of the tokens right"),
        "parameters" => before("parameters"),
        "steps" => {
            card.split("| steps |").nth(1).and_then(|rest| rest.split(',').next()?.trim().parse().ok())
        }
        _ => None,
    };
    found.ok_or_else(|| "loss, accuracy, parameters or steps".to_owned())
}

/// A table of numbers in text.
struct Csv {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Csv {
    fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{} ({error})", path.display()))?;
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        Ok(Csv { head: lines.next().unwrap_or_default(), rows: lines.collect() })
    }

    fn value(&self, row: usize, column: &str) -> Option<f64> {
        let column = self.head.iter().position(|name| name == column)?;
        self.rows.get(row)?.get(column)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs() -> Runs {
        Runs::new(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
    }

    #[test]
    fn the_last_evaluation_the_settings_and_a_card_are_read() {
        let runs = runs();
        let run = "reverse-twins-6bf22bf8/seed-0";
        assert_eq!(runs.number(&format!("{run}.steps")), Ok(400.0));
        let [last, first] = ["loss", "first.loss"].map(|key| runs.number(&format!("{run}.{key}")).unwrap());
        assert!(last < first);
        assert_eq!(runs.number("english-gpt.loss"), Ok(3.26));
        assert_eq!(runs.number("english-gpt.accuracy"), Ok(0.258));
        assert_eq!(runs.number("english-gpt.parameters"), Ok(879_872.0));
        assert_eq!(runs.number("english-gpt.steps"), Ok(1500.0));
        assert_eq!(runs.losses(run).unwrap().curves.len(), 2);
    }

    #[test]
    fn what_is_not_there_is_an_error_that_says_what_is() {
        let runs = runs();
        assert!(runs.number("nothing.loss").unwrap_err().contains("assets/runs"));
        assert!(runs.number("reverse-twins-6bf22bf8/seed-0.x").unwrap_err().contains("accuracy"));
        assert!(runs.number("english-gpt.x").unwrap_err().contains("parameters"));
    }
}
