//! A question before its answer: the reader guesses first, and then sees the answer.

use serde_json::json;

use super::{Rich, escape};

/// A question whose answer a page shows after the reader has made a guess; the guess stays beside it in that page.
/// Without scripts, the answer is in a collapsed section that the reader opens.
#[derive(Clone, Debug)]
pub struct Guess {
    question: String,
    options: Vec<String>,
    text: String,
    html: String,
}

/// Asks `question` before it shows `answer`. The reader chooses one of `options`, or writes a line if there are no
/// options.
///
/// ```
/// use rankscope::{Mask, rich::{Rich, predict}};
/// let guess = predict("Which rank have causal weights of 8 tokens?", ["1", "a few", "8"], &Mask::causal().exact_rank(8));
/// assert!(guess.html().contains("<details>") && guess.text().contains("1 / a few / 8"));
/// ```
pub fn predict<O: ToString>(
    question: &str,
    options: impl IntoIterator<Item = O>,
    answer: &dyn Rich,
) -> Guess {
    let options = options.into_iter().map(|option| option.to_string()).collect();
    Guess { question: question.to_owned(), options, text: answer.text(), html: answer.html() }
}

impl Rich for Guess {
    fn text(&self) -> String {
        let options =
            if self.options.is_empty() { String::new() } else { format!("\n{}", self.options.join(" / ")) };
        format!("{}{options}\n\nAnswer:\n{}", self.question, self.text)
    }

    fn html(&self) -> String {
        let about = json!({ "question": self.question, "options": self.options }).to_string();
        format!(
            "<rankscope-guess data-about=\"{}\"><p><b>{}</b></p><details><summary>The answer</summary>{}</details></rankscope-guess>",
            escape(&about),
            escape(&self.question),
            self.html,
        )
    }
}
