//! Displays side by side, with linked cursors.

use super::{Rich, escape, titled};

/// Several displays side by side; if they are pictures of cells, the cursor moves in all of them together.
#[derive(Clone, Debug)]
pub struct SideBySide(Vec<(String, String, String)>);

/// Shows named displays side by side, such as two matrices of weights under two masks; on a narrow page they are one
/// below the other.
///
/// ```
/// use rankscope::ndarray::array;
/// use rankscope::rich::{Rich, side_by_side};
/// let [causal, all] = [array![[1.0, 0.0], [0.5, 0.5]], array![[0.5, 0.5], [0.5, 0.5]]];
/// let both = side_by_side([("causal", &causal), ("bidirectional", &all)]);
/// assert_eq!(both.html().matches("<rankscope-cells").count(), 2);
/// ```
pub fn side_by_side<'a, N: ToString, R: Rich + 'a>(
    displays: impl IntoIterator<Item = (N, &'a R)>,
) -> SideBySide {
    let shown = |(name, display): (N, &R)| (name.to_string(), display.text(), display.html());
    SideBySide(displays.into_iter().map(shown).collect())
}

impl Rich for SideBySide {
    fn text(&self) -> String {
        let one = |(name, text, _): &(String, String, String)| format!("{name}\n{text}");
        self.0.iter().map(one).collect::<Vec<_>>().join("\n")
    }

    fn html(&self) -> String {
        let one = |(name, _, html): &(String, String, String)| titled(&escape(name), html);
        let all: String = self.0.iter().map(one).collect();
        format!("<rankscope-linked><div class=\"rankscope-row\">{all}</div></rankscope-linked>")
    }
}
