//! The text of a token, for display.

/// How a token's name in the vocabulary spells its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Each character is a byte of the text, in GPT-2's alphabet: `Ġthe`.
    Bytes,
    /// The text itself, with `▁` for a space: `▁the`.
    Blanks,
    /// The text itself.
    Plain,
}

impl Spelling {
    /// The spelling of a tokenizer, found from its pre-tokenizer and decoder.
    pub(super) fn of(inner: &tokenizers::Tokenizer) -> Self {
        let parts = (inner.get_normalizer(), inner.get_pre_tokenizer(), inner.get_decoder());
        let parts = serde_json::to_string(&parts).unwrap_or_default();
        if parts.contains("\"ByteLevel\"") {
            Spelling::Bytes
        } else if parts.contains(BLANK) {
            Spelling::Blanks
        } else {
            Spelling::Plain
        }
    }

    /// The text of the token called `token`.
    pub(super) fn read(self, token: &str) -> String {
        match self {
            Spelling::Bytes => bytes_spelled(token),
            Spelling::Blanks => token.replace(BLANK, " "),
            Spelling::Plain => token.to_owned(),
        }
    }
}

/// The character for a space in vocabularies of SentencePiece: U+2581.
pub(super) const BLANK: char = '▁';

/// A byte-level token's bytes, as text where they are text and as `<0xF0>` where they are not.
fn bytes_spelled(token: &str) -> String {
    let Some(bytes) = token.chars().map(byte_from_char).collect::<Option<Vec<u8>>>() else {
        return token.to_owned(); // an added token, which is spelled as itself
    };
    let spelled = |chunk: std::str::Utf8Chunk<'_>| {
        let lone: String = chunk.invalid().iter().map(|byte| format!("<0x{byte:02X}>")).collect();
        format!("{}{lone}", chunk.valid())
    };
    bytes.utf8_chunks().map(spelled).collect()
}

/// The byte that a character of the byte-level alphabet stands for.
///
/// Printable bytes stand for themselves; the n-th of the others is the character 256 + n.
///
/// **Source**: Radford et al. 2019 (GPT-2), `bytes_to_unicode` of its published encoder.
fn byte_from_char(c: char) -> Option<u8> {
    let is_printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    match u8::try_from(u32::from(c)) {
        Ok(byte) => Some(byte).filter(|&byte| is_printable(byte)),
        Err(_) => (0..=255).filter(|&byte| !is_printable(byte)).nth((u32::from(c) - 256) as usize),
    }
}

/// The character of the byte-level alphabet that stands for a byte: the inverse of [`byte_from_char`].
pub(super) fn char_from_byte(byte: u8) -> char {
    let spelled = |&c: &char| byte_from_char(c) == Some(byte);
    ('\0'..='\u{200}').find(spelled).expect("every byte has a character")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_covers_every_byte_once() {
        let mut bytes: Vec<u8> = (0..600).filter_map(char::from_u32).filter_map(byte_from_char).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
        assert!((0..=255).all(|byte| byte_from_char(char_from_byte(byte)) == Some(byte)));
        // Counted by hand: the space is the 33rd byte that is not printable, a newline the 11th.
        assert_eq!((byte_from_char('Ġ'), byte_from_char('Ċ')), (Some(b' '), Some(b'\n')));
    }

    #[test]
    fn lone_bytes_are_spelled_and_whole_characters_are_not() {
        assert_eq!(bytes_spelled("Ġthe"), " the");
        assert_eq!(bytes_spelled("Ã©"), "é");
        assert_eq!(bytes_spelled("aÃ"), "a<0xC3>");
        assert_eq!(bytes_spelled("ðŁ"), "<0xF0><0x9F>");
        assert_eq!(bytes_spelled("<|猫|>"), "<|猫|>");
    }
}
