//! The command line: the same settings that the window lets a person change.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, ValueEnum};
use rankscope::device::DeviceRequest;

use crate::lab::{self, LABS};
use crate::worker;

/// The sentence that the window opens with.
pub const FIRST_TEXT: &str = "Alice was beginning to get very tired of sitting by her sister";

/// The model that the model explorer opens with.
pub const FIRST_MODEL: &str = "english-gpt";
/// The mask that the model explorer opens with.
const FIRST_MASK: &str = "as-trained";
/// The lab that opens the first time.
const FIRST_LAB: &str = "mask";

/// See a model's attention, its masks and the ranks of its attention matrices.
#[derive(Clone, Debug, Parser)]
#[command(name = "rankscope-app", version, about, max_term_width = 100)]
pub struct Args {
    /// A model by name (see `rankscope models list`) or the folder that holds it
    #[arg(long, value_name = "NAME|DIR", default_value = FIRST_MODEL)]
    pub model: String,

    /// Attention weights that another program saved (.npy, .npz, .safetensors), instead of a model's
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "text", "mask"])]
    pub attention: Option<PathBuf>,

    /// The tokens of --attention: a JSON array of strings, or one token a line
    #[arg(long, value_name = "FILE", requires = "attention")]
    pub tokens: Option<PathBuf>,

    /// The arrays to read from a file of several; `*` stands for the layer's number
    #[arg(long, requires = "attention")]
    pub name: Option<String>,

    /// Which sequence of a batch in --attention, from 0
    #[arg(long, value_name = "N", requires = "attention", default_value_t = 0)]
    pub sequence: usize,

    /// The text whose attention is shown
    #[arg(long, default_value = FIRST_TEXT)]
    pub text: String,

    /// Who may attend to whom: as-trained, causal, bidirectional, prefix:P, window:W, …
    #[arg(long, default_value = FIRST_MASK)]
    pub mask: String,

    /// The layer selected at the start, from 0 [default: 1, or the last one where there are fewer]
    #[arg(long, value_name = "L")]
    pub layer: Option<usize>,

    /// The head selected at the start, from 0 [default: 1, or the last one where there are fewer]
    #[arg(long, value_name = "H")]
    pub head: Option<usize>,

    /// The lab to open; see --list-labs
    #[arg(long, value_name = "ID")]
    pub lab: Option<String>,

    /// Why the window before this one ended
    #[arg(long, hide = true, value_name = "TEXT")]
    pub lost: Option<String>,

    /// Print the labs, one a line, and exit
    #[arg(long)]
    pub list_labs: bool,

    /// A lesson to open: its file, or a figure that was exported from the app (.json, .svg, .png)
    #[arg(long, value_name = "FILE")]
    pub lesson: Option<PathBuf>,

    /// What to open: a lesson, an exported figure, a rankscope:// link, attention weights, or the folder of a model
    #[arg(value_name = "FILE|LINK")]
    pub open: Option<String>,

    /// Light or dark [default: as it was last, or dark]
    #[arg(long, value_enum)]
    pub theme: Option<Theme>,

    /// Where to compute: cpu, gpu or auto (a hardware GPU if there is one); RANKSCOPE_DEVICE if not given
    #[arg(long, value_name = "cpu|gpu|auto")]
    pub device: Option<DeviceRequest>,

    /// Draw the window into a PNG file, without a display, and exit
    #[arg(long, value_name = "FILE.png")]
    pub screenshot: Option<PathBuf>,

    /// Size of the window in points; the picture has scale times as many pixels
    #[arg(long, value_name = "WxH", default_value = "1280x800")]
    pub size: Size,

    /// Pixels per point, from 0.5 to 4
    #[arg(long, value_name = "S", default_value = "1", value_parser = scale)]
    pub scale: f32,

    /// Work as a process of the window: see `worker`
    #[arg(long, hide = true, exclusive = true)]
    pub worker: Option<worker::Kind>,

    /// Measure the time to the first frame and after a mask change, and print JSON
    #[arg(long, hide = true, conflicts_with = "screenshot")]
    pub bench: bool,
}

impl Args {
    /// The lab to open: the one asked for, or the one that the other options are about, or the first.
    pub fn lab(&self) -> &str {
        if let Some(lab) = &self.lab {
            return lab;
        }
        let of_model = self.model != FIRST_MODEL || self.text != FIRST_TEXT || self.mask != FIRST_MASK;
        if of_model || self.attention.is_some() || self.layer.or(self.head).is_some() {
            return "model";
        }
        lab::named(FIRST_LAB).map_or(LABS[0].id, |row| row.id)
    }

    /// Whether the options ask for something to open; then the last session stays closed.
    pub fn asks(&self) -> bool {
        self.lab.is_some() || self.lesson.is_some() || self.open.is_some() || self.lab() == "model"
    }

    /// The theme if no session is kept: the one asked for, or dark.
    pub fn theme(&self) -> Theme {
        self.theme.unwrap_or(Theme::Dark)
    }
}

/// The two sets of colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Theme {
    /// Dark text on light grey.
    Light,
    /// Light text on dark grey.
    Dark,
}

impl From<Theme> for egui::Theme {
    fn from(theme: Theme) -> Self {
        match theme {
            Theme::Light => egui::Theme::Light,
            Theme::Dark => egui::Theme::Dark,
        }
    }
}

/// Width and height of the window in points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// Points across.
    pub width: u16,
    /// Points down.
    pub height: u16,
}

impl Size {
    /// As a vector of egui.
    pub fn to_vec2(self) -> egui::Vec2 {
        egui::vec2(self.width.into(), self.height.into())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |text: &str| text.parse::<u16>().ok().filter(|side| (200..=8192).contains(side));
        text.split_once(['x', '×'])
            .and_then(|(width, height)| Some(Size { width: side(width)?, height: side(height)? }))
            .ok_or_else(|| format!("{text:?} is not a size: WIDTHxHEIGHT with sides from 200 to 8192"))
    }
}

fn scale(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|scale| (0.5..=4.0).contains(scale))
        .ok_or_else(|| format!("{text:?} is not a scale: a number from 0.5 to 4"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_scales_name_what_is_wrong() {
        assert_eq!("1280x800".parse(), Ok(Size { width: 1280, height: 800 }));
        assert!("1280".parse::<Size>().unwrap_err().contains("WIDTHxHEIGHT"));
        assert!("12x80000".parse::<Size>().unwrap_err().contains("200 to 8192"));
        assert_eq!(scale("1.5"), Ok(1.5));
        assert!(scale("0").is_err() && scale("NaN").is_err());
    }

    #[test]
    fn the_defaults_parse() {
        let args = Args::try_parse_from(["rankscope-app"]).unwrap();
        assert_eq!((args.layer, args.theme(), args.screenshot), (None, Theme::Dark, None));
    }
}
