//! The rule of "mine" in the mask language: its numbers that can be dragged, and how it is combined with other masks.

use rankscope::Mask;
use serde::{Deserialize, Serialize};

/// A number of the rule that shows as an edge in the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    /// Where the edge runs.
    pub edge: Edge,
    /// The number.
    pub value: usize,
    /// Where its digits stand in the text: first byte, and the byte after the last.
    digits: (usize, usize),
}

/// Where an edge runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Upright, before this key: `prefix`, `padding`.
    Key,
    /// Along the diagonal, this far below it: `window`.
    Below,
    /// Along the diagonal on both sides: `two-sided-window`.
    BothSides,
}

const EDGES: [(&str, Edge); 4] = [
    ("prefix", Edge::Key),
    ("padding", Edge::Key),
    ("two-sided-window", Edge::BothSides),
    ("window", Edge::Below),
];

/// The handles of `rule`, from left to right.
pub fn handles(rule: &str) -> Vec<Handle> {
    let mut handles = Vec::new();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut at = 0;
    while at < rule.len() {
        let rest = &rule[at..];
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let word = rest[..length].replace('_', "-");
        if let Some((_, edge)) = EDGES.into_iter().find(|(name, _)| *name == word) {
            let after = &rest[length..];
            let start =
                after.find(|c: char| c != '(' && c != ':' && !c.is_whitespace()).unwrap_or(after.len());
            let count = after[start..].find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len() - start);
            if let Ok(value) = after[start..start + count].parse() {
                let first = at + length + start;
                handles.push(Handle { edge, value, digits: (first, first + count) });
            }
        }
        at += length.max(rest.chars().next().map_or(1, char::len_utf8));
    }
    handles
}

/// `rule` with another number at its handle `index`; `None` where there is no such handle.
pub fn moved(rule: &str, index: usize, value: usize) -> Option<String> {
    let handle = *handles(rule).get(index)?;
    let least = usize::from(handle.edge != Edge::Key);
    let (first, end) = handle.digits;
    Some(format!("{}{}{}", &rule[..first], value.max(least), &rule[end..]))
}

/// How another mask is combined with the rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compose {
    /// Replaces the rule.
    #[default]
    Instead,
    /// Where both allow: `&`.
    And,
    /// Where one allows: `|`.
    Or,
    /// Where the rule allows and the other does not: `& !`.
    AndNot,
}

impl Compose {
    /// All of them.
    pub const ALL: [Compose; 4] = [Compose::Instead, Compose::And, Compose::Or, Compose::AndNot];

    /// The name on its button.
    pub fn name(self) -> &'static str {
        match self {
            Compose::Instead => "instead",
            Compose::And => "and",
            Compose::Or => "or",
            Compose::AndNot => "and not",
        }
    }

    /// The combined rule.
    pub fn of(self, rule: Mask, other: Mask) -> Mask {
        match self {
            Compose::Instead => other,
            Compose::And => rule & other,
            Compose::Or => rule | other,
            Compose::AndNot => rule & !other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(rule: &str) -> Vec<(Edge, usize)> {
        handles(rule).iter().map(|handle| (handle.edge, handle.value)).collect()
    }

    #[test]
    fn numbers_that_are_edges_are_found() {
        assert_eq!(edges("prefix(8)"), [(Edge::Key, 8)]);
        assert_eq!(edges("prefix:8 & !window( 12 )"), [(Edge::Key, 8), (Edge::Below, 12)]);
        assert_eq!(edges("two_sided_window(3)|padding(5)"), [(Edge::BothSides, 3), (Edge::Key, 5)]);
        assert!(edges("causal | global(3) | prefix() é prefix(99999999999999999999999)").is_empty());
    }

    #[test]
    fn an_edge_moves_and_the_rest_of_the_rule_stays() {
        assert_eq!(moved("prefix(8) & window(12)", 1, 3).unwrap(), "prefix(8) & window(3)");
        assert_eq!(moved("prefix:8 & window(12)", 0, 10).unwrap(), "prefix:10 & window(12)");
        assert_eq!(moved("window(2)", 0, 0).unwrap(), "window(1)", "a window of 0 is none");
        assert_eq!(moved("prefix(2)", 0, 0).unwrap(), "prefix(0)");
        assert_eq!(moved("causal", 0, 3), None);
    }

    #[test]
    fn masks_are_put_together_as_they_are_written() {
        let rule = |how: Compose| how.of(Mask::causal(), Mask::prefix(2)).to_string();
        let all = Compose::ALL.map(rule);
        assert_eq!(all, ["prefix(2)", "causal & prefix(2)", "causal | prefix(2)", "causal & !prefix(2)"]);
    }
}
