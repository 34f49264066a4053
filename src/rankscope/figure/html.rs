//! A figure in a page: its picture in the page's theme, and its numbers for a pointer, the keyboard and screen readers.

use std::fmt::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ndarray::Array2;
use serde_json::json;

use super::scene::{Cells, Scene};
use super::style::Theme;
use super::{Drawing, Lines, Table, svg};
use crate::error::Result;
use crate::label::{escape, visible};
use crate::numbers::short;

/// The most rows in the table of curves.
const MOST_POINTS: usize = 400;

/// The numbers that a figure shows.
pub(super) enum Numbers {
    /// One number for each cell, from the top.
    Cells(CellNumbers),
    /// Points of curves.
    Curves(Lines),
}

/// The numbers of cells.
pub(super) struct CellNumbers {
    /// The words for a row, a column and a number, such as "query", "key", "attention weight".
    pub words: [String; 3],
    pub rows: Vec<String>,
    pub cols: Vec<String>,
    /// `None` where a cell is hatched.
    pub values: Array2<Option<f64>>,
}

/// The figure as a fragment of a page; `rich::assets` makes it react to pointer and keyboard.
pub(super) fn fragment(drawing: &impl Drawing) -> Result<String> {
    let [light, dark] = [drawing.scene(Theme::Light)?, drawing.scene(Theme::Dark)?];
    let picture = svg::fragment([&light, &dark])?;
    let title = drawing.about().0;
    Ok(match drawing.numbers()? {
        Numbers::Cells(cells) => cells.around(&picture, &light, title),
        Numbers::Curves(lines) => {
            let names: Vec<&str> = lines.curves.iter().map(|curve| curve.name.as_str()).collect();
            let label = format!("{title}. {} over {}: {}", lines.y.label, lines.x.label, names.join(", "));
            around_curves(&lines, &(stage(&picture, &light, &label) + &points(&lines)), &light)?
        }
    })
}

/// The picture as an image with a name: on a wide page its text has 12 pixels; on a narrow page it can be scrolled
/// sideways.
fn stage(picture: &str, scene: &Scene, label: &str) -> String {
    let width = 0.75 * scene.width;
    let label = escape(label);
    format!(
        "<div class=\"rankscope-stage\" tabindex=\"0\"><div class=\"rankscope-picture\" role=\"img\" aria-label=\"{label}\" \
         style=\"--width:{width}px\">{picture}</div></div>"
    )
}

impl CellNumbers {
    fn around(&self, picture: &str, scene: &Scene, title: &str) -> String {
        let (rows, cols) = self.values.dim();
        let shown = || self.values.iter().flatten().copied();
        let (low, high) = (shown().fold(f64::INFINITY, f64::min), shown().fold(f64::NEG_INFINITY, f64::max));
        let range = if low <= high { format!(", {} to {}", short(low), short(high)) } else { String::new() };
        let label = format!("{title}. {}: {rows} by {cols}{range}", self.words[2]);
        let area = |Cells { area, .. }: &Cells| vec![area.x, area.y, area.w, area.h];
        let area = scene.cells().map(area).unwrap_or_default();
        let names = |labels: &[String]| labels.iter().map(|label| visible(label)).collect::<Vec<_>>();
        let about = json!({
            "words": self.words, "rows": names(&self.rows), "cols": names(&self.cols), "area": area,
            "size": [scene.width, scene.height],
        });
        format!(
            "<rankscope-cells data-about=\"{}\" data-values=\"{}\">{}</rankscope-cells>",
            escape(&about.to_string()),
            f32s(self.values.iter().map(|value| value.unwrap_or(f64::NAN))),
            stage(picture, scene, &label),
        )
    }
}

/// An element with the points of all curves: for each point x, y, its spread (NaN for none), and its position in
/// pixels.
fn around_curves(lines: &Lines, inside: &str, scene: &Scene) -> Result<String> {
    let curves = lines.curves.iter().map(|curve| (visible(&curve.name), curve.points.len()));
    let about = json!({
        "labels": [visible(&lines.x.label), visible(&lines.y.label)], "size": [scene.width, scene.height],
        "curves": curves.collect::<Vec<_>>(),
    });
    let numbers = lines.curves.iter().zip(lines.places()?).flat_map(|(curve, places)| {
        let spread = curve.spread.iter().copied().chain(std::iter::repeat(f64::NAN));
        let points = curve.points.iter().zip(spread).zip(places);
        points.flat_map(|((&(x, y), spread), (across, down))| [x, y, spread, across, down])
    });
    Ok(format!(
        "<rankscope-curves data-about=\"{}\" data-values=\"{}\">{inside}</rankscope-curves>",
        escape(&about.to_string()),
        f32s(numbers),
    ))
}

/// Numbers as f32, little-endian, in base64. A number that is too small for f32 becomes the smallest normal number of
/// f32, not 0.
fn f32s(values: impl Iterator<Item = f64>) -> String {
    let number = |value: f64| match value as f32 {
        0.0 if value != 0.0 => f32::MIN_POSITIVE.copysign(value as f32),
        number => number,
    };
    BASE64_STANDARD.encode(values.flat_map(|value| number(value).to_le_bytes()).collect::<Vec<u8>>())
}

/// Weights from 0 to 1 in 16 bits: 0 is 0, 65535 is a pair that the mask forbids (`None`), and any other c is
/// exp((c − 65534) / 3276), to 0.02 % from 2 · 10⁻⁹ on. `None` if a value is outside 0 to 1.
pub(crate) fn weights_as_u16(weights: impl Iterator<Item = Option<f32>>) -> Option<String> {
    let code = |weight: Option<f32>| match weight {
        None => Some(u16::MAX),
        Some(0.0) => Some(0),
        Some(weight) if (0.0..=1.0001).contains(&weight) => {
            Some((65534.0 + 3276.0 * f64::from(weight).ln()).round().clamp(1.0, 65534.0) as u16)
        }
        Some(_) => None,
    };
    let codes: Option<Vec<u16>> = weights.map(code).collect();
    Some(BASE64_STANDARD.encode(codes?.into_iter().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()))
}

/// The points of all curves as a table that is collapsed at first.
fn points(lines: &Lines) -> String {
    let Table { head, rows } = Table::of_curves(lines);
    let head: String = head.iter().map(|name| format!("<th scope=\"col\">{}</th>", escape(name))).collect();
    let mut body = String::new();
    for row in rows.iter().take(MOST_POINTS) {
        let Some((name, cells)) = row.split_first() else { continue };
        let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
        let _ = write!(body, "<tr><th scope=\"row\">{}</th>{cells}</tr>", escape(name));
    }
    let more = rows.len().saturating_sub(MOST_POINTS);
    let more = if more > 0 { format!("<p>{more} more rows are not listed.</p>") } else { String::new() };
    format!(
        "<details><summary>Numbers</summary><table tabindex=\"0\"><thead><tr>{head}</tr></thead>\
         <tbody>{body}</tbody></table>{more}</details>"
    )
}
