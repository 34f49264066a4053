//! `tokenizer.json` through the `tokenizers` crate.

mod make;
mod pieces;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Text to token ids and back.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    path: PathBuf,
    inner: Box<tokenizers::Tokenizer>,
    /// Whether a token's spelling is made of bytes in GPT-2's alphabet.
    is_byte_level: bool,
    /// Whether every token is one character, and no character is unknown by another name.
    is_by_character: bool,
}

/// A text cut into tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// What the model reads.
    pub ids: Vec<u32>,
    /// The segment of every token (BERT); 0 elsewhere.
    pub token_types: Vec<u32>,
    /// What a person reads: the piece of text behind every token; special tokens by their names, and parts
    /// of a character by their bytes, as `<0xF0>`.
    pub pieces: Vec<String>,
}

impl Tokenizer {
    /// Reads `directory/tokenizer.json`. Padding and truncation that it may ask for are switched off.
    ///
    /// # Errors
    /// [`Error::Model`] if there is no such file (ids can be given instead), [`Error::Format`] if it
    /// cannot be read.
    pub fn load(directory: &Path) -> Result<Self> {
        let path = directory.join("tokenizer.json");
        if !path.is_file() {
            let hint = "the model has no tokenizer.json, so give token ids instead of a text";
            return Err(Error::Model(format!("{}: {hint}", path.display())));
        }
        let inner = tokenizers::Tokenizer::from_file(&path);
        Tokenizer::of(path.clone(), inner.map_err(|error| Error::format(&path, one_line(&error)))?)
    }

    fn of(path: PathBuf, mut inner: tokenizers::Tokenizer) -> Result<Self> {
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| Error::format(&path, one_line(&error)))?;
        let parts = (inner.get_pre_tokenizer(), inner.get_decoder());
        let parts = serde_json::to_string(&parts).map_err(|error| Error::format(&path, error))?;
        let is_byte_level = parts.contains("\"ByteLevel\"");
        let is_by_character = is_by_character(&inner);
        Ok(Tokenizer { path, inner: Box::new(inner), is_byte_level, is_by_character })
    }

    /// Cuts a text into tokens, with the special tokens that the model was trained with.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text without any token, or naming a character that a tokenizer of characters
    /// does not know; [`Error::Format`] if the tokenizer fails on it or says impossible things.
    pub fn encode(&self, text: &str) -> Result<Tokens> {
        if self.is_by_character {
            self.expect_known(text)?;
        }
        if text.is_empty() || (text.trim().is_empty() && !self.reads_blanks()) {
            return Err(Error::invalid(
                "text",
                if text.is_empty() { "empty" } else { "blank" },
                "at least one word",
            ));
        }
        let encoding = self.inner.encode(text, true).map_err(|error| self.failed(&error))?;
        let count = encoding.get_ids().len();
        if count == 0 {
            return Err(Error::invalid("text", "without any token", "text that the tokenizer knows"));
        }
        // Special tokens stand for no text: an empty span, and so their name.
        let special = encoding.get_special_tokens_mask();
        let spans: Vec<_> = encoding
            .get_offsets()
            .iter()
            .zip(special)
            .map(|(&(start, end), &special)| if special == 1 { 0..0 } else { start..end })
            .collect();
        let pieces = pieces::pieces(text, encoding.get_tokens(), &spans, self.is_byte_level);
        Ok(Tokens { ids: encoding.get_ids().to_vec(), token_types: encoding.get_type_ids().to_vec(), pieces })
    }

    /// The ids of a text that goes on behind another: without the special tokens that begin and end one.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text without any token, [`Error::Format`] if the tokenizer fails on it.
    pub fn encode_behind(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.inner.encode(text, false).map_err(|error| self.failed(&error))?;
        if encoding.get_ids().is_empty() {
            return Err(Error::invalid("text", "without any token", "text that the tokenizer knows"));
        }
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of some ids, special tokens left out.
    ///
    /// # Errors
    /// [`Error::Format`] if the tokenizer fails on them.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, true).map_err(|error| self.failed(&error))
    }

    /// Whether a text of spaces alone is a text like any other.
    fn reads_blanks(&self) -> bool {
        self.is_by_character || (self.is_byte_level && self.vocab_size() == 256)
    }

    fn expect_known(&self, text: &str) -> Result<()> {
        let is_known = |letter: char| self.inner.token_to_id(letter.encode_utf8(&mut [0; 4])).is_some();
        match text.chars().enumerate().find(|(_, letter)| !is_known(*letter)) {
            None => Ok(()),
            Some((at, letter)) => {
                let expected =
                    format!("one of the {} characters that the tokenizer knows", self.vocab_size());
                Err(Error::invalid(
                    format!("character {} of the text", at + 1),
                    format!("{letter:?}"),
                    expected,
                ))
            }
        }
    }

    fn failed(&self, error: &tokenizers::Error) -> Error {
        Error::format(&self.path, one_line(error))
    }
}

/// Whether every token is one character and none stands for what is unknown.
fn is_by_character(inner: &tokenizers::Tokenizer) -> bool {
    let tokenizers::ModelWrapper::WordLevel(model) = inner.get_model() else { return false };
    let is_letter = |token: &String| token.chars().count() == 1;
    let vocab = tokenizers::Model::get_vocab(model);
    !vocab.contains_key(&model.unk_token) && vocab.keys().all(is_letter)
}

fn one_line(error: &tokenizers::Error) -> String {
    error.to_string().replace('\n', " ")
}
