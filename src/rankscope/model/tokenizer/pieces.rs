//! What a person reads in place of a token.

use std::ops::Range;

/// The token as text: the piece of `text` behind it where that piece is its alone, otherwise its own
/// spelling.
///
/// Several tokens may lie behind one character: its bytes (byte-level and byte-fallback tokenizers), or
/// what a normaliser made of it. Each is then shown by what it holds itself, a lone byte as `<0xF0>`.
pub(super) fn pieces(
    text: &str,
    tokens: &[String],
    spans: &[Range<usize>],
    is_byte_level: bool,
) -> Vec<String> {
    let own = |token: &str| if is_byte_level { bytes_spelled(token) } else { token.to_owned() };
    let piece = |(at, token): (usize, &String)| {
        let span = spans[at].clone();
        let neighbours = [at.checked_sub(1), Some(at + 1)].into_iter().flatten();
        let is_shared = neighbours.filter_map(|other| spans.get(other)).any(|other| overlap(&span, other));
        match text.get(span) {
            Some(piece) if !piece.is_empty() && !is_shared => piece.to_owned(),
            _ => own(token),
        }
    };
    tokens.iter().enumerate().map(piece).collect()
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

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
        // By hand: the space is the 33rd byte that is not printable, a newline the 11th.
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
