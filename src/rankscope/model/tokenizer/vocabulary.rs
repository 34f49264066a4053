//! Tokenizers from the older files: `vocab.txt`, or `vocab.json` and `merges.txt`.
//!
//! Each becomes the definition that `tokenizer.json` would hold. **Source**: what `transformers` builds for the class
//! that `tokenizer_config.json` names, or for the family of `config.json`.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::load::not_read;
use super::make::{definition, numbered};
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::model::Config;
use crate::model::foreign;

/// The class of tokenizer of a folder: as stated, or the default of the model's family.
pub(super) fn class(
    directory: &Path,
    settings: &Settings,
    of_family: fn(&str) -> &'static str,
) -> Result<String> {
    match settings.class() {
        Some(class) if !class.starts_with("PreTrained") && class != "TokenizersBackend" => {
            Ok(class.to_owned())
        }
        _ if directory.join("config.json").is_file() => {
            let family: Option<String> = Config::open(directory)?.optional("model_type")?;
            Ok(of_family(family.as_deref().unwrap_or_default()).to_owned())
        }
        _ => Ok(of_family("").to_owned()),
    }
}

/// BERT's: words, cut into the longest pieces that `vocab.txt` has, one in each line.
pub(super) fn word_pieces(directory: &Path, settings: &Settings) -> Result<Value> {
    let class = class(directory, settings, |_| "BertTokenizer")?;
    if !["BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer"].contains(&class.as_str()) {
        return Err(not_read(directory, &format!("vocab.txt is for a {class}, which is not built here")));
    }
    let path = directory.join("vocab.txt");
    let text = read(&path)?;
    let vocab = numbered(text.lines());
    let name =
        |field: &str, usual: &str| Ok::<_, Error>(settings.named(field)?.unwrap_or_else(|| usual.to_owned()));
    let (unknown, pad, mask) =
        (name("unk_token", "[UNK]")?, name("pad_token", "[PAD]")?, name("mask_token", "[MASK]")?);
    let (begin, end) = (name("cls_token", "[CLS]")?, name("sep_token", "[SEP]")?);
    for token in [&unknown, &begin, &end] {
        if !vocab.contains_key(token) {
            return Err(Error::format(&path, format!("{token} is missing, expected a line with it")));
        }
    }
    let mut whole = definition();
    whole["normalizer"] = json!({
        "type": "BertNormalizer", "clean_text": true,
        "handle_chinese_chars": settings.switch("tokenize_chinese_chars")?.unwrap_or(true),
        "strip_accents": settings.switch("strip_accents")?,
        "lowercase": settings.switch("do_lower_case")?.unwrap_or(true),
    });
    whole["pre_tokenizer"] = json!({ "type": "BertPreTokenizer" });
    whole["decoder"] = json!({ "type": "WordPiece", "prefix": "##", "cleanup": true });
    whole["added_tokens"] = special(&vocab, [&pad, &unknown, &begin, &end, &mask].map(String::as_str));
    whole["post_processor"] = template(&vocab, Some(&begin), Some(&end));
    whole["model"] = json!({
        "type": "WordPiece", "unk_token": unknown, "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
        "vocab": vocab,
    });
    Ok(whole)
}

/// How Qwen cuts a text into words before pairs are merged.
const QWEN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Pairs that are merged in the order of `merges.txt`: of bytes, as in GPT-2, or of characters, as in GPT-1.
pub(super) fn pairs(directory: &Path, settings: &Settings) -> Result<Value> {
    let of_family = |family: &str| match family {
        "openai-gpt" => "OpenAIGPTTokenizer",
        "roberta" => "RobertaTokenizer",
        "qwen2" => "Qwen2Tokenizer",
        _ => "GPT2Tokenizer",
    };
    let class = class(directory, settings, of_family)?;
    let path = directory.join("vocab.json");
    let vocab: Map<String, Value> = serde_json::from_str(&read(&path)?)
        .map_err(|error| Error::format(&path, format!("not a vocabulary: {error}")))?;
    let merges = read(&directory.join("merges.txt"))?;
    let merges: Vec<&str> =
        merges.lines().filter(|line| !line.starts_with("#version") && !line.is_empty()).collect();
    let mut whole = definition();
    let bytes = |is_cut: bool, is_spaced: bool| json!({ "type": "ByteLevel", "add_prefix_space": is_spaced, "trim_offsets": true, "use_regex": is_cut });
    let is_spaced = settings.switch("add_prefix_space")?.unwrap_or(false);
    (whole["pre_tokenizer"], whole["decoder"]) = (bytes(true, is_spaced), bytes(true, false));
    let (mut unknown, mut suffix) = (None, None);
    let mut usual = vec!["<|endoftext|>"];
    match class.as_str() {
        "GPT2Tokenizer" => whole["post_processor"] = ends(&path, &vocab, settings)?,
        "Qwen2Tokenizer" => {
            let cut = json!({ "type": "Split", "pattern": { "Regex": QWEN }, "behavior": "Isolated", "invert": false });
            whole["normalizer"] = json!({ "type": "NFC" });
            whole["pre_tokenizer"] =
                json!({ "type": "Sequence", "pretokenizers": [cut, bytes(false, is_spaced)] });
        }
        "RobertaTokenizer" => {
            usual = vec!["<s>", "</s>", "<unk>", "<pad>", "<mask>"];
            whole["post_processor"] = template(&vocab, Some("<s>"), Some("</s>"));
        }
        "OpenAIGPTTokenizer" => {
            usual = vec!["<unk>"];
            (unknown, suffix) = (Some("<unk>"), Some("</w>"));
            whole["normalizer"] = json!({ "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true });
            whole["pre_tokenizer"] = json!({ "type": "BertPreTokenizer" });
            whole["decoder"] = json!({ "type": "BPEDecoder", "suffix": "</w>" });
        }
        _ => {
            let problem = format!("vocab.json is for a {class}, which is not built here");
            return Err(not_read(directory, &problem));
        }
    }
    whole["added_tokens"] = special(&vocab, usual);
    whole["model"] = json!({
        "type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": null,
        "end_of_word_suffix": suffix, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": merges,
    });
    Ok(whole)
}

/// A post-processor with the tokens that `add_bos_token` and `add_eos_token` ask for.
pub(super) fn ends(path: &Path, vocab: &Map<String, Value>, settings: &Settings) -> Result<Value> {
    let end = |switch: &str, field: &str| -> Result<Option<String>> {
        if settings.switch(switch)? != Some(true) {
            return Ok(None);
        }
        let usual =
            || ["<|endoftext|>", if field == "bos_token" { "<s>" } else { "</s>" }].map(str::to_owned);
        let tokens = settings.named(field)?.map_or_else(|| usual().to_vec(), |token| vec![token]);
        match tokens.iter().find(|token| vocab.contains_key(*token)) {
            Some(token) => Ok(Some(token.clone())),
            None => {
                let problem =
                    format!("{} is missing, expected it since {switch} is true", tokens.join(" or "));
                Err(Error::format(path, problem))
            }
        }
    };
    let (begin, end) = (end("add_bos_token", "bos_token")?, end("add_eos_token", "eos_token")?);
    Ok(template(vocab, begin.as_deref(), end.as_deref()))
}

/// A post-processor that puts tokens around a text; null if there are none to put.
pub(super) fn template(vocab: &Map<String, Value>, before: Option<&str>, after: Option<&str>) -> Value {
    if before.or(after).is_none() {
        return Value::Null;
    }
    let token = |name: &str| json!({ "SpecialToken": { "id": name, "type_id": 0 } });
    let text = std::iter::once(json!({ "Sequence": { "id": "A", "type_id": 0 } }));
    let single: Vec<Value> = before.map(token).into_iter().chain(text).chain(after.map(token)).collect();
    let known = before.into_iter().chain(after);
    let known: Map<String, Value> = known
        .map(|name| (name.to_owned(), json!({ "id": name, "ids": [vocab.get(name)], "tokens": [name] })))
        .collect();
    json!({ "type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": known })
}

/// The names that are in the vocabulary, as special tokens.
pub(super) fn special<'a>(vocab: &Map<String, Value>, names: impl IntoIterator<Item = &'a str>) -> Value {
    let token = |name: &str| {
        Some(json!({
            "id": vocab.get(name)?, "content": name, "special": true, "normalized": false, "single_word": false,
            "lstrip": false, "rstrip": false,
        }))
    };
    names.into_iter().filter_map(token).collect()
}

fn read(path: &Path) -> Result<String> {
    foreign::expect_own(path)?;
    std::fs::read_to_string(path).map_err(|error| Error::io(path, error))
}
