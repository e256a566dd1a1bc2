//! Template text → tokens: text between actions (trimmed where a marker says so), and the words of actions. Knows no grammar.
#![allow(clippy::wildcard_enum_match_arm, reason = "what ends a word is named")]

use std::ops::Range;

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Text to be printed as it stands.
    Text,
    /// `{{`, with or without a trim marker.
    Open,
    /// `}}`, likewise.
    Close,
    /// Blanks inside an action.
    Space,
    /// `=`
    Assign,
    /// `:=`
    Declare,
    /// `|`
    Pipe,
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// `"…"`
    Quoted,
    /// `` `…` ``
    Raw,
    /// `'…'`
    Char,
    /// `3`, `0x1f`, `1.5`, `1+2i`
    Number,
    /// `true`, `false`
    Bool,
    /// `.name`
    Field,
    /// `$` or `$name`
    Variable,
    /// `.`
    Dot,
    /// A name of a function.
    Identifier,
    /// `if`, `range`, `end`, …
    Keyword,
    /// Another sign, such as `,`.
    Sign,
    /// The end of the text.
    End,
    /// What cannot be read, and why. The last token.
    Fault(String),
}

/// A token and the bytes it stands on.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) range: Range<usize>,
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";
const KEYWORDS: [&str; 11] = [
    "block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with",
];

/// All tokens of a text; the last is [`TokenKind::End`] or [`TokenKind::GoFault`].
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        text,
        at: 0,
        tokens: Vec::new(),
    };
    match lexer.all() {
        Ok(()) => lexer.push(TokenKind::End, text.len()),
        Err((start, why)) => lexer.push(TokenKind::Fault(why), start),
    }
    lexer.tokens
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    tokens: Vec<Token>,
}

/// Where a fault is, and what.
type Lexed<T> = Result<T, (usize, String)>;

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphabetic() || c.is_numeric()
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn push(&mut self, kind: TokenKind, start: usize) {
        let end = self.at.max(start);
        self.tokens.push(Token {
            kind,
            range: start..end,
        });
    }

    fn skip(&mut self, while_: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !while_(c)).unwrap_or(rest.len());
    }

    fn accept(&mut self, set: &str) -> bool {
        match self.peek() {
            Some(c) if set.contains(c) => {
                self.at += c.len_utf8();
                true
            }
            Some(_) | None => false,
        }
    }

    fn all(&mut self) -> Lexed<()> {
        loop {
            let start = self.at;
            let rest = self.rest();
            let Some(open) = rest.find(OPEN) else {
                self.at = self.text.len();
                if self.at > start {
                    self.push(TokenKind::Text, start);
                }
                return Ok(());
            };
            let trims = has_left_marker(rest.get(open + 2..).unwrap_or_default());
            let before = rest.get(..open).unwrap_or_default();
            let kept = if trims {
                before.trim_end_matches(is_space)
            } else {
                before
            };
            if !kept.is_empty() {
                self.at = start + kept.len();
                self.push(TokenKind::Text, start);
            }
            self.at = start + open;
            self.action(trims)?;
        }
    }

    fn action(&mut self, trims: bool) -> Lexed<()> {
        let start = self.at;
        self.at += if trims { 3 } else { 2 };
        let inside = self.at + usize::from(trims);
        if self.text.get(inside..).is_some_and(|t| t.starts_with("/*")) {
            return self.comment(start, inside);
        }
        self.push(TokenKind::Open, start);
        let mut parens = 0_usize;
        while !self.close(parens)? {
            self.word(&mut parens)?;
        }
        Ok(())
    }

    fn comment(&mut self, start: usize, inside: usize) -> Lexed<()> {
        let after = self.text.get(inside..).unwrap_or_default();
        let Some(end) = after.find("*/") else {
            return Err((start, "unclosed comment".into()));
        };
        self.at = inside + end + 2;
        let Some(trims) = self.at_close() else {
            return Err((start, "comment ends before closing delimiter".into()));
        };
        self.at += if trims { 4 } else { 2 };
        if trims {
            self.skip(is_space);
        }
        Ok(())
    }

    /// At the end of an action, and whether it trims.
    fn at_close(&self) -> Option<bool> {
        let rest = self.rest();
        let mut chars = rest.chars();
        let marker = chars.next().is_some_and(is_space) && chars.next() == Some('-');
        if marker && chars.as_str().starts_with(CLOSE) {
            Some(true)
        } else if rest.starts_with(CLOSE) {
            Some(false)
        } else {
            None
        }
    }

    /// Takes the end of an action when it is here.
    fn close(&mut self, parens: usize) -> Lexed<bool> {
        let Some(trims) = self.at_close() else {
            return Ok(false);
        };
        if parens > 0 {
            return Err((self.at, "unclosed left paren".into()));
        }
        let start = self.at;
        self.at += if trims { 4 } else { 2 };
        self.push(TokenKind::Close, start);
        if trims {
            self.skip(is_space);
        }
        Ok(true)
    }

    fn word(&mut self, parens: &mut usize) -> Lexed<()> {
        let start = self.at;
        let Some(c) = self.peek() else {
            let opened = self.tokens.iter().rev().find(|t| t.kind == TokenKind::Open);
            let start = opened.map_or(start, |t| t.range.start);
            return Err((start, "unclosed action".into()));
        };
        self.at += c.len_utf8();
        let kind = match c {
            c if is_space(c) => {
                // The blank before a closing trim marker belongs to the marker.
                while self.at_close() != Some(true) && self.peek().is_some_and(is_space) {
                    self.at += 1;
                }
                TokenKind::Space
            }
            '=' => TokenKind::Assign,
            ':' if self.accept("=") => TokenKind::Declare,
            ':' => return Err((start, "expected :=".into())),
            '|' => TokenKind::Pipe,
            '"' => self.quoted('"', start, "unterminated quoted string")?,
            '\'' => self.quoted('\'', start, "unterminated character constant")?,
            '`' => {
                let Some(end) = self.rest().find('`') else {
                    return Err((start, "unterminated raw quoted string".into()));
                };
                self.at += end + 1;
                TokenKind::Raw
            }
            '$' => self.name(start, TokenKind::Variable, TokenKind::Variable)?,
            '.' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => {
                self.name(start, TokenKind::Field, TokenKind::Dot)?
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.at = start;
                self.number(start)?;
                TokenKind::Number
            }
            c if is_word(c) => self.identifier(start)?,
            '(' => {
                *parens += 1;
                TokenKind::LeftParen
            }
            ')' if *parens == 0 => return Err((start, "unexpected right paren".into())),
            ')' => {
                *parens -= 1;
                TokenKind::RightParen
            }
            c if c.is_ascii_graphic() => TokenKind::Sign,
            c => {
                let why = format!("unrecognized character in action: {}", unicode(c));
                return Err((start, why));
            }
        };
        self.push(kind, start);
        Ok(())
    }

    fn quoted(&mut self, mark: char, start: usize, why: &str) -> Lexed<TokenKind> {
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            match c {
                '\n' => break,
                '\\' => match self.peek() {
                    Some('\n') | None => break,
                    Some(next) => self.at += next.len_utf8(),
                },
                c if c == mark => {
                    return Ok(if mark == '"' {
                        TokenKind::Quoted
                    } else {
                        TokenKind::Char
                    });
                }
                _ => {}
            }
        }
        Err((start, why.into()))
    }

    /// What follows `.` or `$`.
    fn name(&mut self, start: usize, named: TokenKind, alone: TokenKind) -> Lexed<TokenKind> {
        if self.at_terminator() {
            return Ok(alone);
        }
        self.skip(is_word);
        self.terminated(start)?;
        Ok(named)
    }

    fn identifier(&mut self, start: usize) -> Lexed<TokenKind> {
        self.skip(is_word);
        self.terminated(start)?;
        let word = self.text.get(start..self.at).unwrap_or_default();
        Ok(match word {
            "true" | "false" => TokenKind::Bool,
            word if KEYWORDS.contains(&word) => TokenKind::Keyword,
            _ => TokenKind::Identifier,
        })
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) => is_space(c) || self.rest().starts_with(CLOSE),
        }
    }

    fn terminated(&self, _start: usize) -> Lexed<()> {
        if self.at_terminator() {
            return Ok(());
        }
        let found = self.peek().map_or_else(String::new, unicode);
        Err((self.at, format!("bad character {found}")))
    }

    fn number(&mut self, start: usize) -> Lexed<()> {
        let whole = self.scan_number();
        let mut good = whole;
        if whole && self.peek().is_some_and(|c| c == '+' || c == '-') {
            good = self.scan_number()
                && self
                    .text
                    .get(start..self.at)
                    .is_some_and(|t| t.ends_with('i'));
        }
        if good {
            return Ok(());
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        Err((start, format!("bad number syntax: {text:?}")))
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.skip(|c| digits.contains(c));
        if self.accept(".") {
            self.skip(|c| digits.contains(c));
        }
        if digits.len() == 11 && self.accept("eE") || digits.len() == 23 && self.accept("pP") {
            self.accept("+-");
            self.skip(|c| c.is_ascii_digit() || c == '_');
        }
        self.accept("i");
        if let Some(c) = self.peek().filter(|c| is_word(*c)) {
            self.at += c.len_utf8();
            return false;
        }
        true
    }
}

fn has_left_marker(after: &str) -> bool {
    let mut chars = after.chars();
    chars.next() == Some('-') && chars.next().is_some_and(is_space)
}

/// As Go writes a character in messages.
fn unicode(c: char) -> String {
    format!("U+{:04X} '{c}'", u32::from(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        let words = tokens(text).into_iter().map(|t| match t.kind {
            TokenKind::Fault(why) => format!("! {why} at {}", t.range.start),
            TokenKind::End => "end".into(),
            TokenKind::Space => "_".into(),
            _ => text.get(t.range).unwrap_or_default().replace('\n', "~"),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_and_trims() {
        for (text, expected) in [
            ("a {{ .x.y }} b", "a  {{ _ .x .y _ }}  b end"),
            ("a \n {{- .x -}} \n b", "a {{- _ .x  -}} b end"),
            ("{{-3 }}", "{{ -3 _ }} end"),
            ("a{{/* c */}}b{{- /* d */ -}} c", "a b c end"),
            (
                "{{ $x := 1 | f `}}` \"}}\" }}",
                "{{ _ $x _ := _ 1 _ | _ f _ `}}` _ \"}}\" _ }} end",
            ),
            ("{{ .a", "{{ _ .a ! unclosed action at 0"),
            ("{{ .a-b }}", "{{ _ ! bad character U+002D '-' at 5"),
            ("{{ (.a }}", "{{ _ ( .a _ ! unclosed left paren at 7"),
            ("{{ 1x }}", "{{ _ ! bad number syntax: \"1x\" at 3"),
            ("{{ \"a\n\" }}", "{{ _ ! unterminated quoted string at 3"),
            ("{{ if }}{{ end }}", "{{ _ if _ }} {{ _ end _ }} end"),
            ("{{ 1+2i }}", "{{ _ 1+2i _ }} end"),
            ("{{", "{{ ! unclosed action at 0"),
        ] {
            assert_eq!(show(text), expected, "{text}");
        }
    }
}
