//! A YAML file of the fleet: a tree with places, and the typed value that is read from it. Reads no files.

use serde::de::DeserializeOwned;

use super::error::{FleetError, SourceLocation};
use crate::yaml::{DecodeFault, DecodeFaultKind, Node, Schema, decode, parse_one};

/// A YAML file of the fleet, parsed once, with its name for faults.
#[derive(Clone, Debug)]
pub(super) struct ParsedFile {
    /// Relative to the fleet.
    pub(super) file: String,
    /// Its tree.
    pub(super) node: Node,
}

impl ParsedFile {
    /// Parses `text`; duplicate keys are errors.
    pub(super) fn parse(file: &str, text: String) -> Result<Self, FleetError> {
        let node = parse_one(&text, Schema::Core).map_err(|e| FleetError::Yaml {
            place: SourceLocation {
                file: file.to_owned(),
                pos: Some(e.pos),
            },
            message: e.message,
        })?;
        Ok(ParsedFile {
            file: file.to_owned(),
            node,
        })
    }

    /// The place of the value at `path`, or of the nearest thing around it that exists.
    pub(super) fn place(&self, path: &[&str]) -> SourceLocation {
        let mut node = &self.node;
        for segment in path {
            match node.at([*segment]) {
                Some(next) => node = next,
                None => break,
            }
        }
        SourceLocation {
            file: self.file.clone(),
            pos: Some(node.pos),
        }
    }

    /// The place of the key `key` of the mapping at `path`.
    pub(super) fn key_place(&self, path: &[&str], key: &str) -> SourceLocation {
        let entry = self
            .node
            .at(path.iter().copied())
            .and_then(|n| n.entry(key));
        entry.map_or_else(
            || self.place(path),
            |(k, _)| SourceLocation {
                file: self.file.clone(),
                pos: Some(k.pos),
            },
        )
    }

    /// The typed value.
    ///
    /// # Errors
    /// Every fault in it.
    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T, FleetError> {
        decode(&self.node)
            .map_err(|faults| FleetError::all(faults.into_iter().map(|f| self.fault(f)).collect()))
    }

    fn fault(&self, fault: DecodeFault) -> FleetError {
        let place = SourceLocation {
            file: self.file.clone(),
            pos: Some(fault.pos),
        };
        match fault.kind {
            DecodeFaultKind::UnknownKey { key, known } => {
                FleetError::UnknownKey { place, key, known }
            }
            kind @ (DecodeFaultKind::MissingKey(_)
            | DecodeFaultKind::WrongType { .. }
            | DecodeFaultKind::Other(_)) => FleetError::Shape {
                place,
                message: kind.to_string(),
            },
        }
    }
}

/// A value at `path` that is understood and makes no sense.
pub(super) fn invalid(
    doc: &ParsedFile,
    path: &[&str],
    message: impl Into<String>,
    hint: impl Into<String>,
) -> FleetError {
    FleetError::Invalid {
        place: doc.place(path),
        message: message.into(),
        hint: hint.into(),
    }
}
