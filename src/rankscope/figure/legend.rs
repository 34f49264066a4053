//! A legend in rows above the plot: a swatch and a name for each entry, without overlaps.

use super::scene::{Anchor, Point, Scene, TEXT, standard_width};
use super::style::Rgb;
use super::text;

const ROW: f64 = 28.0;
const SWATCH: f64 = 30.0;
const GAP: f64 = 26.0;

/// The place of each entry.
pub(super) struct Legend {
    entries: Vec<(f64, usize, String)>,
}

impl Legend {
    /// A legend from `left` to `right`, in as many rows as its entries need.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>, left: f64, right: f64) -> Self {
        let (mut x, mut row) = (left, 0);
        let mut entries = Vec::new();
        for name in names {
            let name = text::fit(name, TEXT, right - left - SWATCH - 8.0);
            let width = SWATCH + 8.0 + standard_width(&name);
            if x + width > right && x > left {
                (x, row) = (left, row + 1);
            }
            entries.push((x, row, name));
            x += width + GAP;
        }
        Legend { entries }
    }

    /// Its height from the top of the picture.
    pub fn height(&self) -> f64 {
        self.entries.last().map_or(0.0, |(_, row, _)| 8.0 + (row + 1) as f64 * ROW)
    }

    /// Writes the names; `swatch` draws the sample beside each name, between two points.
    pub fn draw(&self, scene: &mut Scene, ink: Rgb, mut swatch: impl FnMut(&mut Scene, usize, [Point; 2])) {
        for (index, (x, row, name)) in self.entries.iter().enumerate() {
            let y = 22.0 + *row as f64 * ROW;
            swatch(scene, index, [(*x, y), (x + SWATCH, y)]);
            scene.text(name, (x + SWATCH + 8.0, y), ink, Anchor::Start);
        }
    }
}
