//! The rows behind every form of output.

use anyhow::{Result, anyhow, bail};
use rankscope::model::heads::{HeadReport, head_reports};
use rankscope::model::{Description, MaskChoice};
use rankscope::rank::RankReport;
use rankscope::recorded::{Recorded, RecordedHead, WeightCheck};
use rankscope::{Mask, Run};
use serde::Serialize;
use serde_json::Value;

use crate::output::distinct;
use crate::subject::Subject;

/// The report of one matrix, with the layer, head and mask that it belongs to.
#[derive(Serialize)]
pub struct Row {
    pub name: String,
    /// The kind of attention in an encoder-decoder, where the layers of both stacks begin at 0.
    #[serde(skip)]
    pub kind: Option<&'static str>,
    /// This field and the next two are left out for a matrix from a file that does not have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
    /// The sequence, for weights from a file with several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<usize>,
    /// The mask itself, as `causal`, not as the choice `as-trained`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<String>,
    #[serde(flatten)]
    pub report: RankReport,
    /// Whether the numbers of a file are attention weights.
    #[serde(flatten)]
    pub check: Option<WeightCheck>,
    /// Which numbers of a file f64 cannot represent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Row {
    /// A report that has a name only: no layer, head or mask.
    pub fn of(name: String, report: RankReport) -> Self {
        Row {
            name,
            kind: None,
            layer: None,
            sequence: None,
            head: None,
            mask: None,
            report,
            check: None,
            note: None,
        }
    }
}

/// The heads of weights from a file as rows.
pub fn of_recorded(recorded: &Recorded, heads: &[RecordedHead]) -> Vec<Row> {
    let row = |head: &RecordedHead| Row {
        layer: Some(head.at.layer),
        sequence: (recorded.sequences() > 1).then_some(head.at.sequence),
        head: Some(head.at.head),
        mask: (head.check.causal == Some(true)).then(|| Mask::causal().to_string()),
        check: Some(head.check.clone()),
        note: head.note.clone(),
        ..Row::of(head.name.clone(), head.report.clone())
    };
    heads.iter().map(row).collect()
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
    // All masks are checked before the first pass, so that an error does not come only after minutes.
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
            let (layer, head, mask) = (Some(layer), Some(head), Some(mask));
            Row { kind, layer, head, mask, ..Row::of(name, report) }
        }));
    }
    Ok(rows)
}

/// The kind of attention, in an encoder-decoder, of the weights called `name`.
fn kind(name: &str, description: &Description) -> Option<&'static str> {
    description.encoder.as_ref()?;
    Some(match name {
        _ if name.starts_with("encoder") => "encoder",
        _ if name.contains("cross_attention") => "cross",
        _ => "decoder",
    })
}

/// All fields of all rows, below a header of every field that any row has; a missing field is empty.
pub fn csv(rows: &[Row]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let rows: Vec<Value> = rows.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
    let names = distinct(rows.iter().filter_map(Value::as_object).flat_map(|fields| fields.keys()));
    writer.write_record(&names)?;
    for row in &rows {
        writer.write_record(names.iter().map(|name| match &row[name.as_str()] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
