//! The style and script that a page needs once, so that displays follow its theme, the pointer and the keyboard.

use std::sync::LazyLock;

const STYLE: &str = include_str!("view.css");
const SCRIPT: &str = include_str!("view.js");

/// The style and the script of all displays, for a page that shows several. The script defines its elements only once,
/// even if it runs several times. Nothing refers to other files.
pub fn assets() -> &'static str {
    static ASSETS: LazyLock<String> = LazyLock::new(|| {
        // Neither file has a string or comment across several lines.
        let lines = |text: &str| {
            let kept = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
            kept.collect::<Vec<_>>().join("\n")
        };
        format!("<style>{}</style><script>{}</script>", lines(STYLE), lines(SCRIPT))
    });
    &ASSETS
}

/// A fragment of [`Rich::html`](super::Rich::html) for a page of its own: with [`assets`] if it uses them.
///
/// ```
/// use rankscope::{Mask, rich::{Rich, standalone}};
/// assert_eq!(standalone(&"plain".html()), "plain".html());
/// assert!(standalone(&rankscope::ndarray::array![[1.0, 0.0], [0.5, 0.5]].html()).contains("<style>"));
/// ```
pub fn standalone(fragment: &str) -> String {
    match fragment.contains("rankscope-") {
        true => format!("<div class=\"rankscope\">{fragment}</div>{}", assets()),
        false => fragment.to_owned(),
    }
}
