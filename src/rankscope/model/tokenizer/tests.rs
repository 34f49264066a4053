//! Tokenizers made for each test: with special tokens before and after the text, only before it, and without special
//! tokens.

use serde_json::json;

use super::samples::{bytes, definition, tokenizer, unigram, with_begin, word_pieces};
use super::*;

#[test]
fn special_tokens_before_and_after() {
    let tokens = word_pieces().encode("The Cafés 猫犬 🦀").unwrap();
    assert_eq!(tokens.pieces, ["[CLS]", "the", "cafe", "##s", "猫", "犬", "[UNK]", "[SEP]"]);
    let originals: Vec<_> = tokens.originals.iter().map(Option::as_deref).collect();
    assert_eq!(originals, [None, None, None, None, None, None, Some("🦀"), None]);
    assert_eq!(tokens.ids, [1, 7, 3, 4, 5, 6, 0, 2]);
    assert_eq!(tokens.token_types, [0; 8]);
    assert_eq!(word_pieces().decode(&tokens.ids).unwrap(), "the cafes 猫 犬 [UNK]");
}

#[test]
fn a_special_token_before_only_and_bytes_where_the_vocabulary_ends() {
    let tokens = with_begin().encode("a é a").unwrap();
    assert_eq!(tokens.ids[0], 1);
    assert_eq!(tokens.pieces, ["<s>", " a", " ", "<0xC3>", "<0xA9>", " a"]);
    assert_eq!(tokens.originals, vec![None; 6]);
}

#[test]
fn no_special_tokens_and_characters_cut_into_bytes() {
    let tokens = bytes().encode("hi 猫🦀!").unwrap();
    let expected = ["h", "i", " ", "<0xE7>", "<0x8C>", "<0xAB>", "<0xF0><0x9F>", "<0xA6>", "<0x80>", "!"];
    assert_eq!(tokens.pieces, expected);
    assert_eq!(bytes().decode(&tokens.ids).unwrap(), "hi 猫🦀!");
}

#[test]
fn a_word_and_its_end_differ_and_the_unknown_is_called_so() {
    let tokens = unigram().encode("the sang xsang 🦀").unwrap();
    let expected = [" the", " sa", "n", "g", " ", "x", "sa", "n", "g", " ", "<unk>", "</s>"];
    assert_eq!(tokens.pieces, expected);
    assert_eq!(tokens.ids, [4, 5, 12, 13, 3, 14, 6, 12, 13, 3, 2, 1]);
    assert_eq!(tokens.originals[10].as_deref(), Some("🦀"));
    assert!(tokens.originals.iter().flatten().count() == 1);
    let spelled = bytes().encode("sang sang").unwrap().pieces.concat();
    assert_eq!(spelled, "sang sang");
    assert_eq!((word_pieces().piece(4), word_pieces().piece(99)), ("##s".to_owned(), "<99>".to_owned()));
    // A text that contains the name of the unknown token is not unknown.
    let spelled = word_pieces().encode("the [UNK]").unwrap();
    assert!(spelled.ids.contains(&0) || spelled.originals.iter().all(Option::is_none));
}

#[test]
fn every_piece_is_legible_whatever_the_text() {
    let texts = ["e\u{301}tude", "👩‍👩‍👧", "नमस्ते", "\u{FEFF}x", "ﬁn", "a\u{0}b", "𝔘𝔫𝔦", "שלום", "[SEP] <s>"];
    for tokenizer in [word_pieces(), with_begin(), bytes(), unigram()] {
        for text in texts {
            let tokens = tokenizer.encode(text).unwrap();
            assert_eq!(tokens.pieces.len(), tokens.ids.len(), "{text:?}");
            let is_text = |piece: &String| !piece.is_empty() && !piece.contains('\u{FFFD}');
            assert!(tokens.pieces.iter().all(is_text), "{text:?}");
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

/// Texts with characters that are easily lost.
const HARD: [&str; 6] = [
    "plain words",
    " two  spaces ",
    "line\nbreak\ttab\r\n",
    "naïve 猫 🦀 e\u{301}",
    "\u{0}\u{FEFF}",
    "<unk> [CLS]",
];

/// The same tokenizer, saved and loaded again.
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
    // Consecutive line breaks are separate tokens.
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
        // Counted by hand: "es" and "st" occur 7 times, "lo" and "ow" too; four merges shorten the words of the text,
        // and no other words.
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
    let expected = "size of the vocabulary is 256, expected at least 257: every byte and every special token";
    assert_eq!(said, expected);
}
