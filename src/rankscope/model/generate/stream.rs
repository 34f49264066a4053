//! [`TextStream`]: turns tokens into text, one token at a time.

use crate::error::Result;
use crate::model::Tokenizer;

/// Turns tokens into text one by one. Returned text is final, so it can be printed at once.
///
/// **Conventions**: the returned pieces together are the text of all tokens, without the beginning that it has in
/// common with the text of the prompt alone. A token whose text may still change is held back: a token that ends inside
/// a character, and a byte token such as `<0xF0>` until a token follows that is not a byte, since a run of byte tokens
/// is decoded as a whole. Tokens are decoded together with those before them, since a space may belong to either.
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    ids: Vec<u32>,
    /// Tokens from this index on are decoded together.
    start: usize,
    /// The text up to this index has been returned.
    said: usize,
}

impl<'a> TextStream<'a> {
    /// A stream that continues the tokens of a prompt.
    pub fn after(tokenizer: &'a Tokenizer, prompt: &[u32]) -> Self {
        TextStream { tokenizer, ids: prompt.to_vec(), start: 0, said: prompt.len() }
    }

    /// The text that becomes final with one more token; empty if none does.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn push(&mut self, id: u32) -> Result<String> {
        self.ids.push(id);
        if self.tokenizer.may_change(&self.ids) {
            return Ok(String::new());
        }
        let new = self.unsaid()?;
        if new.is_empty() || new.ends_with(char::REPLACEMENT_CHARACTER) {
            return Ok(String::new());
        }
        // The text just returned is enough context for the next token, unless it is empty at the beginning of a text,
        // where decoders remove a space.
        if !self.tokenizer.decode(&self.ids[self.said..])?.is_empty() {
            self.start = self.said;
        }
        self.said = self.ids.len();
        Ok(new)
    }

    /// The text that was held back.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn finish(self) -> Result<String> {
        self.unsaid()
    }

    fn unsaid(&self) -> Result<String> {
        let known = self.tokenizer.decode(&self.ids[self.start..self.said])?;
        let all = self.tokenizer.decode(&self.ids[self.start..])?;
        let same = known.chars().zip(all.chars()).take_while(|(known, now)| known == now);
        let same: usize = same.map(|(_, now)| now.len_utf8()).sum();
        let new = &all[same..];
        // Bytes that were text before the next bytes came may now decode to one replacement character each; these are
        // not new text.
        let old =
            new.chars().take(known.len() - same).take_while(|&c| c == char::REPLACEMENT_CHARACTER).count();
        Ok(new.chars().skip(old).collect())
    }
}
