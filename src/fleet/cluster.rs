//! `clusters/NAME.yaml` and its layers of vars → [`Cluster`]. Knows no stages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::document::ParsedFile;
use super::file::ClusterFile;
use super::layering::{Layering, below_vars};
use super::vars::{Layer, Vars};
use super::{
    Cluster, Engine, FleetError, KopsProgram, KubernetesAccess, Source, SourceLocation, plain,
    read, state_store,
};
use crate::model::ClusterName;

/// Names that templates find at top level beside the vars.
const RESERVED: [&str; 2] = ["cluster", "fleet"];

/// Every cluster of `clusters/`.
pub(super) fn load_all(
    root: &Path,
    layering: &Layering,
    templates: &BTreeMap<String, Source>,
) -> Result<BTreeMap<ClusterName, Cluster>, FleetError> {
    let mut clusters: BTreeMap<ClusterName, Cluster> = BTreeMap::new();
    let mut faults = Vec::new();
    let mut files = VarsFiles {
        root,
        read: BTreeMap::new(),
    };
    for (name, source) in read::sources(root, "clusters")? {
        let Some(stem) = name
            .strip_suffix(".yaml")
            .or_else(|| name.strip_suffix(".yml"))
        else {
            continue;
        };
        let stem = stem.rsplit('/').next().unwrap_or(stem);
        let cluster = match load(root, stem, source, layering, templates, &mut files) {
            Ok(cluster) => cluster,
            Err(error) => {
                // A file of vars is read for each of its clusters, and its fault is one.
                if !faults.contains(&error) {
                    faults.push(error);
                }
                continue;
            }
        };
        if let Some(first) = clusters.get(&cluster.name) {
            let place = SourceLocation {
                file: cluster.file,
                pos: None,
            };
            faults.push(FleetError::Twice {
                place,
                what: "cluster",
                name: cluster.name.to_string(),
                first: first.file.clone(),
            });
            continue;
        }
        clusters.insert(cluster.name.clone(), cluster);
    }
    if !faults.is_empty() {
        Err(FleetError::all(faults))
    } else if clusters.is_empty() {
        Err(FleetError::NoClusters)
    } else {
        Ok(clusters)
    }
}

fn load(
    root: &Path,
    stem: &str,
    source: Source,
    layering: &Layering,
    templates: &BTreeMap<String, Source>,
    files: &mut VarsFiles<'_>,
) -> Result<Cluster, FleetError> {
    let doc = ParsedFile::parse(&source.path, source.text)?;
    plain::check(&doc.file, &doc.node)?;
    check_account(&doc)?;
    let file: ClusterFile = doc.decode()?;
    let name = match &file.name {
        Some(name) => name.clone(),
        None => ClusterName::new(stem).map_err(|e| FleetError::Invalid {
            place: SourceLocation {
                file: doc.file.clone(),
                pos: None,
            },
            message: e.to_string(),
            hint: "name the file after the cluster, or give the cluster's name with `name:`".into(),
        })?,
    };
    check_role(&doc, &file)?;
    let state_store = file
        .kops
        .as_ref()
        .and_then(|k| k.state_store.as_ref())
        .map(|store| state_store::parse(root, &doc, store))
        .transpose()?;
    let kops_version = file.kops.as_ref().and_then(|k| k.version);
    if file.kops.is_some() && state_store.is_none() && kops_version.is_none() {
        return Err(FleetError::Invalid {
            place: doc.place(&["kops"]),
            message: "`kops` says nothing".into(),
            hint: "give it `state_store` or `version`, or remove it".into(),
        });
    }
    let engine = file.engine.unwrap_or_default();
    if engine == Engine::Kops && state_store.is_none() {
        return Err(FleetError::Invalid {
            place: doc.place(&["engine"]),
            message: "the engine `kops` needs to know where kops keeps the cluster".into(),
            hint: "name it: `kops: {state_store: s3://BUCKET}`".into(),
        });
    }
    let mut program = KopsProgram::default();
    if let Some(kops) = &file.kops {
        program.binary = kops.binary.clone().unwrap_or(program.binary);
        program.time_limit = kops.time_limit.unwrap_or(program.time_limit);
    }
    Ok(Cluster {
        vars: layers(files, &doc, &file, &name, layering)?,
        templates: pick_templates(&doc, file.templates.as_deref(), templates)?,
        file: doc.file,
        name,
        environment: file.environment,
        region: file.region,
        account: file.account,
        role_arn: file.role_arn,
        kubernetes: file
            .kubernetes
            .map(|k| KubernetesAccess { context: k.context }),
        state_store,
        engine,
        kops: program,
        kops_version,
        protect: file.protect.into_iter().collect::<BTreeSet<_>>(),
        retire: file.retire.into_iter().collect(),
    })
}

/// Twelve digits without quotes are a number, which loses a leading zero on its way: the schema takes none either.
fn check_account(doc: &ParsedFile) -> Result<(), FleetError> {
    match doc.node.get("account") {
        Some(node) if node.as_str().is_none() && !node.is_null() => Err(FleetError::Invalid {
            place: doc.place(&["account"]),
            message: format!("an account is a text, and this is {}", node.kind()),
            hint: "put its twelve digits in quotes".into(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// A role of another account is how changes land in the wrong place.
fn check_role(doc: &ParsedFile, file: &ClusterFile) -> Result<(), FleetError> {
    let Some(arn) = &file.role_arn else {
        return Ok(());
    };
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let place = || doc.place(&["role_arn"]);
    match parts.as_slice() {
        ["arn", _, "iam", "", account, role] if role.starts_with("role/") => {
            if *account == file.account.as_str() {
                return Ok(());
            }
            let message = format!(
                "the role belongs to account {account}, and the cluster to {}",
                file.account
            );
            Err(FleetError::Invalid {
                place: place(),
                message,
                hint: "one of the two is wrong; kfleet writes only to the cluster's account".into(),
            })
        }
        _ => Err(FleetError::Invalid {
            place: place(),
            message: "this is not the ARN of a role".into(),
            hint: "write arn:aws:iam::ACCOUNT:role/NAME".into(),
        }),
    }
}

fn pick_templates(
    doc: &ParsedFile,
    wanted: Option<&[String]>,
    templates: &BTreeMap<String, Source>,
) -> Result<Vec<String>, FleetError> {
    let Some(wanted) = wanted else {
        return Ok(templates.keys().cloned().collect());
    };
    let mut picked: Vec<String> = Vec::new();
    for (i, name) in wanted.iter().enumerate() {
        let place = doc.place(&["templates", &i.to_string()]);
        let Some(found) = template_called(name, templates) else {
            return Err(no_template(place, name, templates));
        };
        if picked.contains(found) {
            return Err(FleetError::Twice {
                place,
                what: "template",
                name: name.clone(),
                first: "this list".into(),
            });
        }
        picked.push(found.clone());
    }
    Ok(picked)
}

/// The files of vars, each read once: most are those of many clusters.
struct VarsFiles<'r> {
    root: &'r Path,
    read: BTreeMap<String, Option<Arc<Layer>>>,
}

impl VarsFiles<'_> {
    /// What a file holds; none when there is no such file.
    fn layer(&mut self, path: &str) -> Result<Option<Arc<Layer>>, FleetError> {
        if let Some(known) = self.read.get(path) {
            return Ok(known.clone());
        }
        let found = layer(self.root, path)?.map(Arc::new);
        self.read.insert(path.to_owned(), found.clone());
        Ok(found)
    }
}

fn no_template(
    place: SourceLocation,
    name: &str,
    templates: &BTreeMap<String, Source>,
) -> FleetError {
    FleetError::UnknownName {
        place,
        what: "template",
        name: name.to_owned(),
        known: templates.keys().cloned().collect(),
    }
}

/// A template may be named with its suffix or without.
fn template_called<'t>(name: &str, templates: &'t BTreeMap<String, Source>) -> Option<&'t String> {
    let with_suffix = format!("{name}.j2");
    let found = [name, &with_suffix].into_iter();
    found
        .filter_map(|n| templates.get_key_value(n))
        .map(|(known, _)| known)
        .next()
}

fn layers(
    files: &mut VarsFiles<'_>,
    doc: &ParsedFile,
    file: &ClusterFile,
    name: &ClusterName,
    layering: &Layering,
) -> Result<Vars, FleetError> {
    let mut layers = Vec::new();
    for path in layering.paths(file.environment.as_str(), name.as_str()) {
        layers.extend(files.layer(&path)?);
    }
    for (i, extra) in file.vars.iter().enumerate() {
        let place = doc.place(&["vars", &i.to_string()]);
        let path = below_vars(extra, &place)?;
        match files.layer(&path)? {
            Some(layer) => layers.push(layer),
            None => {
                let known = read::sources(files.root, "vars")?.into_keys().collect();
                return Err(FleetError::UnknownName {
                    place,
                    what: "file in vars/",
                    name: extra.clone(),
                    known,
                });
            }
        }
    }
    Ok(Vars { layers })
}

fn layer(root: &Path, path: &str) -> Result<Option<Layer>, FleetError> {
    let Some(text) = read::text(root, path)? else {
        return Ok(None);
    };
    let doc = ParsedFile::parse(path, text)?;
    if !doc.node.is_null() && !matches!(doc.node.value, crate::yaml::Value::Map(_)) {
        let message = format!("vars are a mapping, and this is {}", doc.node.kind());
        return Err(FleetError::Shape {
            place: doc.place(&[]),
            message,
        });
    }
    ensure_free_names(&doc)?;
    plain::check(&doc.file, &doc.node)?;
    Ok(Some(Layer {
        path: path.to_owned(),
        node: doc.node,
    }))
}

/// No var has the name of one of the cluster's own facts.
fn ensure_free_names(doc: &ParsedFile) -> Result<(), FleetError> {
    if let Some((key, _)) = doc
        .node
        .entries()
        .iter()
        .find(|(k, _)| RESERVED.contains(&k.text.as_str()))
    {
        return Err(FleetError::Invalid {
            place: SourceLocation {
                file: doc.file.clone(),
                pos: Some(key.pos),
            },
            message: format!(
                "the name `{}` is taken: templates find the cluster's own facts under it",
                key.text
            ),
            hint: "give the var another name".into(),
        });
    }
    Ok(())
}
