//! A fleet around the Go templates, snippets and values of `kops toolbox template`: their texts stay as they are, and are put where a fleet has
//! them. Renders nothing.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::files::{ClusterSettings, frame};
use super::{Files, environment};
use crate::fleet::GO_ENDINGS;
use crate::model::{AccountId, ClusterName, Environment, Region};
use crate::toolbox::File;

/// The layers of a fleet that is new, and of one in which each cluster lists its own.
const STANDARD: &str = r#"vars: ["defaults.yaml", "{environment}.yaml", "{cluster}.yaml"]"#;
const LISTED: &str = "# Here each cluster's file lists its own.\nvars: []";

/// What there is.
#[derive(Clone, Debug)]
pub struct TemplatesAround {
    /// Templates, in the order of their output.
    pub templates: Vec<File>,
    /// Snippets; of two with one name the later wins, as in the original.
    pub snippets: Vec<File>,
    pub clusters: Vec<TemplateCluster>,
}

/// A cluster, and its values.
#[derive(Clone, Debug)]
pub struct TemplateCluster {
    pub name: ClusterName,
    /// Its environment; none: what its name says.
    pub environment: Option<Environment>,
    pub region: Region,
    pub account: AccountId,
    /// Its values; a later file wins.
    pub values: Vec<File>,
}

/// Why it is no fleet.
#[derive(Debug, Error)]
pub enum TemplatesError {
    /// The name does not say it.
    #[error("{0}: nothing says which environment it is in")]
    Environment(ClusterName),
    /// Nothing to render.
    #[error("there is no template")]
    NoTemplate,
    /// No cluster to render for.
    #[error("there is no cluster")]
    NoCluster,
}

/// The fleet's files.
///
/// # Errors
/// When a cluster's environment is not known, or there is nothing to render.
pub fn around_templates(around: &TemplatesAround) -> Result<Files, TemplatesError> {
    if around.templates.is_empty() {
        return Err(TemplatesError::NoTemplate);
    }
    if around.clusters.is_empty() {
        return Err(TemplatesError::NoCluster);
    }
    let layers = layers(&around.clusters);
    let environments: Vec<Environment> = around
        .clusters
        .iter()
        .map(environment_of)
        .collect::<Result<_, _>>()?;
    let clusters: Vec<ClusterSettings<'_>> = around
        .clusters
        .iter()
        .zip(&environments)
        .map(|(cluster, environment)| ClusterSettings {
            name: &cluster.name,
            environment,
            region: &cluster.region,
            account: &cluster.account,
            state_store: None,
            kops: None,
            vars: cluster
                .values
                .iter()
                .filter_map(|file| layers.get(file.path.as_str()).cloned())
                .collect(),
        })
        .collect();
    let mut files = frame(&clusters);
    // Each cluster lists its own: a layer by name would reach clusters that the values were never given to.
    if let Some(settings) = files.get_mut("fleet.yaml") {
        *settings = settings.replace(STANDARD, LISTED);
    }
    for file in around.clusters.iter().flat_map(|c| &c.values) {
        if let Some(name) = layers.get(file.path.as_str()) {
            files.insert(format!("vars/{name}"), file.text.clone());
        }
    }
    for (name, file) in names(&around.templates) {
        files.insert(format!("templates/{name}"), file.text.clone());
    }
    for file in &around.snippets {
        files.insert(format!("snippets/{}", base(&file.path)), file.text.clone());
    }
    Ok(files)
}

fn environment_of(cluster: &TemplateCluster) -> Result<Environment, TemplatesError> {
    let said = || environment::of_name(cluster.name.as_str()).map(Environment::new);
    match &cluster.environment {
        Some(environment) => Ok(environment.clone()),
        None => said()
            .and_then(Result::ok)
            .ok_or_else(|| TemplatesError::Environment(cluster.name.clone())),
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Names of files of values below `vars/`, by their path: the file's own, with its folder where two have one name.
fn layers(clusters: &[TemplateCluster]) -> BTreeMap<&str, String> {
    let paths: BTreeSet<&str> = clusters
        .iter()
        .flat_map(|c| c.values.iter().map(|f| f.path.as_str()))
        .collect();
    let mut by_base: BTreeMap<&str, u32> = BTreeMap::new();
    for path in &paths {
        *by_base.entry(base(path)).or_default() += 1;
    }
    let named = paths.into_iter().map(|path| {
        let is_only = by_base.get(base(path)) == Some(&1);
        let name = match is_only {
            true => base(path).to_owned(),
            false => flat(path),
        };
        (path, with_ending(name, &[".yaml", ".yml"], ".yaml"))
    });
    named.collect()
}

/// Templates by name, so that the order of names is the order of their output.
fn names(templates: &[File]) -> Vec<(String, &File)> {
    let plain: Vec<String> = templates
        .iter()
        .map(|file| with_ending(flat(below(&file.path, templates)), &GO_ENDINGS, ".tpl"))
        .collect();
    let is_ordered = plain.iter().zip(plain.iter().skip(1)).all(|(a, b)| a < b);
    let numbered = plain
        .into_iter()
        .enumerate()
        .map(|(i, name)| match is_ordered {
            true => name,
            false => format!("{:02}_{name}", i + 1),
        });
    numbered.zip(templates).collect()
}

/// The path without the folders that all of them have in common.
fn below<'f>(path: &'f str, all: &[File]) -> &'f str {
    let folder = |path: &str| path.rfind('/').map_or(0, |at| at + 1);
    let mut common = folder(path);
    for file in all {
        let same = file
            .path
            .bytes()
            .zip(path.bytes())
            .take_while(|(a, b)| a == b)
            .count();
        common = common.min(folder(path.get(..same).unwrap_or_default()));
    }
    path.get(common..).unwrap_or(path)
}

fn flat(path: &str) -> String {
    let parts = path.split('/').filter(|p| !["", ".", ".."].contains(p));
    parts.collect::<Vec<_>>().join("-")
}

fn with_ending(name: String, endings: &[&str], ending: &str) -> String {
    match endings.iter().any(|e| name.ends_with(e)) {
        true => name,
        false => name + ending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> File {
        File {
            path: path.into(),
            text: String::new(),
        }
    }

    #[test]
    fn the_standard_layers_are_those_of_a_new_fleet() {
        assert!(include_str!("files/fleet.yaml").contains(STANDARD));
    }

    #[test]
    fn templates_keep_the_order_of_their_output() {
        let of = |paths: &[&str]| -> Vec<String> {
            let files: Vec<File> = paths.iter().map(|p| file(p)).collect();
            names(&files).into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(
            of(&["t/cluster.yaml", "t/nodes.tmpl"]),
            ["cluster.yaml.tpl", "nodes.tmpl"]
        );
        assert_eq!(
            of(&["t/nodes.yaml", "t/a/cluster.yaml"]),
            ["01_nodes.yaml.tpl", "02_a-cluster.yaml.tpl"]
        );
        assert_eq!(of(&["one.yaml"]), ["one.yaml.tpl"]);
    }

    #[test]
    fn files_of_one_name_are_told_apart() {
        let cluster = |name: &str, values: &[&str]| TemplateCluster {
            name: name.parse().unwrap(),
            environment: None,
            region: "eu-west-3".parse().unwrap(),
            account: "111122223333".parse().unwrap(),
            values: values.iter().map(|p| file(p)).collect(),
        };
        let clusters = [
            cluster("prod.k8s.test", &["v/common.yaml", "v/prod/values.yaml"]),
            cluster(
                "staging.k8s.test",
                &["v/common.yaml", "v/staging/values.yaml"],
            ),
        ];
        let found: Vec<String> = layers(&clusters).into_values().collect();
        assert_eq!(
            found,
            ["common.yaml", "v-prod-values.yaml", "v-staging-values.yaml"]
        );
    }
}
