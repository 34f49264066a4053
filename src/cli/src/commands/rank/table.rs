//! The table for people: at most 80 columns for one mask or two, of a model with one stack. JSON and CSV hold more.

use comfy_table::{CellAlignment, Table};
use rankscope::model::MaskChoice;
use rankscope::rank::RankReport;

use super::rows::Row;
use crate::output::{distinct, empty_table, facts, labelled};
use crate::subject::Subject;
use rankscope::numbers::{short, short_or_dash};

/// A column: its header, and how it is written.
type Column = (&'static str, fn(&RankReport) -> String);

const COLUMNS: [Column; 8] = [
    ("exact", exact),
    ("f32", |r| r.numerical_rank_f32.to_string()),
    ("f64", |r| r.numerical_rank_f64.to_string()),
    ("effective", |r| short(r.effective_rank)),
    ("stable", |r| short(r.stable_rank)),
    ("condition", condition),
    ("ln|det|", |r| short_or_dash(r.log_abs_det)),
    ("columns", |r| r.columns_90.to_string()),
];

/// The columns that are compared under several masks.
const COMPARED: [Column; 3] = [COLUMNS[1], COLUMNS[2], COLUMNS[3]];

/// Lines of the legend, and whether each explains a compared column.
const LEGEND: [(&str, &str, bool); 5] = [
    ("exact", "rank by theorem, from the mask alone", false),
    ("f32, f64", "numerical rank: singular values above max(rows, columns) · ε · σ₁", true),
    ("effective", "(and stable) how many directions the spectrum is spread over", true),
    ("condition", "σ₁ / σ_min; ≥ where σ_min is below the rounding floor", false),
    ("columns", "the fewest that hold 90 % of the squared mass; 1 is a sink", false),
];

fn exact(report: &RankReport) -> String {
    report.exact_rank.map_or_else(|| "–".to_owned(), |rank| rank.to_string())
}

fn exact_and_why(report: &RankReport) -> String {
    let rank = report.exact_rank.map(|rank| format!("{rank}, ")).unwrap_or_default();
    format!("{rank}{}", report.exact_rank_reason)
}

fn condition(report: &RankReport) -> String {
    let bound = if report.condition_is_lower_bound { "≥" } else { "" };
    report.condition_number.map_or_else(|| "–".to_owned(), |value| format!("{bound}{}", short(value)))
}

/// All heads under one mask, or under several side by side.
pub fn of_heads(subject: &Subject, choices: &[MaskChoice], rows: &[Row]) -> String {
    let mut lines = vec![("model", subject.model_in_words()), ("tokens", subject.tokens_in_words())];
    let label = if choices.len() == 1 { "mask" } else { "masks" };
    lines.extend(labelled(label, choices.iter().map(|choice| subject.mask_in_words(choice))));
    lines.push(("device", format!("{}: {}", subject.model.device(), subject.why)));
    lines.extend(reasons(rows));
    let table = if choices.len() == 1 { one_mask(rows) } else { side_by_side(choices, rows) };
    let legend = LEGEND.into_iter().filter(|(_, _, is_compared)| choices.len() == 1 || *is_compared);
    let legend: Vec<_> = legend.map(|(label, text, _)| (label, text.to_owned())).collect();
    format!("{}\n{table}\n\n{}", facts(&lines), facts(&legend))
}

/// Matrices from a file, below the `lines` about it.
pub fn of_file(mut lines: Vec<(&'static str, String)>, rows: &[Row]) -> String {
    lines.extend(notes(rows));
    lines.extend(reasons(rows));
    let legend = LEGEND.map(|(label, text, _)| (label, text.replace("mask", "places of zeros")));
    format!("{}\n{}\n\n{}", facts(&lines), one_mask(rows), facts(&legend))
}

/// The notes on entries that f64 cannot represent, for the first few matrices.
fn notes(rows: &[Row]) -> Vec<(&'static str, String)> {
    let noted: Vec<_> =
        rows.iter().filter_map(|row| Some(format!("{}: {}", row.name, row.note.as_ref()?))).collect();
    let more = noted.len().saturating_sub(3);
    let more = (more > 0).then(|| format!("{more} more matrices have such entries"));
    noted.into_iter().take(3).chain(more).map(|note| ("note", note)).collect()
}

/// The reasons for the exact ranks, each once.
fn reasons(rows: &[Row]) -> Vec<(&'static str, String)> {
    let reason = |Row { kind, mask, report, .. }: &Row| {
        let kind = kind.map(|kind| format!("{kind}, ")).unwrap_or_default();
        let mask = mask.as_ref().map(|mask| format!("{kind}{mask}: ")).unwrap_or_default();
        format!("{mask}{}", exact_and_why(report))
    };
    labelled("exact", distinct(rows.iter().map(reason))).collect()
}

fn one_mask(rows: &[Row]) -> String {
    let mut table = empty_table();
    let several = rows.iter().any(|row| row.sequence.is_some());
    let places = if several { &["layer", "sequence", "head"][..] } else { &["layer", "head"] };
    let header = places.iter().copied().chain(COLUMNS.map(|(name, _)| name));
    table.set_header(header.collect::<Vec<_>>());
    for row in rows {
        table.add_row(place(row).into_iter().chain(COLUMNS.map(|(_, write)| write(&row.report))));
    }
    align(table, places.len(), COLUMNS.len())
}

/// A group of columns for each mask; the rows come mask by mask, in the same order of heads.
fn side_by_side(choices: &[MaskChoice], rows: &[Row]) -> String {
    let heads = rows.len() / choices.len();
    let mut table = empty_table();
    let mut header = vec!["\nlayer".to_owned(), "\nhead".to_owned()];
    for (rows, choice) in rows.chunks(heads.max(1)).zip(choices) {
        // If layers or attentions have different masks, the header shows the choice.
        let mask = match rows.iter().all(|row| row.mask == rows[0].mask) {
            true => rows[0].mask.clone().unwrap_or_default(),
            false => choice.to_string(),
        };
        let above = ["", "", &mask];
        header.extend(above.iter().zip(COMPARED).map(|(above, (name, _))| format!("{above}\n{name}")));
    }
    table.set_header(header);
    for head in 0..heads {
        let group = rows[head..].iter().step_by(heads);
        let cells = group.flat_map(|row| COMPARED.map(|(_, write)| write(&row.report)));
        table.add_row(place(&rows[head]).into_iter().chain(cells));
    }
    align(table, 2, COMPARED.len())
}

/// One matrix as a list of facts.
pub fn of_matrix(row: &Row) -> String {
    let r = &row.report;
    let det = match (&r.log_abs_det, &r.log_abs_det_reason) {
        (Some(value), _) => short(*value),
        (None, reason) => format!("–: {}", reason.as_deref().unwrap_or("it does not exist")),
    };
    let floor = if r.sigma_min_below_floor { "below floor" } else { "above floor" };
    let sigma = (short_or_dash(r.sigma_max), short_or_dash(r.sigma_min), short(r.rounding_floor));
    let sigma = match &r.sigma_max_reason {
        Some(reason) => format!("–: {reason}"),
        None => format!("{} to {} ({floor}, {})", sigma.0, sigma.1, sigma.2),
    };
    let mut lines = vec![
        ("matrix", format!("{}, {} x {}", row.name, r.rows, r.cols)),
        ("exact rank", exact_and_why(r)),
        ("numerical rank", format!("{} in f32, {} in f64", r.numerical_rank_f32, r.numerical_rank_f64)),
        ("effective rank", short(r.effective_rank)),
        ("stable rank", short(r.stable_rank)),
        ("participation", short(r.participation_ratio)),
        ("energy rank", format!("{} hold 90 %, {} hold 99 %", r.energy_rank_90, r.energy_rank_99)),
        ("columns", format!("{} hold 90 % of the squared mass", r.columns_90)),
        ("singular values", sigma),
        ("condition", condition(r)),
        ("ln|det|", det),
    ];
    lines.extend(row.note.clone().map(|note| ("note", note)));
    facts(&lines)
}

fn place(row: &Row) -> Vec<String> {
    let [layer, head] = [row.layer, row.head].map(|index| index.map_or_else(String::new, |i| i.to_string()));
    let layer = row.kind.map(|kind| format!("{kind} {layer}")).unwrap_or(layer);
    let sequence = row.sequence.map(|sequence| sequence.to_string());
    [Some(layer), sequence, Some(head)].into_iter().flatten().collect()
}

/// Numbers to the right, two spaces between columns and four before those of another mask.
fn align(mut table: Table, places: usize, group: usize) -> String {
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_cell_alignment(CellAlignment::Right);
        let starts_group = index >= places && (index - places).is_multiple_of(group);
        column.set_padding((if starts_group { 2 } else { 0 }, 2));
    }
    table.trim_fmt()
}
