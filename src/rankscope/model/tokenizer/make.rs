//! Tokenizers that need no file: bytes, characters, words, and pairs learned from a text.
//!
//! Each is written as the definition that `tokenizer.json` would hold, so that a tokenizer is the same after it is
//! saved and loaded again.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use serde_json::{Map, Value, json};
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::BpeTrainer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, TokenizerImpl};

use super::pieces::char_from_byte;
use super::{Tokenizer, one_line};
use crate::error::{Error, Result};
use crate::file::save;

impl Tokenizer {
    /// Every byte is a token, and its id is its value: 256 ids, which can represent any text without loss.
    ///
    /// **Conventions**: the spelling of a byte is GPT-2's, so that every implementation can read the file.
    ///
    /// ```
    /// use rankscope::model::Tokenizer;
    /// let bytes = Tokenizer::bytes()?;
    /// assert_eq!(bytes.encode("Aé")?.ids, [0x41, 0xC3, 0xA9]);
    /// assert_eq!(bytes.decode(&[0x41, 0xC3, 0xA9])?, "Aé");
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn bytes() -> Result<Self> {
        defined("byte-level tokenizer", byte_level(numbered((0..=255).map(char_from_byte)), false))
    }

    /// Every character that occurs in `text` is a token, in order of their code points.
    ///
    /// A character that does not occur there is an error of [`encode`](Self::encode) that names it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty text.
    ///
    /// ```
    /// use rankscope::model::Tokenizer;
    /// let letters = Tokenizer::characters("banana")?;
    /// assert_eq!(letters.encode("nab")?.ids, [2, 0, 1]);
    /// assert!(letters.encode("nob").unwrap_err().to_string().contains("'o'"));
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn characters(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::invalid("text to take characters from", "empty", "at least one character"));
        }
        let letters: BTreeSet<char> = text.chars().collect();
        let vocab = numbered(letters);
        let mut definition = definition();
        definition["pre_tokenizer"] = json!({ "type": "Split", "pattern": { "Regex": "(?s)." }, "behavior": "Isolated", "invert": false });
        definition["decoder"] = json!({ "type": "Fuse" });
        definition["model"] = json!({ "type": "WordLevel", "vocab": vocab, "unk_token": UNKNOWN });
        defined("character tokenizer", definition)
    }

    /// Every word is a token, and its id is its place among `words`; words are separated by blanks.
    ///
    /// A word that is not among them is an error of [`encode`](Self::encode) that names it.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming a word that is empty, has a blank inside, or is listed twice.
    ///
    /// ```
    /// use rankscope::model::Tokenizer;
    /// let words = Tokenizer::words(["yes", "no", "1"])?;
    /// assert_eq!(words.encode("1 yes")?.ids, [2, 0]);
    /// assert!(words.encode("1 2").unwrap_err().to_string().contains("word 2 of the text is \"2\""));
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn words<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Result<Self> {
        let mut vocab = Map::new();
        for (id, word) in words.into_iter().map(Into::into).enumerate() {
            let word: String = word;
            if word.is_empty() || word.contains(char::is_whitespace) || vocab.contains_key(&word) {
                return Err(Error::invalid("word", format!("{word:?}"), "a new word without blanks"));
            }
            vocab.insert(word, id.into());
        }
        let mut definition = definition();
        definition["pre_tokenizer"] = json!({ "type": "WhitespaceSplit" });
        definition["model"] = json!({ "type": "WordLevel", "vocab": vocab, "unk_token": UNKNOWN });
        defined("tokenizer of words", definition)
    }

    /// Learns byte pairs from `texts`: beginning with the 256 bytes, the most frequent pair of neighbouring tokens
    /// becomes a token, until there are `vocab_size` (or no pair occurs). `special` tokens come first and have no text.
    ///
    /// **Conventions**: a text is first cut into words as GPT-2 does. Of equally frequent pairs the one with the
    /// smaller ids is taken, so that the same texts give the same tokens.
    ///
    /// **Source**: Sennrich et al. 2016 (arXiv 1508.07909), on bytes as in Radford et al. 2019 (GPT-2).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a vocabulary without room for the bytes and the special tokens.
    pub fn train<T: AsRef<str> + Send>(
        texts: impl IntoIterator<Item = T, IntoIter: Send>,
        vocab_size: usize,
        special: &[&str],
    ) -> Result<Self> {
        let least = 256 + special.len();
        if vocab_size < least {
            let expected = format!("at least {least}: every byte and every special token");
            return Err(Error::invalid("size of the vocabulary", vocab_size, expected));
        }
        let name = "trained tokenizer";
        let failed = |error: &tokenizers::Error| Error::format(name, one_line(error));
        let mut tokenizer = defined(name, byte_level(Map::new(), true))?;
        let special = special.iter().map(|token| AddedToken::from(*token, true)).collect();
        let alphabet: HashSet<char> = ByteLevel::alphabet().into_iter().collect();
        let trainer = BpeTrainer::builder()
            .vocab_size(vocab_size)
            .initial_alphabet(alphabet)
            .special_tokens(special)
            .show_progress(false)
            .build();
        let inner: &mut TokenizerImpl<_, _, _, _, _> = &mut tokenizer.inner;
        inner.train(&mut TrainerWrapper::from(trainer), texts.into_iter()).map_err(|error| failed(&error))?;
        Ok(tokenizer)
    }

    /// This tokenizer with further tokens without text, which get the next ids. A name that is already used gets a `+`:
    /// `<pad+>`.
    ///
    /// # Errors
    /// As [`expect_every_id`](Self::expect_every_id).
    pub fn with_special(&self, names: impl IntoIterator<Item = String>) -> Result<Self> {
        self.expect_every_id()?;
        let mut inner = self.inner.clone();
        for mut name in names {
            while inner.token_to_id(&name).is_some() {
                name.insert(name.len().saturating_sub(1), '+');
            }
            inner.add_special_tokens([AddedToken::from(&name, true)]).map_err(|error| self.failed(&error))?;
        }
        Tokenizer::of(self.path.clone(), *inner)
    }

    /// Checks that every id below the vocabulary's size is a token.
    ///
    /// # Errors
    /// [`Error::Format`] naming the first id without a token.
    pub fn expect_every_id(&self) -> Result<()> {
        match (0..self.vocab_size() as u32).find(|&id| self.inner.id_to_token(id).is_none()) {
            None => Ok(()),
            Some(id) => {
                Err(Error::format(&self.path, format!("no token has the id {id}; expected one for every id")))
            }
        }
    }

    /// This tokenizer, set to read the name of a special token in a text as that token, or as ordinary text.
    pub fn special_in_texts(mut self, are_read: bool) -> Self {
        self.inner.set_encode_special_tokens(!are_read);
        self
    }

    /// The number of ids, special tokens included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Writes `tokenizer.json` into `directory`, to be read by [`load`](Self::load) and by `tokenizers` elsewhere.
    ///
    /// # Errors
    /// As [`figure::save`](crate::figure::save).
    pub fn save(&self, directory: &Path) -> Result<()> {
        let text = self.inner.to_string(true).map_err(|error| self.failed(&error))?;
        save(directory.join("tokenizer.json"), text)
    }
}

/// The name of the unknown token: no token of a character tokenizer has it, since it is longer than a character.
const UNKNOWN: &str = "<unknown>";

/// A vocabulary in which the id of a token is its place.
pub(super) fn numbered<T: ToString>(tokens: impl IntoIterator<Item = T>) -> Map<String, Value> {
    (0u32..).zip(tokens).map(|(id, token)| (token.to_string(), id.into())).collect()
}

/// A definition with every part that the format requires, but without a model.
pub(super) fn definition() -> Value {
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
    })
}

/// A definition of bytes in GPT-2's spelling, without merges; the text is first cut into words if `is_cut`.
fn byte_level(vocab: Map<String, Value>, is_cut: bool) -> Value {
    let mut definition = definition();
    let part = |is_cut: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": is_cut });
    definition["pre_tokenizer"] = part(is_cut);
    definition["decoder"] = part(true);
    definition["model"] = json!({
        "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
        "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": [],
    });
    definition
}

fn defined(name: &str, definition: Value) -> Result<Tokenizer> {
    let inner = serde_json::from_value(definition).map_err(|error| Error::format(name, error))?;
    Tokenizer::of(name.into(), inner)
}
