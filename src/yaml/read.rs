//! The reader: a stream of documents into trees with positions. Refuses duplicate keys, runaway aliases and bottomless nesting.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::Value as Json;

use super::scalar::resolve;
use super::{Document, Key, Node, Pos, Scalar, Schema, Value};

/// Deeper nesting than this is refused: no manifest comes near it, and a recursive walk over the tree must not run out of stack.
const MAX_DEPTH: usize = 100;
/// More nodes than this (aliases counted each time they are used) is refused: aliases of aliases grow without bound.
const MAX_NODES: usize = 500_000;

/// A text that is no YAML, or YAML that means two things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    /// Where reading stopped.
    pub pos: Pos,
    /// What is wrong, in lower case, without the place.
    pub message: String,
}

impl std::fmt::Display for YamlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.pos, self.message)
    }
}

impl std::error::Error for YamlError {}

/// All documents of a text. Anchors and `<<` are expanded.
///
/// # Errors
/// Syntax errors, duplicate keys (also between a mapping and nothing it merged), nesting deeper than 100, more than 500,000 nodes.
pub fn parse(text: &str, schema: Schema) -> Result<Vec<Document>, YamlError> {
    parse_from(text, schema, 1)
}

/// As [`parse`], of a part of a text whose first line has this number there.
///
/// # Errors
/// As [`parse`].
pub fn parse_from(text: &str, schema: Schema, first_line: u32) -> Result<Vec<Document>, YamlError> {
    let mut builder = Builder {
        schema,
        nodes: 0,
        anchors: BTreeMap::new(),
        anchor_of: 0,
    };
    let mut events = Events {
        parser: Parser::new_from_str(text),
        before: first_line.saturating_sub(1),
    };
    let mut documents = Vec::new();
    loop {
        let (event, span) = events.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::DocumentStart(_) => {
                documents.push(builder.document(&mut events, span.start.line)?)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::DocumentEnd
            | Event::Alias(_)
            | Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::SequenceEnd
            | Event::MappingStart(..)
            | Event::MappingEnd => {}
        }
    }
}

/// The one document of a text; an empty text is a null document.
///
/// # Errors
/// As [`parse`], and when there is more than one document.
pub fn parse_one(text: &str, schema: Schema) -> Result<Node, YamlError> {
    let mut documents = parse(text, schema)?.into_iter();
    let first = documents.next();
    if let Some(second) = documents.next() {
        return Err(YamlError {
            pos: Pos {
                line: second.first_line,
                column: 1,
            },
            message: "a second document where one is expected".into(),
        });
    }
    Ok(first.map_or_else(|| null(Pos { line: 1, column: 1 }), |d| d.root))
}

struct Events<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    /// Lines of the whole text before this part of it.
    before: u32,
}

/// Where an event stands in the whole text.
#[derive(Clone, Copy)]
struct Extent {
    start: Pos,
    end_line: u32,
    /// Whether it ends at the beginning of its last line.
    ends_at_line_start: bool,
}

impl<'t> Events<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Extent), YamlError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.extent(span))),
            Some(Err(error)) => {
                let at = Span::new(*error.marker(), *error.marker());
                Err(YamlError {
                    pos: self.extent(at).start,
                    message: error.info().to_owned(),
                })
            }
            None => Ok((Event::StreamEnd, self.extent(Span::default()))),
        }
    }

    fn extent(&self, span: Span) -> Extent {
        let line = |n: usize| {
            let own = u32::try_from(n).unwrap_or(u32::MAX);
            own.max(1).saturating_add(self.before)
        };
        let column = u32::try_from(span.start.col()).unwrap_or(u32::MAX);
        Extent {
            start: Pos {
                line: line(span.start.line()),
                column: column.saturating_add(1),
            },
            end_line: line(span.end.line()),
            ends_at_line_start: span.end.col() == 0,
        }
    }
}

struct Builder {
    schema: Schema,
    nodes: usize,
    anchors: BTreeMap<usize, Node>,
    anchor_of: usize,
}

impl Builder {
    fn document(
        &mut self,
        events: &mut Events<'_>,
        first_line: u32,
    ) -> Result<Document, YamlError> {
        self.anchors.clear();
        let (event, span) = events.next()?;
        let root = self.node(events, event, span, 0)?;
        let last_line = root.end_line.max(first_line);
        Ok(Document {
            root,
            first_line,
            last_line,
        })
    }

    fn node(
        &mut self,
        events: &mut Events<'_>,
        event: Event<'_>,
        span: Extent,
        depth: usize,
    ) -> Result<Node, YamlError> {
        let pos = span.start;
        self.count(1, pos)?;
        if depth > MAX_DEPTH {
            return Err(YamlError {
                pos,
                message: format!("nested more than {MAX_DEPTH} deep"),
            });
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (self.scalar(text, style, tag.as_deref(), span)?, anchor)
            }
            Event::SequenceStart(anchor, _) => (self.list(events, pos, depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(events, pos, depth)?, anchor),
            Event::Alias(id) => (self.alias(id, pos)?, 0),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => (null(pos), 0),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
            self.anchor_of = self.anchor_of.max(anchor);
        }
        Ok(node)
    }

    fn count(&mut self, nodes: usize, pos: Pos) -> Result<(), YamlError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(YamlError {
                pos,
                message: format!("more than {MAX_NODES} values (aliases of aliases?)"),
            });
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, pos: Pos) -> Result<Node, YamlError> {
        let Some(target) = self.anchors.get(&id).cloned() else {
            return Err(YamlError {
                pos,
                message: "an alias to an anchor that is not complete here".into(),
            });
        };
        self.count(size(&target), pos)?;
        Ok(target)
    }

    fn scalar(
        &self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Extent,
    ) -> Result<Node, YamlError> {
        let pos = span.start;
        let plain = style == ScalarStyle::Plain && tag.is_none();
        let value = match tag {
            Some(tag) if tag.is_yaml_core_schema() => tagged(&text, &tag.suffix, pos)?,
            Some(tag) => {
                return Err(YamlError {
                    pos,
                    message: format!("the tag `{tag}` has no meaning here"),
                });
            }
            None if plain => resolve(&text, self.schema),
            None => Json::String(text.clone().into_owned()),
        };
        let end_line = span.end_line.max(pos.line);
        // A block scalar's span ends where the next thing begins.
        let end_line = if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded)
            && span.ends_at_line_start
        {
            end_line.saturating_sub(1).max(pos.line)
        } else {
            end_line
        };
        Ok(Node {
            pos,
            end_line,
            value: Value::Scalar(Scalar {
                value,
                text: text.into_owned(),
                plain,
            }),
        })
    }

    fn list(&mut self, events: &mut Events<'_>, pos: Pos, depth: usize) -> Result<Node, YamlError> {
        let mut items = Vec::new();
        loop {
            let (event, span) = events.next()?;
            if matches!(event, Event::SequenceEnd | Event::StreamEnd) {
                let end_line = items
                    .last()
                    .map_or(pos.line, |n: &Node| n.end_line)
                    .max(pos.line);
                return Ok(Node {
                    pos,
                    end_line,
                    value: Value::List(items),
                });
            }
            items.push(self.node(events, event, span, depth + 1)?);
        }
    }

    fn map(&mut self, events: &mut Events<'_>, pos: Pos, depth: usize) -> Result<Node, YamlError> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut merged: Vec<(Key, Node)> = Vec::new();
        let mut seen = Seen::default();
        let mut end_line = pos.line;
        loop {
            let (event, span) = events.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                break;
            }
            let key_node = self.node(events, event, span, depth + 1)?;
            let key = key(key_node)?;
            let (event, span) = events.next()?;
            let value = self.node(events, event, span, depth + 1)?;
            end_line = end_line.max(key.pos.line).max(if value.pos >= key.pos {
                value.end_line
            } else {
                key.pos.line
            });
            if key.plain && key.text == "<<" {
                merge(&mut merged, &value, key.pos)?;
                continue;
            }
            if let Some(first) = seen.first(&entries, &key) {
                return Err(twice(&key, first));
            }
            entries.push((key, value));
        }
        merged.retain(|(key, _)| seen.first(&entries, key).is_none());
        entries.extend(merged);
        Ok(Node {
            pos,
            end_line,
            value: Value::Map(entries),
        })
    }
}

/// A key of a mapping that has it already. Where objects begin with `apiVersion` or `kind`, a second one is the next object.
fn twice(key: &Key, first: Pos) -> YamlError {
    let separator = if key.pos.column == 1 && matches!(key.text.as_str(), "apiVersion" | "kind") {
        "; is a line `---` missing above it?"
    } else {
        ""
    };
    YamlError {
        pos: key.pos,
        message: format!(
            "the key `{}` stands twice in this mapping, first at line {}{separator}",
            key.text, first.line
        ),
    }
}

fn merge(into: &mut Vec<(Key, Node)>, value: &Node, pos: Pos) -> Result<(), YamlError> {
    let sources: Vec<&Node> = match &value.value {
        Value::Map(_) => vec![value],
        Value::List(items) => items.iter().collect(),
        Value::Scalar(_) => {
            return Err(YamlError {
                pos,
                message: format!("`<<` merges mappings, and this is {}", value.kind()),
            });
        }
    };
    for source in sources {
        let Value::Map(entries) = &source.value else {
            return Err(YamlError {
                pos,
                message: format!("`<<` merges mappings, and this is {}", source.kind()),
            });
        };
        for (key, node) in entries {
            if !into.iter().any(|(k, _)| k.text == key.text) {
                into.push((key.clone(), node.clone()));
            }
        }
    }
    Ok(())
}

/// Mappings of more keys than this are looked up in a tree.
const FEW: usize = 24;

/// The keys that a mapping has so far.
#[derive(Default)]
struct Seen(BTreeMap<String, Pos>);

impl Seen {
    /// Where the key stands already; `entries` are all before it.
    fn first(&mut self, entries: &[(Key, Node)], key: &Key) -> Option<Pos> {
        if entries.len() <= FEW {
            let same = entries.iter().find(|(k, _)| k.text == key.text);
            return same.map(|(k, _)| k.pos);
        }
        let known = self.0.len();
        let new = entries.iter().skip(known);
        self.0.extend(new.map(|(k, _)| (k.text.clone(), k.pos)));
        self.0.get(&key.text).copied()
    }
}

fn key(node: Node) -> Result<Key, YamlError> {
    let kind = node.kind();
    match node.value {
        Value::Scalar(scalar) if !(scalar.plain && scalar.value.is_null()) => Ok(Key {
            pos: node.pos,
            text: scalar.text,
            plain: scalar.plain,
        }),
        Value::Scalar(_) => Err(YamlError {
            pos: node.pos,
            message: "a mapping key is null".into(),
        }),
        Value::List(_) | Value::Map(_) => Err(YamlError {
            pos: node.pos,
            message: format!(
                "a mapping key is {kind}; is this `{{{{ … }}}}` of a template that was not rendered?"
            ),
        }),
    }
}

fn tagged(text: &str, suffix: &str, pos: Pos) -> Result<Json, YamlError> {
    let resolved = resolve(text, Schema::Core);
    match (suffix, &resolved) {
        ("str", _) => Ok(Json::String(text.to_owned())),
        ("int" | "float", Json::Number(_)) | ("bool", Json::Bool(_)) | ("null", Json::Null) => {
            Ok(resolved)
        }
        _ => Err(YamlError {
            pos,
            message: format!("this is not what its tag `!!{suffix}` says"),
        }),
    }
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(_) => 1,
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(entries) => 1 + entries.iter().map(|(_, v)| 1 + size(v)).sum::<usize>(),
    }
}

fn null(pos: Pos) -> Node {
    Node {
        pos,
        end_line: pos.line,
        value: Value::Scalar(Scalar {
            value: Json::Null,
            text: String::new(),
            plain: true,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        match parse(text, Schema::Core) {
            Ok(docs) => docs
                .iter()
                .map(|d| format!("{}-{} {}", d.first_line, d.last_line, d.root.to_json()))
                .collect::<Vec<_>>()
                .join("\n"),
            Err(e) => format!("error {e}"),
        }
    }

    #[test]
    fn documents_are_split_by_the_grammar_not_by_dashes() {
        let text = "a: |\n  -----BEGIN CERTIFICATE-----\n  ---\nb: 1\n--- # second\nc: 2\n";
        assert_eq!(
            json(text),
            "1-4 {\"a\":\"-----BEGIN CERTIFICATE-----\\n---\\n\",\"b\":1}\n5-6 {\"c\":2}"
        );
        assert_eq!(json(""), "");
        assert_eq!(json("a: 1"), "1-1 {\"a\":1}");
    }

    #[test]
    fn merges_come_after_own_keys_and_lose_to_them() {
        assert_eq!(
            json("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\n"),
            "1-2 {\"x\":{\"a\":1,\"b\":2},\"y\":{\"b\":3,\"a\":1}}"
        );
    }

    #[test]
    fn two_meanings_are_refused() {
        assert_eq!(
            json("a: 1\nb: 2\na: 3\n"),
            "error 3:1: the key `a` stands twice in this mapping, first at line 1"
        );
        assert_eq!(
            json("x: &x {a: 1}\ny:\n  <<: *x\n  b: 1\n  b: 2\n"),
            "error 5:3: the key `b` stands twice in this mapping, first at line 4"
        );
        assert!(
            json("a: {{ foo }}\n").starts_with("error 1:"),
            "{}",
            json("a: {{ foo }}\n")
        );
        assert!(
            json("a:\n\tb: 1\n").starts_with("error 2:"),
            "{}",
            json("a:\n\tb: 1\n")
        );
    }

    #[test]
    fn hostile_texts_end_in_an_error() {
        for text in [
            "- ".repeat(50_000),
            "[".repeat(50_000),
            "{a: ".repeat(5_000),
        ] {
            assert!(parse(&text, Schema::Core).is_err());
        }
        let mut laughs = String::from("a: &a [1,1,1,1,1,1,1,1,1,1]\n");
        for (from, to) in [
            ("a", "b"),
            ("b", "c"),
            ("c", "d"),
            ("d", "e"),
            ("e", "f"),
            ("f", "g"),
        ] {
            laughs.push_str(&format!("{to}: &{to} [*{from},*{from},*{from},*{from},*{from},*{from},*{from},*{from},*{from},*{from}]\n"));
        }
        assert!(
            json(&laughs).contains("aliases of aliases"),
            "{}",
            json(&laughs)
        );
    }
}
