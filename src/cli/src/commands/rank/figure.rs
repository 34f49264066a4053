//! The figure beside the numbers: spectra of one matrix, or a wall of all heads.

use std::path::Path;

use anyhow::{Result, bail};
use ndarray::Array2;
use rankscope::figure::style::{Kind, Theme};
use rankscope::figure::{Figure, Series, SpectrumFigure, Wall, save};
use rankscope::model::MaskChoice;
use serde_json::{Value, json};

use super::rows::Row;
use crate::subject::Subject;

/// The spectrum of one matrix from a file.
pub fn save_matrix(row: &Row, path: &Path) -> Result<()> {
    let series =
        vec![Series { name: row.name.clone(), kind: Kind::Plain, spectrum: row.report.spectrum.clone() }];
    let settings = json!({ "version": rankscope::VERSION, "matrix": row.name });
    write(&SpectrumFigure { title: format!("Singular values of {}", row.name), series, settings }, path)
}

/// The spectra of one head under every mask, or the effective ranks of many under one.
pub fn save_heads(subject: &Subject, choices: &[MaskChoice], rows: &[Row], path: &Path) -> Result<()> {
    let settings = settings(subject, choices, rows);
    if rows.len() == choices.len() {
        return write(&spectra(subject, choices, rows, settings), path);
    }
    if choices.len() > 1 {
        bail!(
            "--svg with --compare draws one head; a layer and a head of an encoder-decoder are up to three"
        );
    }
    write(&wall(subject, rows, settings), path)
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

fn wall(subject: &Subject, rows: &[Row], settings: Value) -> Wall {
    // A row for each layer; those of an encoder-decoder's three attentions one below the other.
    let mut places: Vec<(Option<&str>, Option<usize>)> = Vec::new();
    for row in rows {
        if !places.contains(&(row.kind, row.layer)) {
            places.push((row.kind, row.layer));
        }
    }
    let met = places.clone();
    places.sort_by_key(|(kind, layer)| (met.iter().position(|(first, _)| first == kind), *layer));
    let heads = rows.iter().filter_map(|row| row.head).max().map_or(0, |most| most + 1);
    let mut values = Array2::from_elem((places.len(), heads), None);
    for row in rows {
        let place = places.iter().position(|place| *place == (row.kind, row.layer));
        if let (Some(place), Some(head)) = (place, row.head) {
            values[(place, head)] = Some(row.report.effective_rank);
        }
    }
    let layers = places.into_iter().map(|(kind, layer)| name(kind, layer.unwrap_or(0))).collect();
    let title = format!("Effective rank of the attention weights of {}", subject.name);
    Wall { title, values, layers, unit: "effective rank".to_owned(), settings }
}

/// A row of the wall, in the table's words where there are several stacks.
fn name(kind: Option<&str>, layer: usize) -> String {
    kind.map_or_else(|| format!("L{layer}"), |kind| format!("{kind} {layer}"))
}

/// What recreates the figure.
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

fn write(figure: &impl Figure, path: &Path) -> Result<()> {
    Ok(save(path, figure.to_svg(Theme::Light)?)?)
}
