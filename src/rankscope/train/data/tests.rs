//! Windows of texts: their places and tokens, and data that is no text.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{TEXTS, Text, open, save_tokenizer};
use crate::Run;
use crate::model::Tokenizer;
use crate::train::{Examples, Part, Vocabulary};

const PARTS: [Part; 2] = [Part::Training, Part::HeldOut];

/// A folder with a file.
fn folder(name: &str, bytes: impl AsRef<[u8]>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    folder
}

fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Words that are all different, with characters of one to four bytes.
fn words(count: usize) -> String {
    (0..count).map(|word| format!("é{word}水 𝄞{word} ")).collect()
}

fn error(path: &Path) -> String {
    let error = Text::open(text_of(path), None).err().unwrap().to_string();
    assert!(error.contains(text_of(path)), "{error}");
    error
}

/// Where the bytes of a window lie in the whole text: there is only one place, because all words
/// differ.
fn place(all: &[u8], tokens: &[u32]) -> usize {
    let bytes: Vec<u8> = tokens.iter().map(|&token| u8::try_from(token).unwrap()).collect();
    all.windows(bytes.len()).position(|window| window == bytes).unwrap()
}

#[test]
fn windows_begin_with_a_character_and_stay_in_their_part() {
    let all = words(300);
    let folder = folder("a.txt", &all);
    let text = Text::open(text_of(&folder.path().join("a.txt")), None).unwrap();
    let border = (0..=all.len() * 9 / 10).rev().find(|&at| all.is_char_boundary(at)).unwrap();
    assert_eq!(text.bytes(Part::Training), border as u64);
    assert_eq!(text.bytes(Part::HeldOut), (all.len() - border) as u64);
    for (part, range) in PARTS.into_iter().zip([0..border, border..all.len()]) {
        let length = 40;
        let places: HashSet<usize> = (0..4000)
            .map(|index| {
                let example = text.example(part, 5, index, length).unwrap();
                assert_eq!((example.tokens.len(), example.given), (length, 0));
                place(all.as_bytes(), &example.tokens)
            })
            .collect();
        assert!(places.iter().all(|&at| all.is_char_boundary(at) && range.contains(&at)));
        assert!(places.iter().all(|&at| at + length <= range.end), "a window reaches into the other part");
        // A window may begin at every character.
        let possible = (range.start..=range.end - length).filter(|&at| all.is_char_boundary(at)).count();
        assert!(places.len() > possible * 7 / 10, "{} of {possible} places", places.len());
    }
}

#[test]
fn a_part_as_long_as_a_window_has_one_and_a_shorter_one_is_an_error() {
    let folder = folder("a.txt", "a".repeat(100));
    let path = folder.path().join("a.txt");
    let text = Text::open(text_of(&path), None).unwrap();
    assert_eq!(text.example(Part::HeldOut, 0, 0, 10).unwrap().tokens, [97; 10]);
    assert_eq!(text.example(Part::Training, 0, 0, 90).unwrap().tokens.len(), 90);
    for (part, length, what) in [
        (Part::HeldOut, 11, "the last tenth, the held-out part, is"),
        (Part::Training, 91, "the first nine tenths"),
    ] {
        let error = text.example(part, 0, 0, length).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: {what}", text_of(&path))), "{error}");
        assert!(error.contains(&format!("shorter than one window of {length} tokens")), "{error}");
    }
}

#[test]
fn a_text_of_some_bytes_is_learned_from_its_beginning_and_held_out_as_a_whole_one() {
    let folder = folder("a.txt", (0..500).map(|at| format!("{at:03} ")).collect::<String>());
    let path = folder.path().join("a.txt");
    let little = Text::open(&format!("{}(bytes=40)", text_of(&path)), None).unwrap();
    let whole = Text::open(text_of(&path), None).unwrap();
    assert_eq!([little.bytes(Part::Training), whole.bytes(Part::Training)], [40, 1800]);
    for index in 0..20 {
        let example = |text: &Text, part| text.example(part, 3, index, 12).unwrap().tokens;
        assert_eq!(example(&little, Part::HeldOut), example(&whole, Part::HeldOut));
        let window = example(&little, Part::Training);
        let window: Vec<u8> = window.iter().map(|&token| token as u8).collect();
        assert!(whole.files.read(0..40).unwrap().windows(12).any(|part| part == window));
    }
    let error = little.example(Part::Training, 0, 0, 41).unwrap_err().to_string();
    assert!(error.contains("the bytes that are learned from are shorter than one window of 41"), "{error}");
    let all = Text::open(&format!("{}(bytes=99999)", text_of(&path)), None).unwrap();
    assert_eq!(all.bytes(Part::Training), 1800);
    assert!(Text::open("english(bytes=)", None).is_err());
}

#[test]
fn a_window_depends_on_seed_part_and_index_alone() {
    let folder = folder("a.txt", words(2000));
    let open = || Text::open(text_of(folder.path()), None).unwrap();
    let (one, other) = (open(), open());
    for part in PARTS {
        let windows = |text: &Text, seed, order: &mut dyn Iterator<Item = u64>| -> Vec<Vec<u32>> {
            order.map(|index| text.example(part, seed, index, 16).unwrap().tokens).collect()
        };
        let forward = windows(&one, 9, &mut (0..50));
        let mut backward = windows(&other, 9, &mut (0..50).rev());
        backward.reverse();
        assert_eq!(forward, backward);
        assert_ne!(forward, windows(&one, 10, &mut (0..50)));
        assert!(forward.iter().collect::<HashSet<_>>().len() > 40);
    }
}

#[test]
fn a_folder_is_its_texts_one_behind_the_other_in_the_order_of_their_paths() {
    let all = words(90);
    let [one, two] = [200, 500].map(|count| all.char_indices().nth(count).unwrap().0);
    let folder = folder("b.md", &all[one..two]);
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("c/d")).unwrap();
    fs::create_dir_all(at(".git")).unwrap();
    fs::write(at("c/d/e.rs"), &all[two..]).unwrap();
    fs::write(at("a.txt"), &all[..one]).unwrap();
    fs::write(at("picture"), b"\x89PNG\r\n\x1a\n\0\0\0").unwrap();
    fs::write(at("empty"), "").unwrap();
    fs::write(at(".git/config"), "hidden").unwrap();
    fs::write(at(".hidden"), "hidden").unwrap();
    let text = Text::open(text_of(folder.path()), None).unwrap();
    let expected =
        format!("left out: {}, which is empty; expected a text in UTF-8, and 1 more", at("empty").display());
    assert_eq!(text.remark(), Some(expected));
    let length = text.bytes(Part::Training) as usize;
    assert_eq!(length + text.bytes(Part::HeldOut) as usize, all.len());
    let tokens = text.example(Part::Training, 0, 0, length).unwrap().tokens;
    assert_eq!(tokens, all.as_bytes()[..length].iter().map(|&byte| u32::from(byte)).collect::<Vec<_>>());
}

#[test]
fn windows_of_a_tokenizer_begin_with_a_word_and_are_tokens_of_the_text() {
    let shipped = super::shipped("english").unwrap().unwrap();
    let all = fs::read_to_string(shipped).unwrap();
    let border = all.len() * 9 / 10;
    let pairs = Tokenizer::train([&all], 400, &[]).unwrap();
    let text = Text::open("english", Some(pairs.clone())).unwrap();
    assert_eq!(text.vocabulary(), Vocabulary { symbols: 400 });
    for (part, side) in PARTS.into_iter().zip([&all[..border], &all[border..]]) {
        for index in 0..60 {
            let tokens = text.example(part, 1, index, 64).unwrap().tokens;
            assert_eq!(tokens.len(), 64);
            let words = pairs.decode(&tokens).unwrap();
            let at = side.find(&words).unwrap_or_else(|| panic!("{words:?} is not in the part"));
            assert!(at == 0 || side[at..].starts_with(char::is_whitespace), "{words:?}");
            // The tokens are the same if much more of the text is cut into tokens.
            let further: String = side[at..].chars().take(3000).collect();
            assert_eq!(pairs.encode_behind(&further).unwrap()[..64], tokens);
        }
    }
    let length = 20_000;
    let error = text.example(Part::HeldOut, 0, 0, length).unwrap_err().to_string();
    assert!(error.contains("shorter than one window of 20000 tokens"), "{error}");
    // A window that is too long for most places.
    let near = text.example(Part::HeldOut, 0, 0, 11_000).unwrap();
    assert_eq!(near.tokens.len(), 11_000);
}

#[test]
fn a_saved_tokenizer_reads_the_text_as_before_and_has_the_special_tokens_behind() {
    let folder = folder("a.txt", format!("{} <pad> <mask>\n", words(400)));
    for tokenizer in [None, Some(Tokenizer::train([words(400)], 300, &["<pad>"]).unwrap())] {
        let text = Text::open(text_of(folder.path()), tokenizer).unwrap();
        let out = folder.path().join(".out");
        save_tokenizer(&text, &out).unwrap();
        let saved = Tokenizer::load(&out).unwrap();
        let vocabulary = text.vocabulary();
        assert_eq!(saved.vocab_size(), vocabulary.size());
        let taken = vocabulary.symbols == 300;
        let padding = if taken { "<pad+>" } else { "<pad>" };
        assert_eq!(saved.piece(vocabulary.padding()), padding);
        assert_eq!(saved.piece(vocabulary.mask()), "<mask>");
        assert_eq!(saved.piece(vocabulary.sentinel(31).unwrap()), "<span-31>");
        assert_eq!(saved.encode("é1水 <mask>").unwrap().ids.last(), Some(&vocabulary.mask()));
        let example = text.example(Part::Training, 0, 3, 30).unwrap();
        let words = saved.decode(&example.tokens).unwrap();
        assert!(words.contains('水'), "{words}");
        // A model whose training continues: the same tokens, and no further special ones.
        let again = Text::open(text_of(folder.path()), Some(saved)).unwrap();
        assert_eq!(again.vocabulary(), vocabulary);
        // The name of a special token in a text is ordinary text.
        let mut tokens =
            (0..200).flat_map(|index| again.example(Part::HeldOut, 0, index, 60).unwrap().tokens);
        assert!(tokens.all(|token| token < vocabulary.symbols as u32));
    }
}

#[test]
fn reference_numbers_are_those_of_counts() {
    // "ab" nine times, then once more: n(a) = n(b) = 9, n(ab) = 9, N = 18.
    let folder = folder("a.txt", "ab".repeat(10));
    let of = |name: &str| Text::open(name, None).unwrap().references(&Run::default()).unwrap();
    let small = of(text_of(folder.path()));
    let alone = 10.0f64 / 274.0;
    assert!((small.unigram + alone.ln()).abs() < 1e-12);
    assert!((small.bigram + (alone.ln() + ((9.0 + alone) / 10.0).ln()) / 2.0).abs() < 1e-12);
    // Computed separately in Python, with a dictionary of pairs.
    for (name, unigram, bigram) in [
        ("english", 3.1097956316700888, 2.4485439126143698),
        ("chinese", 3.9764578685604053, 2.9147025856118587),
    ] {
        let found = of(name);
        assert!((found.unigram - unigram).abs() < 1e-9 && (found.bigram - bigram).abs() < 1e-9, "{found:?}");
    }
    let cancelled = Run::default();
    cancelled.cancel_flag().cancel();
    assert!(Text::open("english", None).unwrap().references(&cancelled).is_err());
}

#[test]
fn every_shipped_text_is_there_with_windows_in_both_parts() {
    let readme = include_str!("../../../../assets/texts/README.md");
    for shipped in TEXTS {
        let text = Text::open(shipped.name, None).unwrap();
        let bytes = PARTS.map(|part| text.bytes(part)).iter().sum::<u64>();
        assert!(readme.contains(&crate::numbers::grouped(bytes.into())), "{}: {bytes} bytes", shipped.name);
        assert!(readme.contains(&format!("`{}.txt`", shipped.name)));
        for part in PARTS {
            let example = open(shipped.name, None).unwrap().example(part, 0, 0, 512).unwrap();
            assert_eq!(example.tokens.len(), 512);
        }
    }
}

#[test]
fn what_is_no_text_is_named() {
    let here = tempfile::tempdir().unwrap();
    let at = |name: &str| here.path().join(name);
    let long = [b"a".repeat(70_000), b"\xff".to_vec()].concat();
    let cases: [(&str, &[u8], &str); 5] = [
        ("empty", b"", "is empty; expected a text in UTF-8"),
        ("binary", b"\x7fELF\0\0", "byte 4 is 0; expected a text in UTF-8"),
        ("latin", b"caf\xe9 au lait", "byte 3 is no character; expected a text in UTF-8"),
        ("far", &long, "byte 70000 is no character; expected a text in UTF-8"),
        ("half", &"é".as_bytes()[..1], "byte 0 is half a character; expected a text in UTF-8"),
    ];
    for (name, bytes, expected) in cases {
        fs::create_dir(at(name)).unwrap();
        let file = at(name).join("file");
        fs::write(&file, bytes).unwrap();
        assert!(error(&file).ends_with(expected), "{}", error(&file));
        assert!(error(&at(name)).ends_with("none of the 1 files in this folder is a text in UTF-8"));
    }
    fs::create_dir(at("nothing")).unwrap();
    assert!(error(&at("nothing")).ends_with("no file is in this folder, expected texts in UTF-8"));
    let unknown = open("englisch", None).err().unwrap().to_string();
    let expected = "expected a file, a folder, a text (english, chinese) or a task (copy, ";
    assert!(unknown.starts_with(&format!("data is \"englisch\", {expected}")), "{unknown}");
    let cut = open("copy", Some(here.path())).err().unwrap().to_string();
    assert!(cut.starts_with("tokenizer is ") && cut.ends_with("expected none for the task copy"), "{cut}");
}

#[test]
fn a_text_is_not_kept_in_memory_so_one_that_shrinks_is_an_error() {
    let folder = folder("a.txt", words(300));
    let text = Text::open(text_of(folder.path()), None).unwrap();
    fs::write(folder.path().join("a.txt"), "short").unwrap();
    let error = text.example(Part::HeldOut, 0, 0, 8).unwrap_err().to_string();
    let expected = "has changed since it was opened; texts must stay as they are while they are read";
    assert!(error.ends_with(expected), "{error}");
}
