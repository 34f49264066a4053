//! A scene as SVG: a document in one theme, or a fragment of a page that follows the page's theme.

use std::fmt::Write as _;

use serde_json::Value;

use super::cells::data_uri;
use super::scene::{Anchor, Cells, Item, Point, Rect, Scene, TEXT};
use super::style::Rgb;
use super::text;
use crate::error::Result;
use crate::label::visible;

/// An SVG document with `title` as its accessible name and `settings` as its metadata.
pub(super) fn document(scene: &Scene, (title, settings): (&str, &Value)) -> Result<String> {
    let (title, settings) = (escape(title), escape(&settings.to_string()));
    let head = format!("\n<title>{title}</title>\n<metadata>{settings}</metadata>\n");
    write(scene, None, &format!(" xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\"", scene.width), &head)
}

/// An SVG element for a page: each colour follows the page's theme, by `light-dark()`. There is one image for each
/// theme, and the page's style shows one of them.
pub(super) fn fragment([light, dark]: [&Scene; 2]) -> Result<String> {
    write(light, Some(dark), " aria-hidden=\"true\"", "")
}

fn write(scene: &Scene, dark: Option<&Scene>, attributes: &str, head: &str) -> Result<String> {
    let Scene { width, height, .. } = scene;
    let mut svg = format!(
        "<svg{attributes} viewBox=\"0 0 {width} {height}\" height=\"{height}\" font-family=\"{}\" font-size=\"{TEXT}\">{head}",
        text::FAMILY
    );
    let mut index = 0;
    for like in scene.items.chunk_by(is_one_path) {
        write_item(&mut svg, like, dark.map(|dark| &dark.items[index]))?;
        index += like.len();
    }
    svg += "</svg>\n";
    Ok(svg)
}

/// Whether both are lines of the same style, as in a grid or a hatch, so that one element can draw them.
fn is_one_path(a: &Item, b: &Item) -> bool {
    match (a, b) {
        (Item::Line { color, width, .. }, Item::Line { color: other, width: of_other, .. }) => {
            (color, width) == (other, of_other)
        }
        _ => false,
    }
}

/// Writes an item, or several lines that form one path, as an element; `dark` is the first item in the dark theme.
fn write_item(svg: &mut String, items: &[Item], dark: Option<&Item>) -> Result<()> {
    let item = &items[0];
    let paint = paint(item, dark);
    // Writing into a string cannot fail.
    let _ = match item {
        // Without smoothing: with two adjacent areas, a smoothed edge inside a pixel would show the background between
        // them.
        Item::Fill { area, .. } => {
            writeln!(svg, "<rect shape-rendering=\"crispEdges\" {} fill=\"{paint}\"/>", place(area))
        }
        Item::Cells(cells) => match dark {
            Some(Item::Cells(dark)) => {
                write_cells(svg, cells, " class=\"on-light\"")?;
                return write_cells(svg, dark, " class=\"on-dark\"");
            }
            _ => return write_cells(svg, cells, ""),
        },
        Item::Line { width, .. } => {
            let lines = items.iter().filter_map(|item| match item {
                Item::Line { points, .. } => Some(format!("M{}", list(points))),
                _ => None,
            });
            let lines: String = lines.collect();
            writeln!(svg, "<path fill=\"none\" stroke=\"{paint}\" stroke-width=\"{width}\" d=\"{lines}\"/>")
        }
        Item::Polygon { points, .. } => {
            writeln!(svg, "<polygon fill=\"{paint}\" points=\"{}\"/>", list(points))
        }
        Item::Disc { center, radius, .. } => {
            let (x, y, radius) = (Short(center.0), Short(center.1), Short(*radius));
            writeln!(svg, "<circle fill=\"{paint}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"/>")
        }
        Item::Text { text, at, anchor, upwards, .. } => {
            let anchor = match anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            };
            let (x, y) = (Short(at.0), Short(at.1));
            let turn = if *upwards { format!(" transform=\"rotate(270 {x} {y})\"") } else { String::new() };
            let text = escape(text);
            writeln!(
                svg,
                "<text x=\"{x}\" y=\"{y}\" dy=\"0.5ex\"{anchor}{turn} fill=\"{paint}\">{text}</text>"
            )
        }
    };
    Ok(())
}

/// Writes the cells as an image, so that no gaps between them are visible at any scale.
fn write_cells(svg: &mut String, cells: &Cells, class: &str) -> Result<()> {
    let _ = writeln!(
        svg,
        "<image{class} {} preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" href=\"{}\"/>",
        place(&cells.area),
        data_uri(cells)?
    );
    Ok(())
}

/// The item's colour, or both where the themes differ.
fn paint(item: &Item, dark: Option<&Item>) -> String {
    let Some(light) = color(item) else { return String::new() };
    let hex = |[r, g, b]: Rgb| format!("#{r:02x}{g:02x}{b:02x}");
    match dark.and_then(color).filter(|dark| *dark != light) {
        Some(dark) => format!("light-dark({},{})", hex(light), hex(dark)),
        None => hex(light),
    }
}

fn color(item: &Item) -> Option<Rgb> {
    match item {
        Item::Fill { color, .. }
        | Item::Line { color, .. }
        | Item::Polygon { color, .. }
        | Item::Disc { color, .. }
        | Item::Text { color, .. } => Some(*color),
        Item::Cells(_) => None,
    }
}

/// A coordinate, to a tenth of a pixel.
struct Short(f64);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", (self.0 * 10.0).round() / 10.0)
    }
}

fn place(area: &Rect) -> String {
    let [x, y, w, h] = [area.x, area.y, area.w, area.h].map(Short);
    format!("x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"")
}

fn list(points: &[Point]) -> String {
    let pair = |(x, y): &Point| format!("{},{}", Short(*x), Short(*y));
    points.iter().map(pair).collect::<Vec<_>>().join(" ")
}

/// `text` as XML character data.
fn escape(text: &str) -> String {
    visible(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
