//! A fleet around clusters that kops has made: reads their manifests, from files or from kops's state store, and shows that the fleet renders to them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::super::args::{Arguments, InitArguments};
use super::super::failure::Failure;
use super::super::output::Output;
use super::super::pipeline;
use super::super::scratch::Scratch;
use super::super::{Exit, runtime};
use super::finish::finish;
use super::{next, write};
use crate::adopt::{
    self, AdoptError, Adoption, EnvironmentEvidence, Existing, Input, KnownCluster, ManifestError,
    Placeholders,
};
use crate::fleet;
use crate::model::{AccountId, ClusterName, Environment, KopsVersion};
use crate::render::Renderer;
use crate::run::DocumentStore;

/// Paths of the vars whose differences are listed; more of them only with `--verbose`.
const SHOWN: usize = 40;

pub(super) fn run(
    arguments: &Arguments,
    command: &InitArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let (inputs, releases) = inputs(arguments, command)?;
    let mut clusters = adopt::read(&inputs).map_err(manifest_failure)?;
    keep_named(&mut clusters, &command.cluster)?;
    let known = known(command, &clusters, &releases)?;
    let (adoption, scratch) = proven(&clusters, &known)?;
    finish(arguments, &adoption.files, output)?;
    tell(&adoption, clusters.len(), arguments.verbose, output);
    // The fleet says just what was read; where that cannot be compiled, it is for a person to see to, and `render` says it each time.
    if let Err(failure) = pipeline::prepare(scratch.path()) {
        output
            .story("warning: the fleet renders to what was read, and that cannot be compiled yet:");
        output.failure(&failure);
    }
    output.story(&format!("\nNext:\n\n{}", next::adopted(arguments)));
    Ok(Exit::Good)
}

/// Leaves the clusters that are asked for; all, when none is.
fn keep_named(clusters: &mut Vec<Existing>, named: &[ClusterName]) -> Result<(), Failure> {
    if named.is_empty() {
        return Ok(());
    }
    let missing = named
        .iter()
        .find(|n| clusters.iter().all(|c| c.name != **n));
    if let Some(name) = missing {
        return Err(Failure::new(format!(
            "{name}: there is no such cluster among what was read"
        )));
    }
    clusters.retain(|c| named.contains(&c.name));
    Ok(())
}

/// The fleet, and that it renders to what was read: with names written as placeholders, else as they are.
fn proven(
    clusters: &[Existing],
    known: &BTreeMap<ClusterName, KnownCluster>,
) -> Result<(Adoption, Scratch), Failure> {
    let mut wrong = BTreeSet::new();
    for placeholders in [Placeholders::Used, Placeholders::Unused] {
        let adoption = adopt::adopt(clusters, known, placeholders).map_err(adopt_failure)?;
        let scratch = write::in_scratch(&adoption.files)?;
        wrong = differences(&scratch, clusters)?;
        if wrong.is_empty() {
            return Ok((adoption, scratch));
        }
    }
    let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
    Err(Failure::new(format!(
        "the fleet would not render to what was read: {}",
        wrong.join(", ")
    ))
    .hint("nothing was written; this is a bug in kfleet"))
}

fn differences(scratch: &Scratch, clusters: &[Existing]) -> Result<BTreeSet<String>, Failure> {
    let fleet = fleet::load(scratch.path())?;
    let renderer = Renderer::new(&fleet)?;
    let mut wrong = BTreeSet::new();
    for cluster in clusters {
        let rendered = renderer.render(&cluster.name)?;
        let documents: Vec<_> = rendered
            .documents
            .iter()
            .map(|d| d.document.root.to_json())
            .collect();
        let found = cluster.differences(documents.iter());
        wrong.extend(
            found
                .into_iter()
                .map(|key| format!("{}: {key}", cluster.name)),
        );
    }
    Ok(wrong)
}

/// The kops that last updated each cluster, as far as a state store says it and it is known here.
type Releases = BTreeMap<ClusterName, KopsVersion>;

fn inputs(
    arguments: &Arguments,
    command: &InitArguments,
) -> Result<(Vec<Input>, Releases), Failure> {
    let (mut inputs, mut releases) = (Vec::new(), Releases::new());
    for path in command.from_kops.iter().flatten() {
        inputs.push((path.display().to_string(), read(path)?));
    }
    if let Some(url) = &command.state_store {
        let (texts, found) = runtime()?.block_on(stored(arguments, url, &command.cluster))?;
        inputs.extend(texts);
        releases = found;
    }
    if inputs.is_empty() {
        return Err(Failure::new("--from-kops: nothing to read")
            .hint("name files of `kops get --name CLUSTER -o yaml`, or a state store with --state-store s3://BUCKET"));
    }
    Ok((inputs, releases))
}

fn read(path: &Path) -> Result<String, Failure> {
    if path == Path::new("-") {
        return std::io::read_to_string(std::io::stdin())
            .map_err(|e| Failure::new(format!("cannot read standard input: {e}")));
    }
    fs::read_to_string(path)
        .map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))
}

/// What kops has stored of the clusters: one text each, so that what carries no label is the cluster's too.
async fn stored(
    arguments: &Arguments,
    url: &str,
    names: &[ClusterName],
) -> Result<(Vec<Input>, Releases), Failure> {
    let failed = |why: String| Failure::new(format!("{url}: {why}"));
    let store = open(arguments, url).await?;
    let names: Vec<String> = if names.is_empty() {
        store.clusters().await.map_err(failed)?
    } else {
        names.iter().map(ClusterName::to_string).collect()
    };
    if names.is_empty() {
        return Err(failed("no cluster is kept there".into()));
    }
    let (mut inputs, mut releases) = (Vec::new(), Releases::new());
    for name in names {
        inputs.extend(store.texts(&name).await.map_err(failed)?);
        let Ok(name) = ClusterName::new(&name) else {
            continue;
        };
        let release = store.kops_version(&name).await.map_err(failed)?;
        let known = release.and_then(|text| text.trim_start_matches('v').parse().ok());
        releases.extend(known.map(|release| (name, release)));
    }
    Ok((inputs, releases))
}

#[cfg_attr(
    not(feature = "aws"),
    expect(unused_variables, reason = "only AWS has buckets")
)]
async fn open(arguments: &Arguments, url: &str) -> Result<DocumentStore, Failure> {
    if url.starts_with("s3://") {
        #[cfg(feature = "aws")]
        return DocumentStore::in_s3(url, &super::super::world::reach(arguments)?)
            .await
            .map_err(|why| Failure::new(format!("{url}: {why}")));
        #[cfg(not(feature = "aws"))]
        return Err(Failure::new(format!("{url}: this build has no AWS"))
            .hint("give the files of `kops get -o yaml` instead"));
    }
    Ok(DocumentStore::Folder(
        url.strip_prefix("file://").unwrap_or(url).into(),
    ))
}

/// What the flags say of each cluster: `VALUE` for all of them, `CLUSTER=VALUE` for one.
fn known(
    command: &InitArguments,
    clusters: &[Existing],
    releases: &Releases,
) -> Result<BTreeMap<ClusterName, KnownCluster>, Failure> {
    let mut known = known_of_all(command, clusters, releases);
    said("--account", &command.account, &mut known, |known, value| {
        AccountId::new(value)
            .map(|v| known.account = Some(v))
            .map_err(|e| e.to_string())
    })?;
    said(
        "--environment",
        &command.environment,
        &mut known,
        |known, value| {
            Environment::new(value)
                .map(|v| known.environment = Some(v))
                .map_err(|e| e.to_string())
        },
    )?;
    Ok(known)
}

/// What is said of all clusters at once.
fn known_of_all(
    command: &InitArguments,
    clusters: &[Existing],
    releases: &Releases,
) -> BTreeMap<ClusterName, KnownCluster> {
    // A folder is relative to the fleet in a cluster's file, and to where the command was typed here.
    let state_store = command.state_store.as_ref().map(|url| {
        let path = Path::new(url.strip_prefix("file://").unwrap_or(url));
        match path.canonicalize() {
            Ok(path) if !url.starts_with("s3://") => path.display().to_string(),
            Ok(_) | Err(_) => url.clone(),
        }
    });
    clusters
        .iter()
        .map(|c| {
            let known = KnownCluster {
                region: command.region.clone(),
                state_store: state_store.clone(),
                kops: releases.get(&c.name).copied(),
                ..KnownCluster::default()
            };
            (c.name.clone(), known)
        })
        .collect()
}

fn said(
    flag: &str,
    values: &[String],
    known: &mut BTreeMap<ClusterName, KnownCluster>,
    mut set: impl FnMut(&mut KnownCluster, &str) -> Result<(), String>,
) -> Result<(), Failure> {
    let wrong = |text: &str, why: String| Failure::new(format!("{flag} {text}: {why}"));
    let (one, all): (Vec<&String>, Vec<&String>) = values.iter().partition(|v| v.contains('='));
    for text in all {
        for known in known.values_mut() {
            set(known, text).map_err(|why| wrong(text, why))?;
        }
    }
    for text in one {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let found = known.iter_mut().find(|(n, _)| n.as_str() == name);
        let (_, known) = found.ok_or_else(|| wrong(text, format!("no cluster {name} was read")))?;
        set(known, value).map_err(|why| wrong(text, why))?;
    }
    Ok(())
}

fn tell(adoption: &Adoption, clusters: usize, verbose: bool, output: &Output) {
    output.story(&format!(
        "\n{clusters} {} rendered from this fleet: equal to what was read.",
        if clusters == 1 { "cluster" } else { "clusters" }
    ));
    tell_environments(adoption, output);
    output.story("\nWhere the values are:");
    for (path, count) in &adoption.counts {
        output.story(&format!("  {count:5}  {path}"));
    }
    if clusters < 2 || adoption.differences.is_empty() {
        return;
    }
    output.story("\nWhat differs between clusters, and the files that say it:");
    let shown = if verbose { usize::MAX } else { SHOWN };
    for (path, files) in adoption.differences.iter().take(shown) {
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        output.story(&format!("  {path}: {}", files.join(", ")));
    }
    let more = adoption.differences.len().saturating_sub(shown);
    if more > 0 {
        output.story(&format!("  and {more} more (--verbose lists them)"));
    }
}

fn tell_environments(adoption: &Adoption, output: &Output) {
    for (name, environment, evidence) in &adoption.environments {
        let why = match evidence {
            EnvironmentEvidence::Said => "as said",
            EnvironmentEvidence::Name => "from its name",
            EnvironmentEvidence::Label => "from its cloudLabels",
            EnvironmentEvidence::Nothing => {
                "nothing says which it is: treated as carefully as prod; --environment NAME=ENVIRONMENT says another"
            }
        };
        output.story(&format!("  {name}: environment {environment} ({why})"));
    }
}

fn manifest_failure(errors: Vec<ManifestError>) -> Failure {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Failure::new(lines.join("\n")).hint("nothing was written; what is read are files of `kops get --name CLUSTER -o yaml`, a Cluster and its groups in one file")
}

fn adopt_failure(error: AdoptError) -> Failure {
    let hint = match &error {
        AdoptError::Account(names) => format!(
            "no manifest says it: --account ID for all, or --account {}=ID for each",
            names.first().map_or("CLUSTER", |n| n.as_str())
        ),
        AdoptError::Elsewhere(_, _) => "name the files of clusters on AWS only".into(),
        AdoptError::Region(_) => {
            "its subnets have zones of no known region, or of more than one: --region says it"
                .into()
        }
    };
    Failure::new(error.to_string()).hint(hint)
}
