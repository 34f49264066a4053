//! Tokenizers made for each test: with special tokens before and after, before only, and with none.

use serde_json::{Value, json};

use super::*;

fn tokenizer(definition: Value) -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), definition.to_string()).unwrap();
    Tokenizer::load(folder.path()).unwrap()
}

/// A definition with every part that the format asks for, and `parts` on top.
fn definition(parts: Value) -> Value {
    let mut whole = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
    });
    for (key, part) in parts.as_object().unwrap() {
        whole[key] = part.clone();
    }
    whole
}

fn special(id: u32, content: &str) -> Value {
    json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
           "normalized": false, "special": true})
}

/// A post-processor that puts special tokens around the text.
fn template(before: &str, after: Option<&str>, ids: &[(&str, u32)]) -> Value {
    let token = |name: &str| json!({"SpecialToken": {"id": name, "type_id": 0}});
    let mut single = vec![token(before), json!({"Sequence": {"id": "A", "type_id": 0}})];
    single.extend(after.map(token));
    let tokens: serde_json::Map<_, _> = ids
        .iter()
        .map(|(name, id)| (name.to_string(), json!({"id": name, "ids": [id], "tokens": [name]})))
        .collect();
    json!({"type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": tokens})
}

/// BERT's kind: pieces of words, Chinese characters apart, [CLS] before and [SEP] after.
fn word_pieces() -> Tokenizer {
    tokenizer(definition(json!({
        "added_tokens": [special(1, "[CLS]"), special(2, "[SEP]")],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": template("[CLS]", Some("[SEP]"), &[("[CLS]", 1), ("[SEP]", 2)]),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100,
                  "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "cafe": 3, "##s": 4, "猫": 5, "犬": 6, "the": 7}},
    })))
}

/// LLaMA's kind: a begin-of-sequence token from the post-processor, bytes for what is not in the vocabulary.
fn with_begin() -> Tokenizer {
    let mut vocab: serde_json::Map<String, Value> = [("<unk>", 0), ("<s>", 1), ("▁", 2), ("a", 3), ("▁a", 4)]
        .into_iter()
        .map(|(token, id)| (token.to_owned(), id.into()))
        .collect();
    vocab.extend((0..256).map(|byte| (format!("<0x{byte:02X}>"), (5 + byte).into())));
    tokenizer(definition(json!({
        "added_tokens": [special(1, "<s>")],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "post_processor": template("<s>", None, &[("<s>", 1)]),
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "vocab": vocab,
                  "merges": ["▁ a"]},
    })))
}

/// GPT-2's kind: bytes and a few merges, no special tokens at all.
fn bytes() -> Tokenizer {
    let alphabet: Vec<char> = {
        let mut alphabet: Vec<_> =
            tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet().into_iter().collect();
        alphabet.sort_unstable();
        alphabet
    };
    let mut vocab: serde_json::Map<String, Value> =
        alphabet.iter().enumerate().map(|(id, c)| (c.to_string(), id.into())).collect();
    vocab.insert("ðŁ".to_owned(), 256.into());
    tokenizer(definition(json!({
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab,
                  "merges": ["ð Ł"]},
    })))
}

#[test]
fn special_tokens_before_and_after() {
    let tokens = word_pieces().encode("The Cafés 猫犬 🦀").unwrap();
    assert_eq!(tokens.pieces, ["[CLS]", "The", "Café", "s", "猫", "犬", "🦀", "[SEP]"]);
    assert_eq!(tokens.ids, [1, 7, 3, 4, 5, 6, 0, 2]);
    assert_eq!(tokens.token_types, [0; 8]);
    assert_eq!(word_pieces().decode(&tokens.ids).unwrap(), "the cafes 猫 犬 [UNK]");
}

#[test]
fn a_special_token_before_only_and_bytes_where_the_vocabulary_ends() {
    let tokens = with_begin().encode("a é a").unwrap();
    assert_eq!(tokens.ids[0], 1);
    assert_eq!(tokens.pieces, ["<s>", "a", " ", "<0xC3>", "<0xA9>", " a"]);
}

#[test]
fn no_special_tokens_and_characters_cut_into_bytes() {
    let tokens = bytes().encode("hi 猫🦀!").unwrap();
    let expected = ["h", "i", " ", "<0xE7>", "<0x8C>", "<0xAB>", "<0xF0><0x9F>", "<0xA6>", "<0x80>", "!"];
    assert_eq!(tokens.pieces, expected);
    assert_eq!(bytes().decode(&tokens.ids).unwrap(), "hi 猫🦀!");
}

#[test]
fn every_piece_is_legible_whatever_the_text() {
    let texts = ["e\u{301}tude", "👩‍👩‍👧", "नमस्ते", "\u{FEFF}x", "ﬁn", "a\u{0}b", "𝔘𝔫𝔦", "שלום", "[SEP] <s>"];
    for tokenizer in [word_pieces(), with_begin(), bytes()] {
        for text in texts {
            let tokens = tokenizer.encode(text).unwrap();
            assert_eq!(tokens.pieces.len(), tokens.ids.len(), "{text:?}");
            assert!(
                tokens.pieces.iter().all(|piece| !piece.is_empty() && !piece.contains('\u{FFFD}')),
                "{text:?}"
            );
        }
    }
}

#[test]
fn a_text_that_comes_to_nothing_is_refused() {
    let mut removing = definition(json!({
        "normalizer": {"type": "Replace", "pattern": {"String": "x"}, "content": ""},
        "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"},
    }));
    removing["pre_tokenizer"] = json!({"type": "Whitespace"});
    let said = tokenizer(removing).encode("xx").unwrap_err().to_string();
    assert_eq!(said, "text is without any token, expected text that the tokenizer knows");
}

/// Texts with everything that gets lost easily.
const HARD: [&str; 6] = [
    "plain words",
    " two  spaces ",
    "line\nbreak\ttab\r\n",
    "naïve 猫 🦀 e\u{301}",
    "\u{0}\u{FEFF}",
    "<unk> [CLS]",
];

/// The same tokenizer after a visit to a file.
fn saved(tokenizer: &Tokenizer) -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    tokenizer.save(folder.path()).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    Tokenizer::load(folder.path()).unwrap()
}

#[test]
fn bytes_lose_nothing_and_stay_bytes_in_a_file() {
    let made = Tokenizer::bytes().unwrap();
    for tokenizer in [saved(&made), made] {
        assert_eq!(tokenizer.vocab_size(), 256);
        for text in HARD.into_iter().chain([" ", "\n"]) {
            let tokens = tokenizer.encode(text).unwrap();
            let bytes: Vec<u32> = text.bytes().map(u32::from).collect();
            assert_eq!(tokens.ids, bytes, "{text:?}");
            assert_eq!(tokenizer.decode(&tokens.ids).unwrap(), text);
        }
        let said = tokenizer.encode("").unwrap_err().to_string();
        assert_eq!(said, "text is empty, expected at least one word");
    }
}

#[test]
fn characters_are_counted_by_code_point_and_strangers_named() {
    let made = Tokenizer::characters(&HARD.concat()).unwrap();
    for tokenizer in [saved(&made), made] {
        for text in HARD.into_iter().chain([" "]) {
            let tokens = tokenizer.encode(text).unwrap();
            assert_eq!(tokens.ids.len(), text.chars().count(), "{text:?}");
            assert_eq!(tokens.pieces.concat(), text);
            assert_eq!(tokenizer.decode(&tokens.ids).unwrap(), text);
        }
        let letters: std::collections::BTreeSet<char> = HARD.concat().chars().collect();
        assert_eq!(tokenizer.vocab_size(), letters.len());
        let said = tokenizer.encode("plain wQrds").unwrap_err().to_string();
        let known = letters.len();
        let expected = format!("expected one of the {known} characters that the tokenizer knows");
        assert_eq!(said, format!("character 8 of the text is 'Q', {expected}"));
    }
    let letters = Tokenizer::characters("banana").unwrap();
    assert_eq!(letters.encode("nab").unwrap().ids, [2, 0, 1]);
    // Line breaks that follow each other are as many tokens.
    let lines = Tokenizer::characters("a\n\nb").unwrap();
    assert_eq!(lines.encode("b\n\n\na").unwrap().ids, [2, 0, 0, 0, 1]);
    let said = Tokenizer::characters("").unwrap_err().to_string();
    assert_eq!(said, "text to take characters from is empty, expected at least one character");
}

#[test]
fn pairs_are_learned_by_frequency_and_lose_nothing() {
    let texts = ["low low low low low", "lower lower newest newest newest newest newest newest", "widest"];
    let made = Tokenizer::train(texts, 256 + 1 + 4, &["<end>"]).unwrap();
    for tokenizer in [saved(&made), made.clone()] {
        assert_eq!(tokenizer.vocab_size(), 261);
        for text in HARD.into_iter().filter(|text| !text.trim().is_empty()) {
            let tokens = tokenizer.encode(text).unwrap();
            assert_eq!(tokenizer.decode(&tokens.ids).unwrap(), text, "{text:?}");
        }
        // By hand: "es" and "st" stand together 7 times, "lo" and "ow" too; four merges make pieces longer
        // than a byte of the words that were seen, and none of those that were not.
        let count = |text: &str| tokenizer.encode(text).unwrap().ids.len();
        assert!(count("newest") < 6 && count("low") < 3 && count("xyz") == 3);
        let tokens = tokenizer.encode("low<end>").unwrap();
        assert_eq!((tokens.ids.last(), tokens.pieces.last().unwrap().as_str()), (Some(&0), "<end>"));
        assert_eq!(tokenizer.decode(&tokens.ids).unwrap(), "low", "special tokens stand for no text");
    }
    let again = Tokenizer::train(texts, 261, &["<end>"]).unwrap();
    let ids = |tokenizer: &Tokenizer| tokenizer.encode("the newest lowest words").unwrap().ids;
    assert_eq!(ids(&made), ids(&again));
    let few = Tokenizer::train(["ab"], 1000, &[]).unwrap();
    assert_eq!(few.vocab_size(), 257, "there is one pair to learn");
    let said = Tokenizer::train(texts, 256, &["<end>"]).unwrap_err().to_string();
    assert_eq!(
        said,
        "size of the vocabulary is 256, expected at least 257: every byte and every special token"
    );
}
