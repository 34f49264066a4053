//! Tokenizers from a SentencePiece model: `spiece.model` of T5, `tokenizer.model` of LLaMA.
//!
//! The model is converted to the definition that `tokenizer.json` would hold, which cuts a text as SentencePiece does.
//!
//! **Source**: Kudo & Richardson 2018 (arXiv 1808.06226); the file is a protobuf message, `sentencepiece_model.proto`.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::load::not_read;
use super::make::{definition, numbered};
use super::pieces::BLANK;
use super::protobuf::{Field, fields, float};
use super::settings::Settings;
use super::vocabulary::{class, ends, template};
use crate::error::{Error, Result};
use crate::model::foreign;

/// The kinds of pieces, by their number in the file.
const NORMAL: u64 = 1;
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

struct Piece<'a> {
    text: &'a str,
    score: f32,
    kind: u64,
}

/// The fields of the file that determine how a text is cut.
struct Model<'a> {
    pieces: Vec<Piece<'a>>,
    /// Whether pieces are chosen by the most likely path, and not by merging pairs.
    is_unigram: bool,
    has_bytes: bool,
    /// A table that maps characters to equivalent ones, in the format of the file.
    characters: &'a [u8],
    begins_with_blank: bool,
    drops_blanks: bool,
}

/// The definition for the model at `path`.
pub(super) fn definition_of(path: &Path, settings: &Settings) -> Result<Value> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let class =
        class(folder, settings, |family| if family == "t5" { "T5Tokenizer" } else { "LlamaTokenizer" })?;
    if !["T5Tokenizer", "LlamaTokenizer"].contains(&class.as_str()) || name == "sentencepiece.bpe.model" {
        return Err(not_read(folder, &format!("{name} is for a {class}, which is not built here")));
    }
    foreign::expect_own(path)?;
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    let Some(model) = Model::read(&bytes).filter(|model| !model.pieces.is_empty()) else {
        return Err(not_read(folder, &format!("{name} is not a SentencePiece model")));
    };
    let vocab = numbered(model.pieces.iter().map(|piece| piece.text));
    let mut whole = definition();
    whole["normalizer"] = model.normalizer(path)?;
    whole["pre_tokenizer"] = model.pre_tokenizer();
    whole["decoder"] = model.decoder();
    let mut special: Vec<&str> = model.of_kind(CONTROL).chain(model.of_kind(UNKNOWN)).collect();
    let sentinels: Vec<String> = match class.as_str() {
        "T5Tokenizer" => (0..settings.count("extra_ids")?.unwrap_or(100))
            .rev()
            .map(|at| format!("<extra_id_{at}>"))
            .collect(),
        _ => Vec::new(),
    };
    special.extend(sentinels.iter().map(String::as_str));
    let added = special.iter().map(|token| {
        json!({ "id": 0, "content": token, "special": true, "normalized": false, "single_word": false, "lstrip": false, "rstrip": false })
    });
    let mut added: Vec<Value> = added.collect();
    let mut next = vocab.len();
    for token in &mut added {
        let id = vocab.get(token["content"].as_str().unwrap_or_default()).cloned();
        token["id"] = id.unwrap_or_else(|| {
            next += 1;
            (next - 1).into()
        });
    }
    whole["added_tokens"] = added.into();
    whole["post_processor"] = match class.as_str() {
        "T5Tokenizer" => template(&vocab, None, vocab.contains_key("</s>").then_some("</s>")),
        _ => ends(path, &vocab, settings)?,
    };
    whole["model"] = if model.is_unigram { model.unigram() } else { model.pairs(vocab) };
    Ok(whole)
}

impl<'a> Model<'a> {
    /// Reads the fields; `None` if the bytes are no such message.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut model = Model {
            pieces: Vec::new(),
            is_unigram: true,
            has_bytes: false,
            characters: &[],
            begins_with_blank: true,
            drops_blanks: true,
        };
        for (number, field) in fields(bytes)? {
            match (number, field) {
                (1, Field::Bytes(piece)) => model.pieces.push(Piece::read(piece)?),
                (2, Field::Bytes(trainer)) => {
                    for (number, field) in fields(trainer)? {
                        match (number, field) {
                            (3, Field::Number(kind)) => model.is_unigram = kind == 1,
                            (35, Field::Number(is_on)) => model.has_bytes = is_on == 1,
                            _ => {}
                        }
                    }
                }
                (3, Field::Bytes(normalizer)) => {
                    for (number, field) in fields(normalizer)? {
                        match (number, field) {
                            (2, Field::Bytes(table)) => model.characters = table,
                            (3, Field::Number(is_on)) => model.begins_with_blank = is_on == 1,
                            (4, Field::Number(is_on)) => model.drops_blanks = is_on == 1,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Some(model)
    }

    fn of_kind(&self, kind: u64) -> impl Iterator<Item = &'a str> {
        self.pieces.iter().filter(move |piece| piece.kind == kind).map(|piece| piece.text)
    }

    /// Maps equivalent characters to one, removes extra blanks, adds a blank in front, and writes `▁` for every blank.
    fn normalizer(&self, path: &Path) -> Result<Value> {
        let replace = |pattern: Value, content: &str| json!({ "type": "Replace", "pattern": pattern, "content": content });
        let mut parts = Vec::new();
        if !self.characters.is_empty() {
            let table = tokenizers::normalizers::Precompiled::from(self.characters);
            let table =
                table.map_err(|error| Error::format(path, format!("its table of characters: {error}")))?;
            parts.push(serde_json::to_value(table).map_err(|error| Error::format(path, error))?);
        }
        if self.drops_blanks {
            parts.push(replace(json!({ "Regex": "\\A +| +\\z" }), ""));
            parts.push(replace(json!({ "Regex": " {2,}" }), " "));
        }
        if self.begins_with_blank {
            parts.push(json!({ "type": "Prepend", "prepend": BLANK }));
        }
        parts.push(replace(json!({ "String": " " }), &BLANK.to_string()));
        Ok(json!({ "type": "Sequence", "normalizers": parts }))
    }

    /// Pieces that a user defined are never cut nor merged.
    fn pre_tokenizer(&self) -> Value {
        let mut own: Vec<String> = self.of_kind(USER_DEFINED).map(escaped).collect();
        if own.is_empty() {
            return Value::Null;
        }
        own.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
        json!({ "type": "Split", "pattern": { "Regex": own.join("|") }, "behavior": "Isolated", "invert": false })
    }

    fn decoder(&self) -> Value {
        let mut parts = vec![json!({ "type": "Replace", "pattern": { "String": BLANK }, "content": " " })];
        parts.extend(self.has_bytes.then(|| json!({ "type": "ByteFallback" })));
        parts.push(json!({ "type": "Fuse" }));
        if self.begins_with_blank {
            parts.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
        }
        json!({ "type": "Sequence", "decoders": parts })
    }

    fn unigram(&self) -> Value {
        let unknown = self.pieces.iter().position(|piece| piece.kind == UNKNOWN);
        let vocab: Vec<_> = self.pieces.iter().map(|piece| (piece.text, f64::from(piece.score))).collect();
        json!({ "type": "Unigram", "unk_id": unknown, "vocab": vocab, "byte_fallback": self.has_bytes })
    }

    /// Two pieces are merged where the result is a piece too, in the order of the result's score, the highest first.
    fn pairs(&self, vocab: Map<String, Value>) -> Value {
        let normal = || self.pieces.iter().enumerate().filter(|(_, piece)| piece.kind == NORMAL);
        let known: HashMap<&str, usize> = normal().map(|(id, piece)| (piece.text, id)).collect();
        let mut merges: Vec<(f32, usize, [&str; 2])> = Vec::new();
        for (id, piece) in normal() {
            for (at, _) in piece.text.char_indices().skip(1) {
                let (left, right) = piece.text.split_at(at);
                if known.contains_key(left) && known.contains_key(right) {
                    merges.push((-piece.score, id, [left, right]));
                }
            }
        }
        merges.sort_by(|one, other| {
            one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)).then(one.2.cmp(&other.2))
        });
        let merges: Vec<[&str; 2]> = merges.into_iter().map(|(_, _, pair)| pair).collect();
        json!({
            "type": "BPE", "dropout": null, "unk_token": self.of_kind(UNKNOWN).next(), "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": self.has_bytes,
            "ignore_merges": self.of_kind(USER_DEFINED).next().is_some(), "vocab": vocab, "merges": merges,
        })
    }
}

impl<'a> Piece<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut piece = Piece { text: "", score: 0.0, kind: NORMAL };
        for (number, field) in fields(bytes)? {
            match (number, field) {
                (1, Field::Bytes(text)) => piece.text = std::str::from_utf8(text).ok()?,
                (2, Field::Bytes(score)) => piece.score = float(score)?,
                (3, Field::Number(kind)) => piece.kind = kind,
                _ => {}
            }
        }
        Some(piece)
    }
}

/// A regular expression that matches exactly `text`.
fn escaped(text: &str) -> String {
    let escaped = |c: char| if r"\.+*?()|[]{}^$".contains(c) { vec!['\\', c] } else { vec![c] };
    text.chars().flat_map(escaped).collect()
}
