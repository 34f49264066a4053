//! A chapter's Markdown, taken apart: pieces that the builder replaces, and prose and links that the check reads.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd};

/// Something in a chapter that is replaced or run.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Its bytes in the chapter.
    pub range: Range<usize>,
    /// Its kind.
    pub what: What,
}

/// The kinds of [`Piece`].
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// `{{…}}`, without the braces; `is_alone` if its paragraph holds nothing else.
    Placeholder {
        /// The text between the braces.
        text: String,
        /// Whether it is a block of its own.
        is_alone: bool,
    },
    /// LaTeX between dollars.
    Math {
        /// Without the dollars.
        latex: String,
        /// Whether it stands on lines of its own.
        is_display: bool,
    },
    /// A fenced block.
    Code {
        /// The word after the fence.
        language: String,
        /// The text between the fences.
        body: String,
    },
    /// Code by indentation, which the book does not use.
    Indented,
}

/// A link or a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Where it starts.
    pub at: usize,
    /// The target that it leads to.
    pub target: String,
    /// The text of a picture; `None` for a link.
    pub alt: Option<String>,
}

/// A chapter, taken apart.
#[derive(Debug, Default)]
pub struct Markup {
    /// In the order of the text.
    pub pieces: Vec<Piece>,
    /// Every link and picture.
    pub links: Vec<Link>,
    /// As long as the chapter: the prose at its place, spaces elsewhere.
    pub prose: String,
}

/// The options of mdBook, and maths.
fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_DEFINITION_LIST
        | Options::ENABLE_GFM
        | Options::ENABLE_MATH
}

/// Takes a chapter apart.
pub fn read(text: &str) -> Markup {
    let mut reader = Reader::default();
    for (event, range) in Parser::new_ext(text, options()).into_offset_iter() {
        reader.take(text, event, range);
    }
    let Reader { mut markup, prose, opaque, .. } = reader;
    let placeholders = placeholders(text, &opaque);
    markup.prose = masked(text, &prose, &placeholders);
    markup.pieces.extend(placeholders);
    markup.pieces.sort_by_key(|piece| piece.range.start);
    markup
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    markup: Markup,
    prose: Vec<Range<usize>>,
    /// Code and maths, in which no placeholder is looked for.
    opaque: Vec<Range<usize>>,
    /// The text of the code block that is open, and the word after its fence.
    code: Option<String>,
    language: Option<String>,
    /// The number of links that are open.
    linked: usize,
    /// The text of the picture that is open.
    alt: Option<String>,
}

impl Reader {
    fn take(&mut self, text: &str, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                self.language = match kind {
                    CodeBlockKind::Fenced(language) => Some(language.into_string()),
                    CodeBlockKind::Indented => None,
                };
                self.code = Some(String::new());
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                self.linked += 1;
                self.push_link(range.start, dest_url);
            }
            Event::Start(Tag::Image { dest_url, .. }) => {
                self.alt = Some(String::new());
                self.push_link(range.start, dest_url);
            }
            Event::End(TagEnd::Link) => self.linked -= 1,
            Event::End(TagEnd::Image) => {
                let picture = self.markup.links.iter_mut().rfind(|link| link.at == range.start);
                picture.into_iter().for_each(|picture| picture.alt = self.alt.take());
            }
            Event::End(TagEnd::CodeBlock) => {
                let body = self.code.take().unwrap_or_default();
                let language = self.language.take();
                let what = language.map_or(What::Indented, |language| What::Code { language, body });
                self.push_opaque(range, what);
            }
            Event::Text(part) => match (&mut self.code, &mut self.alt) {
                (Some(body), _) | (None, Some(body)) => body.push_str(&part),
                (None, None) if self.linked == 0 => self.prose.push(range),
                (None, None) => {}
            },
            Event::Html(_) | Event::InlineHtml(_) => self.prose.extend(outside_tags(text, range)),
            Event::Code(_) => self.opaque.push(range),
            Event::InlineMath(latex) => self.push_opaque(range, math(latex, false)),
            Event::DisplayMath(latex) => self.push_opaque(range, math(latex, true)),
            _ => {}
        }
    }

    fn push_link(&mut self, at: usize, target: CowStr<'_>) {
        self.markup.links.push(Link { at, target: target.into_string(), alt: None });
    }

    fn push_opaque(&mut self, range: Range<usize>, what: What) {
        self.opaque.push(range.clone());
        self.markup.pieces.push(Piece { range, what });
    }
}

fn math(latex: CowStr<'_>, is_display: bool) -> What {
    What::Math { latex: latex.into_string(), is_display }
}

/// The parts of an HTML range that are outside its tags.
fn outside_tags(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let (mut parts, mut start, mut in_tag) = (Vec::new(), range.start, false);
    for (at, c) in text[range.clone()].char_indices().map(|(at, c)| (range.start + at, c)) {
        match c {
            '<' if !in_tag => {
                parts.push(start..at);
                in_tag = true;
            }
            '>' if in_tag => {
                start = at + 1;
                in_tag = false;
            }
            _ => {}
        }
    }
    if !in_tag {
        parts.push(start..range.end);
    }
    parts
}

/// Every `{{…}}` that starts with a lower-case word, outside code and maths.
fn placeholders(text: &str, opaque: &[Range<usize>]) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find("{{").map(|at| from + at) {
        from = start + 2;
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let Some(end) = text[start..line_end].find("}}").map(|at| start + at) else { continue };
        if opaque.iter().any(|range| range.contains(&start)) {
            continue;
        }
        let range = start..end + 2;
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let is_alone = text[line_start..start].trim().is_empty()
            && text[range.end..line_end].trim().is_empty()
            && text[..line_start].lines().next_back().is_none_or(|line| line.trim().is_empty())
            && text[line_end..].lines().nth(1).is_none_or(|line| line.trim().is_empty());
        let what = What::Placeholder { text: text[start + 2..end].trim().to_owned(), is_alone };
        from = range.end;
        found.push(Piece { range, what });
    }
    found
}

/// `text` where it is prose and no placeholder; spaces elsewhere, byte for byte, so that lines keep their numbers.
fn masked(text: &str, prose: &[Range<usize>], placeholders: &[Piece]) -> String {
    let mut kept = vec![false; text.len()];
    prose.iter().for_each(|range| kept[range.clone()].fill(true));
    placeholders.iter().for_each(|piece| kept[piece.range.clone()].fill(false));
    let mask = |(at, c): (usize, char)| match c {
        '\n' => "\n".to_owned(),
        c if kept[at] => c.to_string(),
        c => " ".repeat(c.len_utf8()),
    };
    text.char_indices().map(mask).collect()
}

/// The line of a byte, from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    1 + text[..at.min(text.len())].matches('\n').count()
}

/// `text` with the range of each replacement replaced.
pub fn replaced(text: &str, mut replacements: Vec<(Range<usize>, String)>) -> String {
    replacements.sort_by_key(|(range, _)| range.start);
    let (mut result, mut from) = (String::new(), 0);
    for (range, new) in replacements {
        // A replacement inside a range that was replaced already is left out.
        if range.start >= from {
            result.push_str(&text[from..range.start]);
            result.push_str(&new);
            from = range.end;
        }
    }
    result + &text[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<String> {
        let name = |piece: &Piece| match &piece.what {
            What::Placeholder { text, is_alone } => format!("{text}{}", if *is_alone { "!" } else { "" }),
            What::Math { latex, is_display } => format!("{latex}{}", if *is_display { "!" } else { "" }),
            What::Code { language, body } => format!("{language}:{body}"),
            What::Indented => "indented".into(),
        };
        read(text).pieces.iter().map(name).collect()
    }

    #[test]
    fn pieces_are_found_outside_code_only() {
        let text = "A {{claim:a-b.c_d:.2}} of $x_1$ and `{{no}}`.\n\n{{trial:a-b}}\n\n```run\nrankscope {{no}}\n```\n\n\
                    $$\n{{x}}_{y}\n$$\n\n    code\n";
        let found =
            ["claim:a-b.c_d:.2", "x_1", "trial:a-b!", "run:rankscope {{no}}\n", "\n{{x}}_{y}\n!", "indented"];
        assert_eq!(kinds(text), found);
    }

    #[test]
    fn prose_is_what_is_neither_code_nor_maths_nor_link_nor_placeholder() {
        let text = "Five **is** 5.1 `6.1` $7.1$ [8.1](a.md) {{claim:x.y:.2}} <b title=\"9.1\">10.1</b>\n\n| a |\n|---|\n| 2.5 |\n";
        let prose = read(text).prose;
        assert_eq!(prose.len(), text.len());
        for number in ["5.1", "6.1", "7.1", "8.1", ".2", "9.1", "10.1", "2.5"] {
            let is_prose = ["5.1", "10.1", "2.5"].contains(&number);
            assert_eq!(prose.contains(number), is_prose, "{number}");
        }
    }

    #[test]
    fn links_and_pictures_are_found_with_their_places() {
        let text = "See [a](b.md#c).\n\n![a *good* view](d.png)\n";
        let links = read(text).links;
        assert_eq!(links.len(), 2);
        assert_eq!((links[0].target.as_str(), &links[0].alt), ("b.md#c", &None));
        assert_eq!((links[1].target.as_str(), links[1].alt.as_deref()), ("d.png", Some("a good view")));
        assert_eq!(line_of(text, links[1].at), 3);
    }

    #[test]
    fn replacements_keep_what_is_between() {
        let replacements = vec![(4..5, "!".into()), (1..3, "".into()), (2..3, "no".into())];
        assert_eq!(replaced("abcdef", replacements), "ad!f");
    }
}
