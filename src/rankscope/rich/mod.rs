//! [`Rich`]: how a value looks in a notebook, with a text form for plain terminals.

mod claim;
mod mask;
mod plain;
mod rank;
mod tensor;
#[cfg(test)]
mod tests;
mod train;

use crate::figure::style::Theme;
use crate::figure::{Figure, Heatmap, Lines, SpectrumFigure, Wall};

/// A value that is shown both as text and as HTML; both say the same.
///
/// ```
/// use rankscope::{Mask, rich::Rich};
/// assert!(Mask::causal().text().starts_with("causal"));
/// assert!(Mask::causal().html().contains("<svg"));
/// ```
pub trait Rich {
    /// For a terminal.
    fn text(&self) -> String;

    /// A fragment for a page: no scripts, no references to anything outside.
    fn html(&self) -> String;
}

macro_rules! figures {
    ($($figure:ty),*) => { $(
        impl Rich for $figure {
            fn text(&self) -> String {
                format!("{} ({})", self.title, stringify!($figure))
            }

            fn html(&self) -> String {
                picture(self)
            }
        }
    )* };
}

figures!(Heatmap, Lines, SpectrumFigure, Wall);

/// A figure as SVG, or why there is none.
fn picture(figure: &(impl Figure + ?Sized)) -> String {
    match figure.to_svg(Theme::Light) {
        // A file may begin with an XML declaration, a fragment may not.
        Ok(svg) => svg.find("<svg").map_or_else(|| svg.clone(), |start| svg[start..].to_owned()),
        Err(error) => format!("<p>{}</p>", escape(&error.to_string())),
    }
}

/// A table of names and values.
fn table(rows: &[(String, String)]) -> String {
    let row = |(name, value): &(String, String)| {
        format!("<tr><td style=\"text-align:left\">{}</td><td>{}</td></tr>", escape(name), escape(value))
    };
    format!("<table>{}</table>", rows.iter().map(row).collect::<String>())
}

/// The same in text: values stand below each other.
fn lines(rows: &[(String, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, value): &(String, String)| format!("{name:<width$}  {value}");
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `text` as it stands in HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
