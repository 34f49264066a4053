//! The cells of this session, for `history_request`.

use std::collections::HashSet;

use jupyter_protocol::{HistoryEntry, HistoryRequest};

/// Jupyter numbers sessions backwards from the present one, which is 0.
const SESSION: usize = 0;

/// One cell that was stored.
struct Entry {
    line: usize,
    input: String,
}

/// The cells that were run, in order.
#[derive(Default)]
pub struct History(Vec<Entry>);

impl History {
    /// Remembers a cell.
    pub fn push(&mut self, line: usize, input: &str) {
        self.0.push(Entry { line, input: input.to_owned() });
    }

    /// Answers a request. Only this session is kept: a request for another session gets an empty answer.
    pub fn answer(&self, request: &HistoryRequest) -> Vec<HistoryEntry> {
        match request {
            HistoryRequest::Tail { n, output, .. } => wrap(last(self.0.iter().collect(), *n), *output),
            HistoryRequest::Range { session, start, stop, output, .. } => {
                if session.unwrap_or(0) != 0 {
                    return Vec::new();
                }
                let stop = if *stop <= 0 { i64::MAX } else { i64::from(*stop) };
                let wanted = i64::from(*start)..stop;
                let entries = self.0.iter().filter(|entry| wanted.contains(&(entry.line as i64)));
                wrap(entries.collect(), *output)
            }
            HistoryRequest::Search { pattern, unique, output, n, .. } => {
                let mut found: Vec<&Entry> =
                    self.0.iter().filter(|entry| matches(pattern, &entry.input)).collect();
                if *unique {
                    let mut seen = HashSet::new();
                    found.reverse();
                    found.retain(|entry| seen.insert(&entry.input));
                    found.reverse();
                }
                wrap(last(found, *n), *output)
            }
        }
    }
}

fn last(entries: Vec<&Entry>, n: i32) -> Vec<&Entry> {
    let from = if n <= 0 { 0 } else { entries.len().saturating_sub(n as usize) };
    entries[from..].to_vec()
}

/// Outputs are not kept: a client that asks for them gets empty ones.
fn wrap(entries: Vec<&Entry>, output: bool) -> Vec<HistoryEntry> {
    let wrap = |entry: &Entry| match output {
        true => HistoryEntry::InputOutput(SESSION, entry.line, (entry.input.clone(), String::new())),
        false => HistoryEntry::Input(SESSION, entry.line, entry.input.clone()),
    };
    entries.into_iter().map(wrap).collect()
}

/// Shell-like patterns: `*` is any text, `?` any character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // reached[j]: the pattern so far matches the first j characters.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for sign in pattern {
        let mut next = vec![false; text.len() + 1];
        for j in 0..=text.len() {
            next[j] = match sign {
                '*' => reached[j] || (j > 0 && next[j - 1]),
                '?' => j > 0 && reached[j - 1],
                sign => j > 0 && reached[j - 1] && text[j - 1] == sign,
            };
        }
        reached = next;
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(entries: Vec<HistoryEntry>) -> Vec<usize> {
        let line = |entry| match entry {
            HistoryEntry::Input(_, line, _) | HistoryEntry::InputOutput(_, line, _) => line,
        };
        entries.into_iter().map(line).collect()
    }

    fn history() -> History {
        let mut history = History::default();
        for (line, input) in ["let a = 1;", "a", "let b = 2;", "a"].iter().enumerate() {
            history.push(line + 1, input);
        }
        history
    }

    #[test]
    fn tail_range_and_search() {
        let history = history();
        let tail = HistoryRequest::Tail { n: 2, output: false, raw: true };
        assert_eq!(lines(history.answer(&tail)), [3, 4]);
        let range = |session, start, stop| {
            let range = HistoryRequest::Range { session, start, stop, output: true, raw: true };
            lines(history.answer(&range))
        };
        assert_eq!(range(None, 2, 4), [2, 3]);
        assert_eq!(range(Some(0), 3, 0), [3, 4]);
        assert!(range(Some(-1), 0, 9).is_empty(), "another session");
        let search = |pattern: &str, unique| {
            let pattern = pattern.to_owned();
            lines(history.answer(&HistoryRequest::Search { pattern, unique, output: false, raw: true, n: 9 }))
        };
        assert_eq!(search("let ? = *", false), [1, 3]);
        assert_eq!(search("a", false), [2, 4]);
        assert_eq!(search("a", true), [4]);
        assert!(search("let", false).is_empty());
    }
}
