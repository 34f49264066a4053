//! Text from bytes that come in pieces.

/// The end of a character may be in the next piece; what is no UTF-8 becomes U+FFFD.
#[derive(Debug, Default)]
pub struct Text {
    begun: Vec<u8>,
}

impl Text {
    /// The complete characters up to this piece.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.begun.extend(bytes);
        let whole = self.begun.len() - unfinished(&self.begun);
        let text = String::from_utf8_lossy(&self.begun[..whole]).into_owned();
        self.begun.drain(..whole);
        text
    }

    /// The rest, when nothing more comes.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.begun)).into_owned()
    }
}

/// How many bytes at the end may be the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    let is_begun = |end: &[u8]| {
        std::str::from_utf8(end).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..=bytes.len().min(3)).find(|length| is_begun(&bytes[bytes.len() - length..])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_cut_gives_the_text_of_the_whole() {
        let bytes =
            "a\r\0é€😀".as_bytes().iter().chain(b"\xff\xe2\x82x\xf0\x9f").copied().collect::<Vec<u8>>();
        let whole = String::from_utf8_lossy(&bytes);
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut text = Text::default();
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                let shown: String = pieces.into_iter().map(|piece| text.push(piece)).collect();
                assert_eq!(shown + &text.finish(), whole, "{first} {second}");
            }
        }
    }

    #[test]
    fn only_a_character_that_is_begun_waits() {
        let mut text = Text::default();
        assert_eq!(text.push(b"go \xff"), "go \u{fffd}");
        assert_eq!(text.push(b"\xe2\x82"), "");
        assert_eq!(text.push(b"\xac"), "€");
        assert_eq!(text.finish(), "");
    }
}
