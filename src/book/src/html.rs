//! HTML inside Markdown: one line, in which Markdown finds nothing to interpret.

use rankscope::figure::Table;

/// `text` escaped for HTML and for Markdown: every ASCII punctuation mark with a meaning in either is a reference.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push(' '),
            '&' | '<' | '>' | '"' | '\'' | '*' | '_' | '`' | '[' | ']' | '\\' | '$' | '{' | '}' | '|'
            | '~' | '#' | '!' => {
                escaped.push_str(&format!("&#{};", c as u32));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Library text in a page: escaped, its numbers typeset.
pub fn sentence(text: &str) -> String {
    escape(&crate::number::typeset(text))
}

/// A table of text; numbers are aligned right, words left.
pub fn numbers(table: &Table, label: &str) -> String {
    let heads = table.head.iter().map(|name| sentence(name));
    let cell = |text: &String| format!("<td>{}</td>", sentence(text));
    let row = |row: &Vec<String>| format!("<tr>{}</tr>", row.iter().map(cell).collect::<String>());
    scrolling("numbers", label, heads, table.rows.iter().map(row))
}

/// A table of `rows` below `heads` that scrolls sideways by itself; `label` is its name for screen readers.
pub fn scrolling(
    class: &str,
    label: &str,
    heads: impl Iterator<Item = String>,
    rows: impl Iterator<Item = String>,
) -> String {
    let heads: String = heads.map(|name| format!("<th scope=\"col\">{name}</th>")).collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{}\"><table class=\"{class}\">\
         <thead><tr>{heads}</tr></thead><tbody>{}</tbody></table></div>",
        escape(label),
        rows.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_for_markdown_to_read() {
        let escaped = escape("a*b_c`d <e> \"f\" | $x$ {{y}} [z]\nnext");
        assert!(!escaped.contains(['*', '_', '`', '<', '>', '"', '|', '$', '{', '[', '\n']), "{escaped}");
        assert_eq!(sentence("-1.5e-4 & more"), "−1.5 × 10⁻⁴ &#38; more");
    }

    #[test]
    fn a_table_is_one_line_with_heads() {
        let [head, row] = [["i", "σ"], ["1", "0.5"]].map(|texts| texts.map(str::to_owned).to_vec());
        let html = numbers(&Table { head, rows: vec![row] }, "Singular values");
        assert!(html.contains("<th scope=\"col\">σ</th>") && html.contains("<td>0.5</td>"));
        assert!(!html.contains('\n'));
    }
}
