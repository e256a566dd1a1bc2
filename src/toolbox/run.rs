//! Values merged, templates run, outputs joined: in the order, and with the quirks, of the original.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a values file is a mapping, and every other type is the same error"
)]

use std::collections::BTreeMap;

use super::functions::functions;
use super::inputs::{File, ToolboxInputs};
use super::outcome::{Loss, ToolboxError, ToolboxOutcome};
use super::{documents, set};
use crate::gotemplate::{GoFault, Map, TemplateOptions, TemplateWorld, Templates, Value};
use crate::yaml::{self, Lost};

/// The name every template has.
const MAIN: &str = "mainTemplate";

/// The values of a run, merged.
struct Merged {
    root: Map,
    losses: Vec<Loss>,
}

/// Renders the templates as `kops toolbox template` does.
///
/// # Errors
/// The first fault; nothing is rendered then.
pub fn render(
    inputs: &ToolboxInputs,
    world: TemplateWorld<'_>,
) -> Result<ToolboxOutcome, ToolboxError> {
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
    // Without a template the snippets are not read.
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
    let options = TemplateOptions {
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
    Ok(ToolboxOutcome {
        text: pieces.join("---\n"),
        losses,
    })
}

fn template(fault: GoFault) -> ToolboxError {
    ToolboxError::Template(Box::new(fault))
}

/// One value of the merged values as Go prints it; none when there is no such key.
///
/// # Errors
/// A fault in the values.
pub fn config_value(inputs: &ToolboxInputs, key: &str) -> Result<Option<String>, ToolboxError> {
    let Merged { root, .. } = merged(inputs)?;
    Ok(root.get(key).map(|value| value.to_string()))
}

fn merged(inputs: &ToolboxInputs) -> Result<Merged, ToolboxError> {
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
            let applied =
                set::apply(argument, &root, typed).map_err(|error| ToolboxError::Set {
                    argument: argument.clone(),
                    error,
                })?;
            losses.extend(losses_of(argument, applied));
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

fn losses_of(argument: &str, applied: set::SetOutcome) -> Vec<Loss> {
    let set::SetOutcome {
        dropped,
        printed,
        ambiguous,
    } = applied;
    let dropped = dropped.then(|| Loss::SetDropped {
        argument: argument.to_owned(),
    });
    let printed = printed.into_iter().map(|key| Loss::SetPrinted { key });
    let ambiguous = ambiguous
        .into_iter()
        .map(|(key, ambiguity)| Loss::SetAmbiguous { key, ambiguity });
    dropped
        .into_iter()
        .chain(printed)
        .chain(ambiguous)
        .collect()
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
