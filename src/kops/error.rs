//! What is wrong with manifests, each with its place, collected rather than thrown. Prints nothing.

use std::collections::BTreeSet;

use crate::yaml::Pos;

/// One fault of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pos}: {document}: {message}")]
pub struct KopsError {
    /// Where, in the text the documents were read from.
    pub pos: Pos,
    /// The document, as `Kind/name`.
    pub document: String,
    /// What is wrong, in lower case.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// Every fault found, in the order of their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KopsErrors(pub Vec<KopsError>);

impl std::fmt::Display for KopsErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
            if let Some(hint) = &error.hint {
                write!(f, " ({hint})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for KopsErrors {}

/// Collects the faults of all documents.
#[derive(Debug, Default)]
pub(super) struct Problems {
    document: String,
    said: BTreeSet<Pos>,
    pub(super) errors: Vec<KopsError>,
    pub(super) warnings: Vec<KopsError>,
    pub(super) misread: Vec<KopsError>,
}

impl Problems {
    /// Faults added from now on belong to this document.
    pub(super) fn of(&mut self, document: impl Into<String>) {
        self.document = document.into();
    }

    /// A value of the wrong type reads as absent, so whatever else is found at its place follows from that.
    pub(super) fn nothing_more_at(&mut self, pos: Pos) {
        self.said.insert(pos);
    }

    pub(super) fn error(&mut self, pos: Pos, message: impl Into<String>) {
        self.push(pos, message.into(), None);
    }

    pub(super) fn error_hint(
        &mut self,
        pos: Pos,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(pos, message.into(), Some(hint.into()));
    }

    pub(super) fn push(&mut self, pos: Pos, message: String, hint: Option<String>) {
        if !self.said.contains(&pos) {
            let error = self.fault(pos, message, hint);
            self.errors.push(error);
        }
    }

    pub(super) fn warn(&mut self, pos: Pos, message: impl Into<String>, hint: Option<String>) {
        let warning = self.fault(pos, message.into(), hint);
        self.warnings.push(warning);
    }

    /// A field that kops drops or refuses, and no definition depends on.
    pub(super) fn misreads(&mut self, pos: Pos, message: impl Into<String>, hint: Option<String>) {
        let fault = self.fault(pos, message.into(), hint);
        self.misread.push(fault);
    }

    /// All that stands in the way, and what kops would drop or refuse: a misspelt field is often why another one is missing.
    pub(super) fn refused(self) -> Vec<KopsError> {
        let mut all = self.errors;
        all.extend(self.misread);
        all.sort_by_key(|e| e.pos);
        all
    }

    fn fault(&self, pos: Pos, message: String, hint: Option<String>) -> KopsError {
        KopsError {
            pos,
            document: self.document.clone(),
            message,
            hint,
        }
    }
}
