//! When the text of decoded tokens is final, whatever tokens follow.

use serde_json::Value;

/// What may still change the text of decoded tokens, apart from the rest of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// Nothing: each token adds its text.
    AtOnce,
    /// Another byte: consecutive tokens such as `<0xF0>` are decoded as text if all of them together are valid UTF-8,
    /// and otherwise none of them is.
    BehindBytes,
    /// Any token: the text is changed as a whole.
    AtTheEnd,
}

impl Settled {
    /// Determined from the decoder's parts.
    pub(super) fn of(inner: &tokenizers::Tokenizer) -> Self {
        let decoder = serde_json::to_value(inner.get_decoder()).unwrap_or_default();
        let kinds = kinds(&decoder);
        let is_whole = |kind: &&str| matches!(*kind, "Fuse" | "ByteLevel");
        let mut of_the_whole = kinds.iter().copied().skip_while(|kind| !is_whole(kind));
        if of_the_whole.any(|kind| !matches!(kind, "Fuse" | "ByteLevel" | "Strip")) {
            Settled::AtTheEnd
        } else if kinds.contains(&"ByteFallback") {
            Settled::BehindBytes
        } else {
            Settled::AtOnce
        }
    }

    /// Whether later tokens may still change the text of `last`.
    pub(super) fn may_change(self, last: &str) -> bool {
        match self {
            Settled::AtOnce => false,
            Settled::BehindBytes => is_byte(last),
            Settled::AtTheEnd => true,
        }
    }
}

/// The types of a decoder and of its parts, if it is a sequence, in order.
fn kinds(decoder: &Value) -> Vec<&str> {
    match decoder["decoders"].as_array() {
        Some(parts) => parts.iter().flat_map(kinds).collect(),
        None => decoder["type"].as_str().into_iter().collect(),
    }
}

/// Whether a token stands for one byte, as `<0xF0>` does.
fn is_byte(token: &str) -> bool {
    let digits = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && u8::from_str_radix(digits, 16).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_of_a_decoder_decide() {
        let part = |kind: &str| match kind {
            "ByteLevel" => json!({"type": kind, "add_prefix_space": true, "trim_offsets": true}),
            "Replace" => json!({"type": kind, "pattern": {"String": "▁"}, "content": " "}),
            "Strip" => json!({"type": kind, "content": " ", "start": 1, "stop": 0}),
            _ => json!({"type": kind}),
        };
        let of = |kinds: &[&str]| {
            let parts: Vec<Value> = kinds.iter().map(|kind| part(kind)).collect();
            let decoder = json!({"type": "Sequence", "decoders": parts});
            let model = tokenizers::models::wordlevel::WordLevel::default();
            let mut inner = tokenizers::Tokenizer::new(model);
            let decoder: tokenizers::DecoderWrapper = serde_json::from_value(decoder).unwrap();
            inner.with_decoder(Some(decoder));
            Settled::of(&inner)
        };
        assert_eq!(of(&[]), Settled::AtOnce);
        assert_eq!(of(&["Replace", "Fuse", "Strip"]), Settled::AtOnce);
        assert_eq!(of(&["ByteLevel"]), Settled::AtOnce);
        assert_eq!(of(&["Replace", "ByteFallback", "Fuse", "Strip"]), Settled::BehindBytes);
        assert_eq!(of(&["Fuse", "Replace"]), Settled::AtTheEnd);
    }

    #[test]
    fn bytes_are_known_by_their_spelling() {
        assert!(is_byte("<0xF0>") && is_byte("<0x0a>"));
        assert!(!is_byte("<0xG0>") && !is_byte("<0x0>") && !is_byte("a") && !is_byte("<0xF0> "));
    }
}
