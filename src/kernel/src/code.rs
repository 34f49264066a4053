//! Questions about the text of a cell: is it complete, and where in it is the cursor.

use jupyter_protocol::IsCompleteReply;
use ra_ap_syntax::{Edition, SourceFile};

/// Wrapped so that statements parse: a cell is the inside of a function.
const BEFORE: &str = "async fn cell() {\n";

/// Answers `is_complete_request`, which Jupyter's consoles send before they run a line.
pub fn completeness(code: &str) -> IsCompleteReply {
    let code = strip_commands(code);
    let mut open = Vec::new();
    match scan(&code, &mut open) {
        Scan::Mismatch => return IsCompleteReply::invalid(),
        Scan::Unfinished => return IsCompleteReply::incomplete(String::new()),
        Scan::Balanced if !open.is_empty() => return IsCompleteReply::incomplete("    ".repeat(open.len())),
        Scan::Balanced => {}
    }
    let text = format!("{BEFORE}{code}\n}}");
    let parse = SourceFile::parse(&text, Edition::Edition2024);
    let end = BEFORE.len() + code.trim_end().len();
    let mut starts = parse.errors().into_iter().map(|error| usize::from(error.range().start())).peekable();
    if starts.peek().is_none() {
        return IsCompleteReply::complete();
    }
    // If every error is at the end of the text, the cell is only incomplete.
    let only_stops = starts.all(|start| start >= end);
    if only_stops { IsCompleteReply::incomplete(String::new()) } else { IsCompleteReply::invalid() }
}

/// Without lines such as `:dep`, which are commands to the engine.
fn strip_commands(code: &str) -> String {
    let keep = |line: &&str| !line.trim_start().starts_with(':');
    code.lines().filter(keep).map(|line| format!("{line}\n")).collect()
}

enum Scan {
    Balanced,
    Unfinished,
    Mismatch,
}

/// Walks over the tokens; leaves in `open` the closing brackets that are still missing.
fn scan(code: &str, open: &mut Vec<char>) -> Scan {
    use ra_ap_syntax::SyntaxKind;
    let lexed = ra_ap_parser::LexedStr::new(Edition::Edition2024, code);
    for token in 0..lexed.len() {
        match lexed.kind(token) {
            SyntaxKind::L_PAREN => open.push(')'),
            SyntaxKind::L_BRACK => open.push(']'),
            SyntaxKind::L_CURLY => open.push('}'),
            SyntaxKind::R_PAREN | SyntaxKind::R_BRACK | SyntaxKind::R_CURLY
                if open.pop() != lexed.text(token).chars().next() =>
            {
                return Scan::Mismatch;
            }
            SyntaxKind::STRING | SyntaxKind::BYTE_STRING | SyntaxKind::C_STRING | SyntaxKind::COMMENT
                if lexed.error(token).is_some() =>
            {
                return Scan::Unfinished;
            }
            _ => {}
        }
    }
    Scan::Balanced
}

/// A position in bytes, as evcxr counts, from one in characters, as Jupyter counts.
pub fn bytes_from_characters(code: &str, position: usize) -> usize {
    code.char_indices().nth(position).map_or(code.len(), |(byte, _)| byte)
}

/// A position in characters from one in bytes.
pub fn characters_from_bytes(code: &str, position: usize) -> usize {
    let position = position.min(code.len());
    code.char_indices().take_while(|(byte, _)| *byte < position).count()
}

/// The end of the word at a position, so that inspection works with the cursor anywhere in a name.
pub fn end_of_word(code: &str, position: usize) -> usize {
    let rest = &code[position..];
    let word = rest.find(|sign: char| !sign.is_alphanumeric() && sign != '_').unwrap_or(rest.len());
    position + word
}

#[cfg(test)]
mod tests {
    use super::*;
    use jupyter_protocol::IsCompleteReplyStatus::{self, Complete, Incomplete, Invalid};

    #[test]
    fn complete_incomplete_and_invalid_are_three_things() {
        let cases: &[(&str, IsCompleteReplyStatus)] = &[
            ("", Complete),
            ("1 + 1", Complete),
            ("let x = 5;", Complete),
            ("fn f() -> u8 { 3 }\nf()", Complete),
            ("use rankscope::prelude::*;", Complete),
            (":dep rand = \"0.10\"\nlet x = 1;", Complete),
            ("let s = \"a ( b\";", Complete),
            ("let c = '(';", Complete),
            ("// nothing (", Complete),
            ("fn f() {", Incomplete),
            ("let v = vec![1, 2,", Incomplete),
            ("println!(\"hello", Incomplete),
            ("/* a comment", Incomplete),
            ("let s = r#\"raw", Incomplete),
            ("let x =", Incomplete),
            ("1 +", Incomplete),
            ("let x = );", Invalid),
            ("fn f( { ) }", Invalid),
            ("let 5x = = 3;", Invalid),
        ];
        for (code, expected) in cases {
            let got = format!("{:?}", completeness(code).status);
            assert_eq!(got, format!("{expected:?}"), "{code:?}");
        }
        assert_eq!(completeness("fn f() {\n    if x {").indent, " ".repeat(8));
    }

    #[test]
    fn positions_in_text_with_wide_characters() {
        let code = "let σ = 1; σ.ab";
        let byte = bytes_from_characters(code, 12);
        assert_eq!(&code[byte..], ".ab");
        assert_eq!(characters_from_bytes(code, byte), 12);
        assert_eq!(bytes_from_characters(code, 99), code.len());
        assert_eq!(end_of_word(code, 0), 3);
        assert_eq!(end_of_word(code, 4), 6);
    }
}
