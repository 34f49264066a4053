//! [`Rich`]: how a value looks in a notebook, with a text form for plain terminals.

mod claim;
mod guess;
mod head_wall;
mod linked;
mod mask;
mod model;
mod page;
mod plain;
mod rank;
mod states;
mod tensor;
#[cfg(test)]
mod tests;
mod train;

pub use guess::{Guess, predict};
pub use head_wall::HeadWall;
pub use linked::{SideBySide, side_by_side};
pub use page::{assets, standalone};
pub use states::States;

pub(crate) use crate::label::escape;

use crate::figure::{Figure, Heatmap, Lines, PhaseMap, SpectrumFigure, Wall};
use crate::mask::Facts;
use crate::model::Description;
use crate::model::count::Part;

/// A value that is shown both as text and as HTML; both forms have the same content.
///
/// ```
/// use rankscope::{Mask, rich::Rich};
/// assert!(Mask::causal().text().starts_with("causal"));
/// assert!(Mask::causal().html().contains("<svg"));
/// ```
pub trait Rich {
    /// The text for a terminal.
    fn text(&self) -> String;

    /// An HTML fragment for a page, without scripts and without references to other files. A page that shows fragments
    /// needs [`assets`] once; [`standalone`] adds them to one fragment.
    fn html(&self) -> String;
}

macro_rules! figures {
    ($($figure:ty),*) => { $(
        impl Rich for $figure {
            fn text(&self) -> String {
                format!("{} ({})", self.title, stringify!($figure))
            }

            fn html(&self) -> String {
                titled(&escape(&self.title), &picture(self))
            }
        }
    )* };
}

figures!(Heatmap, Lines, PhaseMap, SpectrumFigure, Wall);

/// A figure with its numbers, or the reason why there is none.
fn picture(figure: &(impl Figure + ?Sized)) -> String {
    figure.to_html().unwrap_or_else(|error| format!("<p>{}</p>", escape(&error.to_string())))
}

/// A display below its name.
fn titled(name: &str, html: &str) -> String {
    format!("<div><p><b>{name}</b></p>{html}</div>")
}

/// Displays side by side, if there is enough room.
fn row(displays: &[String]) -> String {
    let each: String = displays.iter().map(|display| format!("<div>{display}</div>")).collect();
    format!("<div class=\"rankscope-row\">{each}</div>")
}

macro_rules! tables {
    ($($value:ty: $rows:path),*) => { $(
        impl Rich for $value {
            fn text(&self) -> String {
                lines(&$rows(self))
            }

            fn html(&self) -> String {
                table(&$rows(self))
            }
        }
    )* };
}

tables!(Description: model::description_rows, Vec<Part>: model::part_rows, Facts: rank::fact_rows);

/// A table of names and values.
fn table<N: AsRef<str>>(rows: &[(N, String)]) -> String {
    let row = |(name, value): &(N, String)| {
        format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape(name.as_ref()), escape(value))
    };
    format!("<table class=\"rankscope-words\">{}</table>", rows.iter().map(row).collect::<String>())
}

/// The same table in text, with aligned values.
fn lines<N: AsRef<str>>(rows: &[(N, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.as_ref().chars().count()).max().unwrap_or(0);
    let line = |(name, value): &(N, String)| format!("{:<width$}  {value}", name.as_ref());
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
