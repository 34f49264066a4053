//! [`Lesson`]: a lab in a state, with a question to predict; as a file, in an exported figure, and as a link.
//!
//! ```json
//! {
//!   "version": 1,
//!   "lab": "mask",
//!   "title": "One future token costs a rank",
//!   "prompt": "Which of the two matrices has the smaller rank?",
//!   "note": "What the class should see, and where to go on.",
//!   "state": { "n": 32 },
//!   "layout": { "row": [[1.0, { "panel": "mask" }], [2.0, { "panel": "spectrum" }]] }
//! }
//! ```
//!
//! A link holds the same fields: `rankscope://mask?title=…&prompt=…&note=…&state=<JSON>&layout=<JSON>`;
//! `rankscope://lesson/02` opens the second of the lessons that come with the program.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::lab::{self, Layout};

/// The version of files that this program writes, and the newest that it reads.
const VERSION: u32 = 1;
/// The largest size of a lesson's file.
const MOST_BYTES: u64 = 16 << 20;
/// The scheme with which a link begins.
pub const SCHEME: &str = "rankscope";

/// A lab in a state, with a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    pub(super) version: u32,
    /// Which lab: its id.
    pub lab: String,
    /// What the lesson is called.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The question, to be answered before looking.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prompt: String,
    /// For the teacher: what to see, and where to go on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The lab's state.
    pub state: Value,
    /// Where its panels stand; the lab's default if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
}

impl Lesson {
    /// A lab's state alone.
    pub fn new(lab: &str, state: Value) -> Self {
        let (title, prompt, note) = Default::default();
        Lesson { version: VERSION, lab: lab.to_owned(), title, prompt, note, state, layout: None }
    }

    /// Reads JSON, or an SVG or PNG file that carries it.
    ///
    /// # Errors
    /// One sentence that names what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = match bytes {
            [0x89, b'P', b'N', b'G', ..] => of_png(bytes)?,
            _ => std::str::from_utf8(bytes)
                .map_err(|_| "this is no lesson: neither text nor PNG".to_owned())?
                .to_owned(),
        };
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let json = if text.starts_with('<') { of_svg(text)? } else { text.to_owned() };
        let lesson: Lesson =
            serde_json::from_str(&json).map_err(|error| format!("this is no lesson: {error}"))?;
        lesson.checked()
    }

    fn checked(self) -> Result<Self, String> {
        if self.version > VERSION {
            let version = self.version;
            return Err(format!(
                "the lesson has version {version}, expected at most {VERSION}: a newer rankscope wrote it"
            ));
        }
        lab::named(&self.lab)?;
        Ok(self)
    }

    /// Reads a lesson, an exported SVG or an exported PNG.
    ///
    /// # Errors
    /// One line that names the file and what is wrong.
    pub fn read(path: &Path) -> Result<Self, String> {
        let named = |problem: String| format!("{}: {problem}", path.display());
        let size = std::fs::metadata(path).map_err(|error| named(error.to_string()))?.len();
        if size > MOST_BYTES {
            return Err(named(format!("{size} bytes, expected at most {MOST_BYTES}: this is no lesson")));
        }
        let bytes = std::fs::read(path).map_err(|error| named(error.to_string()))?;
        Lesson::parse(&bytes).map_err(named)
    }

    /// Reads a link; `shipped` returns a lesson that comes with the program, by its name.
    ///
    /// # Errors
    /// One sentence that names what is wrong.
    pub fn of_link(link: &str, shipped: impl Fn(&str) -> Result<Lesson, String>) -> Result<Self, String> {
        let problem = |what: String| format!("the link cannot be opened: {what}");
        let url = Url::parse(link).map_err(|error| problem(error.to_string()))?;
        let lab = url.host_str().unwrap_or_default();
        if url.scheme() != SCHEME || lab.is_empty() {
            return Err(problem(format!("{link:?} does not begin with {SCHEME}://LAB")));
        }
        if lab == "lesson" {
            return shipped(url.path().trim_matches('/'));
        }
        let mut lesson = Lesson::new(lab, Value::Object(Default::default()));
        for (name, value) in url.query_pairs() {
            let json = || serde_json::from_str(&value).map_err(|error| problem(format!("{name}: {error}")));
            match &*name {
                "title" => lesson.title = value.into_owned(),
                "prompt" => lesson.prompt = value.into_owned(),
                "note" => lesson.note = value.into_owned(),
                "state" => lesson.state = json()?,
                "layout" => {
                    let layout = serde_json::from_value(json()?);
                    lesson.layout = Some(layout.map_err(|error| problem(format!("layout: {error}")))?);
                }
                _ => {
                    let known = "title, prompt, note, state or layout";
                    return Err(problem(format!("it has {name:?}, expected {known}")));
                }
            }
        }
        lesson.checked().map_err(problem)
    }

    /// The lesson as a link.
    pub fn link(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, text) in [("title", &self.title), ("prompt", &self.prompt), ("note", &self.note)] {
            if !text.is_empty() {
                query.append_pair(name, text);
            }
        }
        query.append_pair("state", &self.state.to_string());
        if let Some(layout) = self.layout.as_ref().and_then(|layout| serde_json::to_string(layout).ok()) {
            query.append_pair("layout", &layout);
        }
        format!("{SCHEME}://{}?{}", self.lab, query.finish())
    }

    /// The lesson as files and figures hold it.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The file's bytes.
    pub fn to_file(&self) -> String {
        format!("{:#}\n", self.to_json())
    }
}

/// The lesson in an SVG's metadata.
fn of_svg(text: &str) -> Result<String, String> {
    let inner = text.split_once("<metadata>").and_then(|(_, rest)| rest.split_once("</metadata>"));
    let (inner, _) = inner.ok_or("this SVG carries no lesson (no <metadata>)")?;
    let marks =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&amp;", "&")];
    Ok(marks.iter().fold(inner.to_owned(), |text, (mark, plain)| text.replace(mark, plain)))
}

/// The lesson in a PNG's text of keyword `rankscope`.
fn of_png(bytes: &[u8]) -> Result<String, String> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_ignore_text_chunk(false);
    let reader = decoder.read_info().map_err(|error| format!("this PNG cannot be read: {error}"))?;
    let texts = &reader.info().utf8_text;
    let text = texts.iter().find(|text| text.keyword == "rankscope").map(|text| text.get_text());
    text.and_then(Result::ok).ok_or_else(|| "this PNG carries no lesson".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lab::LABS;

    fn lesson() -> Lesson {
        Lesson {
            title: "A & B <c> \"d\" 'e'".to_owned(),
            prompt: "Was kommt heraus? 爱 %20+".to_owned(),
            layout: Some(Layout::row([(1.0, Layout::panel("a")), (2.5, Layout::tabs(["b", "c"]))])),
            ..Lesson::new(LABS[0].id, json!({ "text": "x&y", "numbers": [1, 2.5] }))
        }
    }

    fn nothing(name: &str) -> Result<Lesson, String> {
        Err(format!("no lesson {name}"))
    }

    #[test]
    fn files_links_and_figures_carry_the_whole_lesson() {
        let lesson = lesson();
        assert_eq!(Lesson::parse(lesson.to_file().as_bytes()), Ok(lesson.clone()));
        assert_eq!(Lesson::of_link(&lesson.link(), nothing), Ok(lesson.clone()));
        let figure = rankscope::figure::Heatmap {
            title: "weights".into(),
            values: ndarray::array![[1.0]],
            may_attend: None,
            queries: vec!["a".into()],
            keys: vec!["a".into()],
            scale: rankscope::figure::Scale::Amount,
            unit: "weight".into(),
            settings: lesson.to_json(),
        };
        use rankscope::figure::{Figure, style::Theme};
        assert_eq!(Lesson::parse(figure.to_svg(Theme::Light).unwrap().as_bytes()), Ok(lesson.clone()));
        assert_eq!(Lesson::parse(&figure.to_png(Theme::Dark).unwrap()), Ok(lesson));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named() {
        let lab = LABS[0].id;
        for (text, part) in [
            ("", "EOF"),
            ("{", "EOF"),
            ("[]", "invalid length 0"),
            ("{\"version\": 1}", "missing field `lab`"),
            ("<svg></svg>", "carries no lesson"),
            ("<svg><metadata>{}</metadata></svg>", "missing field"),
            ("\u{0}\u{1}", "this is no lesson"),
        ] {
            let error = Lesson::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(part) && !error.contains('\n'), "{text:?}: {error}");
        }
        for (version, lab, extra, part) in [
            (2, lab, "", "a newer rankscope"),
            (1, "maks", "", "there is no lab \"maks\", expected one of"),
            (1, lab, ", \"colour\": 3", "unknown field `colour`"),
        ] {
            let text = format!("{{\"version\": {version}, \"lab\": \"{lab}\", \"state\": {{}}{extra}}}");
            let error = Lesson::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        for bytes in [&[0xff, 0xfe, 0x00][..], b"\x89PNG\r\n\x1a\nrubbish"] {
            assert!(Lesson::parse(bytes).is_err());
        }
        let missing = Lesson::read(Path::new("no/such.json")).unwrap_err();
        assert!(missing.starts_with("no/such.json: "), "{missing}");
    }

    #[test]
    fn links_with_nonsense_are_named() {
        for (link, part) in [
            ("rankscope", "relative URL"),
            ("http://mask", "does not begin with rankscope://LAB"),
            ("rankscope://", "does not begin with"),
            ("rankscope://nowhere?state={}", "there is no lab \"nowhere\""),
            ("rankscope://lesson/99", "no lesson 99"),
        ] {
            let error = Lesson::of_link(link, nothing).unwrap_err();
            assert!(error.contains(part), "{link}: {error}");
        }
        let lab = LABS[0].id;
        for (query, part) in
            [("state={", "state: EOF"), ("colour=3", "it has \"colour\""), ("layout=3", "layout: ")]
        {
            let error = Lesson::of_link(&format!("rankscope://{lab}?{query}"), nothing).unwrap_err();
            assert!(error.contains(part), "{query}: {error}");
        }
    }
}
