//! What one cluster is rendered to: text, its documents, and which template made which lines.

use std::ops::Range;

use crate::model::ClusterName;
use crate::yaml;

/// Everything one cluster is rendered to.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    pub cluster: ClusterName,
    /// The output of all templates as rendered, comments and order kept, with `---` between them.
    pub text: String,
    /// Its documents, in order; empty ones are left out.
    pub documents: Vec<RenderedDocument>,
    /// Which lines of the text each template made.
    pub(super) chunks: Vec<Chunk>,
}

/// One document.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedDocument {
    /// Its `kind`.
    pub kind: String,
    /// Its `metadata.name`; empty for a file of configuration, which has none.
    pub name: String,
    /// Its `metadata.namespace`.
    pub namespace: Option<String>,
    /// The file of the template that made it.
    pub template: String,
    /// Its tree; positions are lines of the whole text.
    pub document: yaml::Document,
    /// The bytes of the whole text that it is, without a `---` line of its own.
    pub text_range: Range<usize>,
}

impl RenderedDocument {
    /// `Kind/name` or `Kind/namespace/name`, as [`crate::desired`] calls documents.
    pub fn key(&self) -> String {
        let name = Some(self.name.as_str()).filter(|n| !n.is_empty());
        [Some(self.kind.as_str()), self.namespace.as_deref(), name]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("/")
    }
}

/// The lines one template made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// The file of the template.
    pub(super) template: String,
    /// First line in the whole text, from 1.
    pub(super) first_line: u32,
    /// Bytes in the whole text.
    pub(super) range: Range<usize>,
}

impl Rendered {
    /// The file of the template that made a line of the text (from 1).
    pub fn origin(&self, line: u32) -> Option<&str> {
        self.chunks
            .iter()
            .rev()
            .find(|c| c.first_line <= line)
            .map(|c| c.template.as_str())
    }

    /// The document of a kind and name.
    pub fn document(&self, kind: &str, name: &str) -> Option<&RenderedDocument> {
        self.documents
            .iter()
            .find(|d| d.kind == kind && d.name == name)
    }

    /// The text of one document as rendered.
    pub fn text_of(&self, document: &RenderedDocument) -> &str {
        self.text
            .get(document.text_range.clone())
            .unwrap_or_default()
    }
}
