//! `book/quoted.toml`: published numbers, each with its source; and `book/allow.toml`: numbers that may stand in the
//! prose as they are.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::fault::Fault;
use crate::html::escape;
use crate::markup::line_of;

/// A published source.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// As it is cited in a sentence, such as "Su 2023".
    pub short: String,
    /// Its title.
    pub title: String,
    /// Its authors.
    pub authors: String,
    /// When it was published.
    pub year: u32,
    /// Where it is found, as text: `arXiv 2002.07028`, or a domain and path.
    pub link: String,
    /// Numbers taken from it, by name.
    #[serde(default)]
    pub numbers: BTreeMap<String, Published>,
}

/// A published number.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The number as the source prints it.
    pub value: String,
    /// The place in the source: table, figure, section or page.
    pub place: String,
    /// What it measures.
    pub what: String,
}

/// Every source by its key.
#[derive(Clone, Debug, Default)]
pub struct Sources(pub BTreeMap<String, Source>);

impl Sources {
    /// Reads `quoted.toml`.
    ///
    /// # Errors
    /// The fault, with its line.
    pub fn read(file: &str, text: &str) -> Result<Self, Fault> {
        toml::from_str(text).map(Sources).map_err(|error| wrong(file, text, &error))
    }

    /// `{{quoted:SOURCE.key}}`: the number, with a link to its source.
    ///
    /// # Errors
    /// If there is no such number, with what is expected.
    pub fn number(&self, path: &str) -> Result<String, String> {
        let (source, key) = path.split_once('.').ok_or("SOURCE.key, both from book/quoted.toml")?;
        let found = self.source(source)?;
        let missing = || format!("a number of {source}: {}", joined(found.numbers.keys()));
        let number = found.numbers.get(key).ok_or_else(missing)?;
        let Published { value, place, what } = number;
        let title = escape(&format!("{}, {place}: {what}", found.short));
        let link = format!("href=\"bibliography.md#{source}\" title=\"{title}\"");
        Ok(format!("<a class=\"quoted\" {link}>{}</a>", escape(value)))
    }

    /// `{{cite:SOURCE}}`.
    ///
    /// # Errors
    /// If there is no such source, with what is expected.
    pub fn cite(&self, source: &str) -> Result<String, String> {
        let short = escape(&self.source(source)?.short);
        Ok(format!("<a class=\"cite\" href=\"bibliography.md#{source}\">({short})</a>"))
    }

    fn source(&self, key: &str) -> Result<&Source, String> {
        self.0.get(key).ok_or_else(|| format!("a source of book/quoted.toml: {}", joined(self.0.keys())))
    }

    /// `{{bibliography}}`: every source by its authors, with the numbers taken from it.
    pub fn bibliography(&self) -> String {
        let mut sources: Vec<_> = self.0.iter().collect();
        sources.sort_by_key(|(_, source)| (source.authors.to_lowercase(), source.year));
        let items = sources.into_iter().map(|(key, source)| {
            let Source { short, title, authors, year, link, numbers } = source;
            let number = |number: &Published| {
                let [value, what, place] =
                    [&number.value, &number.what, &number.place].map(|text| escape(text));
                format!("<li><strong>{value}</strong>: {what} ({place})</li>")
            };
            let quoted: String = numbers.values().map(number).collect();
            let quoted = match quoted.is_empty() {
                true => String::new(),
                false => format!(
                    "<details><summary>Numbers quoted from {}</summary><ul>{quoted}</ul></details>",
                    escape(short)
                ),
            };
            let [authors, title, link] = [authors, title, link].map(|text| escape(text));
            let stop = if authors.ends_with('.') { "" } else { "." };
            format!("<li id=\"{key}\">{authors}{stop} <cite>{title}</cite>. {year}. {link}.{quoted}</li>")
        });
        format!("<ul class=\"bibliography\">{}</ul>", items.collect::<String>())
    }
}

fn joined<'a>(keys: impl Iterator<Item = &'a String>) -> String {
    keys.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// A text that may stand in a chapter though it holds a decimal.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// The chapter's file name.
    pub chapter: String,
    /// The text.
    pub text: String,
    /// Why its decimal is no measured number.
    pub why: String,
}

/// Reads `allow.toml`; each entry with its line.
///
/// # Errors
/// The fault, with its line.
pub fn allowed(file: &str, text: &str) -> Result<Vec<(usize, Allowed)>, Fault> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        allow: Vec<toml::Spanned<Allowed>>,
    }
    let File { allow } = toml::from_str(text).map_err(|error| wrong(file, text, &error))?;
    Ok(allow.into_iter().map(|entry| (line_of(text, entry.span().start), entry.into_inner())).collect())
}

fn wrong(file: &str, text: &str, error: &toml::de::Error) -> Fault {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    Fault::new(file, line, error.message().trim(), "the format that src/book/src/quoted.rs describes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[su2023]\nshort = \"Su 2023\"\ntitle = \"On *why*\"\nauthors = \"J. Su\"\nyear = 2023\nlink = \"kexue.fm/archives/9529\"\n\
                        [su2023.numbers]\nloss = { value = \"13.4\", place = \"Table 2\", what = \"loss, base\" }\n";

    #[test]
    fn numbers_are_printed_with_their_source() {
        let sources = Sources::read("quoted.toml", TEXT).unwrap();
        let number = sources.number("su2023.loss").unwrap();
        let title = "title=\"Su 2023, Table 2: loss, base\"";
        assert_eq!(number, format!("<a class=\"quoted\" href=\"bibliography.md#su2023\" {title}>13.4</a>"));
        assert!(sources.cite("su2023").unwrap().contains(">(Su 2023)</a>"));
        let item = "<li id=\"su2023\">J. Su. <cite>On &#42;why&#42;</cite>. 2023.";
        assert!(sources.bibliography().contains(item));
        assert!(sources.number("su2023.x").unwrap_err().contains("loss"));
        assert!(sources.cite("su2024").unwrap_err().contains("su2023"));
    }

    #[test]
    fn a_wrong_table_is_a_fault_with_its_line() {
        let wrong = TEXT.replace("year = 2023", "year = 2023\nurl = \"x\"");
        let fault = Sources::read("quoted.toml", &wrong).unwrap_err();
        assert!(fault.what.contains("url"), "{fault}");
        let sound = "\n[[allow]]\nchapter = \"a.md\"\ntext = \"0.5\"\nwhy = \"w\"\n";
        assert_eq!(allowed("a", sound).unwrap()[0].0, 2);
        assert!(allowed("a", "[[allow]]\nchapter = \"a.md\"\n").is_err());
    }
}
