//! The geometry of the wall and of the axes of a heatmap, without drawing.

use egui::{Pos2, Rect, Vec2, pos2, vec2};
use serde::{Deserialize, Serialize};

/// One head of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The layer, from 0.
    pub layer: usize,
    /// The head in the layer, from 0.
    pub head: usize,
}

impl Head {
    /// Moved by whole cells, staying inside `layers` × `heads`.
    pub fn moved(self, down: isize, across: isize, layers: usize, heads: usize) -> Head {
        let step =
            |at: usize, by: isize, count: usize| at.saturating_add_signed(by).min(count.saturating_sub(1));
        Head { layer: step(self.layer, down, layers), head: step(self.head, across, heads) }
    }
}

/// The wall: layers down, heads across, or heads in any order along its rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wall {
    /// Top left corner of the first cell.
    pub origin: Pos2,
    /// Width and height of a cell.
    pub cell: Vec2,
    /// Space between cells.
    pub gap: f32,
    /// Room below each cell for a line of text.
    pub caption: f32,
    /// Rows.
    pub layers: usize,
    /// Columns.
    pub heads: usize,
}

/// Cells are never smaller than this; a wall that does not fit is scrolled.
pub const SMALLEST_CELL: f32 = 26.0;
/// How many times as long as wide a cell may be, so that the wall uses its room.
const STRETCH: f32 = 2.0;

impl Wall {
    /// The largest cells that fit `space`, in whole pixels, with a line of `caption` points below each.
    pub fn fit(
        origin: Pos2,
        space: Vec2,
        (layers, heads): (usize, usize),
        caption: f32,
        pixels_per_point: f32,
    ) -> Wall {
        let gap = if heads.max(layers) > 8 { 3.0 } else { 6.0 };
        let fitting = |space: f32, count: usize| (space + gap) / count.max(1) as f32 - gap;
        let across = fitting(space.x, heads);
        let down = (fitting(space.y, layers) - caption).max(SMALLEST_CELL.min(across));
        let whole = |side: f32| ((side * pixels_per_point).floor() / pixels_per_point).max(1.0);
        let cell = vec2(whole(across.min(down * STRETCH)), whole(down.min(across * STRETCH)));
        Wall { origin, cell, gap, caption, layers, heads }
    }

    /// As [`fit`](Wall::fit), for `count` heads in as many columns as make their cells largest.
    pub fn flow(origin: Pos2, space: Vec2, count: usize, caption: f32, pixels_per_point: f32) -> Wall {
        let fitted = |columns: usize| {
            Wall::fit(origin, space, (count.div_ceil(columns), columns), caption, pixels_per_point)
        };
        let side = |wall: &Wall| if wall.size().y <= space.y { wall.cell.min_elem() } else { 0.0 };
        // The widest wall of the smallest cells, where none fits.
        let widest = (space.x / (SMALLEST_CELL + 3.0)) as usize;
        let fallback = fitted(widest.clamp(1, count.max(1)));
        (1..=count.max(1))
            .map(fitted)
            .fold(fallback, |best, wall| if side(&wall) > side(&best) { wall } else { best })
    }

    /// Distance from one cell to the next.
    pub fn pitch(&self) -> Vec2 {
        self.cell + vec2(self.gap, self.gap + self.caption)
    }

    /// The room that all cells take, with their captions.
    pub fn size(&self) -> Vec2 {
        let sides = vec2(self.heads as f32, self.layers as f32) * self.pitch() - Vec2::splat(self.gap);
        sides.max(Vec2::ZERO)
    }

    /// Where a head stands.
    pub fn rect(&self, at: Head) -> Rect {
        let offset = vec2(at.head as f32, at.layer as f32) * self.pitch();
        Rect::from_min_size(self.origin + offset, self.cell)
    }

    /// The row and column of the `index`-th cell.
    pub fn slot(&self, index: usize) -> Head {
        Head { layer: index / self.heads.max(1), head: index % self.heads.max(1) }
    }

    /// The head under `pos`; `None` in the gaps.
    pub fn hit(&self, pos: Pos2) -> Option<Head> {
        let offset = (pos - self.origin) / self.pitch();
        if offset.x < 0.0 || offset.y < 0.0 {
            return None;
        }
        let at = Head { layer: offset.y as usize, head: offset.x as usize };
        let inside = at.layer < self.layers && at.head < self.heads && self.rect(at).contains(pos);
        inside.then_some(at)
    }
}

/// The entry (query, key) of a matrix drawn over `rect` that lies under `pos`.
pub fn entry_at(rect: Rect, queries: usize, keys: usize, pos: Pos2) -> Option<(usize, usize)> {
    if !rect.contains(pos) || queries == 0 || keys == 0 {
        return None;
    }
    let part = (pos - rect.min) / rect.size();
    let index = |part: f32, count: usize| ((part * count as f32) as usize).min(count - 1);
    Some((index(part.y, queries), index(part.x, keys)))
}

/// The middle of entry `index` of `count` along a side from `start` of length `length`.
pub fn middle(start: f32, length: f32, index: usize, count: usize) -> f32 {
    start + length * (index as f32 + 0.5) / count.max(1) as f32
}

/// Where a cell of entry (query, key) is drawn.
pub fn entry_rect(rect: Rect, queries: usize, keys: usize, (query, key): (usize, usize)) -> Rect {
    let cell = vec2(rect.width() / keys.max(1) as f32, rect.height() / queries.max(1) as f32);
    Rect::from_min_size(rect.min + cell * vec2(key as f32, query as f32), cell)
}

/// The step between labels, if one takes `line` and `count` of them share `length`.
pub fn label_step(length: f32, count: usize, line: f32) -> usize {
    if count == 0 || length <= 0.0 {
        return 1;
    }
    ((line * count as f32 / length).ceil() as usize).max(1)
}

/// Widths of the wall and of the rank panel; the selected head gets the rest of `width`.
///
/// A wall of many heads gets more of it.
pub fn columns(width: f32, heads: usize) -> (f32, f32) {
    let rank = (width * 0.385).clamp(320.0, 760.0);
    let share = (0.47 + 0.015 * (heads as f32 - 4.0)).clamp(0.47, 0.58);
    ((width - rank) * share, rank)
}

/// Whether the window is so low, as on a projector, that its parts leave out what is optional.
pub fn is_short(ui: &egui::Ui) -> bool {
    ui.ctx().content_rect().height() < 640.0
}

/// The largest square of whole pixels that fits `space`, with its corner on a pixel.
pub fn square_on_pixels(corner: Pos2, space: Vec2, pixels_per_point: f32) -> Rect {
    let snap = |value: f32| (value * pixels_per_point).round() / pixels_per_point;
    let side = (space.min_elem().max(1.0) * pixels_per_point).floor() / pixels_per_point;
    Rect::from_min_size(pos2(snap(corner.x), snap(corner.y)), Vec2::splat(side))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_hit_at_its_middle_and_no_gap_is() {
        let wall = Wall::fit(pos2(13.0, 7.0), vec2(500.0, 300.0), (3, 5), 14.0, 1.0);
        for layer in 0..3 {
            for head in 0..5 {
                let at = Head { layer, head };
                assert_eq!(wall.hit(wall.rect(at).center()), Some(at));
                assert_eq!(wall.hit(wall.rect(at).right_bottom() + vec2(2.0, 2.0)), None);
            }
        }
        assert_eq!(wall.hit(pos2(0.0, 0.0)), None);
        assert_eq!(wall.hit(wall.origin + wall.size() + vec2(50.0, 50.0)), None);
    }

    #[test]
    fn a_wall_fits_across_and_scrolls_down_when_it_must() {
        let deep = Wall::fit(Pos2::ZERO, vec2(400.0, 300.0), (30, 9), 0.0, 1.5);
        assert!(deep.size().x <= 400.0);
        assert_eq!(deep.cell.y, SMALLEST_CELL);
        let small = Wall::fit(Pos2::ZERO, vec2(400.0, 300.0), (4, 6), 14.0, 1.0);
        assert!(small.size().x <= 400.0 && small.size().y <= 300.0);
    }

    #[test]
    fn a_wall_uses_its_room() {
        for (space, sides) in [((400.0, 560.0), (4, 4)), ((700.0, 400.0), (4, 4)), ((400.0, 560.0), (6, 4))] {
            let wall = Wall::fit(Pos2::ZERO, space.into(), sides, 14.0, 1.0);
            let used = wall.size().x * wall.size().y / (space.0 * space.1);
            assert!(used > 0.85, "{space:?} {sides:?}: {used}");
        }
        for count in [1, 3, 7, 16, 144, 270] {
            let wall = Wall::flow(Pos2::ZERO, vec2(400.0, 500.0), count, 0.0, 1.0);
            assert!(wall.layers * wall.heads >= count && wall.size().x <= 400.0, "{count} {wall:?}");
            assert!(wall.size().y <= 500.0, "{count} {wall:?}");
        }
    }

    #[test]
    fn selection_stops_at_the_edges() {
        let at = Head { layer: 1, head: 0 };
        assert_eq!(at.moved(-5, -1, 4, 3), Head { layer: 0, head: 0 });
        assert_eq!(at.moved(9, 9, 4, 3), Head { layer: 3, head: 2 });
    }

    #[test]
    fn entries_are_found_where_they_are_drawn() {
        let rect = Rect::from_min_size(pos2(10.0, 20.0), vec2(70.0, 30.0));
        for at in [(0, 0), (2, 6), (1, 3)] {
            assert_eq!(entry_at(rect, 3, 7, entry_rect(rect, 3, 7, at).center()), Some(at));
        }
        assert_eq!(entry_at(rect, 3, 7, pos2(9.0, 21.0)), None);
        assert_eq!(entry_at(rect, 0, 7, rect.center()), None);
    }

    #[test]
    fn three_columns_share_the_width() {
        for width in [800.0, 1280.0, 1920.0, 3840.0] {
            for heads in [1, 4, 12, 32] {
                let (wall, rank) = columns(width, heads);
                assert!(wall >= 200.0 && rank >= 300.0 && width - wall - rank >= 200.0, "{width} {heads}");
            }
        }
    }

    #[test]
    fn labels_thin_out_so_that_they_never_overlap() {
        assert_eq!(label_step(340.0, 17, 15.0), 1);
        assert_eq!(label_step(340.0, 128, 15.0), 6);
        for count in 1..300 {
            let step = label_step(340.0, count, 15.0);
            assert!(step as f32 * 340.0 / count as f32 >= 15.0, "{count}");
        }
        assert_eq!(label_step(0.0, 5, 15.0), 1);
    }
}
