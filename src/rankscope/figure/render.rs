//! Painting a scene: SVG text, or PNG bytes.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde_json::Value;

use super::scene::{Anchor, Item, Point, Scene};
use super::style::Rgb;
use super::text;
use crate::error::{Error, Result};
use crate::label::visible;

/// Pixels of a PNG per pixel of the layout, for screens and projectors of high density.
const DENSITY: u32 = 2;
/// Samples per PNG pixel and direction; plotters' bitmaps have hard edges.
const SAMPLES: u32 = 2;

/// The keyword of the text chunk that holds what recreates a PNG.
const KEYWORD: &str = "rankscope";

/// By how much of an em bitmap text stands too high: its line, not its letters, is centred.
const BITMAP_LOWER: f64 = 0.19;

/// The scene as an SVG document with `title` as its accessible name and `settings` as its metadata.
pub(super) fn svg(scene: &Scene, (title, settings): (&str, &Value)) -> Result<String> {
    let mut document = String::new();
    {
        let backend = SVGBackend::with_string(&mut document, (scene.width as u32, scene.height as u32));
        paint(&backend.into_drawing_area(), scene, &Ink { scale: 1.0, em: 1.24, bitmap: false })?;
    }
    let head =
        format!("<title>{}</title>\n<metadata>{}</metadata>\n", escape(title), escape(&settings.to_string()));
    // The root element's own tag ends at the first '>': its attributes hold none.
    let after_root = document.find('>').map_or(0, |end| end + 1);
    document.insert_str(after_root, &format!("\n{head}"));
    // Without smoothing: of cells side by side, a smoothed edge inside a pixel shows what is behind both as a fine line.
    Ok(document.replace("<rect ", "<rect shape-rendering=\"crispEdges\" "))
}

/// The scene as the bytes of a PNG file, [`DENSITY`] times as large, with `title` and `settings` as its texts.
pub(super) fn png(scene: &Scene, (title, settings): (&str, &Value)) -> Result<Vec<u8>> {
    let scale = DENSITY * SAMPLES;
    let (width, height) = (scene.width as u32 * scale, scene.height as u32 * scale);
    let mut fine = vec![0; width as usize * height as usize * 3];
    {
        let backend = BitMapBackend::with_buffer(&mut fine, (width, height));
        let ink = Ink { scale: f64::from(scale), em: text::EM_PER_HEIGHT, bitmap: true };
        paint(&backend.into_drawing_area(), scene, &ink)?;
    }
    let (width, height) = (width / SAMPLES, height / SAMPLES);
    let pixels = average(&fine, width as usize);
    file(&pixels, (width, height), [("Title", title.to_owned()), (KEYWORD, settings.to_string())])
        .map_err(failed)
}

/// RGB pixels as a file, behind `texts` as chunks of UTF-8: keyword and content.
fn file(
    pixels: &[u8],
    (width, height): (u32, u32),
    texts: [(&str, String); 2],
) -> std::result::Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    for (keyword, content) in texts {
        encoder.add_itxt_chunk(keyword.to_owned(), content)?;
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// Averages each block of [`SAMPLES`]² pixels.
fn average(fine: &[u8], width: usize) -> Vec<u8> {
    let samples = SAMPLES as usize;
    let mut coarse = Vec::with_capacity(fine.len() / (samples * samples));
    for rows in fine.chunks_exact(samples * samples * width * 3) {
        for channel in (0..width).flat_map(|x| (0..3).map(move |channel| x * samples * 3 + channel)) {
            let block = rows
                .chunks_exact(samples * width * 3)
                .flat_map(|row| (0..samples).map(move |dx| &row[channel + dx * 3]));
            coarse
                .push((block.map(|&sample| usize::from(sample)).sum::<usize>() / (samples * samples)) as u8);
        }
    }
    coarse
}

/// How layout pixels become those of a backend.
struct Ink {
    scale: f64,
    /// What plotters takes as the size of a font, per em.
    em: f64,
    bitmap: bool,
}

impl Ink {
    fn at(&self, (x, y): Point) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    fn stroke(&self, color: Rgb, width: f64) -> ShapeStyle {
        rgb(color).stroke_width(((width * self.scale).round() as u32).max(1))
    }
}

fn paint<B: DrawingBackend>(area: &DrawingArea<B, Shift>, scene: &Scene, ink: &Ink) -> Result<()> {
    for item in &scene.items {
        paint_item(area, item, ink).map_err(failed)?;
    }
    area.present().map_err(failed)
}

fn paint_item<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    item: &Item,
    ink: &Ink,
) -> std::result::Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    match item {
        Item::Fill { area: rect, color } => {
            let (from, to) = (ink.at((rect.x, rect.y)), ink.at((rect.right(), rect.bottom())));
            area.draw(&Rectangle::new([from, to], rgb(*color).filled()))
        }
        Item::Line { points, color, width } if ink.bitmap => points.windows(2).try_for_each(|ends| {
            // Segment by segment: the bitmap backend's wide paths break at sharp corners.
            area.draw(&PathElement::new([ink.at(ends[0]), ink.at(ends[1])], ink.stroke(*color, *width)))
        }),
        Item::Line { points, color, width } => {
            let points: Vec<_> = points.iter().map(|&point| ink.at(point)).collect();
            area.draw(&PathElement::new(points, ink.stroke(*color, *width)))
        }
        Item::Polygon { points, color } => {
            let points: Vec<_> = points.iter().map(|&point| ink.at(point)).collect();
            area.draw(&Polygon::new(points, rgb(*color)))
        }
        Item::Disc { center, radius, color } => {
            let radius = (radius * ink.scale).round() as i32;
            area.draw(&Circle::new(ink.at(*center), radius, rgb(*color).filled()))
        }
        Item::Text { text, at, size, color, anchor, upwards } => {
            let content = if ink.bitmap { text::drawable(text) } else { text.clone() };
            let transform = if *upwards { FontTransform::Rotate270 } else { FontTransform::None };
            let style = text::font(size * ink.scale * ink.em).transform(transform).color(&rgb(*color));
            let lower = if ink.bitmap { BITMAP_LOWER * size } else { 0.0 };
            let at = if *upwards { (at.0 + lower, at.1) } else { (at.0, at.1 + lower) };
            area.draw(&Text::new(content, ink.at(at), style.pos(position(*anchor))))
        }
    }
}

fn position(anchor: Anchor) -> Pos {
    let along = match anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    Pos::new(along, VPos::Center)
}

fn rgb([r, g, b]: Rgb) -> RGBColor {
    RGBColor(r, g, b)
}

fn failed(error: impl ToString) -> Error {
    Error::Numeric { what: "figure".to_owned(), problem: error.to_string() }
}

/// `text` as XML character data.
fn escape(text: &str) -> String {
    visible(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
