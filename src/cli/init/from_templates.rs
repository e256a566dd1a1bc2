//! A fleet around the templates of `kops toolbox template`: reads them, their snippets and values, and shows that the fleet renders to what they
//! rendered to.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::super::Exit;
use super::super::args::{Arguments, InitArguments};
use super::super::failure::Failure;
use super::super::output::Output;
use super::super::pipeline;
use super::super::scratch::Scratch;
use super::super::template::{failure, files, told};
use super::finish::finish;
use super::{next, write};
use crate::adopt::{TemplateCluster, TemplatesAround, TemplatesError, around_templates};
use crate::fleet;
use crate::gotemplate::TemplateWorld;
use crate::model::{AccountId, ClusterName, Environment};
use crate::render::Renderer;
use crate::toolbox::{self, Channel, File, ToolboxInputs};
use crate::yaml;

pub(super) fn run(
    arguments: &Arguments,
    command: &InitArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    // What is typed is relative to where it is typed; `-C` names the fleet that is made.
    let here = Path::new(".");
    let around = TemplatesAround {
        templates: files(here, &command.from_templates, "templates")?,
        snippets: files(here, &command.snippets, "snippets")?,
        clusters: clusters(here, command)?,
    };
    let made = around_templates(&around).map_err(templates_failure)?;
    let scratch = write::in_scratch(&made)?;
    let compared = compared(&scratch, &around, output)?;
    finish(arguments, &made, output)?;
    output.story("");
    for line in &compared {
        output.story(line);
    }
    if let Err(failure) = pipeline::prepare(scratch.path()) {
        output.story("warning: the fleet renders, and that cannot be compiled yet:");
        output.failure(&failure);
    }
    output.story(&format!("\nNext:\n\n{}", next::adopted(arguments)));
    Ok(Exit::Good)
}

/// Clusters in the order in which they are named, each with the values of all and its own, in the order given.
fn clusters(here: &Path, command: &InitArguments) -> Result<Vec<TemplateCluster>, Failure> {
    let mut names: Vec<ClusterName> = command.cluster.clone();
    let values = read_values(here, command, &mut names)?;
    let region = command.region.clone().ok_or_else(|| {
        Failure::new("no template says which region the clusters are in")
            .hint("--region NAME, such as --region eu-west-3; a cluster elsewhere is changed in its file afterwards")
    })?;
    names
        .into_iter()
        .map(|name| {
            let own = values
                .iter()
                .filter(|(of, _)| of.as_ref().is_none_or(|of| *of == name));
            Ok(TemplateCluster {
                account: said("--account", &command.account, &name, |v| AccountId::new(v))?
                    .ok_or_else(|| {
                        Failure::new(format!("{name}: no template says its account"))
                            .hint("--account ID for all, or --account CLUSTER=ID for each")
                    })?,
                environment: said("--environment", &command.environment, &name, |v| {
                    Environment::new(v)
                })?,
                region: region.clone(),
                values: own.flat_map(|(_, files)| files.clone()).collect(),
                name,
            })
        })
        .collect()
}

/// Files of values: of one cluster, or of all.
type Values = (Option<ClusterName>, Vec<File>);

/// The files of values; the clusters named there are noted.
fn read_values(
    here: &Path,
    command: &InitArguments,
    names: &mut Vec<ClusterName>,
) -> Result<Vec<Values>, Failure> {
    let mut values: Vec<Values> = Vec::new();
    for text in &command.values {
        let (cluster, path) = match text.split_once('=') {
            Some((name, path)) => (Some(named(text, name)?), path),
            None => (None, text.as_str()),
        };
        names.extend(cluster.clone().filter(|name| !names.contains(name)));
        values.push((cluster, files(here, &[PathBuf::from(path)], "values")?));
    }
    Ok(values)
}

fn named(text: &str, name: &str) -> Result<ClusterName, Failure> {
    name.parse()
        .map_err(|e| Failure::new(format!("--values {text}: {e}")))
}

/// What a flag says of a cluster: `VALUE` for all of them, `CLUSTER=VALUE` for one.
fn said<T, E: std::fmt::Display>(
    flag: &str,
    given: &[String],
    cluster: &ClusterName,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, Failure> {
    let own = given.iter().find_map(|text| {
        let (name, value) = text.split_once('=')?;
        (name == cluster.as_str()).then_some(value)
    });
    let all = given.iter().find(|text| !text.contains('='));
    let Some(value) = own.or(all.map(String::as_str)) else {
        return Ok(None);
    };
    parse(value)
        .map(Some)
        .map_err(|e| Failure::new(format!("{flag} {value}: {e}")))
}

/// What the templates render to, beside what the fleet renders to: a line a cluster.
fn compared(
    scratch: &Scratch,
    around: &TemplatesAround,
    output: &Output,
) -> Result<Vec<String>, Failure> {
    let fleet = fleet::load(scratch.path())?;
    let renderer = Renderer::new(&fleet)?;
    let mut lines = Vec::new();
    for cluster in &around.clusters {
        let before = before(cluster, around, output)?;
        let rendered = renderer.render(&cluster.name)?;
        let after: Vec<Json> = rendered
            .documents
            .iter()
            .map(|d| d.document.root.to_json())
            .collect();
        lines.push(comparison(&cluster.name, &before, &after));
    }
    Ok(lines)
}

/// Whether both ways render a cluster to the same.
fn comparison(cluster: &ClusterName, before: &[Json], after: &[Json]) -> String {
    match before == after {
        true => format!(
            "{cluster}: {} documents, the same as from `kops toolbox template`",
            after.len()
        ),
        false => format!(
            "warning: {cluster}: renders otherwise than with `kops toolbox template`: {} documents before, {} now; `kfleet template` shows the ones, `kfleet render` the others",
            before.len(),
            after.len()
        ),
    }
}

/// What the original renders to, and what it loses on the way.
fn before(
    cluster: &TemplateCluster,
    around: &TemplatesAround,
    output: &Output,
) -> Result<Vec<Json>, Failure> {
    let channel = Channel::stable()
        .map_err(|e| Failure::new(format!("the channel that is built in: {e}")))?;
    let inputs = ToolboxInputs {
        templates: around.templates.clone(),
        values: cluster.values.clone(),
        snippets: around.snippets.clone(),
        cluster: cluster.name.to_string(),
        fail_on_missing: true,
        channel: Some(channel),
        ..ToolboxInputs::default()
    };
    let outcome = toolbox::render(&inputs, TemplateWorld::default()).map_err(failure)?;
    for loss in &outcome.losses {
        output.story(&format!("warning: {}: {}", cluster.name, told(loss)));
    }
    let documents = yaml::parse(&outcome.text, yaml::Schema::Kops)
        .map_err(|e| Failure::new(format!("{}: what was rendered: {e}", cluster.name)))?;
    // kops drops a document that says nothing, and a fleet does not count it.
    let says_something = |value: &Json| !value.is_null();
    Ok(documents
        .iter()
        .map(|d| d.root.to_json())
        .filter(says_something)
        .collect())
}

fn templates_failure(error: TemplatesError) -> Failure {
    let hint = match &error {
        TemplatesError::Environment(name) => format!("--environment {name}=prod, or staging"),
        TemplatesError::NoTemplate => "--from-templates names a folder or files".into(),
        TemplatesError::NoCluster => {
            "--values CLUSTER=FILE for each, or --cluster NAME where the values of all will do"
                .into()
        }
    };
    Failure::new(error.to_string()).hint(hint)
}
