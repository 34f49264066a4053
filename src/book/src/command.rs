//! The program `rankscope`: the book shows each command with its output.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The most lines of output that a page shows.
const MOST_LINES: usize = 40;

/// The program, and its outputs so far in this build: a command runs once.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    root: PathBuf,
    printed: RefCell<BTreeMap<String, Result<String, String>>>,
}

impl Program {
    /// The program at `path`, run in the repository `root`.
    pub fn new(path: PathBuf, root: &Path) -> Self {
        Program { path, root: root.to_owned(), printed: RefCell::default() }
    }

    /// The output of the command line `rankscope …`, on the CPU.
    ///
    /// # Errors
    /// If the line is not such a command, or the command fails.
    pub fn run(&self, line: &str) -> Result<String, String> {
        if let Some(known) = self.printed.borrow().get(line) {
            return known.clone();
        }
        let printed = self.start(line);
        self.printed.borrow_mut().insert(line.to_owned(), printed.clone());
        printed
    }

    fn start(&self, line: &str) -> Result<String, String> {
        let words = words(line)?;
        let Some(("rankscope", arguments)) = words.split_first().map(|(first, rest)| (first.as_str(), rest))
        else {
            return Err("a line `rankscope …`".to_owned());
        };
        let mut command = Command::new(&self.path);
        command.args(arguments).current_dir(&self.root);
        // The same on every machine: no GPU, no colours, no width of a terminal.
        command.env("RANKSCOPE_DEVICE", "cpu").env("NO_COLOR", "1").env("COLUMNS", "100");
        let output = command.output().map_err(|error| {
            format!("{} to start ({error}); `cargo build --workspace` makes it", self.path.display())
        })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("a command that succeeds; it said: {}", said.trim().replace('\n', " ")));
        }
        String::from_utf8(output.stdout).map_err(|_| "output in UTF-8".to_owned())
    }

    /// A ```` ```run ```` block as Markdown: every command with its output.
    ///
    /// # Errors
    /// The wrong line of the block (from 0), with what is expected.
    pub fn block(&self, body: &str) -> Result<String, (usize, String)> {
        let mut text = String::new();
        for (at, line) in body.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let output = self.run(line.trim()).map_err(|why| (at, why))?;
            let output = output.trim_end();
            if output.lines().count() > MOST_LINES {
                let count = output.lines().count();
                return Err((at, format!("at most {MOST_LINES} lines of output, not {count}")));
            }
            if output.contains("````") {
                return Err((at, "output without four backticks".to_owned()));
            }
            text += &format!("$ {}\n{output}\n", line.trim());
        }
        Ok(format!("````console\n{text}````"))
    }

    /// `{{count:PRESET.KEY}}`: a number of `rankscope count PRESET --json`.
    ///
    /// # Errors
    /// If there is no such number, with what is expected.
    pub fn count(&self, path: &str) -> Result<f64, String> {
        let (preset, keys) = path.split_once('.').ok_or("PRESET.KEY, such as gpt2.parameters.total")?;
        let printed = self.run(&format!("rankscope count {preset} --json"))?;
        let json = serde_json::from_str::<Value>(&printed).map_err(|error| format!("JSON ({error})"))?;
        at_path(&json, keys)
    }
}

/// The number at a path of keys with dots between them; a list of named objects is entered by name, others by index.
pub fn at_path(json: &Value, path: &str) -> Result<f64, String> {
    // Keys may hold dots themselves, so the longest key that fits is taken.
    fn find<'a>(json: &'a Value, path: &str) -> Option<&'a Value> {
        if path.is_empty() {
            return Some(json);
        }
        let ends = [path.len()].into_iter().chain(path.rmatch_indices('.').map(|(at, _)| at));
        let deeper = |end: usize| find(enter(json, &path[..end])?, path[end..].trim_start_matches('.'));
        { ends }.find_map(deeper)
    }
    let keys = |json: &Value| match json {
        Value::Object(map) => map.keys().cloned().collect::<Vec<_>>().join(", "),
        Value::Array(list) => format!("0 to {}", list.len().saturating_sub(1)),
        _ => String::new(),
    };
    let found = find(json, path).ok_or_else(|| format!("a path that starts with one of {}", keys(json)))?;
    found.as_f64().ok_or_else(|| match keys(found) {
        inner if inner.is_empty() => "a number".to_owned(),
        inner => format!("a number; {path} has {inner}"),
    })
}

fn enter<'a>(json: &'a Value, key: &str) -> Option<&'a Value> {
    match json {
        Value::Object(map) => map.get(key),
        Value::Array(list) => {
            let named = list.iter().find(|entry| entry["name"] == key);
            named.or_else(|| list.get(key.parse::<usize>().ok()?))
        }
        _ => None,
    }
}

/// The words of a line as a shell takes them; single and double quotes hold a word together.
fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '|' | '>' | '<' | ';' | '&' | '`' | '$' | '*') => {
                return Err(format!("a plain command; {c:?} means something to a shell only"));
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a closing quote".to_owned());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_a_shell_does() {
        let split = words("rankscope rank --text 'The cat' -n  6").unwrap();
        assert_eq!(split, ["rankscope", "rank", "--text", "The cat", "-n", "6"]);
        assert_eq!(words("a 'b | c' \"\"").unwrap(), ["a", "b | c", ""]);
        assert!(words("a | b").is_err() && words("a 'b").is_err());
    }

    #[test]
    fn numbers_are_found_by_their_path() {
        let json = serde_json::json!({"p": {"total": 7, "parts": [{"name": "a.b", "n": 3}, {"name": "a", "n": 4}]}, "s": "x"});
        assert_eq!(at_path(&json, "p.total"), Ok(7.0));
        assert_eq!(at_path(&json, "p.parts.a.b.n"), Ok(3.0));
        assert_eq!(at_path(&json, "p.parts.1.n"), Ok(4.0));
        assert!(at_path(&json, "p.x").unwrap_err().contains("p, s"));
        assert!(at_path(&json, "p").unwrap_err().contains("total"));
        assert!(at_path(&json, "s").is_err());
    }
}
