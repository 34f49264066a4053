//! The rows that every form of output is made from.

use anyhow::{Result, anyhow, bail};
use rankscope::Run;
use rankscope::model::heads::{HeadReport, head_reports};
use rankscope::model::{Description, MaskChoice};
use rankscope::rank::RankReport;
use serde::Serialize;
use serde_json::Value;

use crate::subject::Subject;

/// The report of one matrix, with what it belongs to.
#[derive(Serialize)]
pub struct Row {
    pub name: String,
    /// Which attention it is of in an encoder-decoder, where layers of both stacks begin at 0.
    #[serde(skip)]
    pub kind: Option<&'static str>,
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
    let layers = description.layers.max(description.encoder.as_ref().map_or(0, |encoder| encoder.layers));
    for (what, wanted, count) in [("--layer", layer, layers), ("--head", head, description.heads)] {
        if let Some(wanted) = wanted.filter(|&wanted| wanted >= count) {
            bail!("{what} is {wanted}, expected less than {count}, as many as {} has", subject.name);
        }
    }
    // All masks are checked before the first pass, so that a wrong one is not an error after minutes.
    for choice in choices {
        let (source, target) = (subject.input.len(), subject.input.decoder_ids().map_or(1, <[u32]>::len));
        let own = if description.encoder.is_some() { target } else { source };
        let check = choice.of_layers(description).iter().try_for_each(|mask| mask.check(own));
        check.map_err(|error| match (&description.encoder, choice) {
            (Some(_), MaskChoice::Override(mask)) => {
                anyhow!("{error} (in the decoder; encoder:{mask} is for the encoder alone)")
            }
            _ => error.into(),
        })?;
        choice.of_encoder(description).map_or(Ok(()), |mask| mask.check(source))?;
    }
    let mut rows = Vec::new();
    for choice in choices {
        let reports = head_reports(subject.model.as_ref(), &subject.input, choice, run)?.into_iter();
        let wanted = reports.filter(|report| {
            layer.is_none_or(|layer| layer == report.layer) && head.is_none_or(|head| head == report.head)
        });
        rows.extend(wanted.map(|HeadReport { name, layer, head, report }| {
            let (kind, mask) = (kind(&name, description), choice.of_weights(&name, description).to_string());
            Row { name, kind, layer: Some(layer), head: Some(head), mask: Some(mask), report }
        }));
    }
    Ok(rows)
}

/// Which attention of an encoder-decoder the weights called `name` are of.
fn kind(name: &str, description: &Description) -> Option<&'static str> {
    description.encoder.as_ref()?;
    Some(match name {
        _ if name.starts_with("encoder") => "encoder",
        _ if name.contains("cross_attention") => "cross",
        _ => "decoder",
    })
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
