//! The exports of the courtroom.

use std::sync::Arc;

use ndarray::Array2;
use rankscope::Result;
use rankscope::claim::{Measured, Trial};
use rankscope::figure::style::Theme;
use rankscope::figure::{Figure, Lines, Table};
use serde_json::Value;

use super::compute::Answer;
use super::state::{Case, Effort};
use crate::lab::{Export, Numbers};
use crate::labs::exports::{drawn, table};

/// A figure of a trial that carries the lesson.
struct Shown {
    trial: Arc<Trial>,
    index: usize,
    lesson: Value,
}

impl Shown {
    fn figure(&self) -> &dyn Figure {
        &*self.trial.evidence.illustrations()[self.index].figure
    }
}

impl Figure for Shown {
    fn to_svg(&self, theme: Theme) -> Result<String> {
        self.to_svg_with(theme, &self.lesson)
    }

    fn to_png(&self, theme: Theme) -> Result<Vec<u8>> {
        self.to_png_with(theme, &self.lesson)
    }

    fn to_svg_with(&self, theme: Theme, settings: &Value) -> Result<String> {
        self.figure().to_svg_with(theme, settings)
    }

    fn to_png_with(&self, theme: Theme, settings: &Value) -> Result<Vec<u8>> {
        self.figure().to_png_with(theme, settings)
    }

    fn to_html(&self) -> Result<String> {
        self.figure().to_html()
    }

    fn table(&self) -> Table {
        self.figure().table()
    }

    fn as_lines(&self) -> Option<&Lines> {
        self.figure().as_lines()
    }
}

/// Every figure of the trial, and all its measurements.
pub fn exports(answer: &Answer, lesson: &Value) -> Vec<Export> {
    let Some(trial) = answer.trial.get() else { return Vec::new() };
    let figures = trial.evidence.illustrations().iter().enumerate().map(|(index, shown)| {
        let figure = Shown { trial: trial.clone(), index, lesson: lesson.clone() };
        drawn("figures", &shown.name, figure, None)
    });
    let name = format!("{} measured", trial.about.id);
    figures.chain([table("numbers", name, numbers(trial.evidence.measured()))]).collect()
}

/// The measurements as a table; NaN where nothing is expected.
fn numbers(measured: &[Measured]) -> Numbers {
    let row = |measured: &Measured| {
        let expected = measured.expected.as_ref();
        let [value, tolerance] =
            expected.map_or([f64::NAN; 2], |expected| [expected.value, expected.tolerance]);
        [measured.value, value, tolerance]
    };
    let rows: Vec<[f64; 3]> = measured.iter().map(row).collect();
    Numbers {
        rows: measured.iter().map(|measured| measured.name.clone()).collect(),
        columns: ["value", "expected", "tolerance"].map(str::to_owned).into(),
        values: Array2::from_shape_fn((rows.len(), 3), |(row, column)| rows[row][column]),
    }
}

/// A cell that runs the trial again.
pub fn cell(case: &Case) -> String {
    let effort = match case.effort {
        Effort::Quick => "Quick",
        Effort::Full => "Full",
    };
    let set = |(name, text): (&String, &String)| format!("settings.set({name:?}, {text:?})?;\n");
    let set: String = case.settings.iter().map(set).collect();
    format!(
        "use rankscope::claim::{{self, Effort, Settings}};\nuse rankscope::prelude::*;\n\n\
         let claim = claim::find({:?})?;\n\
         let mut settings = Settings::new(claim, Effort::{effort}, Device::Cpu)?;\n\
         {set}claim::run(claim, &settings, &Run::default())?\n",
        case.claim
    )
}
