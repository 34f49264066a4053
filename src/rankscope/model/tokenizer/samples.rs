//! Small tokenizers of every kind, for tests.

use serde_json::{Map, Value, json};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::make::numbered;
use super::{Tokenizer, make, vocabulary};

pub(crate) fn tokenizer(definition: Value) -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), definition.to_string()).unwrap();
    Tokenizer::load(folder.path()).unwrap()
}

/// A definition with every part that the format requires, with `parts` added.
pub(crate) fn definition(parts: Value) -> Value {
    let mut whole = make::definition();
    for (key, part) in parts.as_object().unwrap() {
        whole[key] = part.clone();
    }
    whole
}

pub(crate) fn special(id: u32, content: &str) -> Value {
    json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
           "normalized": false, "special": true})
}

/// A post-processor that puts special tokens around the text.
fn template(before: Option<(&str, u32)>, after: Option<(&str, u32)>) -> Value {
    let ids = before.into_iter().chain(after);
    let ids: Map<String, Value> = ids.map(|(name, id)| (name.to_owned(), id.into())).collect();
    vocabulary::template(&ids, before.map(|token| token.0), after.map(|token| token.0))
}

/// BERT's kind: pieces of words, Chinese characters apart, [CLS] before and [SEP] after.
pub(crate) fn word_pieces() -> Tokenizer {
    tokenizer(definition(json!({
        "added_tokens": [special(1, "[CLS]"), special(2, "[SEP]")],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": template(Some(("[CLS]", 1)), Some(("[SEP]", 2))),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100,
                  "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "cafe": 3, "##s": 4, "猫": 5, "犬": 6, "the": 7}},
    })))
}

/// LLaMA's kind: a begin-of-sequence token from the post-processor, bytes for text that is not in the vocabulary.
pub(crate) fn with_begin() -> Tokenizer {
    let mut vocab = numbered(["<unk>", "<s>", "▁", "a", "▁a"]);
    vocab.extend((0..256).map(|byte| (format!("<0x{byte:02X}>"), (5 + byte).into())));
    tokenizer(definition(json!({
        "added_tokens": [special(1, "<s>")],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "post_processor": template(Some(("<s>", 1)), None),
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "vocab": vocab,
                  "merges": ["▁ a"]},
    })))
}

/// GPT-2's kind: bytes and a few merges, without special tokens.
pub(crate) fn bytes() -> Tokenizer {
    let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    alphabet.sort_unstable();
    let mut vocab = numbered(alphabet);
    vocab.insert("ðŁ".to_owned(), 256.into());
    tokenizer(definition(json!({
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab,
                  "merges": ["ð Ł"]},
    })))
}

/// T5's kind: the most likely pieces, `▁` for a space, and an end token after the text.
pub(crate) fn unigram() -> Tokenizer {
    let pieces = [
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("▁", -2.0),
        ("▁the", -3.0),
        ("▁sa", -4.0),
        ("sa", -4.5),
    ];
    let letters = ["t", "h", "e", "s", "a", "n", "g", "x"].map(|letter| (letter, -5.0));
    let vocab: Vec<_> = pieces.into_iter().chain(letters).collect();
    let blank = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true});
    tokenizer(definition(json!({
        "added_tokens": [special(0, "<pad>"), special(1, "</s>"), special(2, "<unk>")],
        "pre_tokenizer": blank, "decoder": blank,
        "post_processor": template(None, Some(("</s>", 1))),
        "model": {"type": "Unigram", "unk_id": 2, "vocab": vocab, "byte_fallback": false},
    })))
}

/// Whole words, joined by `decoder`.
pub(crate) fn words(vocab: &[&str], decoder: Value) -> Tokenizer {
    let vocab = numbered(vocab);
    tokenizer(definition(json!({
        "pre_tokenizer": {"type": "Whitespace"}, "decoder": decoder,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"},
    })))
}

/// One tokenizer of every kind, and one with every decoder.
pub(crate) fn all() -> Vec<(&'static str, Tokenizer)> {
    let sequence = |parts: Value| json!({"type": "Sequence", "decoders": parts});
    let strip =
        |start: usize, stop: usize| json!({"type": "Strip", "content": " ", "start": start, "stop": stop});
    let replace =
        |from: &str, to: &str| json!({"type": "Replace", "pattern": {"String": from}, "content": to});
    let fuse = || json!({"type": "Fuse"});
    let blanks = ["▁", "▁▁", "▁a", "b", "b▁", "<unk>"];
    let ends = json!({"type": "BPEDecoder", "suffix": "</w>"});
    let once = json!({"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": true});
    let rewritten = json!([fuse(), replace("▁a", "A"), replace("b▁", "B")]);
    vec![
        ("word pieces", word_pieces()),
        ("byte fallback", with_begin()),
        ("byte level", bytes()),
        ("unigram", unigram()),
        ("words without a decoder", words(&["the", "cat", "<unk>", "a"], Value::Null)),
        ("words side by side", words(&["the", " cat", "<unk>", "\u{FFFD}"], fuse())),
        ("ends of words", words(&["the</w>", "c", "at</w>", "<unk>"], ends)),
        ("letters once", words(&["h", "i", "|", "<pad>", "<unk>"], once)),
        ("stripped at the start", words(&blanks, sequence(json!([replace("▁", " "), fuse(), strip(3, 0)])))),
        ("stripped at the end", words(&blanks, sequence(json!([replace("▁", " "), fuse(), strip(0, 1)])))),
        ("rewritten as a whole", words(&blanks, sequence(rewritten))),
    ]
}
