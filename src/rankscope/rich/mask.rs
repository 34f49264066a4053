//! Masks: a picture of the first positions.

use super::{Rich, escape};
use crate::figure::style::Kind;
use crate::mask::Mask;

/// The number of positions shown for a mask of any length: enough to see a window, a stride, or a
/// block.
const SHOWN: usize = 12;
/// The most positions that are shown for a mask with a fixed size.
const MOST: usize = 64;
/// Side of a cell in pixels.
const SIDE: usize = 12;

impl Rich for Mask {
    /// The mask as text: queries down, keys across; `■` marks allowed pairs.
    fn text(&self) -> String {
        let pattern = self.pattern(shown(self));
        let rows = pattern.rows().into_iter();
        let row = |cells: Vec<&str>| cells.join(" ");
        let rows = rows.map(|cells| row(cells.iter().map(|may| if *may { "■" } else { "·" }).collect()));
        format!("{self}\n{}", rows.collect::<Vec<_>>().join("\n"))
    }

    fn html(&self) -> String {
        let [r, g, b] = Kind::of(self).color();
        let count = shown(self);
        let pattern = self.pattern(count);
        let cells: String = pattern
            .indexed_iter()
            .filter(|(_, may)| **may)
            .map(|((query, key), _)| {
                let (x, y, side) = (key * SIDE, query * SIDE, SIDE - 1);
                format!("<rect x=\"{x}\" y=\"{y}\" width=\"{side}\" height=\"{side}\"/>")
            })
            .collect();
        let size = count * SIDE;
        let name = escape(&self.to_string());
        format!(
            "<figure style=\"margin:0\"><svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" \
             aria-label=\"{name}\" width=\"{size}\" height=\"{size}\" fill=\"#{r:02x}{g:02x}{b:02x}\">\
             <rect width=\"{size}\" height=\"{size}\" fill=\"#88888822\"/>{cells}</svg>\
             <figcaption><code>{name}</code>: {count} queries down, {count} keys across</figcaption></figure>"
        )
    }
}

fn shown(mask: &Mask) -> usize {
    mask.own_length().map_or(SHOWN, |length| length.clamp(1, MOST))
}
