//! Cells as a small PNG image, for SVG and pages.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::render::failed;
use super::scene::Cells;
use super::style::Rgb;
use crate::error::Result;

/// Images are enlarged up to this many pixels on the longer side: then a viewer that smooths images blurs only the
/// edges of cells.
const SIDE: usize = 256;
/// The most pixels along one side of a cell.
const MOST: usize = 4;

/// The cells as a `data:` URI.
pub(super) fn data_uri(cells: &Cells) -> Result<String> {
    let bytes = image(cells).map_err(failed)?;
    Ok(format!("data:image/png;base64,{}", BASE64_STANDARD.encode(bytes)))
}

/// A PNG image with one or more pixels for each cell; a cell without a colour is transparent.
fn image(cells: &Cells) -> Result<Vec<u8>, png::EncodingError> {
    let Cells { rows, cols, colors, .. } = cells;
    let times = (SIDE / rows.max(cols)).clamp(1, MOST);
    let across = if *cols == 1 { 1 } else { times };
    let mut palette: Vec<Option<Rgb>> = colors.clone();
    // Transparent colours come first.
    palette.sort_unstable();
    palette.dedup();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, (cols * across) as u32, (rows * times) as u32);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    // The pixel rows of one cell are equal, so their differences are zeros.
    encoder.set_filter(png::Filter::Up);
    let is_indexed = palette.len() <= 256;
    if is_indexed {
        encoder.set_color(png::ColorType::Indexed);
        let entries = palette.iter().flat_map(|color| color.unwrap_or_default());
        encoder.set_palette(entries.collect::<Vec<u8>>());
        if palette[0].is_none() {
            encoder.set_trns(vec![0]);
        }
    } else {
        encoder.set_color(png::ColorType::Rgba);
    }
    let pixel = |color: &Option<Rgb>| match (is_indexed, color) {
        (true, color) => vec![palette.binary_search(color).expect("each colour is in it") as u8],
        (false, None) => vec![0; 4],
        (false, Some([r, g, b])) => vec![*r, *g, *b, 255],
    };
    let mut pixels = Vec::new();
    for row in colors.chunks(*cols) {
        let line: Vec<u8> = row.iter().flat_map(|color| pixel(color).repeat(across)).collect();
        pixels.extend(line.repeat(times));
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes)
}
