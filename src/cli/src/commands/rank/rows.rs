//! The rows that every form of output is made from.

use anyhow::{Result, bail};
use rankscope::Run;
use rankscope::model::MaskChoice;
use rankscope::model::heads::{HeadReport, head_reports};
use rankscope::rank::RankReport;
use serde::Serialize;
use serde_json::Value;

use crate::subject::Subject;

/// The report of one matrix, with what it belongs to.
#[derive(Serialize)]
pub struct Row {
    pub name: String,
    /// `None` for a matrix from a file.
    pub layer: Option<usize>,
    pub head: Option<usize>,
    /// The mask itself, as `causal`, not as the choice `as-trained`.
    pub mask: Option<String>,
    #[serde(flatten)]
    pub report: RankReport,
}

/// The reports of a model's heads, mask by mask, layer by layer, head by head.
pub fn of_heads(
    subject: &Subject,
    choices: &[MaskChoice],
    (layer, head): (Option<usize>, Option<usize>),
    run: &Run,
) -> Result<Vec<Row>> {
    let description = subject.model.description();
    for (what, wanted, count) in [("--layer", layer, description.layers), ("--head", head, description.heads)]
    {
        if let Some(wanted) = wanted.filter(|&wanted| wanted >= count) {
            bail!("{what} is {wanted}, expected less than {count}, as many as {} has", subject.name);
        }
    }
    // All masks are checked before the first pass, so that a wrong one is not an error after minutes.
    for choice in choices {
        choice.resolve(description).check(subject.input.len())?;
    }
    let mut rows = Vec::new();
    for choice in choices {
        let reports = head_reports(subject.model.as_ref(), &subject.input, choice, run)?.into_iter();
        let wanted = reports.filter(|report| {
            layer.is_none_or(|layer| layer == report.layer) && head.is_none_or(|head| head == report.head)
        });
        let mask = choice.resolve(description).to_string();
        rows.extend(wanted.map(|HeadReport { name, layer, head, report }| Row {
            name,
            layer: Some(layer),
            head: Some(head),
            mask: Some(mask.clone()),
            report,
        }));
    }
    Ok(rows)
}

/// All fields of all rows, under a line of their names; a field that does not exist is empty.
pub fn csv(rows: &[Row]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for (index, row) in rows.iter().enumerate() {
        let Value::Object(fields) = serde_json::to_value(row)? else { bail!("a row is not an object") };
        if index == 0 {
            writer.write_record(fields.keys())?;
        }
        writer.write_record(fields.values().map(|value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
