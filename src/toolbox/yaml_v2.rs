//! Values → YAML text, byte for byte as Go's yaml.v2 writes it behind `sigs.k8s.io/yaml`: keys in its order, its quotes, long lines folded.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "what is no mapping, or no container, is written or refused in one way"
)]

use std::cmp::Ordering;

use serde_json::{Map, Value as Json};

use crate::gotemplate::{go_float, json_float};
use crate::yaml::is_text_to_yaml_v2;

/// Lines are folded behind this column.
const WIDTH: usize = 80;
const INDENT: usize = 2;

/// The value as a document.
pub(super) fn emit(value: &Json) -> String {
    let mut emitter = Emitter {
        out: String::new(),
        column: 0,
    };
    match value {
        Json::Object(map) if !map.is_empty() => emitter.map(map, 0, false),
        Json::Array(items) if !items.is_empty() => emitter.list(items, 0, false),
        scalar => {
            emitter.scalar(scalar, INDENT);
            emitter.line();
        }
    }
    emitter.out
}

struct Emitter {
    out: String,
    column: usize,
}

impl Emitter {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn line(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    fn indent(&mut self, indent: usize) {
        self.put(&" ".repeat(indent));
    }

    /// `inline`: the first key stands behind a `- `.
    fn map(&mut self, map: &Map<String, Json>, indent: usize, inline: bool) {
        let mut keys: Vec<&String> = map.keys().collect();
        keys.sort_by(|a, b| key_order(a, b));
        for (index, key) in keys.into_iter().enumerate() {
            if index > 0 || !inline {
                self.indent(indent);
            }
            self.key(key);
            self.put(":");
            match map.get(key) {
                Some(Json::Object(inner)) if !inner.is_empty() => {
                    self.line();
                    self.map(inner, indent + INDENT, false);
                }
                Some(Json::Array(items)) if !items.is_empty() => {
                    self.line();
                    self.list(items, indent, false);
                }
                value => {
                    self.put(" ");
                    self.scalar(value.unwrap_or(&Json::Null), indent + INDENT);
                    self.line();
                }
            }
        }
    }

    fn list(&mut self, items: &[Json], indent: usize, inline: bool) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 || !inline {
                self.indent(indent);
            }
            self.put("- ");
            match item {
                Json::Object(map) if !map.is_empty() => self.map(map, indent + INDENT, true),
                Json::Array(inner) if !inner.is_empty() => self.list(inner, indent + INDENT, true),
                scalar => {
                    self.scalar(scalar, indent + INDENT);
                    self.line();
                }
            }
        }
    }

    fn key(&mut self, key: &str) {
        let facts = Facts::of(key);
        if plain_is_text(key) && facts.plain {
            self.put(key);
        } else if plain_is_text(key) && facts.single && !key.contains('\n') {
            self.single(key, 0, false);
        } else {
            self.double(key, 0, false);
        }
    }

    fn scalar(&mut self, value: &Json, indent: usize) {
        match value {
            Json::Null => self.put("null"),
            Json::Bool(b) => self.put(if *b { "true" } else { "false" }),
            Json::Number(n) => self.put(&number(n)),
            Json::String(text) => self.text(text, indent),
            Json::Array(_) => self.put("[]"),
            Json::Object(_) => self.put("{}"),
        }
    }

    fn text(&mut self, text: &str, indent: usize) {
        let facts = Facts::of(text);
        if text.contains('\n') {
            if facts.block {
                self.literal(text, indent);
            } else {
                self.double(text, indent, true);
            }
        } else if !plain_is_text(text) {
            self.double(text, indent, true);
        } else if facts.plain {
            self.folded(text, indent);
        } else if facts.single {
            self.single(text, indent, true);
        } else {
            self.double(text, indent, true);
        }
    }

    /// A plain text, broken at blanks behind the width.
    fn folded(&mut self, text: &str, indent: usize) {
        let mut blank_before = false;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c == ' ' {
                if !blank_before && self.column > WIDTH && chars.peek() != Some(&' ') {
                    self.line();
                    self.indent(indent);
                } else {
                    self.put(" ");
                }
                blank_before = true;
            } else {
                self.put(c.encode_utf8(&mut [0; 4]));
                blank_before = false;
            }
        }
    }

    fn single(&mut self, text: &str, indent: usize, breaks: bool) {
        self.put("'");
        let mut blank_before = false;
        let count = text.chars().count();
        let mut chars = text.chars().enumerate().peekable();
        while let Some((index, c)) = chars.next() {
            if c == ' ' {
                let inside = index > 0 && index + 1 < count;
                let next = chars.peek().map(|(_, c)| *c);
                if breaks && !blank_before && self.column > WIDTH && inside && next != Some(' ') {
                    self.line();
                    self.indent(indent);
                } else {
                    self.put(" ");
                }
                blank_before = true;
                continue;
            }
            if c == '\'' {
                self.put("'");
            }
            self.put(c.encode_utf8(&mut [0; 4]));
            blank_before = false;
        }
        self.put("'");
    }

    fn double(&mut self, text: &str, indent: usize, breaks: bool) {
        self.put("\"");
        let mut blank_before = false;
        let count = text.chars().count();
        let mut chars = text.chars().enumerate().peekable();
        while let Some((index, c)) = chars.next() {
            if let Some(escape) = escape(c) {
                self.put(&escape);
                blank_before = false;
            } else if c == ' ' {
                let inside = index > 0 && index + 1 < count;
                if breaks && !blank_before && self.column > WIDTH && inside {
                    self.line();
                    self.indent(indent);
                    if chars.peek().map(|(_, c)| *c) == Some(' ') {
                        self.put("\\");
                    }
                } else {
                    self.put(" ");
                }
                blank_before = true;
            } else {
                self.put(c.encode_utf8(&mut [0; 4]));
                blank_before = false;
            }
        }
        self.put("\"");
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.put("|");
        if text.starts_with([' ', '\n']) {
            self.put(&INDENT.to_string());
        }
        if !text.ends_with('\n') {
            self.put("-");
        } else if text == "\n" || text.ends_with("\n\n") {
            self.put("+");
        }
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            self.line();
            if !line.is_empty() {
                self.indent(indent);
                self.put(line);
            }
        }
    }
}

/// Every number went through a float64 and JSON on its way; one that JSON writes whole, and that fits, stays whole.
fn number(n: &serde_json::Number) -> String {
    let float = n.as_f64().unwrap_or(0.0);
    match json_float(float) {
        Some(text) if text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok() => text,
        Some(_) | None => go_float(float),
    }
}

/// Whether a reader takes the plain word for a text, numbers of base 60 and dates not among them.
fn plain_is_text(text: &str) -> bool {
    is_text_to_yaml_v2(text)
}

fn escape(c: char) -> Option<String> {
    Some(match c {
        '\0' => "\\0".into(),
        '\u{7}' => "\\a".into(),
        '\u{8}' => "\\b".into(),
        '\t' => "\\t".into(),
        '\n' => "\\n".into(),
        '\u{b}' => "\\v".into(),
        '\u{c}' => "\\f".into(),
        '\r' => "\\r".into(),
        '\u{1b}' => "\\e".into(),
        '"' => "\\\"".into(),
        '\\' => "\\\\".into(),
        '\u{85}' => "\\N".into(),
        '\u{a0}' => "\\_".into(),
        '\u{2028}' => "\\L".into(),
        '\u{2029}' => "\\P".into(),
        c if printable(c) => return None,
        c if u32::from(c) <= 0xff => format!("\\x{:02X}", u32::from(c)),
        c if u32::from(c) <= 0xffff => format!("\\u{:04X}", u32::from(c)),
        c => format!("\\U{:08X}", u32::from(c)),
    })
}

/// What the emitter takes for printable.
fn printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// Which styles a text can be written in.
struct Facts {
    plain: bool,
    single: bool,
    block: bool,
}

impl Facts {
    fn of(text: &str) -> Facts {
        if text.is_empty() {
            return Facts {
                plain: true,
                single: true,
                block: false,
            };
        }
        let chars: Vec<char> = text.chars().collect();
        let blank = |c: Option<&char>| matches!(c, None | Some(' ' | '\t'));
        let blank_or_break = |c: Option<&char>| {
            matches!(
                c,
                None | Some(' ' | '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
            )
        };
        let is_break = |c: char| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut special, mut breaks) = (false, false);
        let (mut break_space, mut space_break) = (false, false);
        let (mut before_space, mut before_break) = (false, false);
        for (index, c) in chars.iter().enumerate() {
            let next_blank = blank(chars.get(index + 1));
            let first = index == 0;
            indicators |= match c {
                '#' if !first => blank_or_break(index.checked_sub(1).and_then(|i| chars.get(i))),
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"'
                | '%' | '@' | '`' => first,
                ':' => next_blank,
                '?' | '-' => first && next_blank,
                _ => false,
            };
            special |= !printable(*c);
            if *c == ' ' {
                break_space |= before_break;
                (before_space, before_break) = (true, false);
            } else if is_break(*c) {
                breaks = true;
                space_break |= before_space;
                (before_space, before_break) = (false, true);
            } else {
                (before_space, before_break) = (false, false);
            }
        }
        let edge = |c: Option<&char>| c.is_some_and(|c| *c == ' ' || is_break(*c));
        let edges = edge(chars.first()) || edge(chars.last());
        let poor = space_break || special;
        Facts {
            plain: !(edges || break_space || poor || breaks || indicators),
            single: !(break_space || poor),
            block: !(chars.last() == Some(&' ') || poor),
        }
    }
}

/// yaml.v2's order of keys: letters behind other signs, and numbers in them by their size.
fn key_order(a: &str, b: &str) -> Ordering {
    let (left, right): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    for (index, (x, y)) in left.iter().zip(&right).enumerate() {
        if x == y {
            continue;
        }
        match (x.is_alphabetic(), y.is_alphabetic()) {
            (true, true) => return x.cmp(y),
            (true, false) => return Ordering::Greater,
            (false, true) => return Ordering::Less,
            (false, false) => {}
        }
        let mut start = 0_u64;
        if *x == '0' || *y == '0' {
            let before = left
                .iter()
                .take(index)
                .rev()
                .take_while(|c| c.is_ascii_digit());
            start = u64::from(before.into_iter().any(|c| *c != '0'));
        }
        let (m, p) = digits(&left, index, start);
        let (n, q) = digits(&right, index, start);
        return m.cmp(&n).then(p.cmp(&q)).then(x.cmp(y));
    }
    left.len().cmp(&right.len())
}

/// The number that the digits from `index` on make, and where they end.
fn digits(chars: &[char], index: usize, start: u64) -> (u64, usize) {
    let run = chars.iter().skip(index).take_while(|c| c.is_ascii_digit());
    let mut count = 0;
    let number = run.fold(start, |n, c| {
        count += 1;
        n.wrapping_mul(10)
            .wrapping_add(u64::from(c.to_digit(10).unwrap_or(0)))
    });
    (number, index + count)
}
