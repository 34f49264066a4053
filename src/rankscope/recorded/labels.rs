//! The tokens of the weights: in the same file, or in a separate file.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::Labels;
use super::layout::Layout;
use crate::array::ArrayFile;
use crate::error::{Error, Result};

/// The names of text arrays and of metadata that hold tokens.
const NAMES: [&str; 3] = ["tokens", "labels", "pieces"];

/// The tokens in a file: JSON if it begins with `[` or `{`, otherwise one token on each line.
pub(super) fn from_file(path: &Path, layout: &Layout) -> Result<Vec<Labels>> {
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => Error::format(path, "is not text in UTF-8, expected tokens"),
        _ => Error::io(path, error),
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if text.trim_start().starts_with(['[', '{'])
        && let Ok(value) = serde_json::from_str(text)
    {
        return from_json(&value, layout).map_err(|problem| Error::format(path, problem));
    }
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    Ok(vec![place(lines, layout).map_err(|problem| Error::format(path, problem))?])
}

/// The tokens in the file of the weights; empty if it has none.
pub(super) fn beside(file: &mut ArrayFile, layout: &Layout) -> Result<Vec<Labels>> {
    let path = file.path().to_owned();
    let wrong = |name: &str, problem: String| Error::format(&path, format!("{name}: {problem}"));
    for name in NAMES {
        if let Some(strings) = file.strings(name)? {
            let several = strings.len() == layout.sequences * layout.keys && layout.sequences > 1;
            let size = if several { layout.keys } else { strings.len().max(1) };
            let placed = strings.chunks(size).map(|strings| place(strings.to_vec(), layout));
            return placed.collect::<Result<_, _>>().map_err(|problem| wrong(name, problem));
        }
        if let Some(text) = file.text(name) {
            let value =
                serde_json::from_str(text).map_err(|error| wrong(name, format!("not JSON: {error}")))?;
            return from_json(&value, layout).map_err(|problem| wrong(name, problem));
        }
    }
    let (rows, columns) = file.names();
    let labels = Labels { queries: rows.map(<[_]>::to_vec), keys: columns.map(<[_]>::to_vec) };
    Ok(vec![labels])
}

fn from_json(value: &Value, layout: &Layout) -> Result<Vec<Labels>, String> {
    if let Value::Object(fields) = value {
        let list = |name: &str, count: usize| match fields.get(name).map(strings) {
            None => Ok(None),
            Some(Some(list)) if list.len() == count => Ok(Some(list)),
            Some(list) => Err(expected(name, list.map(|list| list.len()), count)),
        };
        let (queries, keys) = (list("queries", layout.queries)?, list("keys", layout.keys)?);
        if queries.is_none() && keys.is_none() {
            return Err("an object without \"queries\" and \"keys\", expected at least one of them".into());
        }
        return Ok(vec![Labels { queries, keys }]);
    }
    if let Some(list) = strings(value) {
        return Ok(vec![place(list, layout)?]);
    }
    let lists: Option<Vec<_>> = value.as_array().and_then(|lists| lists.iter().map(strings).collect());
    match lists {
        Some(lists) if lists.len() == layout.sequences => {
            lists.into_iter().map(|list| place(list, layout)).collect()
        }
        Some(lists) => Err(format!(
            "{} lists of tokens, expected {}, as many as sequences",
            lists.len(),
            layout.sequences
        )),
        None => Err("expected a JSON array of strings".into()),
    }
}

fn strings(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|token| token.as_str().map(str::to_owned)).collect()
}

/// Assigns one list of tokens: to the keys, and to the queries, which are the last of these positions; or, if it has as
/// many tokens as there are queries, to the queries alone.
fn place(list: Vec<String>, layout: &Layout) -> Result<Labels, String> {
    let Layout { queries, keys, .. } = *layout;
    match list.len() {
        count if count == keys => {
            let last = keys.checked_sub(queries).map(|first| list[first..].to_vec());
            Ok(Labels { queries: last, keys: Some(list) })
        }
        count if count == queries => Ok(Labels { queries: Some(list), keys: None }),
        count if queries == keys => Err(expected("tokens", Some(count), keys)),
        count => {
            Err(format!("{count} tokens, expected {keys} as many as keys, or {queries} as many as queries"))
        }
    }
}

fn expected(name: &str, count: Option<usize>, expected: usize) -> String {
    let got = count.map_or("no strings".to_owned(), |count| count.to_string());
    format!("{got} {name}, expected {expected}, one a position")
}
