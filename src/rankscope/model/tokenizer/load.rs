//! Loads a tokenizer from the files of a model folder.

use std::path::Path;

use super::settings::Settings;
use super::{Tokenizer, one_line, sentence_piece, vocabulary};
use crate::error::{Error, Result};
use crate::model::foreign;

const JSON: &str = "tokenizer.json";

/// The files that a folder's tokenizer is made from: the first of these sets of which all files exist.
const SOURCES: [&[&str]; 6] = [
    &[JSON],
    &["vocab.txt"],
    &["vocab.json", "merges.txt"],
    &["spiece.model"],
    &["tokenizer.model"],
    &["sentencepiece.bpe.model"],
];

/// Every file of a model folder that belongs to its tokenizer, to be copied with it.
pub(in crate::model) const FILES: [&str; 11] = [
    JSON,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "generation_config.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
];

impl Tokenizer {
    /// Reads a model folder's `tokenizer.json`; without it, the older files that it can be made from: `vocab.txt`
    /// (WordPiece), `vocab.json` and `merges.txt` (byte pairs), `spiece.model` or `tokenizer.model` (SentencePiece).
    ///
    /// **Conventions**: `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` beside it are read
    /// as `transformers` does, for tokens that are only in these files. Padding and truncation are switched off.
    ///
    /// # Errors
    /// [`Error::Model`] if there is none of these files (ids can be given instead), or they are of a kind that cannot
    /// be read; [`Error::Format`] if one cannot be read.
    pub fn load(directory: &Path) -> Result<Self> {
        let Some(files) = source(directory) else { return Err(missing(directory)) };
        let settings = Settings::open(directory)?;
        let path = directory.join(files[0]);
        let mut inner = match files {
            [JSON] => tokenizers::Tokenizer::from_file(&path)
                .map_err(|error| foreign::unreadable(&path, one_line(&error)))?,
            _ => {
                let definition = match files {
                    ["vocab.txt"] => vocabulary::word_pieces(directory, &settings)?,
                    ["vocab.json", _] => vocabulary::pairs(directory, &settings)?,
                    _ => sentence_piece::definition_of(&path, &settings)?,
                };
                serde_json::from_value(definition).map_err(|error| Error::format(&path, error))?
            }
        };
        settings.apply(&mut inner)?;
        Tokenizer::of(path, inner)
    }

    /// Whether a folder has files that a tokenizer is made from.
    pub fn is_in(directory: &Path) -> bool {
        source(directory).is_some()
    }
}

fn source(directory: &Path) -> Option<&'static [&'static str]> {
    let is_there = |files: &&&[&str]| files.iter().all(|file| directory.join(file).is_file());
    SOURCES.iter().find(is_there).copied()
}

/// Which tokenizer files a folder lacks.
fn missing(directory: &Path) -> Error {
    let has = |file: &str| directory.join(file).is_file();
    let problem = if has("vocab.json") {
        "merges.txt is missing beside vocab.json".to_owned()
    } else if has("merges.txt") {
        "vocab.json is missing beside merges.txt".to_owned()
    } else {
        "no tokenizer.json (nor vocab.txt, vocab.json with merges.txt, spiece.model or tokenizer.model)"
            .to_owned()
    };
    let hint = "bring it from where the model came from, or give token ids instead of a text";
    Error::Model(format!("{}: {problem}; {hint}", directory.display()))
}

/// An error about files that cannot be made into a tokenizer here, which says how to make `tokenizer.json` from them.
pub(super) fn not_read(directory: &Path, problem: &str) -> Error {
    let folder = directory.display();
    Error::Model(format!(
        "{folder}: {problem}; make a tokenizer.json of it, with pip install transformers sentencepiece protobuf: python -c \
         \"from transformers import AutoTokenizer as A; A.from_pretrained('{folder}').save_pretrained('{folder}')\""
    ))
}
