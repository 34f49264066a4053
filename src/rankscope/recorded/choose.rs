//! Chooses the arrays of a file that are the layers, and their order.

use crate::array::{ArrayFile, Entry};
use crate::error::{Error, Result, excerpt};

/// A chosen array, with the numbers in its name.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub entry: Entry,
    pub numbers: Vec<u64>,
}

/// Arrays whose names differ in their numbers only.
struct Group {
    /// The name with `*` for each number.
    pattern: String,
    members: Vec<Chosen>,
}

/// The arrays that hold the weights, in the natural order of the numbers in their names.
pub(super) fn layers(file: &ArrayFile, name: Option<&str>) -> Result<Vec<Chosen>> {
    let wrong = |problem: String| Error::format(file.path(), problem);
    let entries = file.entries();
    if let Some(name) = name {
        let is_meant = |entry: &&Entry| entry.name() == name || split(entry.name()).0 == name;
        let mut groups = groups(entries.iter().filter(is_meant));
        let known = || groups_in_words(&self::groups(entries.iter()));
        return match (groups.pop(), groups.is_empty()) {
            (Some(group), true) => Ok(group.members),
            (None, _) => Err(wrong(format!("holds no array {}, but {}", excerpt(name), known()))),
            (Some(_), false) => {
                Err(wrong(format!("{} names several sets of arrays: {}", excerpt(name), known())))
            }
        };
    }
    if let [only] = entries {
        return Ok(vec![Chosen { entry: only.clone(), numbers: Vec::new() }]);
    }
    let usable = |entry: &&Entry| entry.is_float() == Some(true) && entry.shape().len() >= 2;
    let all = groups(entries.iter().filter(usable));
    // Only the groups whose names are the clearest are used.
    let best = all.iter().map(|group| telling(&group.pattern)).max().unwrap_or(0);
    let mut best: Vec<Group> = all.into_iter().filter(|group| telling(&group.pattern) == best).collect();
    match (best.pop(), best.is_empty()) {
        (Some(group), true) => Ok(group.members),
        (None, _) => {
            let expected = "expected weights of attention: fractions of two to five dimensions";
            Err(wrong(format!("holds {}; {expected}", groups_in_words(&groups(entries.iter())))))
        }
        (Some(last), false) => {
            best.push(last);
            let sets = groups_in_words(&best);
            Err(wrong(format!("holds {} sets of arrays: {sets}; choose one with --name", best.len())))
        }
    }
}

/// How clearly a name indicates attention weights.
fn telling(pattern: &str) -> u8 {
    let name = pattern.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match (
        has(&["attention", "attn"]),
        has(&["weights", "probs", "attentions"]),
        has(&["score", "logit", "bias", "mask"]),
    ) {
        (_, _, true) => 0,
        (true, true, _) => 3,
        (true, false, _) => 2,
        _ => 1,
    }
}

fn groups<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for entry in entries {
        let (pattern, numbers) = split(entry.name());
        let chosen = Chosen { entry: entry.clone(), numbers };
        match groups.iter_mut().find(|group| group.pattern == pattern) {
            Some(group) => group.members.push(chosen),
            None => groups.push(Group { pattern, members: vec![chosen] }),
        }
    }
    for group in &mut groups {
        group.members.sort_by(|a, b| a.numbers.cmp(&b.numbers));
    }
    groups
}

fn groups_in_words(groups: &[Group]) -> String {
    let words = |group: &Group| match &group.members[..] {
        [only] => only.entry.to_string(),
        members => format!("{} ({} arrays)", group.pattern, members.len()),
    };
    let mut words: Vec<String> = groups.iter().map(|group| excerpt(words(group))).collect();
    if words.len() > 8 {
        let more = words.len() - 8;
        words.truncate(8);
        words.push(format!("and {more} more"));
    }
    words.join(", ")
}

/// `layer_10.attn` as `layer_*.attn` and 10. A number too large for 64 bits counts as a word.
pub(super) fn split(name: &str) -> (String, Vec<u64>) {
    let (mut pattern, mut numbers, mut digits) = (String::new(), Vec::new(), String::new());
    let flush = |pattern: &mut String, digits: &mut String, numbers: &mut Vec<u64>| {
        match digits.parse() {
            Ok(number) => {
                numbers.push(number);
                pattern.push('*');
            }
            Err(_) => pattern.push_str(digits),
        }
        digits.clear();
    };
    for letter in name.chars() {
        if letter.is_ascii_digit() {
            digits.push(letter);
        } else {
            flush(&mut pattern, &mut digits, &mut numbers);
            pattern.push(letter);
        }
    }
    flush(&mut pattern, &mut digits, &mut numbers);
    (pattern, numbers)
}
