//! One style for all interfaces: figures, app, notebooks and book take their colours from here.
//!
//! These are plain numbers, so that a window can use them without depending on how figures are drawn.

use crate::mask::Mask;

mod colormap;

pub use colormap::{ColorMap, contrast};

/// A colour: red, green, blue, as sRGB bytes.
pub type Rgb = [u8; 3];

/// Light, for paper and projectors, or dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Theme {
    /// Dark ink on white.
    #[default]
    Light,
    /// Light ink on near-black.
    Dark,
}

/// The greys of a theme, and its one accent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// Behind everything.
    pub background: Rgb,
    /// Behind data.
    pub panel: Rgb,
    /// Text.
    pub ink: Rgb,
    /// Secondary text, ticks and frames; still 4.5 : 1 on the background.
    pub muted: Rgb,
    /// Grid lines.
    pub grid: Rgb,
    /// The one accent: selection, focus, links.
    pub accent: Rgb,
    /// Lines of the hatch over masked cells.
    pub hatch: Rgb,
    /// The region below the rounding floor.
    pub floor: Rgb,
}

const LIGHT: Palette = Palette {
    background: [0xff, 0xff, 0xff],
    panel: [0xf5, 0xf6, 0xf8],
    ink: [0x1b, 0x1f, 0x24],
    muted: [0x5a, 0x63, 0x70],
    grid: [0xdd, 0xe1, 0xe7],
    accent: [0x00, 0x66, 0xa6],
    hatch: [0xb4, 0xbb, 0xc6],
    floor: [0xe6, 0xe3, 0xdd],
};

const DARK: Palette = Palette {
    background: [0x14, 0x17, 0x1c],
    panel: [0x1b, 0x1f, 0x26],
    ink: [0xe8, 0xeb, 0xef],
    muted: [0x9c, 0xa6, 0xb3],
    grid: [0x31, 0x38, 0x43],
    accent: [0x5c, 0xb8, 0xf2],
    hatch: [0x56, 0x5f, 0x6d],
    floor: [0x30, 0x2c, 0x27],
};

impl Theme {
    /// Both themes.
    pub const ALL: [Theme; 2] = [Theme::Light, Theme::Dark];

    /// The theme's colours.
    pub fn palette(self) -> &'static Palette {
        match self {
            Theme::Light => &LIGHT,
            Theme::Dark => &DARK,
        }
    }

    /// The map for attention weights and other amounts: 0 is near the background.
    pub fn sequential(self) -> &'static ColorMap {
        ColorMap::sequential(self)
    }

    /// The map for differences: zero is neutral and in the middle.
    pub fn diverging(self) -> &'static ColorMap {
        ColorMap::diverging(self)
    }
}

/// The kind of attention that a series or picture shows: each kind has one colour and one marker in all interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Causal attention.
    Causal,
    /// Prefix-LM attention.
    Prefix,
    /// Bidirectional attention.
    Bidirectional,
    /// A window, causal or two-sided.
    Window,
    /// The reader's own mask, called "mine".
    Custom,
    /// Anything that is not a mask.
    Plain,
}

/// The shape of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Marker {
    /// A disc.
    Circle,
    /// A square with horizontal sides.
    Square,
    /// A triangle pointing up.
    Triangle,
    /// A triangle pointing down.
    TriangleDown,
    /// A square standing on a corner.
    Diamond,
    /// A diagonal cross.
    Cross,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 6] =
        [Kind::Causal, Kind::Prefix, Kind::Bidirectional, Kind::Window, Kind::Custom, Kind::Plain];

    /// The kind of a mask: combinations and rarer masks count as the reader's own.
    pub fn of(mask: &Mask) -> Self {
        match mask.name() {
            Some("causal") => Kind::Causal,
            Some("prefix") => Kind::Prefix,
            Some("bidirectional") => Kind::Bidirectional,
            Some("window" | "two-sided-window") => Kind::Window,
            _ => Kind::Custom,
        }
    }

    /// The kind's colour, the same in both themes: at least 3 : 1 on either background.
    ///
    /// # Source
    /// Okabe & Ito, Color universal design, 2008: the four of its eight colours with enough contrast on white and on
    /// black, for the four masks that are compared most; an ochre and a grey for the others.
    pub fn color(self) -> Rgb {
        match self {
            Kind::Causal => [0x00, 0x72, 0xb2],
            Kind::Prefix => [0x00, 0x9e, 0x73],
            Kind::Bidirectional => [0xd5, 0x5e, 0x00],
            Kind::Window => [0xa6, 0x7c, 0x00],
            Kind::Custom => [0xcc, 0x79, 0xa7],
            Kind::Plain => [0x7d, 0x84, 0x8e],
        }
    }

    /// The kind's marker.
    pub fn marker(self) -> Marker {
        match self {
            Kind::Causal => Marker::Triangle,
            Kind::Prefix => Marker::Diamond,
            Kind::Bidirectional => Marker::Square,
            Kind::Window => Marker::TriangleDown,
            Kind::Custom => Marker::Cross,
            Kind::Plain => Marker::Circle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_legible_in_both_themes() {
        for palette in Theme::ALL.map(Theme::palette) {
            for ground in [palette.background, palette.panel, palette.floor] {
                assert!(contrast(palette.ink, ground) >= 7.0);
                assert!(contrast(palette.muted, ground) >= 4.5, "{palette:?} {ground:?}");
            }
            assert!(contrast(palette.accent, palette.background) >= 4.5);
        }
    }

    #[test]
    fn kinds_are_distinct_and_visible_in_both_themes() {
        for (i, a) in Kind::ALL.iter().enumerate() {
            for palette in Theme::ALL.map(Theme::palette) {
                assert!(contrast(a.color(), palette.background) >= 3.0, "{a:?}");
            }
            for b in &Kind::ALL[..i] {
                assert!(a.color() != b.color() && a.marker() != b.marker());
            }
        }
    }
}
