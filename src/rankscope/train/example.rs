//! [`Example`]s: sequences from the data, of which an objective makes batches.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::error::{Error, Result};
use crate::model::Tokenizer;

/// A sequence of tokens, of which the first ones are given and the others are to be predicted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// All tokens, input first.
    pub tokens: Vec<u32>,
    /// How many of the tokens are input: 0 in running text, where all tokens are to be predicted.
    pub given: usize,
}

impl Example {
    /// The tokens that are given.
    pub fn input(&self) -> &[u32] {
        &self.tokens[..self.given]
    }

    /// The tokens that are to be predicted.
    pub fn output(&self) -> &[u32] {
        &self.tokens[self.given..]
    }
}

/// A part of the examples: those of training, or the held-out ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Examples for training.
    Training,
    /// Held-out examples: none of them is used for training.
    HeldOut,
}

impl Part {
    /// The random numbers of example `index`; every example has its own.
    pub(super) fn draws(self, seed: u64, index: u64) -> ChaCha8Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8] = match self {
            Part::Training => 1,
            Part::HeldOut => 2,
        };
        let mut random = ChaCha8Rng::from_seed(key);
        random.set_stream(index);
        random
    }
}

/// A source of examples: a text, or a task that is drawn.
pub trait Examples: Send + Sync {
    /// Its tokens.
    fn vocabulary(&self) -> Vocabulary;

    /// Example `index` of a part, of `length` tokens; a task whose examples are shorter ends in padding.
    ///
    /// **Conventions**: the same seed, part and index give the same example, independent of earlier calls.
    ///
    /// # Errors
    /// An error naming the file that cannot be read, or the length that is too short for one example.
    fn example(&self, part: Part, seed: u64, index: u64, length: usize) -> Result<Example>;

    /// A remark about the data that a user who trains should know, in one sentence.
    fn remark(&self) -> Option<String> {
        None
    }

    /// A token of the data as a word, for display.
    fn piece(&self, token: u32) -> String {
        token.to_string()
    }

    /// The tokenizer of a model that is trained on this data: the data's own tokens, then the special ones; by default
    /// the [pieces](Self::piece) are words.
    ///
    /// # Errors
    /// [`Error::Invalid`] if two pieces are equal.
    fn tokenizer(&self) -> Result<Tokenizer> {
        let vocabulary = self.vocabulary();
        let pieces = (0..vocabulary.symbols as u32).map(|token| self.piece(token));
        Tokenizer::words(pieces)?.with_special(vocabulary.special())
    }

    /// The number that each token stands for, where tokens are bins of a real number.
    fn values(&self) -> Option<&[f64]> {
        None
    }
}

/// Tokens 0 to `symbols` − 1 are those of the data; the special tokens come after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// The number of tokens of the data.
    pub symbols: usize,
}

impl Vocabulary {
    /// The number of sentinels: the most spans that span corruption can cut out of one sequence.
    pub const SENTINELS: usize = 32;
    const SPECIAL: [&str; 5] = ["<pad>", "<start>", "<separator>", "<end>", "<mask>"];

    /// V: symbols and special tokens.
    pub fn size(self) -> usize {
        self.symbols + Self::SPECIAL.len() + Self::SENTINELS
    }

    /// The token that fills the places after the end of a sequence; it is also the start token of T5's decoder.
    pub fn padding(self) -> u32 {
        self.symbols as u32
    }

    /// The token before a sequence.
    pub fn start(self) -> u32 {
        self.symbols as u32 + 1
    }

    /// The token between two parts of a sequence.
    pub fn separator(self) -> u32 {
        self.symbols as u32 + 2
    }

    /// The token after a sequence.
    pub fn end(self) -> u32 {
        self.symbols as u32 + 3
    }

    /// The token that replaces a hidden token, which is to be predicted.
    pub fn mask(self) -> u32 {
        self.symbols as u32 + 4
    }

    /// The token that replaces span `index`, which was cut out.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there are not that many sentinels.
    pub fn sentinel(self, index: usize) -> Result<u32> {
        match index < Self::SENTINELS {
            true => Ok((self.symbols + Self::SPECIAL.len() + index) as u32),
            false => {
                Err(Error::invalid("number of spans", index + 1, format!("at most {}", Self::SENTINELS)))
            }
        }
    }

    /// The texts of the special tokens, in the order of their ids.
    pub fn special(self) -> Vec<String> {
        let sentinels = (0..Self::SENTINELS).map(|index| format!("<span-{index}>"));
        Self::SPECIAL.iter().map(|&text| text.to_owned()).chain(sentinels).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_tokens_follow_the_symbols_and_fill_the_vocabulary() {
        let vocabulary = Vocabulary { symbols: 10 };
        let ids = [
            vocabulary.padding(),
            vocabulary.start(),
            vocabulary.separator(),
            vocabulary.end(),
            vocabulary.mask(),
        ];
        let sentinels = (0..Vocabulary::SENTINELS).map(|index| vocabulary.sentinel(index).unwrap());
        let all: Vec<u32> = ids.into_iter().chain(sentinels).collect();
        assert_eq!(all, (10..vocabulary.size() as u32).collect::<Vec<_>>());
        assert_eq!(vocabulary.special().len(), all.len());
        let error = vocabulary.sentinel(Vocabulary::SENTINELS).unwrap_err().to_string();
        assert_eq!(error, "number of spans is 33, expected at most 32");
    }
}
