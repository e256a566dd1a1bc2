//! A YAML file of the fleet twice over: as a tree with positions and, by serde, as a typed value whose faults are given those positions. Reads no files.

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use super::{FleetError, Place};
use crate::yaml::{Node, Schema, parse_one};

/// A parsed file.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// Relative to the fleet.
    pub(super) file: String,
    /// Its text.
    text: String,
    /// Its tree.
    pub(super) node: Node,
}

impl Document {
    /// Parses `text`; duplicate keys are errors.
    pub(super) fn parse(file: &str, text: String) -> Result<Self, FleetError> {
        let node = parse_one(&text, Schema::Core).map_err(|e| FleetError::Yaml {
            place: Place {
                file: file.to_owned(),
                pos: Some(e.pos),
            },
            message: e.message,
        })?;
        Ok(Document {
            file: file.to_owned(),
            text,
            node,
        })
    }

    /// The place of the value at `path`, or of the nearest thing around it that exists.
    pub(super) fn place(&self, path: &[&str]) -> Place {
        let mut node = &self.node;
        for segment in path {
            match node.at([*segment]) {
                Some(next) => node = next,
                None => break,
            }
        }
        Place {
            file: self.file.clone(),
            pos: Some(node.pos),
        }
    }

    /// The place of the key `key` of the mapping at `path`.
    pub(super) fn key_place(&self, path: &[&str], key: &str) -> Place {
        let entry = self
            .node
            .at(path.iter().copied())
            .and_then(|n| n.entry(key));
        entry.map_or_else(
            || self.place(path),
            |(k, _)| Place {
                file: self.file.clone(),
                pos: Some(k.pos),
            },
        )
    }

    /// The typed value.
    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T, FleetError> {
        let reader = serde_yaml::Deserializer::from_str(&self.text);
        serde_path_to_error::deserialize(reader).map_err(|e| {
            let path = segments(e.path());
            self.fault(&path, &bare_message(e.inner()))
        })
    }

    fn fault(&self, path: &[String], message: &str) -> FleetError {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        if let Some((key, known)) = unknown_field(message) {
            // The path ends in the unknown key or in the mapping that holds it.
            let parent = match path.split_last() {
                Some((last, parent)) if *last == key => parent,
                Some(_) | None => path.as_slice(),
            };
            return FleetError::UnknownKey {
                place: self.key_place(parent, &key),
                key,
                known,
            };
        }
        // serde's names for things, in words of people who write YAML.
        let message = message
            .replace("missing field", "missing key")
            .replace("expected u32", "expected a whole number")
            .replace("expected usize", "expected a whole number");
        FleetError::Shape {
            place: self.place(&path),
            message,
        }
    }
}

fn segments(path: &serde_path_to_error::Path) -> Vec<String> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.clone()),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// The message without the path before it and the place behind it: both are said better by [`Document::place`].
fn bare_message(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let text = match error.location() {
        Some(at) => text
            .strip_suffix(&format!(" at line {} column {}", at.line(), at.column()))
            .unwrap_or(&text)
            .to_owned(),
        None => text,
    };
    match text.split_once(": ") {
        Some((path, rest)) if is_path(path) => rest.to_owned(),
        Some(_) | None => text,
    }
}

/// Whether this is a path as serde_yaml writes it (`stages[0].waves`), and not the beginning of a sentence.
fn is_path(text: &str) -> bool {
    !text.contains(' ') && !text.contains('`')
}

/// The field and the fields there are, of serde's message about an unknown one.
fn unknown_field(message: &str) -> Option<(String, Vec<String>)> {
    let mut quoted = message
        .strip_prefix("unknown field ")?
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned);
    let key = quoted.next()?;
    Some((key, quoted.collect()))
}
