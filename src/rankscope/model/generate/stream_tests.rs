//! Streams of text: compared with decoding all tokens at once, for every kind of decoder.

use proptest::prelude::*;

use super::TextStream;
use crate::model::{Tokenizer, tokenizer_samples as samples};

/// The text that a stream returns for the ids after the first `split`, and the part of it that comes only at the end.
fn streamed(tokenizer: &Tokenizer, ids: &[u32], split: usize) -> (Vec<String>, String) {
    let mut stream = TextStream::after(tokenizer, &ids[..split]);
    let said = ids[split..].iter().map(|&id| stream.push(id).unwrap()).collect();
    (said, stream.finish().unwrap())
}

/// Whether `said` is the text of all ids without that of the first `split`.
fn is_rest(tokenizer: &Tokenizer, ids: &[u32], split: usize, said: &str) -> bool {
    let (before, whole) = (tokenizer.decode(&ids[..split]).unwrap(), tokenizer.decode(ids).unwrap());
    if let Some(rest) = whole.strip_prefix(&before) {
        return said == rest;
    }
    // The first ids may decode differently together with the others: replacement characters for bytes may be missing.
    let Some(old) = whole.strip_suffix(said) else { return false };
    before.starts_with(old.trim_end_matches('\u{FFFD}'))
}

proptest! {
    #[test]
    fn a_stream_loses_and_repeats_nothing(
        seeds in prop::collection::vec(0u32..100_000, 1..24),
        split in 0usize..24,
    ) {
        for (name, tokenizer) in samples::all() {
            // Some ids are not in the vocabulary.
            let some = tokenizer.vocab_size() as u32 + 1;
            let ids: Vec<u32> = seeds.iter().map(|seed| seed % some).collect();
            let split = split.min(ids.len());
            let (said, rest) = streamed(&tokenizer, &ids, split);
            let said = said.concat() + &rest;
            prop_assert!(is_rest(&tokenizer, &ids, split, &said), "{}: {:?} at {}: {:?}", name, ids, split, said);
        }
    }

    #[test]
    fn whole_characters_are_never_shown_in_parts(text in "[a-c ]{0,3}(🦊|é|猫|a| |\n){0,6}", split in 0usize..9) {
        for tokenizer in [samples::bytes(), samples::with_begin(), Tokenizer::bytes().unwrap()] {
            let Ok(tokens) = tokenizer.encode(&text) else { continue };
            let split = split.min(tokens.ids.len());
            let (said, rest) = streamed(&tokenizer, &tokens.ids, split);
            prop_assert!(said.iter().chain([&rest]).all(|piece| !piece.contains('\u{FFFD}')), "{:?} {:?}", said, rest);
            prop_assert!(is_rest(&tokenizer, &tokens.ids, split, &(said.concat() + &rest)));
        }
    }
}

/// The byte tokens of a text in [`samples::with_begin`], where byte 0 is token 5.
fn bytes(text: &[u8]) -> Vec<u32> {
    text.iter().map(|&byte| u32::from(byte) + 5).collect()
}

const A: u32 = 3;
const BLANK_A: u32 = 4;
const END: u32 = 1;

#[test]
fn a_broken_run_of_bytes_takes_no_text_with_it() {
    let tokenizer = samples::with_begin();
    let say = |ids: &[u32]| {
        let (said, rest) = streamed(&tokenizer, ids, 1);
        (said, rest)
    };
    // A line break, which becomes part of a run that is no valid text with the next byte; then words.
    let (said, rest) = say(&[&[BLANK_A][..], &bytes(b"\n\xF0"), &[BLANK_A, A, END]].concat());
    assert_eq!(
        (said.as_slice(), rest.as_str()),
        (&["", "", "\u{FFFD}\u{FFFD} a", "a", ""].map(str::to_owned)[..], "")
    );
    let (said, rest) = say(&[&[BLANK_A][..], &bytes("\n🦊".as_bytes()), &[BLANK_A]].concat());
    assert_eq!((said.concat(), rest.as_str()), ("\n🦊 a".to_owned(), ""));
    // A special token has no text, so the run of bytes continues after it.
    let (said, rest) = say(&[&[BLANK_A][..], &bytes(b"\xC3"), &[END], &bytes(b"\xA9"), &[A]].concat());
    assert_eq!((said.concat(), rest.as_str()), ("éa".to_owned(), ""));
    let (said, rest) = say(&[&[BLANK_A, BLANK_A][..], &bytes(b"\xE6\x97"), &[END]].concat());
    assert_eq!((said.concat(), rest.as_str()), (" a".to_owned(), "\u{FFFD}\u{FFFD}"));
}

#[test]
fn bytes_of_the_prompt_that_become_unreadable_are_not_said_again() {
    let tokenizer = samples::with_begin();
    let prompt = [&[BLANK_A][..], &bytes("日本".as_bytes())].concat();
    let ids = [&prompt[..], &bytes(b"\xF0x"), &[BLANK_A]].concat();
    assert_eq!(tokenizer.decode(&ids).unwrap(), format!("a{} a", "\u{FFFD}".repeat(8)));
    let (said, rest) = streamed(&tokenizer, &ids, prompt.len());
    assert_eq!((said.concat(), rest.as_str()), ("\u{FFFD}\u{FFFD} a".to_owned(), ""));
}

#[test]
fn a_prompt_that_ends_inside_a_character_is_finished() {
    let tokenizer = Tokenizer::bytes().unwrap();
    let ids: Vec<u32> = "a🦊b".bytes().map(u32::from).collect();
    for split in 1..5 {
        let (said, rest) = streamed(&tokenizer, &ids, split);
        assert_eq!((said.concat(), rest.as_str()), ("🦊b".to_owned(), ""), "{split}");
    }
}
