//! The checks of all heads in a few lines.

use super::{Content, RecordedHead, WeightCheck};
use crate::numbers::short;

/// The checks of all `heads` as labels and sentences: the kind of the numbers, whether rows sum to 1 and with what
/// error, whether they are causal, and the theorem that follows.
pub fn summary(heads: &[RecordedHead]) -> Vec<(&'static str, String)> {
    let mut lines = vec![("rows", rows(heads)), ("causal", causal(heads))];
    for content in distinct(heads) {
        if let Some(warning) = content.warning() {
            let count = heads.iter().filter(|head| head.check.content == content).count();
            let of = if count == heads.len() {
                String::new()
            } else {
                format!("{count} of {} heads: ", heads.len())
            };
            lines.push(("note", format!("{of}{warning}")));
        }
    }
    lines
}

fn distinct(heads: &[RecordedHead]) -> Vec<Content> {
    let mut contents: Vec<Content> = Vec::new();
    for head in heads {
        if !contents.contains(&head.check.content) {
            contents.push(head.check.content);
        }
    }
    contents
}

/// The head for which `value` is the largest, with that value.
fn extreme(
    heads: &[RecordedHead],
    value: impl Fn(&WeightCheck) -> Option<f64>,
) -> Option<(&RecordedHead, f64)> {
    let values = heads.iter().filter_map(|head| Some((head, value(&head.check)?)));
    values.max_by(|a, b| a.1.total_cmp(&b.1))
}

fn place(head: &RecordedHead) -> String {
    format!("layer {}, head {}", head.at.layer, head.at.head)
}

fn rows(heads: &[RecordedHead]) -> String {
    let Some((worst, error)) = extreme(heads, |check| Some(check.row_sum_error)) else {
        return String::new();
    };
    if heads.iter().all(|head| head.check.zero_rows == head.report.rows) {
        return "every entry is 0".to_owned();
    }
    let zero: usize = heads.iter().map(|head| head.check.zero_rows).sum();
    let zero = match zero {
        0 => String::new(),
        1 => "; 1 row is all zeros".to_owned(),
        count => format!("; {count} rows are all zeros"),
    };
    match error {
        0.0 => format!("every sum is exactly 1{zero}"),
        _ => {
            let (place, row) = (place(worst), worst.check.worst_row);
            format!("sums differ from 1 by up to {} ({place}, row {row}){zero}", short(error))
        }
    }
}

fn causal(heads: &[RecordedHead]) -> String {
    if let Some(reason) = heads.iter().find_map(|head| head.check.causal_reason.as_ref()) {
        return format!("not asked: {reason}");
    }
    let causal = heads.iter().filter(|head| head.check.causal == Some(true)).count();
    if causal < heads.len() {
        let Some((worst, largest)) = extreme(heads, |check| check.largest_above_diagonal) else {
            return String::new();
        };
        let which =
            if causal == 0 { "no head".to_owned() } else { format!("{causal} of {} heads", heads.len()) };
        return format!("{which}; a later key gets up to {} ({})", short(largest), place(worst));
    }
    let square = heads.iter().all(|head| head.report.rows == head.report.cols);
    let Some((worst, smallest)) = extreme(heads, |check| check.smallest_on_diagonal.map(|own| -own)) else {
        return String::new();
    };
    let smallest = -smallest;
    let follows = match (square, smallest > 0.0) {
        (true, true) => ": lower triangular with a positive diagonal, so of full rank by theorem",
        (true, false) => ": lower triangular, but not with a positive diagonal: which entries are 0 decides",
        (false, _) => "",
    };
    let own = format!("smallest on the diagonal {} ({})", short(smallest), place(worst));
    format!("every head: exactly 0 for every later key, {own}{follows}")
}
