//! A text that templates are parsed from, with the name that faults call it by. Does nothing.

/// A text that templates were parsed from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TemplateText {
    /// The name it was given, such as its file.
    pub(super) name: String,
    pub(super) text: String,
}
