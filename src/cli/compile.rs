//! `kfleet compile`: kops manifests, read as kops reads them, into definitions.

use std::io::Read as _;
use std::path::Path;

use super::Exit;
use super::args::CompileArguments;
use super::failure::Failure;
use super::formats::DefinitionFormat;
use super::output::Output;
use crate::desired::{self, DesiredError};
use crate::kops::{self, KopsError};
use crate::yaml;

pub(super) fn run(command: &CompileArguments, output: &Output) -> Result<Exit, Failure> {
    let mut documents = Vec::new();
    for path in &command.files {
        let text = read(path)?;
        let parsed = yaml::parse(&text, yaml::Schema::Kops)
            .map_err(|e| Failure::new(format!("{}:{e}", path.display())))?;
        for (pos, odd) in yaml::odd_sections(&text) {
            let line = format!("warning: {}:{pos}: {}", path.display(), odd.reason());
            output.story(&line);
        }
        documents.extend(parsed.into_iter().filter(|d| !d.root.is_null()));
    }
    // With one file the places are exact; with several, the document says which file it is.
    let file = match command.files.as_slice() {
        [path] => format!("{}:", path.display()),
        _ => String::new(),
    };
    let line = |e: &KopsError| match &e.hint {
        Some(hint) => format!("{file}{e} ({hint})"),
        None => format!("{file}{e}"),
    };
    let failure =
        |errors: &[KopsError]| Failure::new(errors.iter().map(line).collect::<Vec<_>>().join("\n"));
    let target = kops::KopsTarget {
        version: command.kops_version,
        region: None,
        accepted: command.accept.iter().cloned().collect(),
    };
    let manifests = kops::read_for(&documents, &target).map_err(|e| failure(&e.0))?;
    for warning in manifests.warnings.iter().chain(&manifests.misread) {
        output.story(&format!("warning: {}", line(warning)));
    }
    let mut definitions = desired::compile(&manifests).map_err(|e| match e {
        DesiredError::Refused(errors) => failure(&errors.0),
        other @ (DesiredError::Name { .. }
        | DesiredError::SameName { .. }
        | DesiredError::NoSuchGroup(_)
        | DesiredError::UserData { .. }) => Failure::new(other.to_string()),
    })?;
    if command.instance_store {
        for definition in &mut definitions {
            let data = &mut definition.launch_template.launch_template_data;
            let disks = desired::instance_store(&data.instance_type);
            data.block_device_mappings.extend(disks);
        }
    }
    let value = desired::print_form(&definitions);
    match command.format {
        DefinitionFormat::Json => output.result(&(format!("{value:#}") + "\n"))?,
        DefinitionFormat::Yaml => output.result(&yaml::emit(&value))?,
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
