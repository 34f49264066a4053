//! The files beside a vocabulary: `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`.
//!
//! **Conventions**: as `transformers` reads them. If `tokenizer.json` exists, `add_bos_token` and `add_eos_token` have
//! no effect: its own post-processor decides. The two older files count only where `tokenizer_config.json` has no
//! `added_tokens_decoder`. A token that is new takes the next free id.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::{AddedToken, NormalizerWrapper, PreTokenizerWrapper};

use super::one_line;
use crate::error::{Error, Result};
use crate::model::foreign;

type Fields = Map<String, Value>;

/// The fields of these files together.
pub(super) struct Settings {
    path: PathBuf,
    fields: Fields,
}

/// The fields that name a token with a role.
const NAMED: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The classes that use `tokenizer.json` unchanged.
const PLAIN: [&str; 2] = ["PreTrainedTokenizerFast", "TokenizersBackend"];

impl Settings {
    /// Reads those of the files that exist.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] naming the file.
    pub(super) fn open(directory: &Path) -> Result<Self> {
        let path = directory.join("tokenizer_config.json");
        let mut fields = object(&path)?;
        if !fields.contains_key("added_tokens_decoder") {
            fields.extend(object(&directory.join("special_tokens_map.json"))?);
            let added = object(&directory.join("added_tokens.json"))?;
            if !added.is_empty() {
                fields.insert("added_tokens.json".to_owned(), Value::Object(added));
            }
        }
        Ok(Settings { path, fields })
    }

    /// The class of the tokenizer as stated, without the word for its implementation.
    pub(super) fn class(&self) -> Option<&str> {
        let class = self.fields.get("tokenizer_class")?.as_str()?;
        Some(if PLAIN.contains(&class) { class } else { class.strip_suffix("Fast").unwrap_or(class) })
    }

    /// A true or false field, if it is stated.
    ///
    /// # Errors
    /// [`Error::Format`] if it is neither true nor false.
    pub(super) fn switch(&self, field: &str) -> Result<Option<bool>> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(is_on)) => Ok(Some(*is_on)),
            Some(other) => Err(self.wrong(field, other, "true or false")),
        }
    }

    /// A whole number, if it is stated.
    ///
    /// # Errors
    /// [`Error::Format`] if it is no whole number up to 10 000.
    pub(super) fn count(&self, field: &str) -> Result<Option<u64>> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64().filter(|count| *count <= 10_000) {
                Some(count) => Ok(Some(count)),
                None => Err(self.wrong(field, value, "a whole number up to 10000")),
            },
        }
    }

    /// The text of the token with a role, such as `bos_token`.
    ///
    /// # Errors
    /// [`Error::Format`] if the field holds no token.
    pub(super) fn named(&self, field: &str) -> Result<Option<String>> {
        Ok(self.token(field)?.map(|token| token.content))
    }

    /// Adds tokens and settings that are not in the vocabulary.
    ///
    /// # Errors
    /// [`Error::Format`] naming the field.
    pub(super) fn apply(&self, inner: &mut tokenizers::Tokenizer) -> Result<()> {
        let failed = |error: tokenizers::Error| Error::format(&self.path, one_line(&error));
        if self.class().is_some_and(|class| !PLAIN.contains(&class)) {
            if let Some(NormalizerWrapper::BertNormalizer(mut bert)) = inner.get_normalizer().cloned() {
                bert.lowercase = self.switch("do_lower_case")?.unwrap_or(bert.lowercase);
                bert.strip_accents = self.switch("strip_accents")?.or(bert.strip_accents);
                bert.handle_chinese_chars =
                    self.switch("tokenize_chinese_chars")?.unwrap_or(bert.handle_chinese_chars);
                inner.with_normalizer(Some(bert)).map_err(failed)?;
            }
            if let Some(PreTokenizerWrapper::ByteLevel(mut bytes)) = inner.get_pre_tokenizer().cloned() {
                bytes.add_prefix_space = self.switch("add_prefix_space")?.unwrap_or(bytes.add_prefix_space);
                inner.with_pre_tokenizer(Some(bytes));
            }
        }
        let added = self.added(inner)?;
        inner.add_tokens(added).map_err(failed)?;
        inner.set_encode_special_tokens(self.switch("split_special_tokens")?.unwrap_or(false));
        Ok(())
    }

    /// The tokens to add: those with ids in their order, then those with a role, then the others.
    fn added(&self, inner: &tokenizers::Tokenizer) -> Result<Vec<AddedToken>> {
        let mut named = NAMED.iter().map(|field| self.token(field)).collect::<Result<Vec<_>>>()?;
        let own =
            self.fields.keys().filter(|field| field.ends_with("_token") && !NAMED.contains(&field.as_str()));
        for field in own.filter(|field| self.fields[field.as_str()].is_string()) {
            named.push(self.token(field)?);
        }
        let mut others: Vec<AddedToken> = named.into_iter().flatten().collect();
        let extra = ["extra_special_tokens", "additional_special_tokens"];
        for (field, list) in extra.iter().filter_map(|field| Some((field, self.fields.get(*field)?))) {
            let list: Vec<&Value> = match list {
                Value::Array(list) => list.iter().collect(),
                Value::Object(list) => list.values().collect(),
                Value::Null => Vec::new(),
                other => return Err(self.wrong(field, other, "a list of tokens")),
            };
            for token in list {
                others.push(self.as_token(field, token, true)?);
            }
        }
        let mut tokens = self.with_ids(&others)?;
        let known = inner.get_added_vocabulary().get_vocab();
        for token in others {
            let is_new = !known.contains_key(&token.content);
            if is_new && tokens.iter().all(|other| other.content != token.content) {
                tokens.push(token);
            }
        }
        Ok(tokens)
    }

    /// The tokens of `added_tokens_decoder` or `added_tokens.json`; a token that is among `special` is special.
    fn with_ids(&self, special: &[AddedToken]) -> Result<Vec<AddedToken>> {
        let is_special = |content: &str| special.iter().any(|token| token.content == content);
        let mut tokens: BTreeMap<u64, AddedToken> = BTreeMap::new();
        let fields = |field: &str| self.fields.get(field).filter(|value| !value.is_null());
        if let Some(list) = fields("added_tokens_decoder") {
            let wrong = || self.wrong("added_tokens_decoder", list, "an object of tokens by id");
            for (id, token) in list.as_object().ok_or_else(wrong)? {
                let mut token = self.as_token("added_tokens_decoder", token, false)?;
                token.special |= is_special(&token.content);
                tokens.insert(id.parse().map_err(|_| wrong())?, token);
            }
        }
        for (content, id) in fields("added_tokens.json").and_then(Value::as_object).into_iter().flatten() {
            let id = id.as_u64().ok_or_else(|| self.wrong(content, id, "the id of an added token"))?;
            tokens.insert(id, AddedToken::from(content, is_special(content)));
        }
        Ok(tokens.into_values().collect())
    }

    fn token(&self, field: &str) -> Result<Option<AddedToken>> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => self.as_token(field, value, true).map(Some),
        }
    }

    /// A token as text, or as an object with its `content` and the rules for finding it.
    fn as_token(&self, field: &str, value: &Value, is_special: bool) -> Result<AddedToken> {
        if let Value::String(content) = value {
            return Ok(AddedToken::from(content, is_special));
        }
        let Some(content) = value["content"].as_str() else {
            return Err(self.wrong(field, value, "a token: a text, or an object with its content"));
        };
        let is = |flag: &str| value[flag].as_bool();
        let special = is("special").unwrap_or(false) || is_special;
        Ok(AddedToken::from(content, special)
            .single_word(is("single_word").unwrap_or(false))
            .lstrip(is("lstrip").unwrap_or(false))
            .rstrip(is("rstrip").unwrap_or(false))
            .normalized(is("normalized").unwrap_or(!special)))
    }

    fn wrong(&self, field: &str, got: &Value, expected: &str) -> Error {
        let got = crate::error::excerpt(got);
        Error::format(&self.path, format!("{field} is {got}, expected {expected}"))
    }
}

/// The fields of a JSON file; empty if there is no such file.
fn object(path: &Path) -> Result<Fields> {
    if !path.is_file() {
        return Ok(Fields::new());
    }
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    serde_json::from_str(&text)
        .map_err(|error| foreign::unreadable(path, format!("not a JSON object: {error}")))
}
