//! Painting a scene as the bytes of a PNG file.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde_json::Value;

use super::scene::{Anchor, Item, Point, Rect, Scene, TEXT};
use super::style::Rgb;
use super::text;
use crate::error::{Error, Result};

/// Pixels of a PNG for each pixel of the layout, along each side, for screens and projectors of high density.
const DENSITY: u32 = 2;
/// Samples for each PNG pixel along each side, because plotters draws bitmaps without smoothing.
const SAMPLES: u32 = 2;

/// The keyword of the text chunk with the settings that recreate a PNG.
const KEYWORD: &str = "rankscope";

/// The fraction of an em by which bitmap text is too high, because its line and not its letters are centred.
const BITMAP_LOWER: f64 = 0.19;

/// The scene as the bytes of a PNG file, [`DENSITY`] times as large, with `title` and `settings` as its texts.
pub(super) fn png(scene: &Scene, (title, settings): (&str, &Value)) -> Result<Vec<u8>> {
    let scale = DENSITY * SAMPLES;
    let (width, height) = (scene.width as u32 * scale, scene.height as u32 * scale);
    let mut fine = vec![0; width as usize * height as usize * 3];
    {
        let backend = BitMapBackend::with_buffer(&mut fine, (width, height));
        let scale = Scale(f64::from(scale));
        paint(&backend.into_drawing_area(), scene, scale)?;
    }
    let (width, height) = (width / SAMPLES, height / SAMPLES);
    let pixels = average(&fine, width as usize);
    file(&pixels, (width, height), [("Title", title.to_owned()), (KEYWORD, settings.to_string())])
        .map_err(failed)
}

/// RGB pixels as a PNG file, with `texts` (keyword and content) in text chunks of UTF-8 before them.
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

/// Pixels of the bitmap for each pixel of the layout.
#[derive(Clone, Copy)]
struct Scale(f64);

impl Scale {
    fn at(self, (x, y): Point) -> (i32, i32) {
        ((x * self.0).round() as i32, (y * self.0).round() as i32)
    }

    fn stroke(self, color: Rgb, width: f64) -> ShapeStyle {
        rgb(color).stroke_width(((width * self.0).round() as u32).max(1))
    }
}

type Painted<B> = std::result::Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

fn paint<B: DrawingBackend>(area: &DrawingArea<B, Shift>, scene: &Scene, scale: Scale) -> Result<()> {
    for item in &scene.items {
        paint_item(area, item, scale).map_err(failed)?;
    }
    area.present().map_err(failed)
}

fn paint_item<B: DrawingBackend>(area: &DrawingArea<B, Shift>, item: &Item, scale: Scale) -> Painted<B> {
    let fill = |rect: Rect, color: Rgb| {
        let (from, to) = (scale.at((rect.x, rect.y)), scale.at((rect.right(), rect.bottom())));
        area.draw(&Rectangle::new([from, to], rgb(color).filled()))
    };
    match item {
        Item::Fill { area: rect, color } => fill(*rect, *color),
        Item::Cells(cells) => cells.runs().try_for_each(|(rect, color)| fill(rect, color)),
        Item::Line { points, color, width } => points.windows(2).try_for_each(|ends| {
            // Drawn segment by segment, because wide paths have gaps at sharp corners.
            area.draw(&PathElement::new([scale.at(ends[0]), scale.at(ends[1])], scale.stroke(*color, *width)))
        }),
        Item::Polygon { points, color } => {
            let points: Vec<_> = points.iter().map(|&point| scale.at(point)).collect();
            area.draw(&Polygon::new(points, rgb(*color)))
        }
        Item::Disc { center, radius, color } => {
            let radius = (radius * scale.0).round() as i32;
            area.draw(&Circle::new(scale.at(*center), radius, rgb(*color).filled()))
        }
        Item::Text { text, at, color, anchor, upwards } => {
            let transform = if *upwards { FontTransform::Rotate270 } else { FontTransform::None };
            let style =
                text::font(TEXT * scale.0 * text::EM_PER_HEIGHT).transform(transform).color(&rgb(*color));
            let lower = BITMAP_LOWER * TEXT;
            let at = if *upwards { (at.0 + lower, at.1) } else { (at.0, at.1 + lower) };
            area.draw(&Text::new(text::drawable(text), scale.at(at), style.pos(position(*anchor))))
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

pub(super) fn failed(error: impl ToString) -> Error {
    Error::Numeric { what: "figure".to_owned(), problem: error.to_string() }
}
