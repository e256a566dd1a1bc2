//! Where the fleet writes what kops refuses: as a sentence. Looks nothing up.

use std::fmt::Write as _;

/// A field that kops names, as the fleet writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedField {
    /// As kops names it.
    pub field: String,
    /// Whether it is written; else the lines are those of what is nearest around it.
    pub is_written: bool,
    /// The line of the rendered file.
    pub line: u32,
    /// `templates/nodes.yaml.j2:12`.
    pub template: Option<String>,
    /// `vars/prod.yaml:3`, where one var alone makes the line.
    pub var: Option<String>,
}

/// Where a document that kops refuses is written, by its fields. `file`: the rendered one; none: the fleet's files are no longer what was planned.
pub fn refused_text(document: &str, file: Option<&str>, fields: &[RefusedField]) -> String {
    let Some(file) = file else {
        return format!(
            "the document is {document}; the fleet's files are no longer those that the plan was made of"
        );
    };
    let mut text = format!("the document is {document} in {file}");
    for found in fields {
        let RefusedField {
            field,
            is_written,
            line,
            template,
            var,
        } = found;
        let is = if *is_written {
            "is written at"
        } else {
            "is not written, what is around it begins at"
        };
        let places = template.iter().chain(var);
        let places: String = places.map(|place| format!("{place}, ")).collect();
        // Strings take whatever is written into them.
        let _ = write!(text, "; {field} {is} {places}{file}:{line}");
    }
    text
}
