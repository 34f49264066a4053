//! Cells that the kernel runs before the first cell of the user.

use std::path::Path;

/// Loads the library, and makes its names those of the cells.
pub fn load(facade: &Path) -> String {
    let library = dependency(facade);
    format!(":dep {library}\n{QUIET}\n{NAMES}\n{PRINT}\n{PRINTLN}\n{EPRINT}\n{EPRINTLN}\n{FORMAT}\n{START}")
}

/// The line by which a manifest names the library.
pub fn dependency(facade: &Path) -> String {
    // As TOML and as JSON: quotes and backslashes in a path are escaped alike.
    let path = serde_json::Value::from(facade.to_string_lossy());
    format!("rankscope = {{ path = {path} }}")
}

/// In every process that runs cells, before the first one.
pub const START: &str = "rankscope::notebook::start();";

/// Cells that make the first cells of the user faster. The first is a typical one that defines nothing for later ones, as
/// `?` ends it. It infers the type of a `let`, for which rust-analyzer reads the standard library and takes seconds, and
/// has evcxr add the code that cells with `?` need. The next cell takes nearly twice as long as later ones.
pub const WARM_UP: [&str; 2] = ["let warm_up = Mask::causal();\nNone::<u8>.ok_or(\"warm\")?;\n3", "1 + 1"];

/// evcxr shows no warnings of a cell that runs, and takes them for errors in one that does not.
const QUIET: &str = "#![allow(warnings)]";

const NAMES: &str = "use rankscope::prelude::*;\nuse rankscope::notebook::{Show as _, ShowPlain as _, button, checkbox, clear, display, dropdown, input, interact, mask_painter, slider, text_input, update};\nuse rankscope::rich::{States, predict, side_by_side};";

const PRINT: &str = r#"macro_rules! print {
    ($($text:tt)*) => { rankscope::notebook::print(format_args!($($text)*), false, module_path!()) };
}"#;

/// evcxr puts the first two into its code around a cell: one reports a panic, one that `?` ended the cell. A cell of the
/// user's may contain the first as well; the library tells them apart by the line.
const PRINTLN: &str = r#"macro_rules! println {
    ("EVCXR_PANIC_NOTIFICATION") => { rankscope::notebook::panicked(line!()) };
    ("{}", evcxr_internal_runtime::USER_ERROR_OCCURRED) => { rankscope::notebook::failed() };
    () => { rankscope::notebook::print(format_args!(""), true, module_path!()) };
    ($($text:tt)*) => { rankscope::notebook::print(format_args!($($text)*), true, module_path!()) };
}"#;

/// evcxr shows a value by the first in a cell that it had to change, such as one that moves a variable into a tuple.
const FORMAT: &str = r#"macro_rules! format {
    ("{:?}",&($value:expr)) => {
        rankscope::notebook::debug(line!(), &($value), |value| value.evcxr_display())
    };
    ($($text:tt)*) => { std::format!($($text)*) };
}"#;

const EPRINT: &str = r#"macro_rules! eprint {
    ($($text:tt)*) => { rankscope::notebook::eprint(format_args!($($text)*), false) };
}"#;

/// evcxr puts the first three into its code around a cell, to show the error that `?` returned. A cell of the user's may
/// contain them as well, so they become the cell's error only if evcxr then reports that the cell ended there.
const EPRINTLN: &str = r#"macro_rules! eprintln {
    ("{}", $error:ident) => { rankscope::notebook::unsure(format_args!("{}\n", $error)) };
    ("{:?}", $error:ident) => { rankscope::notebook::unsure(format_args!("{:?}\n", $error)) };
    ("{:#?}", $error:ident) => { rankscope::notebook::unsure(format_args!("{:#?}\n", $error)) };
    () => { rankscope::notebook::eprint(format_args!(""), true) };
    ($($text:tt)*) => { rankscope::notebook::eprint(format_args!($($text)*), true) };
}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted() {
        assert!(load(Path::new("/a \"b\"")).starts_with(r#":dep rankscope = { path = "/a \"b\"" }"#));
    }
}
