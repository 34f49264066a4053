//! A finished layout: items with their places in pixels. Figures make a scene, which is then written as SVG or painted
//! as PNG.
//!
//! Plotters measures text and paints bitmaps. Its charts are not used: their labels may overlap, their logarithmic axes
//! cannot show zeros, and they have no names of lines beside the plot. A list of items can also be tested: that no
//! texts overlap, and that there are no seams between cells.

use super::style::{Marker, Rgb};
use super::text;

/// Smallest text in a figure, in pixels per em at a width of about 1000.
pub(super) const TEXT: f64 = 16.0;

pub(super) type Point = (f64, f64);

/// A rectangle from its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub x: f64,
    pub y: f64,
    pub w: f64,
    pub h: f64,
}

impl Rect {
    pub fn right(&self) -> f64 {
        self.x + self.w
    }

    pub fn bottom(&self) -> f64 {
        self.y + self.h
    }

    #[cfg(test)]
    pub fn overlaps(&self, other: &Rect) -> bool {
        self.x < other.right() && other.x < self.right() && self.y < other.bottom() && other.y < self.bottom()
    }
}

/// The place of a text relative to its point, along the text's direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Cells of equal size, row by row; where a cell has no colour, the items below it are visible.
#[derive(Clone, Debug)]
pub(super) struct Cells {
    pub area: Rect,
    pub rows: usize,
    pub cols: usize,
    pub colors: Vec<Option<Rgb>>,
}

#[derive(Clone, Debug)]
pub(super) enum Item {
    Fill { area: Rect, color: Rgb },
    Cells(Cells),
    Line { points: Vec<Point>, color: Rgb, width: f64 },
    Polygon { points: Vec<Point>, color: Rgb },
    Disc { center: Point, radius: f64, color: Rgb },
    Text { text: String, at: Point, color: Rgb, anchor: Anchor, upwards: bool },
}

impl Cells {
    /// Rectangles that cover the cells with a colour: one for each run of equal colours in a row.
    pub fn runs(&self) -> impl Iterator<Item = (Rect, Rgb)> {
        let (w, h) = (self.area.w / self.cols as f64, self.area.h / self.rows as f64);
        self.colors.chunks(self.cols).enumerate().flat_map(move |(row, colors)| {
            let mut col = 0;
            colors.chunk_by(|a, b| a == b).filter_map(move |run| {
                let first = col;
                col += run.len();
                let (x, y) = (self.area.x + first as f64 * w, self.area.y + row as f64 * h);
                run[0].map(|color| (Rect { x, y, w: run.len() as f64 * w, h }, color))
            })
        })
    }
}

#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub width: f64,
    pub height: f64,
    pub items: Vec<Item>,
}

impl Scene {
    pub fn new(width: f64, height: f64, background: Rgb) -> Self {
        let mut scene = Scene { width: width.ceil(), height: height.ceil(), items: Vec::new() };
        scene.fill(Rect { x: 0.0, y: 0.0, w: scene.width, h: scene.height }, background);
        scene
    }

    pub fn fill(&mut self, area: Rect, color: Rgb) {
        self.items.push(Item::Fill { area, color });
    }

    pub fn line(&mut self, points: Vec<Point>, color: Rgb, width: f64) {
        self.items.push(Item::Line { points, color, width });
    }

    /// The outline of `area`.
    pub fn frame(&mut self, area: Rect, color: Rgb) {
        let (left, top, right, bottom) = (area.x, area.y, area.right(), area.bottom());
        let corners = vec![(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        self.line(corners, color, 1.0);
    }

    /// Diagonal lines over `area`, which mark it as masked.
    pub fn hatch(&mut self, area: Rect, color: Rgb) {
        const STEP: f64 = 9.0;
        let mut sum = STEP / 2.0;
        // Along each line x + y = sum, from the point where it enters the area to the point where it leaves.
        while sum < area.w + area.h {
            let ends = [(sum - area.h).max(0.0), sum.min(area.w)];
            self.line(ends.map(|x| (area.x + x, area.y + sum - x)).to_vec(), color, 1.0);
            sum += STEP;
        }
    }

    /// A marker about `2 · radius` wide.
    pub fn marker(&mut self, marker: Marker, (x, y): Point, radius: f64, color: Rgb) {
        let r = radius;
        let mut polygon = |points: &[Point]| {
            let points = points.iter().map(|&(dx, dy)| (x + dx, y + dy)).collect();
            self.items.push(Item::Polygon { points, color });
        };
        match marker {
            Marker::Circle => self.items.push(Item::Disc { center: (x, y), radius, color }),
            Marker::Square => polygon(&[(-r, -r), (r, -r), (r, r), (-r, r)]),
            Marker::Triangle => polygon(&[(0.0, -1.2 * r), (1.15 * r, 0.9 * r), (-1.15 * r, 0.9 * r)]),
            Marker::TriangleDown => polygon(&[(0.0, 1.2 * r), (-1.15 * r, -0.9 * r), (1.15 * r, -0.9 * r)]),
            Marker::Diamond => {
                polygon(&[(0.0, -1.35 * r), (1.35 * r, 0.0), (0.0, 1.35 * r), (-1.35 * r, 0.0)])
            }
            Marker::Cross => {
                self.line(vec![(x - r, y - r), (x + r, y + r)], color, 2.0);
                self.line(vec![(x - r, y + r), (x + r, y - r)], color, 2.0);
            }
        }
    }

    /// Horizontal text, centred on the height of `at`.
    pub fn text(&mut self, text: impl Into<String>, at: Point, color: Rgb, anchor: Anchor) {
        self.items.push(Item::Text { text: text.into(), at, color, anchor, upwards: false });
    }

    /// Text that reads from bottom to top, centred on the x of `at`.
    pub fn upwards(&mut self, text: impl Into<String>, at: Point, color: Rgb, anchor: Anchor) {
        self.items.push(Item::Text { text: text.into(), at, color, anchor, upwards: true });
    }

    /// The first cells, which are the picture's content; a colour bar comes later.
    pub fn cells(&self) -> Option<&Cells> {
        self.items.iter().find_map(|item| match item {
            Item::Cells(cells) => Some(cells),
            _ => None,
        })
    }

    /// The boxes of all texts, for tests.
    #[cfg(test)]
    pub fn text_boxes(&self) -> Vec<(String, Rect)> {
        let of = |item: &Item| match item {
            Item::Text { text, at, anchor, upwards, .. } => {
                Some((text.clone(), text_box(text, *at, *anchor, *upwards)))
            }
            _ => None,
        };
        self.items.iter().filter_map(of).collect()
    }
}

#[cfg(test)]
fn text_box(content: &str, (x, y): Point, anchor: Anchor, upwards: bool) -> Rect {
    let (w, h) = (standard_width(content), TEXT);
    let before = match anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => w / 2.0,
        Anchor::End => w,
    };
    if upwards {
        Rect { x: x - h / 2.0, y: y - w + before, w: h, h: w }
    } else {
        Rect { x: x - before, y: y - h / 2.0, w, h }
    }
}

/// The width of `content` in the standard size.
pub(super) fn standard_width(content: &str) -> f64 {
    text::width(content, TEXT)
}
