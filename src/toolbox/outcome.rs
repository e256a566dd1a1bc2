//! What came out, what was lost on the way, and why nothing came out. Data only.

use super::set::SetError;
use crate::gotemplate::GoFault;
use crate::yaml::{Ambiguity, Pos, YamlError};

/// Something that is lost without a word by the original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Two snippets of one name: the later is used.
    SnippetTwice {
        name: String,
        /// The file that is not used.
        lost: String,
        /// The file that is.
        kept: String,
    },
    /// A key twice in a file of values, or in a document that is written anew.
    KeyTwice {
        file: String,
        key: String,
        /// Where it stands again.
        pos: Pos,
    },
    /// A second document in a file of values, which is not read.
    SecondDocument {
        file: String,
        /// Where it begins.
        pos: Pos,
    },
    /// What follows a separator that is not exactly `---` and a line break.
    Unseparated {
        /// The template.
        file: String,
    },
    /// A name of the cluster that is no text, and is replaced.
    ClusterName,
    /// A template's output that does not end in a line break, and is glued to the next separator.
    Glued {
        /// The template.
        file: String,
    },
    /// A `--set` of a key in a new item of a list, at the end: it is dropped.
    SetDropped { argument: String },
    /// A value of a `--set` that templates print otherwise than it is written.
    SetPrinted { key: String },
    /// A value of a `--set` on whose type readers of the output do not agree, unless the template puts it into quotes.
    SetAmbiguous {
        key: String,
        /// How they disagree.
        ambiguity: Ambiguity,
    },
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolboxOutcome {
    pub text: String,
    /// What was lost.
    pub losses: Vec<Loss>,
}

/// Why nothing came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolboxError {
    /// A file of values that cannot be read.
    Values {
        file: String,
        /// What is wrong.
        error: YamlError,
    },
    /// A file of values that is no mapping.
    NoMapping { file: String },
    /// A `--set` or `--set-string` that cannot be read.
    Set {
        argument: String,
        /// What is wrong.
        error: SetError,
    },
    /// A snippet called as every template is.
    SnippetName { file: String },
    /// A fault in a template or snippet.
    Template(Box<GoFault>),
    /// A document that cannot be written anew.
    Document {
        /// The template.
        file: String,
        /// What is wrong, with lines of the piece of its output.
        error: YamlError,
        /// The piece is the content of a block scalar that has a line ending in `---`.
        cut: bool,
    },
}
