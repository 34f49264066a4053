//! The common parts of every map: cells, their labels, and the colour bar beside them.

use super::scene::{Anchor, Cells, Item, Rect, Scene, TEXT, standard_width};
use super::style::{ColorMap, Palette, Rgb};
use super::{axis, ruler, text};

/// The largest width of a label, in pixels; longer ones are cut.
const LABEL_ROOM: f64 = 130.0;
/// Room right of the cells for the colour bar, its ticks and its unit; they reach the right edge of the picture.
const BAR_ROOM: f64 = 160.0;
const MARGIN: f64 = 14.0;
/// The number of colours of the bar: enough that no step is visible.
const BAR_STEPS: usize = 128;
/// Room for "queries ↓" above the row labels, and for "keys →" above that.
const CORNER: (f64, f64) = (108.0, 54.0);

/// The places of the parts of a map.
pub(super) struct Grid {
    pub rows: usize,
    pub cols: usize,
    /// The cells.
    pub area: Rect,
    row_labels: Labels,
    col_labels: Labels,
    /// Whether column labels read upwards.
    upwards: bool,
}

/// The labels that are shown: every `step`-th.
struct Labels {
    texts: Vec<String>,
    step: usize,
}

impl Labels {
    fn shown(&self) -> impl Iterator<Item = (usize, &String)> {
        self.texts.iter().enumerate().step_by(self.step)
    }

    fn widest(&self) -> f64 {
        self.shown().map(|(_, text)| standard_width(text)).fold(0.0, f64::max).ceil()
    }
}

impl Grid {
    /// A grid with cells as large as `room` allows, between `least` and `most` pixels; whole pixels, so that all are
    /// equally large.
    pub fn new(
        (row_labels, col_labels): (&[String], &[String]),
        room: (f64, f64),
        (least, most): ((f64, f64), (f64, f64)),
        square: bool,
    ) -> Self {
        let fit = |labels: &[String]| Labels {
            texts: labels.iter().map(|label| text::fit(label, TEXT, LABEL_ROOM)).collect(),
            step: 1,
        };
        let (rows, cols) = (row_labels.len(), col_labels.len());
        let (mut row_labels, mut col_labels) = (fit(row_labels), fit(col_labels));
        let room_across = room.0 - MARGIN - LABEL_ROOM - BAR_ROOM;
        let mut cell_w = (room_across / cols as f64).floor().clamp(least.0, most.0);
        let mut cell_h = (room.1 / rows as f64).floor().clamp(least.1, most.1);
        if square {
            cell_w = cell_w.min(cell_h);
            cell_h = cell_w;
        }
        row_labels.step = axis::thinning(TEXT, cell_h);
        let upwards = col_labels.widest() > cell_w - 8.0;
        col_labels.step = if upwards { axis::thinning(TEXT, cell_w) } else { 1 };
        let x = MARGIN + (row_labels.widest() + 10.0).max(CORNER.0);
        let y = MARGIN + if upwards { (col_labels.widest() + 10.0).max(CORNER.1) } else { CORNER.1 };
        let area = Rect { x, y, w: cell_w * cols as f64, h: cell_h * rows as f64 };
        Grid { rows, cols, area, row_labels, col_labels, upwards }
    }

    /// A grid of cells over `area`, for a picture with its own axes.
    pub fn without_labels(area: Rect, (rows, cols): (usize, usize)) -> Self {
        let none = || Labels { texts: Vec::new(), step: 1 };
        Grid { rows, cols, area, row_labels: none(), col_labels: none(), upwards: false }
    }

    /// An empty scene for the grid and a colour bar over `range`.
    pub fn scene(&self, background: Rgb, range: (f64, f64)) -> Scene {
        let bottom = (self.area.y + self.bar().h).max(self.area.bottom());
        Scene::new(self.unit_x(range) + TEXT / 2.0 + MARGIN, bottom + MARGIN + 8.0, background)
    }

    pub fn cell(&self, row: usize, col: usize) -> Rect {
        let (w, h) = (self.area.w / self.cols as f64, self.area.h / self.rows as f64);
        Rect { x: self.area.x + col as f64 * w, y: self.area.y + row as f64 * h, w, h }
    }

    /// The cells, row by row; where a cell has no colour, the area is hatched.
    pub fn draw_cells(
        &self,
        scene: &mut Scene,
        palette: &Palette,
        color: impl Fn(usize, usize) -> Option<Rgb>,
    ) {
        let places = (0..self.rows).flat_map(|row| (0..self.cols).map(move |col| (row, col)));
        let colors: Vec<_> = places.map(|(row, col)| color(row, col)).collect();
        scene.fill(self.area, palette.panel);
        if colors.contains(&None) {
            scene.hatch(self.area, palette.hatch);
        }
        scene.items.push(Item::Cells(Cells { area: self.area, rows: self.rows, cols: self.cols, colors }));
        scene.frame(self.area, palette.grid);
    }

    /// Draws the labels of rows and columns, and their titles `down` and `across`.
    pub fn draw_labels(&self, scene: &mut Scene, palette: &Palette, (down, across): (&str, &str)) {
        for (row, label) in self.row_labels.shown() {
            let cell = self.cell(row, 0);
            scene.text(label, (self.area.x - 8.0, cell.y + cell.h / 2.0), palette.ink, Anchor::End);
        }
        for (col, label) in self.col_labels.shown() {
            let cell = self.cell(0, col);
            let middle = cell.x + cell.w / 2.0;
            match self.upwards {
                true => scene.upwards(label, (middle, self.area.y - 8.0), palette.ink, Anchor::Start),
                false => scene.text(label, (middle, self.area.y - 16.0), palette.ink, Anchor::Middle),
            }
        }
        let corner = self.area.x - 12.0;
        scene.text(format!("{across} →"), (corner, self.area.y - 40.0), palette.muted, Anchor::End);
        scene.text(format!("{down} ↓"), (corner, self.area.y - 17.0), palette.muted, Anchor::End);
    }

    /// The colour bar over `range`, with ticks and the `unit`.
    pub fn draw_bar(
        &self,
        scene: &mut Scene,
        palette: &Palette,
        map: &ColorMap,
        range: (f64, f64),
        unit: &str,
    ) {
        let bar = self.bar();
        let color = |step| Some(map.at(1.0 - step as f64 / (BAR_STEPS - 1) as f64));
        let colors = (0..BAR_STEPS).map(color).collect();
        scene.items.push(Item::Cells(Cells { area: bar, rows: BAR_STEPS, cols: 1, colors }));
        scene.frame(bar, palette.grid);
        for (y, label) in self.bar_ticks(range) {
            scene.line(vec![(bar.right(), y), (bar.right() + 5.0, y)], palette.muted, 1.0);
            scene.text(label, (bar.right() + 9.0, y), palette.muted, Anchor::Start);
        }
        let unit = text::fit(unit, TEXT, bar.h);
        scene.upwards(unit, (self.unit_x(range), bar.y + bar.h / 2.0), palette.ink, Anchor::Middle);
    }

    fn bar(&self) -> Rect {
        Rect {
            x: self.area.right() + 26.0,
            y: self.area.y,
            w: 18.0,
            h: self.area.h.clamp(150.0, 420.0).floor(),
        }
    }

    /// The places and labels of the colour bar's ticks.
    fn bar_ticks(&self, (low, high): (f64, f64)) -> Vec<(f64, String)> {
        let bar = self.bar();
        let place = |tick: f64| bar.bottom() - bar.h * (tick - low) / (high - low);
        let most = (bar.h / 45.0) as usize;
        axis::ticks(low, high, most).into_iter().map(|tick| (place(tick), ruler::label(tick))).collect()
    }

    fn unit_x(&self, range: (f64, f64)) -> f64 {
        let widest = self.bar_ticks(range).iter().map(|(_, label)| standard_width(label)).fold(0.0, f64::max);
        self.bar().right() + 9.0 + widest + 12.0 + TEXT / 2.0
    }
}
