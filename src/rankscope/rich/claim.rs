//! The trial of a claim: the verdict first, then the evidence.

use super::{Rich, escape, lines, picture, table};
use crate::claim::{Measured, Trial};

impl Rich for Trial {
    fn text(&self) -> String {
        let findings = |supports: bool| findings(self, supports).map(|text| format!("  {text}\n"));
        format!(
            "{}\n{}for\n{}against\n{}{}{}",
            self.about.statement,
            self.verdict
                .opinions()
                .map(|(arena, ruling, because)| format!("in {arena}: {ruling}. {because}\n"))
                .collect::<String>(),
            findings(true).collect::<String>(),
            findings(false).collect::<String>(),
            self.evidence.notes().iter().map(|note| format!("note: {note}\n")).collect::<String>(),
            lines(&measured(self)),
        )
    }

    fn html(&self) -> String {
        let list = |name: &str, supports: bool| {
            let items = findings(self, supports).map(|text| format!("<li>{}</li>", escape(text)));
            format!("<p>{name}</p><ul>{}</ul>", items.collect::<String>())
        };
        let notes = self.evidence.notes().iter().map(|note| format!("<p>Note: {}</p>", escape(note)));
        let pictures = self.evidence.illustrations().iter().map(|shown| {
            let caption = escape(&shown.caption);
            format!("<figure>{}<figcaption>{caption}</figcaption></figure>", picture(&*shown.figure))
        });
        let opinions = self.verdict.opinions().map(|(arena, ruling, because)| {
            format!("<tr><th>{arena}</th><td><strong>{ruling}</strong></td><td>{}</td></tr>", escape(because))
        });
        format!(
            "<p>{}</p><table>{}</table>{}{}{}{}{}",
            escape(self.about.statement),
            opinions.collect::<String>(),
            list("For", true),
            list("Against", false),
            notes.collect::<String>(),
            table(&measured(self)),
            pictures.collect::<String>(),
        )
    }
}

fn findings(trial: &Trial, supports: bool) -> impl Iterator<Item = &str> {
    let findings = trial.evidence.findings().iter();
    findings.filter(move |finding| finding.supports == supports).map(|finding| finding.text.as_str())
}

fn measured(trial: &Trial) -> Vec<(String, String)> {
    let row = |measured: &Measured| (measured.name.clone(), measured.in_words());
    trial.evidence.measured().iter().map(row).collect()
}
