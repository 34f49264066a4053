//! HTML inside Markdown: one line, in which Markdown finds nothing to interpret.

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

/// A table of text that scrolls sideways by itself; numbers are aligned right, words left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The heads of the columns.
    pub head: Vec<String>,
    /// The rows, as long as the head.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(head: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Table { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// As HTML, with `label` as its name for screen readers.
    pub fn html(&self, label: &str) -> String {
        let head: String =
            self.head.iter().map(|name| format!("<th scope=\"col\">{}</th>", sentence(name))).collect();
        let cell = |text: &String| format!("<td>{}</td>", sentence(text));
        let row = |row: &Vec<String>| format!("<tr>{}</tr>", row.iter().map(cell).collect::<String>());
        let rows: String = self.rows.iter().map(row).collect();
        format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{}\"><table class=\"numbers\"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>",
            escape(label)
        )
    }
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
        let mut table = Table::new(["i", "σ"]);
        table.rows.push(vec!["1".into(), "0.5".into()]);
        let html = table.html("Singular values");
        assert!(
            html.contains("<th scope=\"col\">σ</th>")
                && html.contains("<td>0.5</td>")
                && !html.contains('\n')
        );
    }
}
