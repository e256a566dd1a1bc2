//! What kops has stored of a cluster, and manifests, in the one form in which the two are compared. Reads no store, decides nothing about differences.
//!
//! ```text
//!  text of the store ─ read ─┐
//!                            ├─ normal (each side by itself) ─ aligned (what only the pair tells) ─ fields that differ
//!  rendered document ────────┘
//! ```
//!
//! kops reads what a person wrote into its own types and writes those: durations, quantities, roles, empty fields and some places come back
//! otherwise than they were written. None of that is a difference. The rules are those of kops' own decoding (v1alpha2), one file a theme:
//! `shape` (types and empty fields), `scalars` (durations, quantities), `decode` (defaults and moved fields), `assigned` (what kops fills in by itself).

mod assigned;
mod decode;
mod scalars;
mod shape;

use serde_json::{Map, Value as Json};

use crate::yaml;

/// A document of the store that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoredError {
    /// It is no YAML.
    #[error(transparent)]
    Yaml(#[from] yaml::YamlError),
    /// It is no object with a kind and a name.
    #[error("{0}: is no object with `apiVersion`, `kind` and `metadata.name`")]
    NoObject(yaml::Pos),
    /// It is another kind of object than the place is for.
    #[error("is a {found}, and kops keeps a {wanted} here")]
    OtherKind {
        /// What it is.
        found: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// It has another name than the place it is in.
    #[error("holds `{found}`, and kops keeps `{wanted}` here")]
    OtherName {
        /// What it holds.
        found: String,
        /// What it should hold.
        wanted: String,
    },
}

/// An object of the store, in the form that is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredObject {
    /// `Kind/name` or `Kind/namespace/name`; `Kind` when it has no name.
    pub key: String,
    /// The object.
    pub value: Json,
}

/// Reads the one object of kops' own that stands in a file of the store.
///
/// # Errors
/// When the text is no such object.
pub fn read(text: &str, kind: &'static str, name: &str) -> Result<StoredObject, StoredError> {
    let root = yaml::parse_one(text, yaml::Schema::Kops)?;
    let Some([version, found, named]) = identity(&root) else {
        return Err(StoredError::NoObject(root.pos));
    };
    if found != kind || !of_kops(&version) {
        let found = format!("{found} of {version}");
        return Err(StoredError::OtherKind {
            found,
            wanted: kind,
        });
    }
    if named != name {
        let wanted = name.to_owned();
        return Err(StoredError::OtherName {
            found: named,
            wanted,
        });
    }
    Ok(StoredObject {
        key: format!("{kind}/{named}"),
        value: normal(&root.to_json()),
    })
}

/// The `apiVersion`, kind and name of an object.
fn identity(root: &yaml::Node) -> Option<[String; 3]> {
    let word = |path: &[&str]| {
        root.at(path.iter().copied())
            .and_then(yaml::Node::as_str)
            .map(str::to_owned)
    };
    Some([
        word(&["apiVersion"])?,
        word(&["kind"])?,
        word(&["metadata", "name"])?,
    ])
}

/// The folders below `igconfig` in which kops keeps what a group boots with, the likeliest first: older programs wrote `master`.
/// Source: kops, `InstanceGroupRole.ToLowerString`.
pub fn boot_roles(group: &Json) -> &'static [&'static str] {
    let role = group.get("spec").and_then(|s| s.get("role"));
    match role.and_then(Json::as_str).map(str::to_ascii_lowercase) {
        Some(role) if role == "master" || role == "controlplane" || role == "control-plane" => {
            &["control-plane", "master"]
        }
        Some(role) if role == "node" => &["node"],
        Some(role) if role == "apiserver" => &["apiserver"],
        Some(role) if role == "bastion" => &["bastion"],
        Some(_) | None => &[],
    }
}

/// Reads the additional objects that kops keeps beside a cluster.
///
/// # Errors
/// When the text is no YAML, or something in it is no object.
pub fn read_all(text: &str) -> Result<Vec<StoredObject>, StoredError> {
    let documents = yaml::parse(text, yaml::Schema::Kops)?;
    documents
        .iter()
        .map(|d| &d.root)
        .filter(|root| !root.is_null())
        .map(additional)
        .collect()
}

fn additional(root: &yaml::Node) -> Result<StoredObject, StoredError> {
    let word = |key: &'static str| root.at(["metadata", key]).and_then(yaml::Node::as_str);
    let kind = root
        .get("kind")
        .and_then(yaml::Node::as_str)
        .ok_or(StoredError::NoObject(root.pos))?;
    let key = [Some(kind), word("namespace"), word("name")]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("/");
    Ok(StoredObject {
        key,
        value: normal(&root.to_json()),
    })
}

/// One document in the form that is compared: what comes back from kops otherwise than it was written is written alike, keys are sorted.
pub fn normal(document: &Json) -> Json {
    let Json::Object(fields) = document else {
        return document.clone();
    };
    let text = |key: &str| fields.get(key).and_then(Json::as_str).unwrap_or_default();
    let section = section(text("apiVersion"), text("kind"));
    let mut out = Map::new();
    for (key, value) in shape::sorted(fields) {
        let value = match (key.as_str(), section) {
            ("apiVersion", Some(_)) => Some(Json::from("kops.k8s.io/v1alpha2")),
            ("metadata", _) => metadata(value, section.is_some()),
            ("spec", Some(section)) => Some(spec(section, value)),
            ("status", Some(_)) => None,
            (_, _) => shape::plain(value),
        };
        out.extend(value.map(|v| (key.clone(), v)));
    }
    Json::Object(out)
}

/// The two sides as they are compared: what kops spells or fills in by itself is taken from the wanted side. Both are [`normal`], and of one object.
pub fn aligned(wanted: &Json, stored: &Json) -> Json {
    let text = |key: &str| wanted.get(key).and_then(Json::as_str).unwrap_or_default();
    let Some(section) = section(text("apiVersion"), text("kind")) else {
        return stored.clone();
    };
    let mut stored = stored.clone();
    let (Some(wanted_spec), Some(spec)) = (wanted.get("spec"), stored.get_mut("spec")) else {
        return stored;
    };
    *spec = shape::aligned(section, wanted_spec, spec);
    let name = wanted
        .get("metadata")
        .and_then(|m| m.get("name"))
        .and_then(Json::as_str)
        .unwrap_or_default();
    assigned::dropped(section, name, wanted_spec, spec);
    stored
}

fn of_kops(version: &str) -> bool {
    matches!(version, "kops.k8s.io/v1alpha2" | "kops/v1alpha2")
}

/// The table of fields of a kind of kops' own.
fn section(version: &str, kind: &str) -> Option<&'static str> {
    match kind {
        "Cluster" if of_kops(version) => Some("Cluster"),
        "InstanceGroup" if of_kops(version) => Some("InstanceGroup"),
        _ => None,
    }
}

fn spec(section: &'static str, value: &Json) -> Json {
    let mut value = value.clone();
    if let Some(fields) = value.as_object_mut() {
        decode::decode(section, fields);
    }
    shape::section(section, &value)
}

/// Metadata without what kops (or the moment of writing) puts there.
fn metadata(value: &Json, of_kops: bool) -> Option<Json> {
    let mut value = value.clone();
    if let Some(fields) = value.as_object_mut() {
        fields.shift_remove("creationTimestamp");
        if of_kops {
            fields.shift_remove("generation");
            if let Some(labels) = fields.get_mut("labels").and_then(Json::as_object_mut) {
                labels.shift_remove("kops.k8s.io/cluster");
            }
            for key in ["labels", "annotations"] {
                if fields
                    .get(key)
                    .and_then(Json::as_object)
                    .is_some_and(Map::is_empty)
                {
                    fields.shift_remove(key);
                }
            }
        }
    }
    shape::plain(&value)
}
