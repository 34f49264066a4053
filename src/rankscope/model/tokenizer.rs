//! Text to token ids and back, through the `tokenizers` crate.

#[cfg(test)]
mod files_tests;
mod load;
mod make;
mod pieces;
mod protobuf;
#[cfg(test)]
pub(crate) mod samples;
mod sentence_piece;
mod settings;
mod settled;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::path::PathBuf;

use tokenizers::PreTokenizerWrapper;

use crate::error::{Error, Result};
pub(in crate::model) use load::FILES as TEXT_FILES;
use pieces::Spelling;
use settled::Settled;

/// Text to token ids and back.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    path: PathBuf,
    inner: Box<tokenizers::Tokenizer>,
    /// How a token's name in the vocabulary spells its text.
    spelling: Spelling,
    /// When the text of decoded tokens is final.
    settled: Settled,
    /// The id of the unknown token, where the model has one.
    unknown: Option<u32>,
    /// The units of a tokenizer that has no token for unknown text.
    units: Option<Units>,
}

/// A text cut into tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The ids that the model reads.
    pub ids: Vec<u32>,
    /// The segment of every token (BERT); 0 elsewhere.
    pub token_types: Vec<u32>,
    /// The text of each token, for display.
    ///
    /// A space that belongs to a token is part of it, so that `" sang"` and `"sang"` differ; a piece inside a word
    /// keeps the vocabulary's mark for that (`"##ng"`). Special tokens and the unknown token are shown by their names,
    /// and parts of a character by their bytes, as `<0xF0>`.
    pub pieces: Vec<String>,
    /// The original text of a token that is unknown to the tokenizer; `None` for all others.
    pub originals: Vec<Option<String>>,
}

impl Tokenizer {
    fn of(path: PathBuf, mut inner: tokenizers::Tokenizer) -> Result<Self> {
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| Error::format(&path, one_line(&error)))?;
        let spelling = Spelling::of(&inner);
        let settled = Settled::of(&inner);
        let unknown = unknown(inner.get_model()).and_then(|token| inner.token_to_id(token));
        let units = Units::of(&inner);
        Ok(Tokenizer { path, inner: Box::new(inner), spelling, settled, unknown, units })
    }

    /// Cuts a text into tokens, with the special tokens that the model was trained with.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text without any token, or naming a character or word that a tokenizer of characters or
    /// words does not know; [`Error::Format`] if the tokenizer fails on it or returns an invalid result.
    pub fn encode(&self, text: &str) -> Result<Tokens> {
        self.expect_known(text)?;
        if text.is_empty() || (text.trim().is_empty() && !self.reads_blanks()) {
            let got = if text.is_empty() { "empty" } else { "blank" };
            return Err(Error::invalid("text", got, "at least one word"));
        }
        let encoding = self.inner.encode(text, true).map_err(|error| self.failed(&error))?;
        if encoding.get_ids().is_empty() {
            return Err(Error::invalid("text", "without any token", "text that the tokenizer knows"));
        }
        let pieces: Vec<_> = encoding.get_ids().iter().map(|&id| self.piece(id)).collect();
        let original = |at: usize| {
            // If the model does not state its unknown token, the token has the spelling of the original text.
            let id = encoding.get_ids()[at];
            let is_unknown = Some(id) == self.unknown
                || self.inner.id_to_token(id).is_some_and(|name| name != encoding.get_tokens()[at]);
            let (start, end) = encoding.get_offsets()[at];
            let original =
                text.get(start..end).filter(|original| !original.is_empty() && **original != pieces[at]);
            original.filter(|_| is_unknown).map(str::to_owned)
        };
        let originals = (0..pieces.len()).map(original).collect();
        let (ids, token_types) = (encoding.get_ids().to_vec(), encoding.get_type_ids().to_vec());
        Ok(Tokens { ids, token_types, pieces, originals })
    }

    /// The text of one token, as in [`Tokens::pieces`]; `<7>` for an id that the tokenizer does not have.
    pub fn piece(&self, id: u32) -> String {
        let is_added = self.inner.get_added_vocabulary().get_added_tokens_decoder().contains_key(&id);
        match self.inner.id_to_token(id) {
            None => format!("<{id}>"),
            Some(token) if is_added => token,
            Some(token) => self.spelling.read(&token),
        }
    }

    /// The ids of a text that continues another one: without the special tokens at the beginning and the end.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text without any token, [`Error::Format`] if the tokenizer fails on it.
    pub fn encode_behind(&self, text: &str) -> Result<Vec<u32>> {
        let ids = self.ids(text)?;
        if ids.is_empty() {
            return Err(Error::invalid("text", "without any token", "text that the tokenizer knows"));
        }
        Ok(ids)
    }

    /// The ids of a part of a text; there may be none.
    pub(crate) fn ids(&self, text: &str) -> Result<Vec<u32>> {
        self.expect_known(text)?;
        let encoding = self.inner.encode_fast(text, false).map_err(|error| self.failed(&error))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of some ids. Special tokens and unknown ids have no text.
    ///
    /// # Errors
    /// [`Error::Format`] if the tokenizer fails on them.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let said: Vec<u32> = ids.iter().copied().filter(|&id| self.said(id).is_some()).collect();
        if said.is_empty() {
            return Ok(String::new());
        }
        self.inner.decode(&said, false).map_err(|error| self.failed(&error))
    }

    /// Whether later tokens may still change the text of the last token in another way than by completing a character.
    pub(super) fn may_change(&self, ids: &[u32]) -> bool {
        let last = ids.iter().rev().find_map(|&id| self.said(id));
        last.is_some_and(|token| self.settled.may_change(&token))
    }

    /// The name of a token, if the token has text.
    fn said(&self, id: u32) -> Option<String> {
        let is_special = |token: &String| self.inner.get_added_vocabulary().is_special_token(token);
        self.inner.id_to_token(id).filter(|token| !is_special(token))
    }

    /// Whether a text of only spaces has tokens.
    fn reads_blanks(&self) -> bool {
        let own = self.inner.get_vocab_size(false);
        self.units == Some(Units::Characters) || (self.spelling == Spelling::Bytes && own == 256)
    }

    fn expect_known(&self, text: &str) -> Result<()> {
        let is_known = |unit: &str| self.inner.token_to_id(unit).is_some();
        let (unit, found) = match self.units {
            None => return Ok(()),
            Some(Units::Words) => {
                let mut words = text.split_whitespace().enumerate();
                ("word", words.find(|(_, word)| !is_known(word)).map(|(at, word)| (at, format!("{word:?}"))))
            }
            Some(Units::Characters) => {
                let mut letters = text.chars().enumerate();
                let unknown = letters.find(|(_, letter)| !is_known(letter.encode_utf8(&mut [0; 4])));
                ("character", unknown.map(|(at, letter)| (at, format!("{letter:?}"))))
            }
        };
        let Some((at, got)) = found else { return Ok(()) };
        let known = self.inner.get_vocab_size(false);
        let expected = format!("one of the {known} {unit}s that the tokenizer knows");
        Err(Error::invalid(format!("{unit} {} of the text", at + 1), got, expected))
    }

    fn failed(&self, error: &tokenizers::Error) -> Error {
        Error::format(&self.path, one_line(error))
    }
}

/// The model's name for text that is not in its vocabulary.
fn unknown(model: &tokenizers::ModelWrapper) -> Option<&str> {
    use tokenizers::ModelWrapper::{BPE, Unigram, WordLevel, WordPiece};
    match model {
        BPE(model) => model.unk_token.as_deref(),
        WordPiece(model) => Some(&model.unk_token),
        WordLevel(model) => Some(&model.unk_token),
        Unigram(_) => None,
    }
}

/// The units of the tokens, in a vocabulary without a token for unknown text.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Units {
    Characters,
    /// The words between blanks.
    Words,
}

impl Units {
    fn of(inner: &tokenizers::Tokenizer) -> Option<Self> {
        let tokenizers::ModelWrapper::WordLevel(model) = inner.get_model() else { return None };
        let vocab = tokenizers::Model::get_vocab(model);
        let is_split = matches!(inner.get_pre_tokenizer(), Some(PreTokenizerWrapper::WhitespaceSplit(_)));
        let is_letter = |token: &String| token.chars().count() == 1;
        match vocab.contains_key(&model.unk_token) {
            true => None,
            false if is_split => Some(Units::Words),
            false => vocab.keys().all(is_letter).then_some(Units::Characters),
        }
    }
}

fn one_line(error: &tokenizers::Error) -> String {
    error.to_string().replace('\n', " ")
}
