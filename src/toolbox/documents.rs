//! `--format-yaml`: the output of a template cut at every `---` and line break, as the original cuts it, and each piece written anew.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "what is no mapping, or no container, is written or refused in one way"
)]

use super::inputs::File;
use super::outcome::{Loss, ToolboxError};
use super::yaml_v2;
use crate::yaml::{Lost, Pos, YamlError, read_lenient};

const SEPARATOR: &str = "---\n";

/// The documents of an output, written anew; empty ones are left out.
pub(super) fn rewritten(
    file: &File,
    output: &str,
    losses: &mut Vec<Loss>,
) -> Result<Vec<String>, ToolboxError> {
    let mut documents = Vec::new();
    for piece in output.split(SEPARATOR) {
        let fault = |error: YamlError| ToolboxError::Document {
            file: file.path.clone(),
            error,
            cut: cuts_a_line(output),
        };
        let read = read_lenient(piece).map_err(fault)?;
        for lost in read.lost {
            losses.push(match lost {
                Lost::Document(_) => Loss::Unseparated {
                    file: file.path.clone(),
                },
                Lost::Twice { key, pos } => Loss::KeyTwice {
                    file: file.path.clone(),
                    key,
                    pos,
                },
            });
        }
        match read.value {
            serde_json::Value::Null => {}
            serde_json::Value::Object(map) if map.is_empty() => {}
            serde_json::Value::Object(_) => documents.push(yaml_v2::emit(&read.value)),
            _ => {
                return Err(fault(YamlError {
                    pos: Pos { line: 1, column: 1 },
                    message: "a document has to be a mapping here".into(),
                }));
            }
        }
    }
    Ok(documents)
}

/// Whether a line that is more than `---` ends in it: `-----END CERTIFICATE-----`.
fn cuts_a_line(output: &str) -> bool {
    output
        .lines()
        .any(|line| line.ends_with("---") && line != "---")
}
