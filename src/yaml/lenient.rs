//! The first document of a text as `sigs.k8s.io/yaml` reads it: YAML 1.1, through JSON, the last of two equal keys. Says what it lost on the way.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "of the events of another crate only those that begin a node matter"
)]

use std::collections::BTreeMap;

use base64::Engine as _;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Number, Value as Json};

use super::{Pos, YamlError};

/// Deeper nesting than this is refused, and more values than this: aliases of aliases grow without bound.
const MAX_DEPTH: usize = 100;
const MAX_NODES: usize = 500_000;

/// What a text says, and what of it was lost.
#[derive(Clone, Debug, PartialEq)]
pub struct Lenient {
    /// The first document; null when there is none.
    pub value: Json,
    /// What the reader passes over without a word.
    pub lost: Vec<Lost>,
}

/// Something a reader loses without a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// A key that stands twice in one mapping: the last counts.
    Twice {
        key: String,
        /// Where it stands again.
        pos: Pos,
    },
    /// Another document, which is not read.
    Document(Pos),
}

/// Reads a text.
///
/// # Errors
/// What is no YAML, or has no meaning in JSON.
pub fn read_lenient(text: &str) -> Result<Lenient, YamlError> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: BTreeMap::new(),
        nodes: 0,
        lost: Vec::new(),
    };
    let mut value = Json::Null;
    let mut documents = 0;
    loop {
        let next = reader.next();
        // Behind the first document nothing is looked at, faults neither.
        let (event, span) = match next {
            Err(_) if documents > 0 => break,
            next => next?,
        };
        match event {
            Event::StreamEnd => break,
            Event::DocumentStart(_) if documents > 0 => {
                reader.lost.push(Lost::Document(start(span)));
                break;
            }
            Event::DocumentStart(_) => {
                let (event, span) = reader.next()?;
                value = reader.node(event, span, 0)?;
                documents += 1;
            }
            _ => {}
        }
    }
    Ok(Lenient {
        value,
        lost: reader.lost,
    })
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    anchors: BTreeMap<usize, Json>,
    nodes: usize,
    lost: Vec<Lost>,
}

fn fault<T>(pos: Pos, message: impl Into<String>) -> Result<T, YamlError> {
    Err(YamlError {
        pos,
        message: message.into(),
    })
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), YamlError> {
        match self.parser.next_event() {
            Some(Ok(pair)) => Ok(pair),
            Some(Err(error)) => fault(
                start(Span::new(*error.marker(), *error.marker())),
                error.info(),
            ),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn alias(&mut self, id: usize, pos: Pos) -> Result<Json, YamlError> {
        match self.anchors.get(&id).cloned() {
            Some(value) => {
                self.nodes += size(&value);
                Ok(value)
            }
            None => fault(pos, "an alias to an anchor that is not complete here"),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Json, YamlError> {
        let pos = start(span);
        self.nodes += 1;
        if depth > MAX_DEPTH {
            return fault(pos, format!("nested more than {MAX_DEPTH} deep"));
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (scalar(&text, style, tag.as_deref(), pos)?, anchor)
            }
            Event::SequenceStart(anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(id) => (self.alias(id, pos)?, 0),
            _ => (Json::Null, 0),
        };
        if self.nodes > MAX_NODES {
            return fault(
                pos,
                format!("more than {MAX_NODES} values (aliases of aliases?)"),
            );
        }
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn list(&mut self, depth: usize) -> Result<Json, YamlError> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd | Event::StreamEnd) {
                return Ok(Json::Array(items));
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Json, YamlError> {
        let mut own = Map::new();
        let mut merged = Map::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                break;
            }
            let pos = start(span);
            let merges =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            if merges {
                merge(&mut merged, value, pos)?;
                continue;
            }
            let key = key_text(&key, pos)?;
            if own.insert(key.clone(), value).is_some() {
                self.lost.push(Lost::Twice { key, pos });
            }
        }
        for (key, value) in merged {
            own.entry(key).or_insert(value);
        }
        Ok(Json::Object(own))
    }
}

fn merge(into: &mut Map<String, Json>, value: Json, pos: Pos) -> Result<(), YamlError> {
    let sources = match value {
        Json::Array(items) => items,
        other => vec![other],
    };
    for source in sources {
        let Json::Object(map) = source else {
            return fault(
                pos,
                "map merge requires map or sequence of maps as the value",
            );
        };
        for (key, value) in map {
            into.entry(key).or_insert(value);
        }
    }
    Ok(())
}

fn key_text(key: &Json, pos: Pos) -> Result<String, YamlError> {
    match key {
        Json::String(text) => Ok(text.clone()),
        Json::Bool(b) => Ok(b.to_string()),
        Json::Number(n) => Ok(n.to_string()),
        Json::Null => fault(pos, "a mapping key is null"),
        Json::Array(_) | Json::Object(_) => fault(
            pos,
            "a mapping key is a list or a mapping; is this `{{ … }}` of a template that was not rendered?",
        ),
    }
}

fn size(value: &Json) -> usize {
    match value {
        Json::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Json::Object(map) => 1 + map.values().map(size).sum::<usize>(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => 1,
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, pos: Pos) -> Result<Json, YamlError> {
    let word = tag
        .filter(|t| t.is_yaml_core_schema())
        .map(|t| t.suffix.as_str());
    let plain = style == ScalarStyle::Plain;
    match word {
        None if tag.is_none() && plain => resolve(text, pos),
        None | Some("str") => Ok(Json::String(text.to_owned())),
        Some("binary") => {
            let compact: String = text.split_whitespace().collect();
            let bytes = base64::engine::general_purpose::STANDARD.decode(compact);
            match bytes.map(String::from_utf8) {
                Ok(Ok(text)) => Ok(Json::String(text)),
                Ok(Err(_)) | Err(_) => fault(
                    pos,
                    "!!binary value contains invalid base64 data, or bytes that are no text",
                ),
            }
        }
        Some("float") => match resolve(text, pos)? {
            Json::Number(n) => Ok(n.as_f64().map_or(Json::Null, Json::from)),
            _ => fault(pos, format!("cannot decode !!str `{text}` as a !!float")),
        },
        Some(word) => {
            let value = resolve(text, pos)?;
            let fits = match (word, &value) {
                ("int", Json::Number(_)) | ("bool", Json::Bool(_)) | ("null", Json::Null) => true,
                ("timestamp", Json::String(_)) => true,
                (word, _) => !matches!(word, "int" | "bool" | "null" | "timestamp"),
            };
            if fits {
                Ok(value)
            } else {
                fault(pos, format!("cannot decode !!str `{text}` as a !!{word}"))
            }
        }
    }
}

/// Whether Go's yaml.v2 writes a text without quotes when nothing else asks for them: its reader takes the plain word for a text, and no older
/// reader for a number of base 60.
pub fn is_text_to_yaml_v2(text: &str) -> bool {
    let origin = Pos { line: 1, column: 1 };
    let read = matches!(resolve(text, origin), Ok(Json::String(_)));
    read && !matches!(
        super::ambiguity(text),
        Some(super::Ambiguity::Sexagesimal | super::Ambiguity::Date)
    )
}

/// What a plain word is to Go's yaml.v2; none for what has no meaning in JSON.
pub fn word_to_yaml_v2(text: &str) -> Option<Json> {
    resolve(text, Pos { line: 1, column: 1 }).ok()
}

/// What a plain word is to YAML 1.1 as Go's library has it.
fn resolve(text: &str, pos: Pos) -> Result<Json, YamlError> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Json::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Ok(Json::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Ok(Json::Bool(false));
        }
        ".nan" | ".NaN" | ".NAN" => return fault(pos, "json: unsupported value: NaN"),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return fault(pos, "json: unsupported value: +Inf");
        }
        "-.inf" | "-.Inf" | "-.INF" => return fault(pos, "json: unsupported value: -Inf"),
        _ => {}
    }
    let number = match text.chars().next() {
        Some('.') => real(text),
        Some('0'..='9' | '+' | '-') => number(text),
        Some(_) | None => None,
    };
    match number {
        Some(n) => Ok(Json::Number(n)),
        None => Ok(Json::String(text.to_owned())),
    }
}

fn number(text: &str) -> Option<Number> {
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let radix = |prefixes: [&str; 2], base: u32| {
        let body = prefixes.iter().find_map(|p| digits.strip_prefix(p))?;
        u64::from_str_radix(body, base)
            .ok()
            .filter(|_| !body.starts_with('+'))
    };
    let octal = || {
        let body = digits.strip_prefix('0').filter(|b| !b.is_empty())?;
        u64::from_str_radix(body, 8)
            .ok()
            .filter(|_| !body.starts_with('+'))
    };
    let decimal = || {
        let well = digits == "0" || !digits.starts_with('0');
        digits
            .parse::<u64>()
            .ok()
            .filter(|_| well && !digits.starts_with('+'))
    };
    let size = radix(["0x", "0X"], 16)
        .or_else(|| radix(["0o", "0O"], 8))
        .or_else(|| radix(["0b", "0B"], 2))
        .or_else(octal)
        .or_else(decimal);
    match size {
        Some(size) if negative => i64::try_from(-i128::from(size)).ok().map(Number::from),
        Some(size) => Some(Number::from(size)),
        None => real(&plain),
    }
}

fn real(text: &str) -> Option<Number> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = body.split_once(['e', 'E']).unwrap_or((body, "0"));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |t: &str| t.chars().all(|c| c.is_ascii_digit());
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let shape = digits(whole)
        && digits(part)
        && !(whole.is_empty() && part.is_empty())
        && !exponent.is_empty()
        && digits(exponent);
    let value = text
        .parse::<f64>()
        .ok()
        .filter(|v| shape && v.is_finite())?;
    Number::from_f64(value)
}

fn start(span: Span) -> Pos {
    let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Pos {
        line: small(span.start.line()).max(1),
        column: small(span.start.col()).saturating_add(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_yaml_1_1_says() {
        for (text, expected) in [
            ("yes", "true"),
            ("yEs", "\"yEs\""),
            ("n", "false"),
            ("017", "15"),
            ("08", "8.0"),
            ("0o17", "15"),
            ("0x1F", "31"),
            ("1_000", "1000"),
            ("+1", "1"),
            ("1:30", "\"1:30\""),
            ("1.", "1.0"),
            ("-.5", "-0.5"),
            ("18446744073709551616", "1.8446744073709552e+19"),
            ("2019-06-27", "\"2019-06-27\""),
            ("- a\n- !!str 1", "[\"a\",\"1\"]"),
            ("!!binary aGVsbG8=", "\"hello\""),
            ("{n: 1, 0x10: 2}", "{\"false\":1,\"16\":2}"),
            (
                "{a: &x {p: 1}, b: {<<: *x, q: 2}}",
                "{\"a\":{\"p\":1},\"b\":{\"q\":2,\"p\":1}}",
            ),
        ] {
            assert_eq!(
                read_lenient(text).unwrap().value.to_string(),
                expected,
                "{text}"
            );
        }
        for text in [".inf", "{null: 1}", "a: {{ b }}", "[", "a:\n\tb: 1"] {
            assert!(read_lenient(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_lost_is_told() {
        let read = read_lenient("a: 1\na: 2\n---\nb: [\n").unwrap();
        assert_eq!(read.value.to_string(), "{\"a\":2}");
        assert_eq!(
            read.lost,
            [
                Lost::Twice {
                    key: "a".into(),
                    pos: Pos { line: 2, column: 1 }
                },
                Lost::Document(Pos { line: 3, column: 1 })
            ]
        );
    }
}
