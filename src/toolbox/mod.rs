//! What `kops toolbox template` makes of templates, values and snippets, byte for byte: texts → text. Reads no files. Where the original loses
//! something without a word, that is said.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a values file is a mapping, and every other type is the same error"
)]

mod channel;
mod documents;
mod functions;
mod set;
mod yaml_v2;

use std::collections::BTreeMap;

use crate::gotemplate::{Fault, Map, Options, Templates, Value, World};
use crate::yaml::{self, Lost, Pos, YamlError};

pub use channel::{Channel, NoChannel};
pub use functions::functions;
pub use set::SetError;

/// The name every template has.
const MAIN: &str = "mainTemplate";

/// A file, by the name it is told by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path as it was found.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl File {
    /// The name of the file without its folders.
    fn base(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// What there is to be rendered.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Templates, in the order of their output.
    pub templates: Vec<File>,
    /// Values; a later file wins.
    pub values: Vec<File>,
    /// Snippets; of two with one name the later wins.
    pub snippets: Vec<File>,
    /// `--set`.
    pub set: Vec<String>,
    /// `--set-string`, always after `--set`.
    pub set_string: Vec<String>,
    /// The cluster's name, unless the values name one.
    pub cluster: String,
    /// A missing key is an error.
    pub fail_on_missing: bool,
    /// Write every document anew.
    pub format_yaml: bool,
    /// What the functions named after the channel look into.
    pub channel: Option<Channel>,
}

/// Something that is lost without a word by the original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Two snippets of one name: the later is used.
    SnippetTwice {
        /// The name.
        name: String,
        /// The file that is not used.
        lost: String,
        /// The file that is.
        kept: String,
    },
    /// A key twice in a file of values, or in a document that is written anew.
    KeyTwice {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// Where it stands again.
        pos: Pos,
    },
    /// A second document in a file of values, which is not read.
    SecondDocument {
        /// The file.
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
    SetDropped {
        /// The argument.
        argument: String,
    },
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The text.
    pub text: String,
    /// What was lost.
    pub losses: Vec<Loss>,
}

/// Why nothing came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolboxError {
    /// A file of values that cannot be read.
    Values {
        /// The file.
        file: String,
        /// What is wrong.
        error: YamlError,
    },
    /// A file of values that is no mapping.
    NoMapping {
        /// The file.
        file: String,
    },
    /// A `--set` or `--set-string` that cannot be read.
    Set {
        /// The argument.
        argument: String,
        /// What is wrong.
        error: SetError,
    },
    /// A snippet called as every template is.
    SnippetName {
        /// The file.
        file: String,
    },
    /// A fault in a template or snippet.
    Template(Box<Fault>),
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

/// The values of a run, merged.
struct Merged {
    root: Map,
    losses: Vec<Loss>,
}

/// Renders.
///
/// # Errors
/// The first fault; nothing is rendered then.
pub fn render(inputs: &Inputs, world: World<'_>) -> Result<Outcome, ToolboxError> {
    let Merged { root, mut losses } = merged(inputs)?;
    let mut files: BTreeMap<&str, &File> = BTreeMap::new();
    for file in &inputs.snippets {
        if let Some(lost) = files.insert(file.base(), file) {
            losses.push(Loss::SnippetTwice {
                name: file.base().to_owned(),
                lost: lost.path.clone(),
                kept: file.path.clone(),
            });
        }
    }
    let mut snippets = Templates::new(functions(inputs.channel.clone()));
    // Without a template nobody looks at the snippets.
    for (name, file) in files.iter().filter(|_| !inputs.templates.is_empty()) {
        if *name == MAIN {
            return Err(ToolboxError::SnippetName {
                file: file.path.clone(),
            });
        }
        snippets
            .parse(name, &file.path, &file.text)
            .map_err(template)?;
    }
    let options = Options {
        strict: inputs.fail_on_missing,
        trace: false,
        world,
    };
    let mut pieces = Vec::new();
    let last = inputs.templates.len().saturating_sub(1);
    for (index, file) in inputs.templates.iter().enumerate() {
        let mut set = snippets.clone();
        set.parse(MAIN, &file.path, &file.text).map_err(template)?;
        let output = set
            .execute(MAIN, &Value::Map(root.clone()), &options)
            .map_err(template)?;
        if output.text.is_empty() {
            continue;
        }
        if inputs.format_yaml {
            pieces.extend(documents::rewritten(file, &output.text, &mut losses)?);
        } else {
            if index < last && !output.text.ends_with('\n') {
                losses.push(Loss::Glued {
                    file: file.path.clone(),
                });
            }
            pieces.push(output.text);
        }
    }
    Ok(Outcome {
        text: pieces.join("---\n"),
        losses,
    })
}

fn template(fault: Fault) -> ToolboxError {
    ToolboxError::Template(Box::new(fault))
}

/// One value of the merged values as Go prints it; none when there is no such key.
///
/// # Errors
/// A fault in the values.
pub fn config_value(inputs: &Inputs, key: &str) -> Result<Option<String>, ToolboxError> {
    let Merged { root, .. } = merged(inputs)?;
    Ok(root.get(key).map(|value| value.to_string()))
}

fn merged(inputs: &Inputs) -> Result<Merged, ToolboxError> {
    let root = Map::new(BTreeMap::new());
    let mut losses = Vec::new();
    for file in &inputs.values {
        let read = yaml::read_lenient(&file.text).map_err(|error| ToolboxError::Values {
            file: file.path.clone(),
            error,
        })?;
        losses.extend(read.lost.into_iter().map(|lost| lost_in(&file.path, lost)));
        match Value::from_json(&read.value) {
            Value::Map(map) => overlay(&root, &map),
            Value::Nil => {}
            _ => {
                return Err(ToolboxError::NoMapping {
                    file: file.path.clone(),
                });
            }
        }
    }
    for (arguments, typed) in [(&inputs.set, true), (&inputs.set_string, false)] {
        for argument in arguments {
            let dropped =
                set::apply(argument, &root, typed).map_err(|error| ToolboxError::Set {
                    argument: argument.clone(),
                    error,
                })?;
            if dropped {
                losses.push(Loss::SetDropped {
                    argument: argument.clone(),
                });
            }
        }
    }
    match root.get("clusterName") {
        Some(Value::Text(_)) => {}
        other => {
            if other.is_some() {
                losses.push(Loss::ClusterName);
            }
            root.set("clusterName", Value::text(inputs.cluster.as_str()));
        }
    }
    Ok(Merged { root, losses })
}

fn lost_in(file: &str, lost: Lost) -> Loss {
    let file = file.to_owned();
    match lost {
        Lost::Twice { key, pos } => Loss::KeyTwice { file, key, pos },
        Lost::Document(pos) => Loss::SecondDocument { file, pos },
    }
}

/// Maps merge, everything else is replaced.
fn overlay(into: &Map, from: &Map) {
    for (key, new) in from.entries() {
        match (into.get(&key), &new) {
            (Some(Value::Map(old)), Value::Map(new)) => overlay(&old, new),
            _ => into.set(&key, new),
        }
    }
}

/// The kops whose rules these are.
pub(crate) const KOPS_VERSION: &str = "1.37.0-alpha.1";
