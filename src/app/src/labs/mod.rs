//! The labs, one folder each, and what several of them share.

pub mod cache;
pub mod collapse;
pub mod controls;
pub mod court;
pub mod exports;
pub mod logits;
pub mod mask;
pub mod model;
pub mod shader;
pub mod steps;
pub mod theorem;
pub mod training;
#[cfg(test)]
pub mod window;

/// An error unless `value` is from `low` to `high`; NaN is an error.
///
/// # Errors
/// One sentence with the name, the value and the range.
pub fn within<N: PartialOrd + std::fmt::Display>(
    name: &str,
    value: N,
    low: N,
    high: N,
) -> Result<(), String> {
    if low <= value && value <= high {
        return Ok(());
    }
    Err(format!("{name} is {value}, expected a number from {low} to {high}"))
}

/// `state` after `edits`, each of them checked.
#[cfg(test)]
pub fn edited<S: crate::lab::State>(
    mut state: S,
    edits: impl IntoIterator<Item = S::Edit>,
) -> Result<S, String> {
    for edit in edits {
        state.update(edit)?;
        state.check()?;
    }
    Ok(state)
}

/// The state of the lesson that comes with the program under `number`, which opens `lab`.
#[cfg(test)]
pub fn lesson<V: crate::lab::View>(number: &str, lab: &str) -> V::State {
    use crate::lab::{Layout, State};
    use serde_json::Value;

    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/lessons");
    let files =
        std::fs::read_dir(folder).expect("the folder of lessons").map(|entry| entry.expect("a file").path());
    let mut named =
        files.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(number)));
    let path = named.next().expect("a file of this number");
    assert!(named.next().is_none(), "two files begin with {number}");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("readable")).expect("JSON");
    assert_eq!((&file["version"], &file["lab"]), (&Value::from(1), &Value::from(lab)));
    for part in ["title", "prompt", "note"] {
        assert!(file[part].as_str().is_some_and(|text| text.len() > 10), "{number} has no {part}");
    }
    let panels: Vec<&str> = V::PANELS.iter().map(|panel| panel.id).collect();
    if let Some(layout) = file.get("layout") {
        let layout: Layout = serde_json::from_value(layout.clone()).expect("a layout");
        assert!(layout.panels().iter().all(|id| panels.contains(id)));
    }
    let state: V::State = serde_json::from_value(file["state"].clone()).expect("a state of the lab");
    state.check().expect("a valid state");
    state
}
