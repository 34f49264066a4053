//! [`Book`]: the chapters, and everything that the builder puts into them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rankscope::numbers::grouped;

use crate::command::Program;
use crate::fault::Fault;
use crate::figure::{self, Drawn, Spec};
use crate::html::escape;
use crate::markup::{self, Markup, Piece, What, line_of};
use crate::number::Format;
use crate::quoted::{Allowed, Sources, allowed};
use crate::runs::Runs;
use crate::trials::Trials;
use crate::{math, trial, widget};

/// A chapter as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Chapter {
    /// Its file in `book/src`.
    pub name: String,
    /// Its Markdown.
    pub text: String,
}

impl Chapter {
    /// Its file from the root of the repository, as faults name it.
    pub fn file(&self) -> String {
        format!("book/src/{}", self.name)
    }

    /// A fault at a byte of the chapter's text.
    pub fn fault(&self, at: usize, what: impl Into<String>, expected: impl Into<String>) -> Fault {
        Fault::new(&self.file(), line_of(&self.text, at), what, expected)
    }

    /// A fault at a line (from 0) of the block that starts at a byte of the text.
    fn fault_in_block(&self, at: usize, line: usize, what: &str, expected: &str) -> Fault {
        Fault::new(&self.file(), line_of(&self.text, at) + 1 + line, what, expected)
    }

    /// Every figure block: where its text starts, and the block or its fault.
    pub fn figures(&self, markup: &Markup) -> Vec<(usize, Result<Spec, Fault>)> {
        let blocks = markup.pieces.iter().filter_map(|piece| match &piece.what {
            What::Code { language, body } if language == "figure" => Some((piece.range.start, body)),
            _ => None,
        });
        let read = |(at, body): (usize, &String)| {
            let described = "a figure as src/book/src/figure/mod.rs describes it";
            let spec =
                Spec::read(body).map_err(|(line, what)| self.fault_in_block(at, line, &what, described));
            (at, spec)
        };
        blocks.map(read).collect()
    }

    /// The number of a figure: the chapter's own, where it has one, and `nth` in it, from 1.
    fn figure_number(&self, nth: usize) -> String {
        match self.name.split('-').next().and_then(|first| first.parse::<usize>().ok()) {
            Some(chapter) => format!("{chapter}.{nth}"),
            None => nth.to_string(),
        }
    }
}

/// The book, and the sources of its numbers and figures; each number and figure is computed once.
#[derive(Debug)]
pub struct Book {
    /// The root of the repository.
    pub root: PathBuf,
    /// The chapters that are written, in the order of `SUMMARY.md`.
    pub chapters: Vec<Chapter>,
    /// The chapters that `SUMMARY.md` names and whose files do not exist.
    pub missing: Vec<(usize, String)>,
    /// Published sources.
    pub sources: Sources,
    /// Decimals that may stand in the prose, with their lines in `allow.toml`.
    pub allowed: Vec<(usize, Allowed)>,
    /// The faults of the tables `quoted.toml` and `allow.toml`.
    pub faults: Vec<Fault>,
    program: Program,
    trials: Trials,
    runs: Runs,
}

impl Book {
    /// Reads the book under `root`; `program` is the command line `rankscope`.
    ///
    /// # Errors
    /// If `SUMMARY.md` cannot be read.
    pub fn open(root: &Path, program: PathBuf) -> anyhow::Result<Self> {
        let folder = root.join("book/src");
        let summary = std::fs::read_to_string(folder.join("SUMMARY.md"))?;
        let (mut chapters, mut missing) = (Vec::new(), Vec::new());
        for link in markup::read(&summary).links {
            match std::fs::read_to_string(folder.join(&link.target)) {
                Ok(text) => chapters.push(Chapter { name: link.target, text }),
                Err(_) => missing.push((line_of(&summary, link.at), link.target)),
            }
        }
        let mut faults = Vec::new();
        let table = |name: &str| std::fs::read_to_string(root.join("book").join(name)).unwrap_or_default();
        let sources = Sources::read("book/quoted.toml", &table("quoted.toml")).unwrap_or_else(|fault| {
            faults.push(fault);
            Sources::default()
        });
        let allowed = allowed("book/allow.toml", &table("allow.toml")).unwrap_or_else(|fault| {
            faults.push(fault);
            Vec::new()
        });
        let (program, runs) = (Program::new(program, root), Runs::new(root));
        Ok(Book {
            root: root.to_owned(),
            chapters,
            missing,
            sources,
            allowed,
            faults,
            program,
            trials: Trials::default(),
            runs,
        })
    }

    /// A chapter as mdBook takes it, and its faults; each fault is also shown in the text, marked.
    pub fn render(&self, chapter: &Chapter) -> (String, Vec<Fault>) {
        let markup = markup::read(&chapter.text);
        let (mut faults, mut replacements) = (Vec::new(), Vec::new());
        let mut figures = chapter.figures(&markup).into_iter().enumerate();
        for Piece { range, what } in &markup.pieces {
            let new = match what {
                What::Placeholder { text, is_alone } => {
                    self.placeholder(text, *is_alone).map_err(|expected| {
                        chapter.fault(range.start, format!("the placeholder {{{{{text}}}}}"), expected)
                    })
                }
                What::Math { latex, is_display } => math::mathml(latex, *is_display).map_err(|error| {
                    chapter.fault(range.start, format!("LaTeX: {error}"), "a formula that is read")
                }),
                What::Code { language, body } if language == "run" => {
                    self.program.block(body).map_err(|(line, expected)| {
                        chapter.fault_in_block(range.start, line, "this command", &expected)
                    })
                }
                What::Code { language, .. } if language == "figure" => {
                    let Some((nth, (at, spec))) = figures.next() else { continue };
                    let number = chapter.figure_number(nth + 1);
                    spec.and_then(|spec| {
                        self.figure(&spec, &number).map_err(|expected| {
                            chapter.fault(at, format!("the figure {}", spec.id), expected)
                        })
                    })
                }
                What::Code { .. } | What::Indented => continue,
            };
            let new = new.unwrap_or_else(|fault| {
                let mark = format!("<strong class=\"fault\">{}</strong>", escape(&fault.to_string()));
                faults.push(fault);
                mark
            });
            replacements.push((range.clone(), new));
        }
        (markup::replaced(&chapter.text, replacements), faults)
    }

    /// The text or HTML that replaces `{{text}}`.
    ///
    /// # Errors
    /// If the placeholder is wrong, with what is expected.
    fn placeholder(&self, text: &str, is_alone: bool) -> Result<String, String> {
        const KINDS: &str = "claim:ID.NAME, verdict:ID.ARENA, count:PRESET.KEY, run:NAME.KEY, quoted:SOURCE.KEY, \
                             cite:SOURCE, trial:ID, verdicts, bibliography or widget:NAME";
        let (kind, path) = text.split_once(':').unwrap_or((text, ""));
        let is_block = ["trial", "verdicts", "bibliography", "widget"].contains(&kind);
        if is_block && !is_alone {
            return Err("a paragraph of its own, with a blank line before and after".to_owned());
        }
        match kind {
            "claim" => self.claim(path),
            "verdict" => {
                let (id, arena) = path.split_once('.').ok_or("ID.exact, ID.floating or ID.trained")?;
                trial::ruling(self.trials.get(id)?, arena).map(str::to_owned)
            }
            "count" => {
                let (path, format) = with_format(path)?;
                let title = format!("rankscope count {}", path.split('.').next().unwrap_or_default());
                Ok(number(exact(self.program.count(path)?, format), &title))
            }
            "run" => {
                let (path, format) = with_format(path)?;
                Ok(number(exact(self.runs.number(path)?, format), &format!("of the run {path}")))
            }
            "quoted" => self.sources.number(path),
            "cite" => self.sources.cite(path),
            "trial" => Ok(trial::block(self.trials.get(path)?, self.trials.longer(path)?.as_ref())),
            "verdicts" => {
                let chapters = self.chapters_of_claims();
                let trials = self.trials.all().collect::<Result<Vec<_>, _>>()?;
                Ok(trial::table(
                    trials.into_iter().map(|trial| (trial, chapters.get(trial.about.id).cloned())),
                ))
            }
            "bibliography" => Ok(self.sources.bibliography()),
            "widget" => widget::block(path),
            _ => Err(KINDS.to_owned()),
        }
    }

    fn claim(&self, path: &str) -> Result<String, String> {
        let (path, format) = with_format(path)?;
        let (id, name) =
            path.split_once('.').ok_or("ID.NAME, as `rankscope claims run ID --json` names it")?;
        let measured = self.trials.measured(id, name)?;
        let title = format!("measured by rankscope claims run {id}: {}", measured.in_words());
        let text = format.unwrap_or(Format::Short).write(measured.value);
        Ok(number(text, &title))
    }

    /// Draws a figure; `number` stands in its caption.
    fn figure(&self, spec: &Spec, number: &str) -> Result<String, String> {
        let notebook = self.notebook(&spec.notebook).unwrap_or_else(|| spec.notebook.clone());
        Ok(figure::block(spec, &self.draw(spec)?, number, &notebook))
    }

    /// Draws a figure.
    ///
    /// # Errors
    /// If the block is wrong, with what is expected.
    pub fn draw(&self, spec: &Spec) -> Result<Drawn, String> {
        figure::draw(spec, &self.trials, &self.runs)
    }

    /// The file name of the notebook that starts so, if there is exactly one.
    pub fn notebook(&self, start: &str) -> Option<String> {
        let names = std::fs::read_dir(self.root.join("notebooks"))
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut found =
            names.filter(|name| !start.is_empty() && name.starts_with(start) && name.ends_with(".ipynb"));
        found.next().filter(|_| found.next().is_none())
    }

    /// Whether the app has a lab of this name.
    pub fn has_lab(&self, name: &str) -> bool {
        self.root.join(format!("src/app/src/labs/{name}/mod.rs")).is_file()
    }

    /// The ids of the claims that are on trial in a chapter, each with the first such chapter.
    fn chapters_of_claims(&self) -> BTreeMap<String, String> {
        let mut chapters = BTreeMap::new();
        for chapter in &self.chapters {
            for piece in markup::read(&chapter.text).pieces {
                if let What::Placeholder { text, .. } = piece.what
                    && let Some(id) = text.strip_prefix("trial:")
                {
                    chapters.entry(id.to_owned()).or_insert_with(|| chapter.name.clone());
                }
            }
        }
        chapters
    }
}

/// The path and the format after its last colon, if there is one.
fn with_format(path: &str) -> Result<(&str, Option<Format>), String> {
    match path.rsplit_once(':') {
        None => Ok((path, None)),
        Some((path, format)) => match Format::read(format) {
            Some(format) => Ok((path, Some(format))),
            None => Err(format!("a format such as :.2 or :e1, not {format:?}")),
        },
    }
}

/// A count in full, with commas between its thousands.
fn exact(value: f64, format: Option<Format>) -> String {
    match format {
        None if value.fract() == 0.0 && (0.0..1e18).contains(&value) => grouped(value as u128),
        format => format.unwrap_or(Format::Short).write(value),
    }
}

/// A computed number; its title names the computation.
fn number(text: String, title: &str) -> String {
    format!("<span class=\"computed\" title=\"{}\">{text}</span>", escape(title))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A book of one chapter, in a folder of its own; its program is not there.
    fn render(text: &str) -> (String, Vec<Fault>) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("book/src");
        std::fs::create_dir_all(&folder).unwrap();
        let summary = "# Summary\n\n- [Rank](03-rank.md)\n- [Later](04-later.md)\n";
        std::fs::write(folder.join("SUMMARY.md"), summary).unwrap();
        std::fs::write(folder.join("03-rank.md"), text).unwrap();
        let quoted = "[su2023]\nshort = \"Su 2023\"\ntitle = \"T\"\nauthors = \"J. Su\"\nyear = 2023\nlink = \"a.b\"\n\
                      numbers = { loss = { value = \"13.4\", place = \"Table 2\", what = \"loss\" } }\n";
        std::fs::write(root.path().join("book/quoted.toml"), quoted).unwrap();
        let book = Book::open(root.path(), root.path().join("rankscope")).unwrap();
        assert_eq!(book.missing, [(4, "04-later.md".to_owned())]);
        assert_eq!(book.faults, []);
        book.render(&book.chapters[0])
    }

    #[test]
    fn sound_text_is_filled_in_without_a_fault() {
        let (text, faults) = render(
            "# Rank\n\nA {{claim:mask-tells-order.earlier_change_causal_depth1:e1}}, {{verdict:mask-tells-order.exact}}, {{quoted:su2023.loss}} {{cite:su2023}} $x_1$.\n\n\
             {{trial:mask-tells-order}}\n\n{{bibliography}}\n",
        );
        assert_eq!(faults, []);
        assert!(!text.contains("{{") && !text.contains("class=\"fault\""), "{text}");
        let (trial, source) = ("id=\"trial-mask-tells-order\"", "<li id=\"su2023\">");
        for part in ["refuted", ">13.4</a>", "(Su 2023)", "<math", trial, source] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_a_fault_with_its_line_and_is_marked_in_the_text() {
        for (wrong, expected) in [
            ("{{clam:x.y}}", "claim:ID.NAME"),
            ("{{claim:no-such-claim.y}}", "one of causal-full-rank"),
            ("{{claim:mask-tells-order.nothing}}", "one that mask-tells-order measures"),
            ("{{claim:mask-tells-order.nothing:2f}}", "a format such as :.2"),
            ("{{claim:mask-tells-order}}", "ID.NAME"),
            ("{{verdict:mask-tells-order.trained}}", "exact, floating"),
            ("{{count:gpt2.parameters.total}}", "to start"),
            ("{{run:nothing.loss}}", "a run under"),
            ("{{quoted:su2023.rank}}", "a number of su2023: loss"),
            ("{{cite:su2024}}", "su2023"),
            ("In a line {{trial:mask-tells-order}}", "a paragraph of its own"),
            ("{{widget:clock}}", "phase-map"),
            ("$\\nosuch x$", "a formula that is read"),
            ("```run\nrankscope devices\n```", "to start"),
            ("```run\nls\n```", "a line `rankscope"),
            ("```figure\nid = \"a\"\nkind = \"weights\"\n```", "the field `mask`"),
            ("```figure\nid = \"a\"\nkind = \"mask\"\ncolour = 1\n```", "figure/mod.rs"),
        ] {
            let (text, faults) = render(&format!("# Rank\n\n{wrong}\n"));
            assert_eq!(faults.len(), 1, "{wrong}: {faults:?}");
            assert!(faults[0].expected.contains(expected), "{wrong}: {}", faults[0]);
            assert_eq!(faults[0].file, "book/src/03-rank.md");
            assert!((3..=6).contains(&faults[0].line), "{wrong}: {}", faults[0]);
            assert!(text.contains("class=\"fault\""), "{wrong}");
        }
    }
}
