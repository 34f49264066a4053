//! Widgets: small programs in a page, with the library's numbers beside them.

use crate::trials::Trials;

/// The widgets there are.
pub const NAMES: [&str; 4] = ["prefix", "mask", "phase-map", "collapse"];

/// `{{widget:NAME}}`.
///
/// # Errors
/// What there is instead.
pub fn block(name: &str, _trials: &Trials) -> Result<String, String> {
    match NAMES.contains(&name) {
        true => Ok(format!("<div class=\"widget\" data-widget=\"{name}\"></div>")),
        false => Err(format!("one of {}", NAMES.join(", "))),
    }
}
