//! The var that a rendered value comes from, and its file with another value or without it. Writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::cli::var_edit;
use crate::fleet::{Merged, MergedValue};
use crate::lint::FieldAnswer;
use crate::render::{RenderError, Rendered, Renderer};
use crate::yaml::{self, Schema};

/// A var, and what has to become of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VarFix {
    /// From the outermost on.
    keys: Vec<String>,
    /// The files that set it, the one that wins last.
    files: Vec<PathBuf>,
    /// What a text has to be instead; none: nothing.
    value: Option<String>,
    /// Whether it is a text, rather than a number or a yes and no.
    is_text: bool,
}

/// Values that are no mapping, with the files that set them.
pub(in crate::cli) fn leaves(
    keys: Vec<String>,
    at: &MergedValue,
    into: &mut Vec<(Vec<String>, MergedValue)>,
) {
    match &at.value {
        Merged::Leaf(_) => into.push((keys, at.clone())),
        Merged::Map(entries) => {
            for (key, value) in entries {
                let below = keys.iter().cloned().chain([key.clone()]).collect();
                leaves(below, value, into);
            }
        }
    }
}

/// The one var that a rendered line has its value from, with what the answer makes of it.
///
/// # Errors
/// When the fleet has no such cluster.
pub(super) fn of_line(
    (renderer, rendered): (&Renderer<'_>, &Rendered),
    leaves: &[(Vec<String>, MergedValue)],
    (number, line): (u32, &str),
    answer: FieldAnswer,
) -> Result<Option<VarFix>, RenderError> {
    let Some(shown) = value_of(line, answer) else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for (keys, leaf) in leaves {
        let Merged::Leaf(value) = &leaf.value else {
            continue;
        };
        if text_of(value).as_ref() == Some(&shown)
            && renderer
                .lines_of_var(rendered, &keys.join("."))?
                .contains(&number)
        {
            found.push(VarFix {
                keys: keys.clone(),
                files: files_of(leaf),
                value: match answer {
                    FieldAnswer::Remove(_) => None,
                    FieldAnswer::Set(_, value) => Some(value.to_owned()),
                },
                is_text: value.is_string(),
            });
        }
    }
    Ok(match (found.pop(), found.pop()) {
        (Some(one), None) => Some(one),
        _ => None,
    })
}

fn files_of(leaf: &MergedValue) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    let origins = leaf
        .overrode
        .iter()
        .map(|o| &o.origin)
        .chain([&leaf.origin]);
    let files = origins.map(|o| PathBuf::from(&o.path));
    files.filter(|path| seen.insert(path.clone())).collect()
}

/// What a rendered line says that the field is.
fn value_of(line: &str, answer: FieldAnswer) -> Option<String> {
    let node = yaml::parse_one(line.trim(), Schema::Core).ok()?.to_json();
    text_of(node.get(answer.field())?)
}

/// A number may be written as a text, and the other way round.
fn text_of(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

impl VarFix {
    /// As people name it.
    pub(super) fn name(&self) -> String {
        self.keys.join(".")
    }

    /// The files as they have to be, where that can be said by a small change. `read`: what they are.
    pub(super) fn files(
        &self,
        read: impl Fn(&Path) -> Option<String>,
    ) -> Option<BTreeMap<PathBuf, String>> {
        let changed = |path: &PathBuf| {
            let before = read(path)?;
            let after = match &self.value {
                None => var_edit::without(&before, &self.keys)?,
                Some(text) => var_edit::with_value(&before, &self.keys, &self.typed(text))?,
            };
            Some((path.clone(), after))
        };
        match &self.value {
            // What a lower file says would count again.
            None => self.files.iter().map(changed).collect(),
            Some(_) => self.files.last().map(changed).into_iter().collect(),
        }
    }

    fn typed(&self, text: &str) -> Json {
        match text.parse::<bool>() {
            Ok(answer) if !self.is_text => json!(answer),
            Ok(_) | Err(_) => json!(text),
        }
    }
}
