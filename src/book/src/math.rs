//! Formulas: LaTeX to MathML, at build time, so that a page needs no script and no network.

use pulldown_latex::config::{DisplayMode, RenderConfig};
use pulldown_latex::{Parser, Storage, push_mathml};

/// The formula as MathML on one line.
///
/// # Errors
/// The parser's message about the LaTeX, on one line.
pub fn mathml(latex: &str, is_display: bool) -> Result<String, String> {
    let latex = latex.trim();
    let storage = Storage::new();
    let wrong = |error: &dyn std::fmt::Display| {
        let message = error.to_string();
        message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    };
    if let Some(error) = Parser::new(latex, &storage).find_map(Result::err) {
        return Err(wrong(&error));
    }
    let display_mode = if is_display { DisplayMode::Block } else { DisplayMode::Inline };
    let config = RenderConfig { display_mode, ..RenderConfig::default() };
    let mut html = String::new();
    push_mathml(&mut html, Parser::new(latex, &storage), config).map_err(|error| wrong(&error))?;
    let html = for_markdown(&html);
    Ok(if is_display { format!("<span class=\"equation\" tabindex=\"0\">{html}</span>") } else { html })
}

/// Text between tags, with the characters that Markdown would interpret as references; tags stay.
fn for_markdown(html: &str) -> String {
    let mut safe = String::with_capacity(html.len());
    let (mut in_tag, mut in_value) = (false, false);
    for c in html.chars() {
        match c {
            '<' => in_tag = true,
            '>' => in_tag = false,
            '"' if in_tag => in_value = !in_value,
            // The parser leaves out the space between some attributes, and without it Markdown sees no tag.
            c if in_tag && !in_value && safe.ends_with('"') && c.is_alphabetic() => safe.push(' '),
            _ => {}
        }
        match c {
            '\n' | '\r' => safe.push(' '),
            '*' | '_' | '`' | '[' | ']' | '\\' | '$' | '{' | '}' | '|' | '~' | '!' | '#' | '\''
                if !in_tag =>
            {
                safe.push_str(&format!("&#{};", c as u32));
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_mathml_on_one_line() {
        let html = mathml(r"\sigma_{\min}(A) \le \frac{1}{n} \sum_{i=1}^n |a_{ii}| * x'", false).unwrap();
        assert!(html.starts_with("<math") && html.ends_with("</math>"), "{html}");
        assert!(html.contains("<mfrac>") && html.contains("σ"), "{html}");
        let outside: String =
            html.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect();
        assert!(!outside.contains(['*', '|', '_', '\n']), "{outside}");
        assert!(mathml("x", true).unwrap().contains("display=\"block\""));
        let big = mathml(r"\Bigl( \frac12 \Bigr)", false).unwrap();
        assert!(big.contains("minsize=") && !big.replace("=\"\"", "").contains("\"m"), "{big}");
    }

    #[test]
    fn the_commands_of_the_book_are_known() {
        for latex in [
            r"\operatorname{rank}(QK^\top) \le d",
            r"A_{ij} = \frac{e^{q_i^\top k_j/\sqrt{d}}}{\sum_{l \le i} e^{q_i^\top k_l/\sqrt{d}}}",
            r"\begin{pmatrix} 1 & 0 \\ \tfrac12 & \tfrac12 \end{pmatrix}",
            r"\|\mathrm{res}(X)\|_{1,\infty}, \mathbb{R}^{n \times d}, \text{if } i \ge j, \log\det A, \lfloor n/2 \rfloor",
            r"\begin{aligned} a &= b \\ &\neq c \end{aligned}",
            r"\mathbf{1}\mathbf{1}^\top, \mathcal{N}(0,1), \varepsilon, \prod_{i=1}^n a_{ii} > 0, \bigl(x\bigr), \underbrace{a}_{b}",
        ] {
            mathml(latex, true).unwrap_or_else(|error| panic!("{latex}: {error}"));
        }
    }

    #[test]
    fn wrong_latex_is_an_error() {
        for latex in [r"\frac{1", r"\nosuchcommand x", "a_"] {
            let error = mathml(latex, false).unwrap_err();
            assert!(!error.is_empty() && !error.contains('\n'));
        }
    }
}
