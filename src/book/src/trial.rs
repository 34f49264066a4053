//! A claim on trial as a page shows it: the statement, both sides, the verdict by arena, and how to run it again.

use rankscope::claim::{ARENAS, Evidence, Trial};

use crate::html::{escape, scrolling, sentence};

/// The number of sentences of each side that are visible at first.
const SHOWN: usize = 6;

/// `{{trial:ID}}`; `longer` is the same claim with longer training.
pub fn block(trial: &Trial, longer: Option<&Trial>) -> String {
    let Trial { about, evidence, settings, .. } = trial;
    let id = about.id;
    let note = |note: &String| format!("<p class=\"note\">Note: {}</p>", sentence(note));
    let notes: String = evidence.notes().iter().map(note).collect();
    format!(
        "<section class=\"trial\" id=\"trial-{id}\" aria-label=\"The claim {id} on trial\">\
         <p class=\"trial-name\">On trial: <code>{id}</code></p>\
         <blockquote><p>{}</p></blockquote><p class=\"source\">Source: {}</p>\
         <p><strong>What is exactly true.</strong> {}</p>\
         <div class=\"sides\">{}{}</div>{}{}{notes}\
         <p><strong>What would change the verdict.</strong> {}</p>\
         <p><strong>Run it again.</strong> <code>rankscope claims run {id}</code></p>\
         <details><summary>With every setting</summary><p><code>{}</code></p></details></section>",
        sentence(about.statement),
        sentence(about.source),
        sentence(about.exact),
        side(evidence, true),
        side(evidence, false),
        verdict(trial),
        longer.map(of_longer_training).unwrap_or_default(),
        sentence(about.reconsider),
        escape(&settings.command()),
    )
}

fn side(evidence: &Evidence, supports: bool) -> String {
    let findings = evidence.findings().iter().filter(|finding| finding.supports == supports);
    let items: Vec<String> =
        findings.map(|finding| format!("<li>{}</li>", sentence(&finding.text))).collect();
    let (name, class) = if supports { ("Evidence for", "for") } else { ("Evidence against", "against") };
    let list = |items: &[String]| format!("<ul>{}</ul>", items.concat());
    let list = match items.split_at_checked(SHOWN) {
        _ if items.is_empty() => "<p>None was found.</p>".to_owned(),
        Some((first, more)) if !more.is_empty() => {
            let (count, more) = (more.len(), list(more));
            format!("{}<details><summary>and {count} more</summary>{more}</details>", list(first))
        }
        _ => list(&items),
    };
    format!("<div class=\"{class}\"><p><strong>{name}</strong></p>{list}</div>")
}

fn verdict(trial: &Trial) -> String {
    let rows = trial.verdict.opinions().map(|(arena, ruling, because)| {
        format!(
            "<tr><th scope=\"row\">{}</th><td><strong>{ruling}</strong></td><td>{}</td></tr>",
            escape(arena),
            sentence(because)
        )
    });
    let heads = ["arena", "verdict", "because"].map(str::to_owned);
    scrolling("verdict", &format!("Verdict on {}", trial.about.id), heads.into_iter(), rows)
}

fn of_longer_training(trial: &Trial) -> String {
    let opinions = trial.verdict.opinions().map(|(_, ruling, because)| {
        format!(
            "<p class=\"longer\"><strong>With longer training: {ruling}.</strong> {} <code>rankscope claims run {} --full</code></p>",
            sentence(because),
            trial.about.id
        )
    });
    opinions.collect()
}

/// `{{verdicts}}`: a row for each claim, with the ruling of each arena.
pub fn table<'a>(trials: impl Iterator<Item = (&'a Trial, Option<String>)>) -> String {
    let heads = ["claim"].into_iter().chain(ARENAS).map(escape);
    let row = |(trial, chapter): (&Trial, Option<String>)| {
        let id = trial.about.id;
        let cell = |row: Option<(&str, &str)>| {
            row.map_or_else(|| "<td>–</td>".to_owned(), |(ruling, _)| format!("<td>{ruling}</td>"))
        };
        let cells: String = trial.verdict.rows().map(cell).into_iter().collect();
        let statement = sentence(trial.about.statement);
        let statement = match chapter {
            Some(chapter) => format!("<a href=\"{chapter}#trial-{id}\">{statement}</a>"),
            None => statement,
        };
        format!("<tr><th scope=\"row\">{statement}</th>{cells}</tr>")
    };
    scrolling("verdicts", "All verdicts", heads, trials.map(row))
}

/// The ruling of one arena: `exact`, `floating`, `trained` or `training`.
///
/// # Errors
/// If the claim is not tried in this arena, with those in which it is.
pub fn ruling(trial: &Trial, arena: &str) -> Result<&'static str, String> {
    const NAMES: [&str; ARENAS.len()] = ["exact", "floating", "trained", "training"];
    let rows = trial.verdict.rows();
    let tried = || {
        let names = NAMES.iter().zip(&rows).filter(|(_, row)| row.is_some()).map(|(name, _)| *name);
        format!("an arena in which {} is tried: {}", trial.about.id, names.collect::<Vec<_>>().join(", "))
    };
    let index = NAMES.iter().position(|name| *name == arena).ok_or_else(tried)?;
    let opinion = trial.verdict.opinions().find(|(name, ..)| *name == ARENAS[index]);
    opinion.map(|(_, ruling, _)| ruling).ok_or_else(tried)
}
