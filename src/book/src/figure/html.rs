//! A figure on a page: two pictures, one for each theme, the caption, the numbers, and where to continue.

use super::{Drawn, Spec};
use crate::html::{escape, numbers, sentence};

/// The figure with its `number`, such as "3.2"; `notebook` is the file name of its notebook.
pub fn block(spec: &Spec, drawn: &Drawn, number: &str, notebook: &str) -> String {
    let Spec { id, caption, alt, lab, .. } = spec;
    let [light, dark] = drawn.pictures.each_ref().map(|document| picture(document, alt));
    let table = numbers(&drawn.table, &format!("Numbers of figure {number}"));
    let computed = |command: &String| format!(" Its numbers: <code>{}</code>.", escape(command));
    let again = drawn.command.as_ref().map(computed).unwrap_or_default();
    format!(
        "<figure id=\"fig-{id}\"><div class=\"picture light-only\" tabindex=\"0\" role=\"group\" aria-label=\"Figure {number}\">{light}</div>\
         <div class=\"picture dark-only\" tabindex=\"0\" role=\"group\" aria-label=\"Figure {number}, dark\">{dark}</div>\
         <figcaption><p><strong>Figure {number}.</strong> {} <span class=\"settings\">{}</span></p></figcaption>\
         <details><summary>Numbers, and how to make this figure</summary>{table}\
         <p><code>cargo xtask book --figure {id}</code> writes this picture as SVG.{again}</p>\
         <p>In the app: <code>rankscope-app --lab {lab}</code>. Step by step: <code>notebooks/{notebook}</code>.</p></details></figure>",
        sentence(caption),
        sentence(&drawn.settings),
    )
}

/// The SVG document as an element with a text alternative, on one line.
fn picture(document: &str, alt: &str) -> String {
    let svg = document.find("<svg").map_or(document, |start| &document[start..]);
    let svg = without(&without(svg, "<title>", "</title>"), "<metadata>", "</metadata>");
    // Letters are escaped already; here the characters that Markdown would interpret are escaped as well.
    let mut safe = String::with_capacity(svg.len());
    let mut in_tag = false;
    for c in svg.chars() {
        match c {
            '<' => in_tag = true,
            '>' => in_tag = false,
            _ => {}
        }
        match c {
            '\n' if !in_tag => {}
            '\n' => safe.push(' '),
            '*' | '_' | '`' | '[' | ']' | '{' | '}' | '$' | '\\' if !in_tag => {
                safe.push_str(&format!("&#{};", c as u32))
            }
            c => safe.push(c),
        }
    }
    safe.replacen("<svg", &format!("<svg role=\"img\" aria-label=\"{}\"", escape(alt)), 1)
}

/// `text` without its first part from `open` to `close`.
fn without(text: &str, open: &str, close: &str) -> String {
    let Some(start) = text.find(open) else { return text.to_owned() };
    let Some(end) = text[start..].find(close) else { return text.to_owned() };
    format!("{}{}", &text[..start], &text[start + end + close.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::draw;
    use crate::runs::Runs;
    use crate::trials::Trials;

    #[test]
    fn a_figure_has_a_text_alternative_a_caption_and_its_numbers() {
        let spec = Spec::read(
            "id = \"a\"\nkind = \"weights\"\nmask = \"causal\"\nn = 3\nqueries = [[1], [0], [0]]\nkeys = [[0], [0], [0]]\n\
             caption = \"Uniform *weights*.\"\nalt = \"A triangle\"\nlab = \"mask\"\nnotebook = \"02\"\n",
        )
        .unwrap();
        let drawn = draw(&spec, &Trials::default(), &Runs::new(std::path::Path::new("."))).unwrap();
        assert_eq!(drawn.table.rows[2], ["3", "0.333", "0.333", "0.333"]);
        let html = block(&spec, &drawn, "1.1", "02-masks.ipynb");
        assert!(!html.contains('\n') && !html.contains("<title>") && !html.contains("<metadata>"));
        assert_eq!(html.matches("<svg role=\"img\" aria-label=\"A triangle\"").count(), 2);
        let words = "D = 1, queries and keys by hand, logit scale 1.";
        let caption = "Uniform &#42;weights&#42;.";
        for part in ["Figure 1.1.", caption, words, "0.333", "--figure a", "02-masks.ipynb"] {
            assert!(html.contains(part), "{part}: {html}");
        }
    }
}
