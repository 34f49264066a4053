//! Claims as text.

use rankscope::claim::{ARENAS, Claim, Evidence, Measured, Trial};
use rankscope::numbers::short;

use crate::output::facts;

/// One claim, and its parameters.
pub fn about(claim: &Claim) -> String {
    let about = claim.about();
    let mut rows = vec![
        (about.id, about.statement.to_owned()),
        ("source", about.source.to_owned()),
        ("exactly", about.exact.to_owned()),
        ("would change it", about.reconsider.to_owned()),
    ];
    for parameter in claim.parameters() {
        let (quick, full) = (or_none(parameter.quick), or_none(parameter.full));
        let (what, allowed) = (parameter.summary, parameter.allowed.in_words());
        rows.push((parameter.name, format!("{what}; {allowed}. Quick {quick}, full {full}")));
    }
    facts(&rows)
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// The rulings of several trials, a line each.
pub fn verdicts(trials: &[Trial]) -> String {
    let rows = trials.iter().map(|trial| {
        let words = trial.verdict.opinions().map(|(arena, ruling, _)| format!("{arena}: {ruling}"));
        (trial.about.id, format!("{} ({:.1} s)", words.collect::<Vec<_>>().join("; "), trial.seconds))
    });
    facts(&rows.collect::<Vec<_>>())
}

/// The verdicts of several trials as a table in Markdown: a row for each claim, a column for each arena in which any of them was
/// tried.
pub fn table(trials: &[Trial]) -> String {
    let is_used = |&arena: &usize| trials.iter().any(|trial| trial.verdict.rows()[arena].is_some());
    let used: Vec<usize> = (0..ARENAS.len()).filter(is_used).collect();
    let names: Vec<&str> = used.iter().map(|&arena| ARENAS[arena]).collect();
    let mut text = format!("| claim | {} |\n|{}\n", names.join(" | "), "---|".repeat(1 + used.len()));
    for trial in trials {
        let cell = |row: Option<(&str, &str)>| match row {
            Some((ruling, because)) => format!("**{ruling}.** {}", because.replace('|', "\\|")),
            None => "–".to_owned(),
        };
        let rows = trial.verdict.rows();
        let cells: Vec<String> = used.iter().map(|&arena| cell(rows[arena])).collect();
        text += &format!("| `{}`: {} | {} |\n", trial.about.id, trial.about.statement, cells.join(" | "));
    }
    text
}

/// One trial in full: the evidence, the numbers, the verdict, and how to run it again.
pub fn trial(trial: &Trial) -> String {
    let Trial { about, evidence, verdict, .. } = trial;
    let mut rows = vec![
        ("claim", format!("{}: {}", about.id, about.statement)),
        ("source", about.source.to_owned()),
        ("exactly", about.exact.to_owned()),
    ];
    for (supports, side) in [(true, "for"), (false, "against")] {
        let findings = evidence.findings().iter().filter(|finding| finding.supports == supports);
        rows.extend(findings.map(|finding| (side, finding.text.clone())));
    }
    rows.extend(evidence.notes().iter().map(|note| ("note", note.clone())));
    rows.extend(expectations(evidence));
    rows.push(("measured", numbers(evidence.measured())));
    let opinions = verdict.opinions();
    rows.extend(
        opinions.map(|(arena, ruling, because)| ("verdict", format!("in {arena}: {ruling}. {because}"))),
    );
    rows.push(("would change it", about.reconsider.to_owned()));
    rows.push(("again", trial.settings.command()));
    rows.push(("took", format!("{:.2} s on {}", trial.seconds, trial.settings.device())));
    facts(&rows)
}

/// How many expectations are met, and each that is not.
fn expectations(evidence: &Evidence) -> Vec<(&'static str, String)> {
    let (all, missed) = (evidence.expected().len(), evidence.disagreements().count());
    let mut rows = Vec::new();
    if all > 0 {
        let met = format!("{} of {all} numbers from theory or a reference are met", all - missed);
        rows.push(("expected", met));
    }
    rows.extend(evidence.disagreements().filter_map(|measured| {
        let expected = measured.expected.as_ref()?;
        let (value, tolerance) = (short(expected.value), short(expected.tolerance));
        let got = format!("{} is {}", measured.name, short(measured.value));
        Some(("DISAGREES", format!("{got}, expected {value} ± {tolerance} ({})", expected.source)))
    }));
    rows
}

/// The most numbers that are printed.
const READABLE: usize = 12;

fn numbers(measured: &[Measured]) -> String {
    let shown = measured.iter().take(READABLE).map(number).collect::<Vec<_>>().join("; ");
    match measured.len().saturating_sub(READABLE) {
        0 => shown,
        more => format!("{shown}; and {more} more, which --json prints"),
    }
}

fn number(measured: &Measured) -> String {
    format!("{} = {}", measured.name, measured.in_words())
}
