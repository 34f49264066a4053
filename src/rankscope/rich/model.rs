//! Models, their counts, twins, and kernels.

use super::{Rich, escape, picture};
use crate::device::gpu::Kernel;
use crate::model::Description;
use crate::model::count::Part;
use crate::train::twin::Results;

pub(super) fn description_rows(model: &Description) -> Vec<(&'static str, String)> {
    let heads = match model.kv_heads == model.heads {
        true => format!("{} of size {}", model.heads, model.head_size),
        false => {
            format!("{} of size {}, over {} of keys and values", model.heads, model.head_size, model.kv_heads)
        }
    };
    let limit = if model.is_limited { "at most" } else { "made for" };
    let mut rows = vec![
        ("family", model.family.to_owned()),
        ("parameters", model.parameters.to_string()),
        ("layers", model.layers.to_string()),
        ("heads in a layer", heads),
        ("width", model.width.to_string()),
        ("feed-forward width", model.feed_forward.to_string()),
        ("vocabulary", model.vocab.to_string()),
        ("tokens", format!("{limit} {}", model.context)),
        ("trained under the mask", model.trained_mask.to_string()),
        ("stored as", model.dtype.to_string()),
    ];
    rows.extend(model.encoder.as_ref().map(|encoder| ("layers of its encoder", encoder.layers.to_string())));
    rows
}

/// The parts with their parameters, and the sum.
pub(super) fn part_rows(parts: &[Part]) -> Vec<(String, String)> {
    let row = |part: &Part| (part.name.clone(), part.parameters.to_string());
    let total = parts.iter().map(|part| part.parameters).sum::<u128>();
    parts.iter().map(row).chain([("in all".to_owned(), total.to_string())]).collect()
}

impl Rich for Results {
    /// The table of seeds, and the conclusions from the differences.
    fn text(&self) -> String {
        let shown = self.table().and_then(|table| Ok((table, self.in_words()?)));
        match shown {
            Ok((table, words)) => format!("{}\n\n{}", as_columns(&table), words.join("\n")),
            Err(error) => format!("error: {error}"),
        }
    }

    /// The same as HTML, with the curve of every seed.
    fn html(&self) -> String {
        let shown = self.table().and_then(|table| Ok((table, self.in_words()?, self.figure()?)));
        let (table, words, figure) = match shown {
            Ok(shown) => shown,
            Err(error) => return format!("<p>{}</p>", escape(&error.to_string())),
        };
        let cells = |row: &Vec<String>, (open, close): (&str, &str)| -> String {
            let (first, others) = row.split_first().expect("a row has its name");
            let others: String = others.iter().map(|cell| format!("{open}{}{close}", escape(cell))).collect();
            format!("<tr><th scope=\"row\">{}</th>{others}</tr>", escape(first))
        };
        let (head, body) = table.split_first().expect("a table has its head");
        let body: String = body.iter().map(|row| cells(row, ("<td>", "</td>"))).collect();
        let words: String = words.iter().map(|line| format!("<p>{}</p>", escape(line))).collect();
        format!(
            "<table class=\"rankscope-seeds\">{}{body}</table>{words}{}",
            cells(head, ("<th scope=\"col\">", "</th>")),
            picture(&figure)
        )
    }
}

/// The rows of a table in right-aligned columns of the smallest width.
fn as_columns(table: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = table.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let line = |row: &Vec<String>| {
        let cell = |(column, cell): (usize, &String)| format!("{cell:>width$}", width = width(column));
        row.iter().enumerate().map(cell).collect::<Vec<_>>().join("   ")
    };
    table.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl Rich for Kernel {
    /// Its source with line numbers, which errors refer to.
    fn text(&self) -> String {
        let line = |(index, text): (usize, &str)| format!("{:>3}  {text}", index + 1);
        self.source.lines().enumerate().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The same as HTML; the line numbers are not copied with the text.
    fn html(&self) -> String {
        let line = |text: &str| format!("<span>{}</span>", escape(text));
        let lines: String = self.source.lines().map(line).collect();
        format!(
            "<pre class=\"rankscope-lines\" tabindex=\"0\" aria-label=\"source of {}\">{lines}</pre>",
            escape(self.name)
        )
    }
}
