//! WGSL in colours.

use egui::text::{LayoutJob, TextFormat};
use egui::{Color32, FontId};

/// The colours of a source.
pub struct Colours {
    /// Names and signs.
    pub ink: Color32,
    /// Comments.
    pub comment: Color32,
    /// Words of the language.
    pub word: Color32,
    /// Types and attributes.
    pub kind: Color32,
    /// Numbers.
    pub number: Color32,
}

#[rustfmt::skip] // as many as fit on a line
const WORDS: [&str; 24] = [
    "alias", "break", "case", "const", "continue", "continuing", "default", "else", "enable", "false", "fn",
    "for", "if", "let", "loop", "override", "return", "struct", "switch", "true", "var", "while", "discard",
    "diagnostic",
];
const KINDS: [&str; 14] = [
    "array", "atomic", "bool", "f16", "f32", "i32", "mat2x2", "mat3x3", "mat4x4", "ptr", "u32", "vec2",
    "vec3", "vec4",
];

/// The kind of a piece of a source.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    Comment,
    Word,
    Kind,
    Number,
    Other,
}

/// A source laid out in one column, in colours, without line breaks of its own.
pub fn layout(source: &str, font: FontId, colours: &Colours) -> LayoutJob {
    let mut job = LayoutJob::default();
    job.wrap.max_width = f32::INFINITY;
    for (token, text) in tokens(source) {
        let color = match token {
            Token::Comment => colours.comment,
            Token::Word => colours.word,
            Token::Kind => colours.kind,
            Token::Number => colours.number,
            Token::Other => colours.ink,
        };
        job.append(text, 0.0, TextFormat { font_id: font.clone(), color, ..Default::default() });
    }
    job
}

/// The pieces of a source, which together are the source.
fn tokens(source: &str) -> Vec<(Token, &str)> {
    let mut pieces = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let run = |is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
        let (token, length) = if rest.starts_with("//") {
            (Token::Comment, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (Token::Comment, rest.find("*/").map_or(rest.len(), |end| end + 2))
        } else if first == '@' {
            (
                Token::Kind,
                1 + rest[1..].find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len() - 1),
            )
        } else if first.is_ascii_digit() {
            (Token::Number, run(|c| c.is_ascii_alphanumeric() || c == '.'))
        } else if first.is_alphabetic() || first == '_' {
            let length = run(|c| c.is_alphanumeric() || c == '_');
            let name = &rest[..length];
            let stem = name.strip_suffix(['f', 'u', 'i', 'h']);
            let token = match name {
                name if WORDS.contains(&name) => Token::Word,
                _ if KINDS.iter().any(|&kind| name == kind || stem == Some(kind)) => Token::Kind,
                _ => Token::Other,
            };
            (token, length)
        } else {
            let is_sign = |c: char| !(c.is_alphanumeric() || "_@/".contains(c));
            (Token::Other, run(is_sign).max(first.len_utf8()))
        };
        let (piece, after) = rest.split_at(length);
        pieces.push((token, piece));
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labs::shader::state::kernels;

    #[test]
    fn the_pieces_of_every_kernel_are_the_kernel() {
        let sources = kernels().filter_map(|(_, variant)| Some(variant.kernel?.source));
        for source in sources.chain(["", "@", "/", "/* open", "// é\n日本 9x", "a/b@c"]) {
            assert_eq!(tokens(source).iter().map(|(_, piece)| *piece).collect::<String>(), source);
        }
    }

    #[test]
    fn words_types_numbers_and_comments_are_told_apart() {
        let found: Vec<_> = tokens("@workgroup_size(64) var x: vec4f = 1.5; // let")
            .into_iter()
            .filter(|(token, _)| *token != Token::Other)
            .collect();
        let expected = [
            (Token::Kind, "@workgroup_size"),
            (Token::Number, "64"),
            (Token::Word, "var"),
            (Token::Kind, "vec4f"),
            (Token::Number, "1.5"),
            (Token::Comment, "// let"),
        ];
        assert_eq!(found, expected);
    }
}
