//! Tokenizers from the files that a folder may have, with the ids that `transformers` 5.24 and `sentencepiece` 0.2.3
//! give for the same files.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::Tokenizer;
use super::make::numbered;
use super::samples::with_begin;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// The ids of a text for [`with_begin`] with these files beside it.
fn beside(text: &str, files: &[(&str, Value)]) -> Vec<u32> {
    let files: Vec<_> = files.iter().map(|(name, value)| (*name, value.to_string())).collect();
    let folder = folder(&files.iter().map(|(name, text)| (*name, text.as_str())).collect::<Vec<_>>());
    with_begin().save(folder.path()).unwrap();
    Tokenizer::load(folder.path()).unwrap().encode(text).unwrap().ids
}

const CONFIG: &str = "tokenizer_config.json";
const TEXT: &str = "a <m> a<p>";

fn config(fields: Value) -> (&'static str, Value) {
    let mut whole = json!({ "tokenizer_class": "PreTrainedTokenizerFast" });
    whole.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    (CONFIG, whole)
}

/// An entry of `added_tokens_decoder`.
fn token(content: &str) -> Value {
    json!({ "content": content, "lstrip": false, "rstrip": false, "normalized": false, "single_word": false, "special": true })
}

#[test]
fn tokens_that_stand_only_in_tokenizer_config_are_tokens() {
    let with = |tokens: Value| beside(TEXT, &[config(json!({ "added_tokens_decoder": tokens }))]);
    assert_eq!(beside(TEXT, &[]), [1, 4, 2, 65, 114, 67, 4, 65, 117, 67]);
    assert_eq!(with(json!({ "261": token("<m>") })), [1, 4, 2, 261, 2, 4, 65, 117, 67]);
    // In the order of their ids, whatever the order in the file.
    assert_eq!(with(json!({ "262": token("<p>"), "261": token("<m>") })), [1, 4, 2, 261, 2, 4, 262]);
    let (mut greedy, mut normalized) = (token("<m>"), token("<m>"));
    (greedy["lstrip"], greedy["rstrip"]) = (true.into(), true.into());
    (normalized["special"], normalized["normalized"]) = (false.into(), true.into());
    for token in [greedy, normalized] {
        assert_eq!(with(json!({ "261": token })), [1, 4, 261, 4, 65, 117, 67]);
    }
}

#[test]
fn named_tokens_and_lists_of_them_are_tokens() {
    let with = |fields: Value| beside(TEXT, &[config(fields)]);
    assert_eq!(with(json!({ "pad_token": "<p>", "mask_token": "<m>" })), [1, 4, 2, 262, 2, 4, 261]);
    let own = json!({ "image_token": "<m>", "extra_special_tokens": ["<p>"] });
    assert_eq!(with(own), [1, 4, 2, 261, 2, 4, 262]);
    let object = json!({ "extra_special_tokens": { "image_token": "<m>" } });
    assert_eq!(with(object), [1, 4, 2, 261, 2, 4, 65, 117, 67]);
}

#[test]
fn the_older_files_count_where_the_newer_field_is_missing() {
    let map = (
        "special_tokens_map.json",
        json!({ "pad_token": token("<p>"), "additional_special_tokens": ["<m>"] }),
    );
    let added = ("added_tokens.json", json!({ "<p>": 262, "<m>": 261 }));
    assert_eq!(beside(TEXT, &[config(json!({})), map.clone()]), [1, 4, 2, 262, 2, 4, 261]);
    assert_eq!(beside(TEXT, &[config(json!({})), added.clone()]), [1, 4, 261, 4, 65, 117, 67]);
    let pad = ("special_tokens_map.json", json!({ "pad_token": "<m>" }));
    assert_eq!(beside(TEXT, &[pad, added.clone()]), [1, 4, 2, 261, 2, 4, 65, 117, 67]);
    let newer = config(json!({ "added_tokens_decoder": { "261": token("<m>") } }));
    assert_eq!(beside(TEXT, &[newer, map, added]), [1, 4, 2, 261, 2, 4, 65, 117, 67]);
}

#[test]
fn the_post_processor_decides_on_the_ends_and_a_switch_on_special_tokens_in_a_text() {
    let ends = json!({ "add_bos_token": false, "add_eos_token": true, "eos_token": "<m>" });
    assert_eq!(beside(TEXT, &[config(ends)]), [1, 4, 2, 261, 2, 4, 65, 117, 67]);
    let split = json!({ "split_special_tokens": true, "added_tokens_decoder": { "261": token("<m>") } });
    assert_eq!(beside("a<m>", &[config(split)]), [1, 4, 65, 114, 67]);
}

#[test]
fn a_wrong_field_is_named() {
    let say = |fields: Value| {
        let folder = folder(&[(CONFIG, &fields.to_string())]);
        with_begin().save(folder.path()).unwrap();
        let said = Tokenizer::load(folder.path()).unwrap_err().to_string();
        said.split_once("tokenizer_config.json: ").unwrap().1.to_owned()
    };
    let expected = "added_tokens_decoder is [1], expected an object of tokens by id";
    assert_eq!(say(json!({ "added_tokens_decoder": [1] })), expected);
    let expected = "pad_token is 3, expected a token: a text, or an object with its content";
    assert_eq!(say(json!({ "pad_token": 3 })), expected);
    let expected = "split_special_tokens is \"no\", expected true or false";
    assert_eq!(say(json!({ "split_special_tokens": "no" })), expected);
    assert!(say(json!([])).starts_with("not a JSON object"));
}

const WORDS: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nThe\ncaf\n##e\n##s\ncafé\n猫\n";

#[test]
fn word_pieces_from_a_list_of_words() {
    let text = "The Cafés 猫 [MASK] x";
    let lower = folder(&[("vocab.txt", WORDS), ("config.json", "{\"model_type\": \"bert\"}")]);
    let tokenizer = Tokenizer::load(lower.path()).unwrap();
    let tokens = tokenizer.encode(text).unwrap();
    assert_eq!(tokens.ids, [2, 5, 7, 8, 9, 11, 4, 1, 3]);
    assert_eq!(tokenizer.decode(&tokens.ids).unwrap(), "the cafes 猫");
    let cased = "{\"do_lower_case\": false, \"tokenizer_class\": \"BertTokenizer\"}";
    let cased = folder(&[("vocab.txt", WORDS), (CONFIG, cased)]);
    let tokens = Tokenizer::load(cased.path()).unwrap().encode(text).unwrap();
    assert_eq!(tokens.ids, [2, 6, 1, 11, 4, 1, 3]);
    assert_eq!(tokens.originals[2].as_deref(), Some("Cafés"));
    let short = folder(&[("vocab.txt", "[UNK]\nthe\n")]);
    let said = Tokenizer::load(short.path()).unwrap_err().to_string();
    assert!(said.ends_with("vocab.txt: [CLS] is missing, expected a line with it"), "{said}");
}

const MERGES: &str = "#version: 0.2\nĠ a\na b\nĠ ab\n";

fn vocab(tokens: &[&str]) -> String {
    Value::Object(numbered(tokens)).to_string()
}

/// The ids of a text for a folder with pairs, of a model of this family.
fn of_pairs(text: &str, family: &str, tokens: &[&str], merges: &str, settings: &str) -> Vec<u32> {
    let family = json!({ "model_type": family }).to_string();
    let files = [
        ("vocab.json", &*vocab(tokens)),
        ("merges.txt", merges),
        ("config.json", &family),
        (CONFIG, settings),
    ];
    Tokenizer::load(folder(&files).path()).unwrap().encode(text).unwrap().ids
}

#[test]
fn pairs_from_a_vocabulary_and_merges() {
    let gpt2 = ["<|endoftext|>", "a", "b", "Ġ", "Ġa", "ab", "Ġab", "1"];
    let text = "ab ab<|endoftext|> a11";
    for family in ["gpt2", "qwen2"] {
        assert_eq!(of_pairs(text, family, &gpt2, MERGES, "{}"), [5, 4, 2, 0, 4, 7, 7], "{family}");
    }
    let begin =
        "{\"add_bos_token\": true, \"tokenizer_class\": \"GPT2Tokenizer\", \"add_prefix_space\": true}";
    assert_eq!(of_pairs(text, "llama", &gpt2, MERGES, begin), [0, 4, 2, 4, 2, 0, 4, 7, 7]);
    let roberta = ["<s>", "<pad>", "</s>", "<unk>", "a", "b", "Ġ", "Ġa", "ab", "Ġab", "<mask>"];
    assert_eq!(of_pairs("ab ab <mask> a", "roberta", &roberta, MERGES, "{}"), [0, 8, 7, 5, 6, 10, 7, 2]);
    let gpt1 = ["<unk>", "a", "b", "a</w>", "b</w>", "ab</w>", "x"];
    let merges = "#version: 0.2\na b</w>\n";
    assert_eq!(of_pairs("AB ba xé a", "openai-gpt", &gpt1, merges, "{}"), [5, 2, 3, 6, 0, 3]);
}

/// A folder with a SentencePiece model and the family that it is of.
fn sentence_pieces(kind: &str, file: &str, family: &str) -> TempDir {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/field/sentencepiece")
        .join(kind)
        .join(file);
    let folder = folder(&[("config.json", &json!({ "model_type": family }).to_string())]);
    std::fs::copy(path, folder.path().join(file)).unwrap();
    folder
}

#[test]
fn the_likeliest_pieces_from_a_sentence_piece_model() {
    let folder = sentence_pieces("unigram", "spiece.model", "t5");
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    assert_eq!(tokenizer.vocab_size(), 117);
    for (text, ids) in [
        ("the cat sat", vec![3, 7, 10, 9, 3, 8, 4, 14, 1]),
        (" two  mats", vec![3, 7, 2, 6, 3, 12, 4, 13, 1]),
        ("é 🦊 on", vec![3, 2, 3, 2, 3, 6, 5, 1]),
        ("a <usr> mat", vec![3, 11, 3, 2, 13, 15, 2, 3, 12, 4, 1]),
        ("cat<extra_id_1></s> no", vec![3, 8, 4, 115, 1, 3, 5, 6, 1]),
    ] {
        assert_eq!(tokenizer.encode(text).unwrap().ids, ids, "{text:?}");
    }
    assert_eq!(tokenizer.decode(&[3, 7, 10, 9, 3, 8, 4, 14, 1]).unwrap(), "the cat sat");
}

#[test]
fn pairs_from_a_sentence_piece_model() {
    let folder = sentence_pieces("pairs", "tokenizer.model", "llama");
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    for (text, ids) in [
        ("the cat sat", vec![265, 264, 276]),
        (" two  mats", vec![279, 263, 123, 283, 279, 274, 289]),
        ("é 🦊 on", vec![279, 199, 173, 279, 244, 163, 170, 142, 273]),
        ("a <usr> mat", vec![268, 279, 3, 274]),
    ] {
        assert_eq!(tokenizer.encode(text).unwrap().ids, ids, "{text:?}");
        assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    }
    let begin = "{\"add_bos_token\": true, \"tokenizer_class\": \"LlamaTokenizer\"}";
    std::fs::write(folder.path().join(CONFIG), begin).unwrap();
    let ids = Tokenizer::load(folder.path()).unwrap().encode("the cat sat").unwrap().ids;
    assert_eq!(ids, [1, 265, 264, 276]);
}

#[test]
fn what_is_missing_or_not_read_is_named() {
    let say = |files: &[(&str, &str)]| {
        let folder = folder(files);
        let said = Tokenizer::load(folder.path()).unwrap_err().to_string();
        assert!(!Tokenizer::is_in(folder.path()) || said.contains("make a tokenizer.json"), "{said}");
        said.replace(&PathBuf::from(folder.path()).display().to_string(), "DIR")
    };
    assert!(say(&[]).starts_with("DIR: no tokenizer.json (nor vocab.txt, "), "{}", say(&[]));
    assert!(say(&[("vocab.json", "{}")]).starts_with("DIR: merges.txt is missing beside vocab.json; "));
    assert!(say(&[("merges.txt", "")]).starts_with("DIR: vocab.json is missing beside merges.txt; "));
    let said = say(&[("tokenizer.model", "IQ== 0\nIg== 1\n")]);
    let expected = "DIR: tokenizer.model is not a SentencePiece model; make a tokenizer.json of it";
    assert!(said.starts_with(expected), "{said}");
    let japanese = "{\"tokenizer_class\": \"BertJapaneseTokenizer\"}";
    let said = say(&[("vocab.txt", WORDS), (CONFIG, japanese)]);
    let expected = "DIR: vocab.txt is for a BertJapaneseTokenizer, which is not built here; ";
    assert!(said.starts_with(expected), "{said}");
}
