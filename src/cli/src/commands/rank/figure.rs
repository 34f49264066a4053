//! The figure beside the numbers: spectra of one matrix, or a wall of all heads.

use std::path::Path;

use anyhow::{Result, bail};
use ndarray::Array2;
use rankscope::figure::style::{Kind, Theme};
use rankscope::figure::{Figure, Series, SpectrumFigure, Wall, save};
use rankscope::model::MaskChoice;
use serde_json::{Value, json};

use super::rows::Row;
use crate::output::distinct;
use crate::subject::Subject;

/// The spectrum of one matrix from a file, or the effective ranks of several.
pub fn save_file(name: &str, rows: &[Row], path: &Path) -> Result<()> {
    let settings = json!({ "version": rankscope::VERSION, "file": name });
    let [row] = rows else { return write(&wall(name, rows, settings), path) };
    let kind = if row.mask.is_some() { Kind::Causal } else { Kind::Plain };
    // The name of a recorded head is its array's; the name of a matrix of a batch includes its place in the batch.
    let name = match (&row.check, row.head) {
        (Some(_), Some(head)) => format!("{}, head {head}", row.name),
        _ => row.name.clone(),
    };
    let title = format!("Singular values of {name}");
    let series = vec![Series { name, kind, spectrum: row.report.spectrum.clone() }];
    write(&SpectrumFigure { title, series, settings }, path)
}

/// The spectra of one head under every mask, or the effective ranks of many under one.
pub fn save_heads(subject: &Subject, choices: &[MaskChoice], rows: &[Row], path: &Path) -> Result<()> {
    let settings = settings(subject, choices, rows);
    if rows.len() == choices.len() {
        return write(&spectra(subject, choices, rows, settings), path);
    }
    if choices.len() > 1 {
        bail!(
            "a figure with --compare draws one head, but one layer and head of an encoder-decoder are up to three matrices"
        );
    }
    write(&wall(&subject.name, rows, settings), path)
}

fn spectra(subject: &Subject, choices: &[MaskChoice], rows: &[Row], settings: Value) -> SpectrumFigure {
    let series = choices.iter().zip(rows).map(|(choice, row)| {
        let mask = choice.of_weights(&row.name, subject.model.description());
        Series { name: mask.to_string(), kind: Kind::of(&mask), spectrum: row.report.spectrum.clone() }
    });
    let place = rows.first().map(|row| (row.layer.unwrap_or(0), row.head.unwrap_or(0))).unwrap_or_default();
    let title = format!("Singular values of {}, layer {}, head {}", subject.name, place.0, place.1);
    SpectrumFigure { title, series: series.collect(), settings }
}

/// Where a row of the wall comes from: stack, layer, sequence.
type Place = (Option<&'static str>, Option<usize>, Option<usize>);

fn wall(of: &str, rows: &[Row], settings: Value) -> Wall {
    // A row for each layer; the three attentions of an encoder-decoder one below the other.
    let place = |row: &Row| (row.kind, row.layer, row.sequence);
    let mut places: Vec<Place> = distinct(rows.iter().map(place));
    let met = places.clone();
    places.sort_by_key(|(kind, layer, sequence)| {
        (met.iter().position(|(first, ..)| first == kind), *layer, *sequence)
    });
    let heads = rows.iter().filter_map(|row| row.head).max().map_or(0, |most| most + 1);
    let mut values = Array2::from_elem((places.len(), heads), None);
    for row in rows {
        let place = places.iter().position(|other| *other == place(row));
        if let (Some(place), Some(head)) = (place, row.head) {
            values[(place, head)] = Some(row.report.effective_rank);
        }
    }
    let layers = places.into_iter().map(name).collect();
    let title = format!("Effective rank of the attention weights of {of}");
    Wall { title, values, layers, unit: "effective rank".to_owned(), settings }
}

/// A row of the wall, in the table's words where there are several stacks.
fn name((kind, layer, sequence): Place) -> String {
    let layer = layer.unwrap_or(0);
    let sequence = sequence.map(|sequence| format!(", B{sequence}")).unwrap_or_default();
    kind.map_or_else(|| format!("L{layer}{sequence}"), |kind| format!("{kind} {layer}"))
}

/// The settings that recreate the figure.
fn settings(subject: &Subject, choices: &[MaskChoice], rows: &[Row]) -> Value {
    let mut masks: Vec<_> = rows.iter().filter_map(|row| row.mask.as_deref()).collect();
    masks.dedup();
    let head = (rows.len() == choices.len()).then(|| rows.first().map(|row| (row.layer, row.head)));
    json!({
        "version": rankscope::VERSION,
        "model": subject.name,
        "ids": subject.input.ids(),
        "masks": masks,
        "device": subject.model.device().to_string(),
        "dtype": "f32",
        "layer_and_head": head,
    })
}

/// Writes PNG if the name ends in `.png`, otherwise SVG.
fn write(figure: &impl Figure, path: &Path) -> Result<()> {
    let is_png = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png"));
    match is_png {
        true => save(path, figure.to_png(Theme::Light)?)?,
        false => save(path, figure.to_svg(Theme::Light)?)?,
    }
    Ok(())
}
