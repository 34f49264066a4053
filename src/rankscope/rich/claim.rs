//! The trial of a claim: the verdict in each arena, the findings for and against it, and the
//! evidence.

use super::{Rich, escape, lines, picture, row, table};
use crate::claim::{Measured, Trial, Verdict};

impl Rich for Trial {
    fn text(&self) -> String {
        let findings = |supports: bool| findings(self, supports).map(|text| format!("  {text}\n"));
        format!(
            "{}\n{}for\n{}against\n{}{}{}",
            self.about.statement,
            self.verdict.text(),
            findings(true).collect::<String>(),
            findings(false).collect::<String>(),
            self.evidence.notes().iter().map(|note| format!("note: {note}\n")).collect::<String>(),
            lines(&measured(self)),
        )
    }

    fn html(&self) -> String {
        let side = |name: &str, supports: bool| {
            let items: String =
                findings(self, supports).map(|text| format!("<li>{}</li>", escape(text))).collect();
            let items =
                if items.is_empty() { "<p>Nothing.</p>".to_owned() } else { format!("<ul>{items}</ul>") };
            format!("<div class=\"rankscope-side\"><p><b>{name}</b></p>{items}</div>")
        };
        let notes = self.evidence.notes().iter().map(|note| format!("<p>Note: {}</p>", escape(note)));
        let pictures = self.evidence.illustrations().iter().map(|shown| {
            let caption = escape(&shown.caption);
            format!("<figure>{}<figcaption>{caption}</figcaption></figure>", picture(&*shown.figure))
        });
        format!(
            "<p>On trial: <b>{}</b></p>{}{}{}{}\
             <details><summary>All that was measured</summary>{}</details>",
            escape(self.about.statement),
            self.verdict.html(),
            row(&[side("For", true), side("Against", false)]),
            notes.collect::<String>(),
            pictures.collect::<String>(),
            table(&measured(self)),
        )
    }
}

impl Rich for Verdict {
    fn text(&self) -> String {
        let line = |(arena, ruling, because)| format!("in {arena}: {ruling}. {because}\n");
        self.opinions().map(line).collect()
    }

    fn html(&self) -> String {
        let line = |(arena, ruling, because): (_, &str, &str)| {
            format!("<p>In {arena}: <b>{ruling}</b>. {}</p>", escape(because))
        };
        format!("<div class=\"rankscope-verdict\">{}</div>", self.opinions().map(line).collect::<String>())
    }
}

fn findings(trial: &Trial, supports: bool) -> impl Iterator<Item = &str> {
    let findings = trial.evidence.findings().iter();
    findings.filter(move |finding| finding.supports == supports).map(|finding| finding.text.as_str())
}

fn measured(trial: &Trial) -> Vec<(String, String)> {
    let entry = |measured: &Measured| (measured.name.clone(), measured.in_words());
    trial.evidence.measured().iter().map(entry).collect()
}
