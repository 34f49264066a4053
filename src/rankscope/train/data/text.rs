//! [`Text`]: a running text of any size as examples.

use std::ops::Range;
use std::path::Path;

use rand::RngExt;

use super::files::Files;
use crate::error::{Error, Result};
use crate::model::Tokenizer;
use crate::train::{Example, Examples, Part, Vocabulary};

/// The number of draws after which a window is taken from the beginning of its part, which is then hardly longer than
/// the window.
const TRIES: usize = 32;
/// The number of bytes in which a blank is looked for.
const WORD: u64 = 64;

/// A running text, in files of any size: an example is a window at a random place. Only the window is read.
///
/// **Conventions**: the last tenth of the bytes is held out, and no window of training reaches into it. A window begins
/// with a character; with a tokenizer, it begins with a word if a blank is near. It holds the next `length` tokens of
/// the text.
pub struct Text {
    pub(super) files: Files,
    /// Where the training part ends: at the beginning of the held-out part, or before it.
    learned: u64,
    /// Where the held-out part begins.
    held_out: u64,
    tokenizer: Tokenizer,
    symbols: usize,
    is_bytes: bool,
}

impl Text {
    /// The text of a name in [`TEXTS`](super::TEXTS), of a file, or of a folder: all text files in it and in the folders
    /// in it, in the order of their paths. Without a tokenizer every byte is a token.
    ///
    /// `english(bytes=8000)` is a text of which only the first 8000 bytes are used for training, so that they are read
    /// many times; the held-out part is the same.
    ///
    /// **Conventions**: a tokenizer that ends in the special tokens of [`Vocabulary`], as one that was saved with a trained
    /// model does, is used as it is. In a folder, files that are empty or not UTF-8, and names that begin with a dot,
    /// are left out.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no such text; [`Error::Io`] or [`Error::Format`] naming the file that cannot be read,
    /// is empty or not UTF-8, or the folder without a text.
    pub fn open(text: &str, tokenizer: Option<Tokenizer>) -> Result<Self> {
        let (name, bytes) = if Path::new(text).exists() { (text, None) } else { limited(text) };
        let path = match super::shipped(name)? {
            Some(path) => path,
            None if Path::new(name).exists() => name.into(),
            None => return Err(super::unknown(text)),
        };
        let files = Files::open(&path)?;
        let held_out = files.character(files.len() * 9 / 10, 0)?;
        let learned = match bytes {
            Some(bytes) if bytes < held_out => files.character(bytes, 0)?,
            _ => held_out,
        };
        let is_bytes = tokenizer.is_none();
        let tokenizer = tokenizer.map_or_else(Tokenizer::bytes, Ok)?;
        tokenizer.expect_every_id()?;
        let symbols = symbols(&tokenizer);
        let tokenizer = match symbols == tokenizer.vocab_size() {
            true => tokenizer.with_special(Vocabulary { symbols }.special())?,
            false => tokenizer,
        };
        let tokenizer = tokenizer.special_in_texts(false);
        Ok(Text { files, learned, held_out, tokenizer, symbols, is_bytes })
    }

    /// The number of bytes of a part.
    pub fn bytes(&self, part: Part) -> u64 {
        let range = self.range(part);
        range.end - range.start
    }

    pub(super) fn range(&self, part: Part) -> Range<u64> {
        match part {
            Part::Training => 0..self.learned,
            Part::HeldOut => self.held_out..self.files.len(),
        }
    }

    /// The tokens of a piece of text.
    pub(super) fn tokens(&self, text: String) -> Result<Vec<u32>> {
        if self.is_bytes {
            return Ok(text.into_bytes().into_iter().map(u32::from).collect());
        }
        self.tokenizer.ids(&text)
    }

    /// `length` tokens of the text from byte `at` on; `None` if there are fewer before `end`.
    fn tokens_from(&self, at: u64, end: u64, length: usize) -> Result<Option<Vec<u32>>> {
        let mut count = 4 * length as u64 + WORD;
        loop {
            let is_all = count >= end - at;
            let mut text = self.files.text(at..end.min(at + count))?;
            // The last word may continue after the end.
            if !is_all && let Some(blank) = text.rfind(char::is_whitespace) {
                text.truncate(blank);
            }
            let mut tokens = self.tokens(text)?;
            if tokens.len() >= length {
                tokens.truncate(length);
                return Ok(Some(tokens));
            }
            if is_all {
                return Ok(None);
            }
            count *= 2;
        }
    }

    /// The blank before the next word, or the character at `at` if no blank is near.
    fn word(&self, at: u64, range: &Range<u64>) -> Result<u64> {
        let at = self.files.character(at, range.start)?;
        if at == range.start {
            return Ok(at);
        }
        let text = self.files.text(at..range.end.min(at + WORD))?;
        let is_start = |pair: &&[u8]| pair[0].is_ascii_whitespace() && !pair[1].is_ascii_whitespace();
        let blank = text.as_bytes().windows(2).position(|pair| is_start(&pair));
        Ok(at + blank.unwrap_or(0) as u64)
    }

    fn shorter(&self, part: Part, length: usize) -> Error {
        let part = match part {
            Part::Training if self.learned < self.held_out => "bytes that are learned from are",
            Part::Training => "first nine tenths, the training part, are",
            Part::HeldOut => "last tenth, the held-out part, is",
        };
        let problem = format!(
            "the {part} shorter than one window of {length} tokens; a longer text is needed, or a smaller length"
        );
        Error::format(&self.files.path, problem)
    }
}

/// The name and the number of bytes in `NAME(bytes=N)`.
fn limited(text: &str) -> (&str, Option<u64>) {
    let parts = text.strip_suffix(')').and_then(|text| text.split_once("(bytes="));
    let limit = parts.and_then(|(name, bytes)| Some((name.trim(), Some(bytes.trim().parse().ok()?))));
    limit.unwrap_or((text, None))
}

/// How many tokens come before the special ones of a [`Vocabulary`], if the tokenizer ends in these; their names may be
/// marked with a `+`.
fn symbols(tokenizer: &Tokenizer) -> usize {
    let (all, special) = (tokenizer.vocab_size(), Vocabulary { symbols: 0 }.special());
    let before = all.saturating_sub(special.len());
    let is_special = |(id, name): (u32, &String)| tokenizer.piece(id).replace('+', "") == *name;
    if (before as u32..).zip(&special).all(is_special) { before } else { all }
}

impl Examples for Text {
    fn vocabulary(&self) -> Vocabulary {
        Vocabulary { symbols: self.symbols }
    }

    fn remark(&self) -> Option<String> {
        let (file, problem) = self.files.left_out.first()?;
        let others = match self.files.left_out.len() {
            1 => String::new(),
            count => format!(", and {} more", count - 1),
        };
        Some(format!("left out: {}, which {problem}{others}", file.display()))
    }

    fn example(&self, part: Part, seed: u64, index: u64, length: usize) -> Result<Example> {
        let range = self.range(part);
        let shorter = || self.shorter(part, length);
        let last = range.end.checked_sub(length as u64).filter(|&last| last >= range.start && length > 0);
        let last = last.ok_or_else(shorter)?;
        let mut random = part.draws(seed, index);
        let mut draw = || random.random_range(range.start..=last);
        if self.is_bytes {
            let at = self.files.character(draw(), range.start)?;
            let bytes = self.files.read(at..at + length as u64)?;
            return Ok(Example { tokens: bytes.into_iter().map(u32::from).collect(), given: 0 });
        }
        for _ in 0..TRIES {
            let at = self.word(draw(), &range)?;
            if let Some(tokens) = self.tokens_from(at, range.end, length)? {
                return Ok(Example { tokens, given: 0 });
            }
        }
        let tokens = self.tokens_from(range.start, range.end, length)?.ok_or_else(shorter)?;
        Ok(Example { tokens, given: 0 })
    }

    fn piece(&self, token: u32) -> String {
        self.tokenizer.piece(token)
    }

    fn tokenizer(&self) -> Result<Tokenizer> {
        Ok(self.tokenizer.clone().special_in_texts(true))
    }
}
