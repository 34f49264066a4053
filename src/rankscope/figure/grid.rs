//! Cells, their labels, and the colour bar beside them: what every map has.

use super::axis::thinning;
use super::hatch::hatch;
use super::scene::{Anchor, Rect, Scene, TEXT, standard_width};
use super::style::{ColorMap, Palette, Rgb};
use super::text;

/// Labels are cut to this many pixels.
const LABEL_ROOM: f64 = 130.0;
/// Room right of the cells for the colour bar, its ticks and its unit.
const BAR_ROOM: f64 = 168.0;
const MARGIN: f64 = 14.0;

/// Where the parts of a map stand.
pub(super) struct Grid {
    pub rows: usize,
    pub cols: usize,
    /// The cells.
    pub area: Rect,
    row_labels: Vec<String>,
    col_labels: Vec<String>,
    /// Whether column labels read upwards.
    upwards: bool,
}

impl Grid {
    /// A grid with cells as large as `room` allows, between `least` and `most` pixels; whole pixels, so
    /// that no seams show.
    pub fn new(
        (row_labels, col_labels): (&[String], &[String]),
        room: (f64, f64),
        (least, most): ((f64, f64), (f64, f64)),
        square: bool,
    ) -> Self {
        let fit =
            |labels: &[String]| labels.iter().map(|l| text::fit(l, TEXT, LABEL_ROOM)).collect::<Vec<_>>();
        let (rows, cols) = (row_labels.len(), col_labels.len());
        let (row_labels, col_labels) = (fit(row_labels), fit(col_labels));
        let left = MARGIN + 30.0 + widest(&row_labels) + 10.0;
        let mut cell_w = ((room.0 - left - BAR_ROOM) / cols as f64).floor().clamp(least.0, most.0);
        let mut cell_h = (room.1 / rows as f64).floor().clamp(least.1, most.1);
        if square {
            cell_w = cell_w.min(cell_h);
            cell_h = cell_w;
        }
        let upwards = widest(&col_labels) > cell_w - 8.0;
        let top = MARGIN + 30.0 + if upwards { widest(&col_labels) } else { TEXT } + 10.0;
        let area = Rect { x: left, y: top, w: cell_w * cols as f64, h: cell_h * rows as f64 };
        Grid { rows, cols, area, row_labels, col_labels, upwards }
    }

    pub fn scene(&self, background: Rgb) -> Scene {
        // A bar shorter than its unit's name, or a heading wider than the cells, must still fit.
        let width = self.area.right() + BAR_ROOM;
        Scene::new(
            width,
            (self.area.y + self.bar_height()).max(self.area.bottom()) + MARGIN + 10.0,
            background,
        )
    }

    pub fn cell(&self, row: usize, col: usize) -> Rect {
        let (w, h) = (self.area.w / self.cols as f64, self.area.h / self.rows as f64);
        Rect { x: self.area.x + col as f64 * w, y: self.area.y + row as f64 * h, w, h }
    }

    /// Fills the cells that have a colour, a rectangle per run of equal ones; hatches the others.
    pub fn draw_cells(
        &self,
        scene: &mut Scene,
        palette: &Palette,
        color: impl Fn(usize, usize) -> Option<Rgb>,
    ) {
        scene.fill(self.area, palette.panel);
        for row in 0..self.rows {
            let mut col = 0;
            while col < self.cols {
                let here = color(row, col);
                let end = (col..self.cols).find(|&next| color(row, next) != here).unwrap_or(self.cols);
                if let Some(color) = here {
                    let first = self.cell(row, col);
                    scene.fill(Rect { w: first.w * (end - col) as f64, ..first }, color);
                }
                col = end;
            }
        }
        for segment in hatch(self.area, (self.rows, self.cols), |row, col| color(row, col).is_none()) {
            scene.line(segment.to_vec(), palette.hatch, 1.0);
        }
        scene.frame(self.area, palette.grid);
    }

    /// Labels of rows and columns, and what they are: `down` and `across`.
    pub fn draw_labels(&self, scene: &mut Scene, palette: &Palette, (down, across): (&str, &str)) {
        let first = self.cell(0, 0);
        for row in (0..self.rows).step_by(thinning(TEXT, first.h)) {
            let cell = self.cell(row, 0);
            let at = (self.area.x - 8.0, cell.y + cell.h / 2.0);
            scene.text(&self.row_labels[row], at, palette.ink, Anchor::End);
        }
        let step = if self.upwards { thinning(TEXT, first.w) } else { 1 };
        for col in (0..self.cols).step_by(step) {
            let cell = self.cell(0, col);
            let middle = cell.x + cell.w / 2.0;
            match self.upwards {
                true => scene.upwards(
                    &self.col_labels[col],
                    (middle, self.area.y - 8.0),
                    palette.ink,
                    Anchor::Start,
                ),
                false => scene.text(
                    &self.col_labels[col],
                    (middle, self.area.y - 16.0),
                    palette.ink,
                    Anchor::Middle,
                ),
            }
        }
        // Upwards, the arrow at the start of the line points down the page.
        scene.upwards(format!("← {down}"), (MARGIN + 8.0, self.area.y), palette.muted, Anchor::End);
        scene.text(format!("{across} →"), (self.area.x, MARGIN + 8.0), palette.muted, Anchor::Start);
    }

    /// The colour bar with `ticks` at values between `low` and `high`, and the `unit`.
    pub fn draw_bar(
        &self,
        scene: &mut Scene,
        palette: &Palette,
        map: &ColorMap,
        (low, high): (f64, f64),
        unit: &str,
    ) {
        let bar = Rect { x: self.area.right() + 26.0, y: self.area.y, w: 18.0, h: self.bar_height() };
        let strips = bar.h as usize;
        for strip in 0..strips {
            let value = 1.0 - strip as f64 / (strips - 1) as f64;
            scene.fill(Rect { y: bar.y + strip as f64, h: 1.0, ..bar }, map.at(value));
        }
        scene.frame(bar, palette.grid);
        let most = (bar.h / 45.0) as usize;
        for tick in super::axis::ticks(low, high, most.max(2)) {
            let y = bar.bottom() - bar.h * if high > low { (tick - low) / (high - low) } else { 0.0 };
            scene.line(vec![(bar.right(), y), (bar.right() + 5.0, y)], palette.muted, 1.0);
            scene.text(tick_label(tick), (bar.right() + 9.0, y), palette.muted, Anchor::Start);
        }
        let unit = text::fit(unit, TEXT, bar.h + 2.0 * MARGIN);
        let middle = (scene.width - MARGIN - 8.0, bar.y + bar.h / 2.0);
        scene.upwards(unit, middle, palette.ink, Anchor::Middle);
    }

    fn bar_height(&self) -> f64 {
        self.area.h.clamp(150.0, 420.0).floor()
    }
}

fn widest(labels: &[String]) -> f64 {
    labels.iter().map(|label| standard_width(label)).fold(0.0, f64::max).ceil()
}

/// A tick's value without the digits that its step does not need.
fn tick_label(value: f64) -> String {
    let long = text::number(value);
    if long.contains('×') || !long.contains('.') {
        return long;
    }
    long.trim_end_matches('0').trim_end_matches('.').to_owned()
}
