//! The background of a plot: panel, grid, ticks and titles of two axes.

use super::ruler::Ruler;
use super::scene::{Anchor, Point, Rect, Scene, TEXT, standard_width};
use super::style::Palette;
use super::text;

/// The distance between the edge of the panel and the nearest value, so that markers are not cut.
const INSET: f64 = 12.0;
/// The space below the panel, for tick labels and title.
pub(super) const BELOW: f64 = 74.0;
/// The least distance between tick labels of the horizontal axis.
const APART: f64 = 14.0;

/// A tick: its position along the axis, and its label.
pub(super) type Tick = (f64, String);

/// The space to the left of a panel whose vertical axis has these ticks.
pub(super) fn room_left(ticks: &[Tick]) -> f64 {
    let widest = ticks.iter().map(|(_, name)| standard_width(name)).fold(0.0, f64::max);
    (18.0 + TEXT / 2.0 + 14.0 + widest + 10.0).ceil()
}

/// A panel between two axes.
pub(super) struct Plot {
    pub area: Rect,
    pub across: Ruler,
    pub up: Ruler,
}

impl Plot {
    /// The pixel of a value; a value below an axis is drawn on it.
    pub fn at(&self, (x, y): Point) -> Point {
        self.pixel(self.across.place_on(x), self.up.place_on(y))
    }

    /// The pixel of a value that may be far outside the plot; it is finite, since a line to −∞
    /// would have no direction.
    pub fn beyond(&self, (x, y): Point) -> Point {
        const FAR: f64 = 20.0;
        self.pixel(self.across.place(x).clamp(-FAR, FAR), self.up.place(y).clamp(-FAR, FAR))
    }

    fn pixel(&self, x: f64, y: f64) -> Point {
        let (w, h) = (self.area.w - 2.0 * INSET, self.area.h - 2.0 * INSET);
        (self.area.x + INSET + x * w, self.area.bottom() - INSET - y * h)
    }

    /// Draws panel and grid, behind the data.
    pub fn draw_ground(&self, scene: &mut Scene, palette: &Palette, up: &[Tick]) {
        scene.fill(self.area, palette.panel);
        for (place, _) in up {
            let y = self.pixel(0.0, *place).1;
            scene.line(vec![(self.area.x, y), (self.area.right(), y)], palette.grid, 1.0);
        }
    }

    /// Draws frame, ticks and titles.
    pub fn draw_axes(
        &self,
        scene: &mut Scene,
        palette: &Palette,
        (across, up): (&[Tick], &[Tick]),
        titles: (&str, &str),
    ) {
        scene.frame(self.area, palette.grid);
        let across: Vec<_> =
            across.iter().map(|(place, name)| (self.pixel(*place, 0.0).0, name.as_str())).collect();
        let up: Vec<_> = up.iter().map(|(place, name)| (self.pixel(0.0, *place).1, name.as_str())).collect();
        draw_ticks(scene, palette, self.area, (&across, &up));
        draw_titles(scene, palette, self.area, titles);
    }
}

/// A pixel along an axis, and its label.
pub(super) type Mark<'a> = (f64, &'a str);

/// Draws ticks at pixels below and left of `area`, thinned until no two labels touch.
pub(super) fn draw_ticks(scene: &mut Scene, palette: &Palette, area: Rect, (across, up): (&[Mark], &[Mark])) {
    let mut free = f64::NEG_INFINITY;
    for &(x, name) in across {
        let half = standard_width(name) / 2.0;
        scene.line(vec![(x, area.bottom()), (x, area.bottom() + 5.0)], palette.muted, 1.0);
        if x - half >= free && x + half <= scene.width {
            scene.text(name, (x, area.bottom() + 18.0), palette.muted, Anchor::Middle);
            free = x + half + APART;
        }
    }
    let mut free = f64::INFINITY;
    for &(y, name) in up {
        scene.line(vec![(area.x - 5.0, y), (area.x, y)], palette.muted, 1.0);
        if y <= free {
            scene.text(name, (area.x - 10.0, y), palette.muted, Anchor::End);
            free = y - 1.2 * TEXT;
        }
    }
}

/// Draws the titles of the axes, below and left of `area`.
pub(super) fn draw_titles(scene: &mut Scene, palette: &Palette, area: Rect, (across, up): (&str, &str)) {
    let across = text::fit(across, TEXT, scene.width.min(2.0 * (area.x + area.w / 2.0)) - 20.0);
    scene.text(across, (area.x + area.w / 2.0, area.bottom() + 48.0), palette.ink, Anchor::Middle);
    // The title may reach below the panel, as far as the tick labels' corner.
    let up = text::fit(up, TEXT, area.h + 2.0 * area.y.min(BELOW) - 20.0);
    scene.upwards(up, (18.0, area.y + area.h / 2.0), palette.ink, Anchor::Middle);
}
