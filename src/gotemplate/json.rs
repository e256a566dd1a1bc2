//! Values → JSON text as Go's `encoding/json` writes it: keys sorted, `<>&` escaped when asked. Reads no template.

use std::collections::BTreeMap;

use serde_json::{Map as JsonMap, Value as Json};

use super::format::{MAX_DEPTH, Out, TooMuch};
use super::value::{Value, json_number};
use super::{dates, numbers};

/// How the text is written.
#[derive(Clone, Copy)]
pub(super) struct JsonStyle {
    /// `<`, `>` and `&` as `\u003c` and the like.
    pub(super) html: bool,
    /// Over several lines.
    pub(super) pretty: bool,
}

/// Why there is no text.
pub(super) enum NoJson {
    TooMuch,
    /// A value that JSON does not have.
    Type(String),
}

impl From<TooMuch> for NoJson {
    fn from(_: TooMuch) -> Self {
        NoJson::TooMuch
    }
}

pub(super) fn text(value: &Value, style: JsonStyle) -> Result<String, NoJson> {
    let mut writer = Writer {
        out: Out::default(),
        style,
    };
    writer.value(value, 0)?;
    Ok(writer.out.into_text())
}

struct Writer {
    out: Out,
    style: JsonStyle,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), NoJson> {
        if depth > MAX_DEPTH {
            return Err(NoJson::TooMuch);
        }
        match value {
            Value::Absent | Value::Nil => self.out.push("null")?,
            Value::Bool(b) => self.out.push(if *b { "true" } else { "false" })?,
            Value::Int(n, _) | Value::Duration(n) => self.out.push(&n.to_string())?,
            Value::Float(n) => match numbers::json(*n) {
                Some(text) => self.out.push(&text)?,
                None => {
                    return Err(NoJson::Type(format!(
                        "json: unsupported value: {}",
                        numbers::general(*n)
                    )));
                }
            },
            Value::Complex(..) => {
                return Err(NoJson::Type("json: unsupported type: complex128".into()));
            }
            Value::Text(text) => self.string(text)?,
            Value::Time(time) => {
                let text = dates::format(*time, dates::RFC3339);
                self.string(&text)?;
            }
            Value::Version(version) => self.string(&version.to_string())?,
            Value::List(list) => {
                let items = list.items();
                self.group(
                    ("[", "]"),
                    items.len(),
                    depth,
                    |writer, index| match items.get(index) {
                        Some(item) => writer.value(item, depth + 1),
                        None => Ok(()),
                    },
                )?;
            }
            Value::Map(map) => {
                let entries = map.entries();
                self.group(("{", "}"), entries.len(), depth, |writer, index| {
                    let Some((key, item)) = entries.get(index) else {
                        return Ok(());
                    };
                    writer.string(key)?;
                    writer
                        .out
                        .push(if writer.style.pretty { ": " } else { ":" })?;
                    writer.value(item, depth + 1)
                })?;
            }
        }
        Ok(())
    }

    fn group(
        &mut self,
        (open, close): (&str, &str),
        count: usize,
        depth: usize,
        item: impl Fn(&mut Self, usize) -> Result<(), NoJson>,
    ) -> Result<(), NoJson> {
        self.out.push(open)?;
        for index in 0..count {
            if index > 0 {
                self.out.push(",")?;
            }
            self.line(depth + 1)?;
            item(self, index)?;
        }
        if count > 0 {
            self.line(depth)?;
        }
        Ok(self.out.push(close)?)
    }

    fn line(&mut self, depth: usize) -> Result<(), TooMuch> {
        if self.style.pretty {
            self.out.push("\n")?;
            self.out.push(&"  ".repeat(depth))?;
        }
        Ok(())
    }

    fn string(&mut self, text: &str) -> Result<(), TooMuch> {
        let mut quoted = String::with_capacity(text.len() + 2);
        quoted.push('"');
        for c in text.chars() {
            match c {
                '"' => quoted.push_str("\\\""),
                '\\' => quoted.push_str("\\\\"),
                '\n' => quoted.push_str("\\n"),
                '\r' => quoted.push_str("\\r"),
                '\t' => quoted.push_str("\\t"),
                '\u{8}' => quoted.push_str("\\b"),
                '\u{c}' => quoted.push_str("\\f"),
                '<' | '>' | '&' if self.style.html => {
                    quoted.push_str(&format!("\\u{:04x}", u32::from(c)))
                }
                c if u32::from(c) < 0x20 => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
                // Line ends to JavaScript.
                '\u{2028}' | '\u{2029}' => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => quoted.push(c),
            }
        }
        quoted.push('"');
        self.out.push(&quoted)
    }
}

/// The value as JSON; what is no data is null. None when it holds itself.
pub fn to_json(value: &Value) -> Option<Json> {
    convert(value, 0)
}

fn convert(value: &Value, depth: usize) -> Option<Json> {
    if depth > MAX_DEPTH {
        return None;
    }
    Some(match value {
        Value::Absent | Value::Nil | Value::Complex(..) => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(n, _) | Value::Duration(n) => Json::from(*n),
        Value::Float(n) => json_number(*n).map_or(Json::Null, Json::Number),
        Value::Text(text) => Json::String(text.to_string()),
        Value::Time(time) => Json::String(dates::format(*time, dates::RFC3339)),
        Value::Version(version) => Json::String(version.to_string()),
        Value::List(list) => Json::Array(
            list.items()
                .iter()
                .map(|v| convert(v, depth + 1))
                .collect::<Option<_>>()?,
        ),
        Value::Map(map) => {
            let entries = map.entries().into_iter();
            let entries: Option<BTreeMap<String, Json>> = entries
                .map(|(k, v)| Some((k.to_string(), convert(&v, depth + 1)?)))
                .collect();
            Json::Object(entries?.into_iter().collect::<JsonMap<_, _>>())
        }
    })
}
