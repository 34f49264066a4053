//! The installed models that an experiment on one stack uses, and the reasons why it leaves out the others.

use crate::model::FAMILIES;
use crate::model::store::{Entry, Origin};

/// Chooses from `entries`, the list of the store, the models of one stack for which `refuse` returns no reason. The
/// result is their names, and a note for every reason why others are left out.
pub(super) fn at_hand(
    entries: Vec<Entry>,
    refuse: impl Fn(&Entry) -> Option<String>,
) -> (Vec<String>, Vec<String>) {
    let mut taken: Vec<String> = Vec::new();
    let mut left: Vec<(String, Vec<String>)> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for entry in entries {
        // A name is looked up in the order of the list, so a second entry with the same name is never used.
        if entry.origin == Origin::Available || names.contains(&entry.name) {
            continue;
        }
        names.push(entry.name.clone());
        match ours(&entry).or_else(|| not_one_stack(&entry)).or_else(|| refuse(&entry)) {
            None => taken.push(entry.name),
            Some(reason) => match left.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, names)) => names.push(entry.name),
                None => left.push((reason, vec![entry.name])),
            },
        }
    }
    let note = |(reason, names): (String, Vec<String>)| format!("left out: {} ({reason})", names.join(", "));
    (taken, left.into_iter().map(note).collect())
}

/// A reason to leave out models that were trained here: conclusions about the argument should not depend on models that
/// were made to demonstrate it.
fn ours(entry: &Entry) -> Option<String> {
    entry.is_trained_here.then(|| "trained by rankscope itself; name it to put it on trial".to_owned())
}

fn not_one_stack(entry: &Entry) -> Option<String> {
    let Some(name) = &entry.family else {
        return Some(entry.note.clone().unwrap_or_else(|| "its family is not known".to_owned()));
    };
    match FAMILIES.iter().find(|family| family.name == name) {
        None => Some(format!("models of the family {name} cannot be built")),
        Some(family) => family.is_pair.then(|| "an encoder and a decoder, expected one stack".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, origin: Origin, family: Option<&str>, parameters: usize) -> Entry {
        Entry {
            name: name.to_owned(),
            origin,
            path: None,
            is_trained_here: false,
            family: family.map(str::to_owned),
            parameters: Some(parameters),
            size_bytes: None,
            licence: None,
            note: family.is_none().then(|| "no config.json".to_owned()),
        }
    }

    #[test]
    fn what_is_left_out_is_named_with_its_reason() {
        let here = Origin::Installed;
        let entries = vec![
            entry("small", here, Some("llama"), 7),
            entry("pair", here, Some("t5"), 5),
            entry("large", here, Some("gpt2"), 900),
            entry("spoilt", here, None, 3),
            entry("strange", here, Some("mamba"), 2),
            entry("small", Origin::HuggingFaceCache, Some("t5"), 8),
            entry("other-pair", Origin::HuggingFaceCache, Some("t5"), 6),
            entry("absent", Origin::Available, Some("t5"), 1),
        ];
        let is_large = |entry: &Entry| (entry.parameters > Some(100)).then(|| "too large".to_owned());
        let (taken, notes) = at_hand(entries, is_large);
        assert_eq!(taken, ["small"]);
        let expected = [
            "left out: pair, other-pair (an encoder and a decoder, expected one stack)",
            "left out: large (too large)",
            "left out: spoilt (no config.json)",
            "left out: strange (models of the family mamba cannot be built)",
        ];
        assert_eq!(notes, expected);
    }
}
