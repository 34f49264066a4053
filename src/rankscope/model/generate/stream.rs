//! [`TextStream`]: the text of tokens as they come.

use crate::error::Result;
use crate::model::Tokenizer;

/// Turns tokens into text one by one: what is returned is final, so it can be printed at once.
///
/// **Conventions**: a token that ends inside a character is held back until the character is whole.
/// Tokens are decoded together with those before them, since a space may belong to either.
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    ids: Vec<u32>,
    /// From here on tokens are decoded together.
    start: usize,
    /// Up to here their text has been returned.
    said: usize,
}

impl<'a> TextStream<'a> {
    /// A stream that goes on behind the tokens of a prompt.
    pub fn after(tokenizer: &'a Tokenizer, prompt: &[u32]) -> Self {
        TextStream { tokenizer, ids: prompt.to_vec(), start: 0, said: prompt.len() }
    }

    /// The text that is certain with one more token; empty inside a character.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn push(&mut self, id: u32) -> Result<String> {
        self.ids.push(id);
        let new = self.unsaid()?;
        if new.is_empty() || new.ends_with(char::REPLACEMENT_CHARACTER) {
            return Ok(String::new());
        }
        self.start = self.said;
        self.said = self.ids.len();
        Ok(new)
    }

    /// What was held back: a character that never became whole.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn finish(self) -> Result<String> {
        self.unsaid()
    }

    fn unsaid(&self) -> Result<String> {
        let known = self.tokenizer.decode(&self.ids[self.start..self.said])?;
        let all = self.tokenizer.decode(&self.ids[self.start..])?;
        Ok(all.get(known.len()..).unwrap_or_default().to_owned())
    }
}
