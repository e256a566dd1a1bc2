//! Files of `kops get -o yaml` (or `-o json`) → the clusters in them, each with its groups and other objects. Decides nothing about vars.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use crate::kops::stored;
use crate::model::{ClusterName, GroupName, is_configuration};
use crate::yaml::{self, Node};

/// A file that was read: its name, as it is shown, and its text.
pub type Input = (String, String);

/// A cluster as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Existing {
    pub name: ClusterName,
    /// Where its Cluster stands, as `file:line`.
    pub at: String,
    /// Labels and annotations of its Cluster.
    pub(super) metadata: Json,
    /// The spec of its Cluster.
    pub(super) spec: Json,
    /// Its groups: `metadata` (labels and annotations) and `spec`.
    pub(super) groups: BTreeMap<GroupName, GroupManifest>,
    /// Everything else, by kind, namespace and name.
    pub(super) objects: BTreeMap<String, Json>,
    /// All of it in the form that is compared.
    normal: BTreeMap<String, Json>,
}

/// One group.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GroupManifest {
    pub(super) metadata: Json,
    pub(super) spec: Json,
}

/// What stands in the way, each as `file:line: what`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum ManifestError {
    /// No YAML.
    #[error("{0}:{1}")]
    Yaml(String, String),
    #[error("{0}: is no object with `apiVersion`, `kind` and `metadata.name`")]
    NoObject(String),
    /// A version of kops's API that is not read here.
    #[error("{at}: {kind} of {version}: kops writes kops.k8s.io/v1alpha2")]
    Version {
        /// The file and document.
        at: String,
        kind: String,
        version: String,
    },
    /// A name that is not valid.
    #[error("{at}: {why}")]
    Name {
        /// The file and document.
        at: String,
        /// What is wrong with it.
        why: String,
    },
    /// A field beside `metadata` and `spec`, which kops would drop.
    #[error("{at}: `{key}` is no field of a {kind}")]
    Field {
        /// The file and document.
        at: String,
        /// The field.
        key: String,
        kind: String,
    },
    /// The same object twice.
    #[error("{at}: {key} is there already, at {first}")]
    Twice {
        /// The file and document.
        at: String,
        /// The key that stands twice.
        key: String,
        /// Where the other one is.
        first: String,
    },
    /// Nothing says of which cluster it is.
    #[error("{at}: {key} is of {}", .cluster.as_ref().map_or("no cluster that was read".into(), |c| format!("the cluster {c}, which was not read")))]
    NoCluster {
        /// The file and document.
        at: String,
        /// The key that is unknown.
        key: String,
        /// What its label says.
        cluster: Option<String>,
    },
    /// No Cluster at all.
    #[error("no document of kind Cluster in {0}")]
    Nothing(String),
}

/// One document, with where it stands.
struct Found {
    file: usize,
    at: String,
    kind: String,
    name: String,
    key: String,
    value: Json,
}

/// Every cluster in the files.
///
/// # Errors
/// Everything that is wrong with them.
pub fn read(files: &[Input]) -> Result<Vec<Existing>, Vec<ManifestError>> {
    let mut errors = Vec::new();
    let mut found = Vec::new();
    for (index, (file, text)) in files.iter().enumerate() {
        match yaml::parse(text, yaml::Schema::Kops) {
            Ok(documents) => {
                for root in documents.iter().flat_map(|d| objects(&d.root)) {
                    match document(index, file, root) {
                        Ok(one) => found.push(one),
                        Err(error) => errors.push(error),
                    }
                }
            }
            Err(error) => errors.push(ManifestError::Yaml(file.clone(), error.to_string())),
        }
    }
    let (clusters, others): (Vec<Found>, Vec<Found>) = found
        .into_iter()
        .partition(|f| f.kind == "Cluster" && is_of_kops(&f.value));
    if clusters.is_empty() && errors.is_empty() {
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        return Err(vec![ManifestError::Nothing(names.join(", "))]);
    }
    let mut all: BTreeMap<String, (usize, Existing)> = BTreeMap::new();
    for cluster in clusters {
        let (file, at) = (cluster.file, cluster.at.clone());
        match existing(cluster) {
            Ok(one) => match all.get(one.name.as_str()) {
                Some((_, first)) => errors.push(ManifestError::Twice {
                    at,
                    key: format!("Cluster/{}", one.name),
                    first: first.at.clone(),
                }),
                None => _ = all.insert(one.name.to_string(), (file, one)),
            },
            Err(error) => errors.push(error),
        }
    }
    let mut places = BTreeMap::new();
    for other in others {
        if let Err(error) = put(&mut all, &mut places, other) {
            errors.push(error);
        }
    }
    if errors.is_empty() {
        Ok(all.into_values().map(|(_, existing)| existing).collect())
    } else {
        errors.sort();
        Err(errors)
    }
}

/// The objects of a document: itself, or the items of a list, as `-o json` has it.
fn objects(root: &Node) -> Vec<&Node> {
    if root.is_null() {
        return Vec::new();
    }
    if let yaml::Value::List(items) = &root.value {
        return items.iter().collect();
    }
    match (root.get("kind").and_then(Node::as_str), root.get("items")) {
        (Some("List"), Some(items)) => items.items().iter().collect(),
        (Some(_) | None, Some(_) | None) => vec![root],
    }
}

fn document(file: usize, name: &str, root: &Node) -> Result<Found, ManifestError> {
    let at = format!("{name}:{}", root.pos.line);
    let word = |path: &[&'static str]| {
        let node = root.at(path.iter().copied());
        node.and_then(Node::as_str).map(str::to_owned)
    };
    let (Some(version), Some(kind)) = (word(&["apiVersion"]), word(&["kind"])) else {
        return Err(ManifestError::NoObject(at));
    };
    let called = word(&["metadata", "name"]);
    let nameless = is_configuration(&version) && root.get("metadata").is_none();
    if called.is_none() && !nameless {
        return Err(ManifestError::NoObject(at));
    }
    let of_kops = version.starts_with("kops.k8s.io/") || version.starts_with("kops/");
    if of_kops && !is_of_kops_version(&version) {
        return Err(ManifestError::Version { at, kind, version });
    }
    if of_kops && matches!(kind.as_str(), "Cluster" | "InstanceGroup") {
        let known = ["apiVersion", "kind", "metadata", "spec", "status"];
        if let Some((key, _)) = root
            .entries()
            .iter()
            .find(|(k, _)| !known.contains(&k.text.as_str()))
        {
            let at = format!("{name}:{}", key.pos.line);
            return Err(ManifestError::Field {
                at,
                key: key.text.clone(),
                kind,
            });
        }
    }
    let key = [
        Some(kind.clone()),
        word(&["metadata", "namespace"]),
        called.clone(),
    ];
    Ok(Found {
        file,
        at,
        key: key.into_iter().flatten().collect::<Vec<_>>().join("/"),
        kind,
        name: called.unwrap_or_default(),
        value: without_nulls(root.to_json()),
    })
}

fn is_of_kops(value: &Json) -> bool {
    value
        .get("apiVersion")
        .and_then(Json::as_str)
        .is_some_and(is_of_kops_version)
}

fn is_of_kops_version(version: &str) -> bool {
    matches!(version, "kops.k8s.io/v1alpha2" | "kops/v1alpha2")
}

/// A field that is null is one that is not there, to kops as to Kubernetes.
fn without_nulls(value: Json) -> Json {
    match value {
        Json::Object(fields) => fields
            .into_iter()
            .filter(|(_, v)| !v.is_null())
            .map(|(k, v)| (k, without_nulls(v)))
            .collect::<Map<_, _>>()
            .into(),
        Json::Array(items) => items.into_iter().map(without_nulls).collect(),
        other @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) => other,
    }
}

fn existing(found: Found) -> Result<Existing, ManifestError> {
    let name = ClusterName::new(found.name.clone()).map_err(|e| ManifestError::Name {
        at: found.at.clone(),
        why: e.to_string(),
    })?;
    Ok(Existing {
        name,
        at: found.at,
        metadata: metadata(&found.value),
        spec: spec(&found.value),
        groups: BTreeMap::new(),
        objects: BTreeMap::new(),
        normal: BTreeMap::from([(found.key, stored::normal(&found.value))]),
    })
}

fn put(
    all: &mut BTreeMap<String, (usize, Existing)>,
    places: &mut BTreeMap<(String, String), String>,
    found: Found,
) -> Result<(), ManifestError> {
    let label = at(&found.value, &["metadata", "labels", "kops.k8s.io/cluster"]);
    let label = label.as_str().map(str::to_owned);
    let same_file: BTreeSet<&String> = all
        .iter()
        .filter(|(_, (file, _))| *file == found.file)
        .map(|(n, _)| n)
        .collect();
    let owner = match (&label, all.len(), same_file.len()) {
        (Some(label), _, _) => Some(label.clone()),
        (None, 1, _) => all.keys().next().cloned(),
        (None, _, 1) => same_file.first().map(|n| (*n).clone()),
        (None, _, _) => None,
    };
    let Some((_, cluster)) = owner.and_then(|name| all.get_mut(&name)) else {
        return Err(ManifestError::NoCluster {
            at: found.at,
            key: found.key,
            cluster: label,
        });
    };
    let place = (cluster.name.to_string(), found.key.clone());
    if let Some(first) = places.insert(place, found.at.clone()) {
        return Err(ManifestError::Twice {
            at: found.at,
            key: found.key,
            first,
        });
    }
    cluster
        .normal
        .insert(found.key.clone(), stored::normal(&found.value));
    if found.kind == "InstanceGroup" && is_of_kops(&found.value) {
        let name = GroupName::new(found.name).map_err(|e| ManifestError::Name {
            at: found.at,
            why: e.to_string(),
        })?;
        let group = GroupManifest {
            metadata: metadata(&found.value),
            spec: spec(&found.value),
        };
        cluster.groups.insert(name, group);
    } else {
        cluster.objects.insert(found.key, found.value);
    }
    Ok(())
}

/// Labels and annotations, without what kops puts there.
fn metadata(value: &Json) -> Json {
    let mut kept = Map::new();
    for part in ["labels", "annotations"] {
        if let Some(fields) = at(value, &["metadata", part]).as_object() {
            let mut fields = fields.clone();
            fields.shift_remove("kops.k8s.io/cluster");
            if !fields.is_empty() {
                kept.insert(part.into(), fields.into());
            }
        }
    }
    kept.into()
}

/// What is under these keys; null where one of them is not there.
fn at<'a>(value: &'a Json, keys: &[&str]) -> &'a Json {
    let found = keys.iter().try_fold(value, |v, key| v.get(key));
    found.unwrap_or(&Json::Null)
}

fn spec(value: &Json) -> Json {
    value
        .get("spec")
        .cloned()
        .unwrap_or_else(|| Map::new().into())
}

impl Existing {
    /// What of this is rendered otherwise than it was read: names of documents. Both sides in the form that is compared.
    pub fn differences<'a>(&self, rendered: impl Iterator<Item = &'a Json>) -> BTreeSet<String> {
        let rendered: BTreeMap<String, Json> = rendered
            .map(|value| {
                let word = |value: &Json| value.as_str().map(str::to_owned);
                let metadata = at(value, &["metadata"]);
                let parts = [
                    word(at(value, &["kind"])),
                    word(at(metadata, &["namespace"])),
                    word(at(metadata, &["name"])),
                ];
                let key: Vec<String> = parts.into_iter().flatten().collect();
                (key.join("/"), stored::normal(value))
            })
            .collect();
        let keys: BTreeSet<&String> = self.normal.keys().chain(rendered.keys()).collect();
        keys.into_iter()
            .filter(|key| self.normal.get(*key) != rendered.get(*key))
            .cloned()
            .collect()
    }
}
