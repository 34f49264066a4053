//! Figures: spectra, curves, maps over two parameters, attention heatmaps, a wall of layers and heads; as
//! SVG or PNG.
//!
//! A figure stores the settings that recreate it in its SVG's `<metadata>` or its PNG's text chunk `rankscope`. It has
//! no caption: captions are shown beside the picture. Colours and markers come from [`style`], which windows share.
//!
//! ```
//! use ndarray::array;
//! use rankscope::figure::{Figure, Heatmap, Scale, style::Theme};
//! let heatmap = Heatmap {
//!     title: "Layer 0, head 1".into(),
//!     values: array![[1.0, 0.0], [0.25, 0.75]],
//!     may_attend: Some(array![[true, false], [true, true]]),
//!     queries: vec!["the".into(), "cat".into()],
//!     keys: vec!["the".into(), "cat".into()],
//!     scale: Scale::AmountTo(1.0),
//!     unit: "attention weight".into(),
//!     settings: serde_json::json!({ "seed": 7 }),
//! };
//! assert!(heatmap.to_svg(Theme::Light)?.contains(r#"<metadata>{"seed":7}</metadata>"#));
//! # Ok::<(), rankscope::Error>(())
//! ```

mod axis;
mod cells;
mod contour;
mod dash;
mod grid;
mod heatmap;
pub(crate) mod html;
mod legend;
mod lines;
mod marked;
mod phase_map;
mod plot;
mod render;
mod ruler;
mod scene;
mod spectrum;
pub mod style;
mod svg;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod wall;

use serde_json::Value;

pub use crate::file::save;
pub use heatmap::{Heatmap, Scale};
pub use lines::{Curve, Lines, Reference, ReferenceLine};
pub use phase_map::{MapAxis, PhaseMap};
pub use ruler::{AxisScale, PlotAxis};
pub use spectrum::{Series, SpectrumFigure};
pub use table::Table;
pub use wall::Wall;

use crate::error::Result;
use html::Numbers;
use scene::Scene;
use style::Theme;

/// A figure that can be laid out; [`Figure`] is its public interface.
trait Drawing {
    fn scene(&self, theme: Theme) -> Result<Scene>;

    /// The title, and the settings that recreate the figure.
    fn about(&self) -> (&str, &Value);

    /// The numbers behind the picture.
    fn numbers(&self) -> Result<Numbers>;

    /// The curves, if the figure consists only of curves.
    fn curves(&self) -> Option<&Lines> {
        None
    }
}

/// A picture, in either theme and either format; the same input gives the same bytes.
pub trait Figure {
    /// An SVG document; text stays text, in fonts with fallbacks on the viewer's system.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) where the data cannot be drawn: empty, too large, with a wrong number
    /// of labels, or NaN.
    fn to_svg(&self, theme: Theme) -> Result<String>;

    /// The bytes of a PNG file, two pixels per SVG pixel; characters that the embedded face lacks (CJK,
    /// emoji) become boxes. The settings that recreate the figure are stored as JSON in the text chunk (iTXt) with the
    /// keyword `rankscope`.
    ///
    /// # Errors
    /// As [`to_svg`](Figure::to_svg).
    fn to_png(&self, theme: Theme) -> Result<Vec<u8>>;

    /// As [`to_svg`](Figure::to_svg), with `settings` as the settings that recreate it.
    ///
    /// # Errors
    /// As [`to_svg`](Figure::to_svg).
    fn to_svg_with(&self, theme: Theme, settings: &Value) -> Result<String>;

    /// As [`to_png`](Figure::to_png), with `settings` as the settings that recreate it.
    ///
    /// # Errors
    /// As [`to_svg`](Figure::to_svg).
    fn to_png_with(&self, theme: Theme, settings: &Value) -> Result<Vec<u8>>;

    /// The picture as a fragment of a page, without its title: it follows the page's theme, light or dark, has a name for
    /// screen readers, and its numbers in a table. The page needs [`rich::assets`](crate::rich::assets) once; with them
    /// a pointer or the arrow keys show the number of a cell or of a point.
    ///
    /// # Errors
    /// As [`to_svg`](Figure::to_svg).
    fn to_html(&self) -> Result<String>;

    /// The numbers of the figure as a table.
    fn table(&self) -> Table;

    /// The figure as curves, if it consists of curves: a window draws them itself, with the numbers under the pointer.
    fn as_lines(&self) -> Option<&Lines>;
}

impl<D: Drawing> Figure for D {
    fn to_svg(&self, theme: Theme) -> Result<String> {
        self.to_svg_with(theme, self.about().1)
    }

    fn to_png(&self, theme: Theme) -> Result<Vec<u8>> {
        self.to_png_with(theme, self.about().1)
    }

    fn to_svg_with(&self, theme: Theme, settings: &Value) -> Result<String> {
        svg::document(&self.scene(theme)?, (self.about().0, settings))
    }

    fn to_png_with(&self, theme: Theme, settings: &Value) -> Result<Vec<u8>> {
        render::png(&self.scene(theme)?, (self.about().0, settings))
    }

    fn to_html(&self) -> Result<String> {
        html::fragment(self)
    }

    fn table(&self) -> Table {
        self.numbers().map_or_else(|_| Table::default(), Table::of)
    }

    fn as_lines(&self) -> Option<&Lines> {
        self.curves()
    }
}
