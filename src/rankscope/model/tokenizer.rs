//! `tokenizer.json` through the `tokenizers` crate.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Text to token ids and back.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    path: PathBuf,
    inner: Box<tokenizers::Tokenizer>,
}

/// A text cut into tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// What the model reads.
    pub ids: Vec<u32>,
    /// The segment of every token (BERT); 0 elsewhere.
    pub token_types: Vec<u32>,
    /// What a person reads: the piece of text behind every token, special tokens by their names.
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
        let mut inner = tokenizers::Tokenizer::from_file(&path)
            .map_err(|error| Error::format(&path, one_line(&error)))?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| Error::format(&path, one_line(&error)))?;
        Ok(Tokenizer { path, inner: Box::new(inner) })
    }

    /// Cuts a text into tokens, with the special tokens that the model was trained with.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text without any token, [`Error::Format`] if the tokenizer fails on it.
    pub fn encode(&self, text: &str) -> Result<Tokens> {
        if text.trim().is_empty() {
            return Err(Error::invalid(
                "text",
                if text.is_empty() { "empty" } else { "blank" },
                "at least one word",
            ));
        }
        let encoding = self.inner.encode(text, true).map_err(|error| self.failed(&error))?;
        let special = encoding.get_special_tokens_mask();
        let pieces = encoding.get_tokens().iter().zip(encoding.get_offsets()).zip(special);
        let pieces = pieces.map(|((token, &(start, end)), &special)| match text.get(start..end) {
            Some(piece) if special == 0 && !piece.is_empty() => piece.to_owned(),
            _ => token.clone(),
        });
        Ok(Tokens {
            ids: encoding.get_ids().to_vec(),
            token_types: encoding.get_type_ids().to_vec(),
            pieces: pieces.collect(),
        })
    }

    /// The text of some ids, special tokens left out.
    ///
    /// # Errors
    /// [`Error::Format`] if the tokenizer fails on them.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, true).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &tokenizers::Error) -> Error {
        Error::format(&self.path, one_line(error))
    }
}

fn one_line(error: &tokenizers::Error) -> String {
    error.to_string().replace('\n', " ")
}
