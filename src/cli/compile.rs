//! `kfleet compile`: kops manifests, read as kops reads them, into definitions.

use std::io::Read as _;
use std::path::Path;

use super::Exit;
use super::args::{Arguments, CompileArguments, Format};
use super::failure::Failure;
use super::output::Output;
use crate::{desired, kops, yaml};

pub(super) fn run(
    arguments: &Arguments,
    command: &CompileArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let mut documents = Vec::new();
    let mut files = Vec::new();
    for path in &command.files {
        let text = read(path)?;
        let parsed = yaml::parse(&text, yaml::Schema::Kops)
            .map_err(|e| Failure::new(format!("{}:{e}", path.display())))?;
        files.push((path, documents.len()));
        documents.extend(parsed.into_iter().filter(|d| !d.root.is_null()));
    }
    let manifests = kops::read(&documents).map_err(|errors| {
        // With one file the places are exact; with several, the document says which file it is.
        let file = if let [(path, _)] = files.as_slice() {
            format!("{}:", path.display())
        } else {
            String::new()
        };
        let lines = errors.0.iter().map(|e| match &e.hint {
            Some(hint) => format!("{file}{e} ({hint})"),
            None => format!("{file}{e}"),
        });
        Failure::new(lines.collect::<Vec<_>>().join("\n"))
    })?;
    for warning in manifests.warnings.iter().chain(&manifests.misread) {
        output.story(&format!("warning: {warning}"));
    }
    let definitions = desired::compile_for(&manifests, command.kops_version)
        .map_err(|e| Failure::new(e.to_string()))?;
    let value = desired::print_form(&definitions);
    match arguments.format.unwrap_or(Format::Yaml) {
        Format::Json => output.result(&(format!("{value:#}") + "\n"))?,
        Format::Yaml | Format::Text => output.result(&yaml::emit(&value))?,
        Format::Jsonl | Format::Markdown => {
            return Err(Failure::new("`compile` prints `json` or `yaml`"));
        }
    }
    Ok(Exit::Good)
}

fn read(path: &Path) -> Result<String, Failure> {
    let error = |e: std::io::Error| Failure::new(format!("cannot read {}: {e}", path.display()));
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(error)?;
        return Ok(text);
    }
    std::fs::read_to_string(path).map_err(error)
}
