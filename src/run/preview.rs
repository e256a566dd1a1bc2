//! A copy of what a state store has of a cluster, with other documents in it: what a dry run of them is asked about. Writes nothing.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::model::{ClusterName, DocumentStates, GroupName};
use crate::yaml::{Schema, parse_one};

/// The files of the copy, by their path in it. `stored`: what there is; `documents`: what is there instead, or is not (none).
///
/// The cluster keeps the place where kops has everything else of it (`configBase`): what nodes boot with names it, and in a copy that had another one
/// all of it would differ. Of that place a dry run only reads.
/// Source: kops, `upup/pkg/fi/cloudup/apply_cluster.go` (a dry run writes neither the completed spec nor managed files); tried with kops 1.32.
///
/// # Errors
/// When there is no cluster in it, or a name that is none of kops' own.
pub fn copied_store(
    (cluster, state): (&ClusterName, &str),
    stored: &[(String, String)],
    documents: &DocumentStates,
) -> Result<BTreeMap<String, String>, String> {
    let config = format!("{cluster}/config");
    let mut files = replaced(cluster, stored, documents)?;
    let Some(text) = files.get(&config) else {
        return Err(format!("{config} is not there"));
    };
    let base = |text: &str| {
        let node = parse_one(text, Schema::Kops).ok()?;
        Some(node.at(["spec", "configBase"])?.as_str()?.to_owned())
    };
    let was = stored.iter().find(|(path, _)| *path == config);
    let was = was.and_then(|(_, text)| base(text));
    let base = was.unwrap_or_else(|| format!("{state}/{cluster}"));
    let mut document: Json = parse_one(text, Schema::Kops)
        .map_err(|e| format!("{config}: {e}"))?
        .to_json();
    if let Some(spec) = document.get_mut("spec").and_then(Json::as_object_mut) {
        spec.entry("configBase").or_insert_with(|| json!(base));
    }
    files.insert(config, document.to_string());
    Ok(files)
}

/// The files with other documents in them. Names come from a bucket: none leads out of the copy.
fn replaced(
    cluster: &ClusterName,
    stored: &[(String, String)],
    documents: &DocumentStates,
) -> Result<BTreeMap<String, String>, String> {
    let mut files: BTreeMap<String, String> = stored.iter().cloned().collect();
    let config = format!("{cluster}/config");
    for (key, document) in documents {
        let path = match key.split_once('/') {
            Some(("Cluster", _)) => config.clone(),
            Some(("InstanceGroup", name)) => format!("{cluster}/instancegroup/{name}"),
            Some(_) | None => return Err(format!("{key} is no document of kops")),
        };
        match document {
            Some(document) => drop(files.insert(path, document.to_string())),
            None => drop(files.remove(&path)),
        }
    }
    let is_ours = |path: &String| {
        let group = path.strip_prefix(&format!("{cluster}/instancegroup/"));
        group.is_some_and(|name| GroupName::new(name).is_ok())
            || *path == config
            || *path == format!("{cluster}/clusteraddons/default")
    };
    match files.keys().find(|path| !is_ours(path)) {
        Some(other) => Err(format!("{other} is no file of a cluster")),
        None => Ok(files),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_other_documents_and_the_same_base() {
        let cluster = ClusterName::new("c.test").unwrap();
        let stored = |base: &str| {
            let of = |path: &str, text: &str| (format!("c.test/{path}"), text.to_owned());
            vec![
                of("config", &format!("kind: Cluster\nspec:\n  a: 1\n{base}")),
                of("instancegroup/gone", "kind: InstanceGroup\n"),
                of("instancegroup/stays", "kind: InstanceGroup\n"),
            ]
        };
        let documents = DocumentStates::from([
            ("Cluster/c.test".into(), Some(json!({"spec": {"a": 2}}))),
            ("InstanceGroup/gone".into(), None),
            ("InstanceGroup/new".into(), Some(json!({"b": 3}))),
        ]);
        for (base, expected) in [
            ("", "s3://state/c.test"),
            ("  configBase: s3://other/c\n", "s3://other/c"),
        ] {
            let place = (&cluster, "s3://state");
            let files = copied_store(place, &stored(base), &documents).unwrap();
            let config = json!({"spec": {"a": 2, "configBase": expected}}).to_string();
            let all: Vec<(&str, &str)> = files.iter().map(|(p, t)| (&**p, &**t)).collect();
            assert_eq!(
                all,
                [
                    ("c.test/config", config.as_str()),
                    ("c.test/instancegroup/new", "{\"b\":3}"),
                    ("c.test/instancegroup/stays", "kind: InstanceGroup\n"),
                ]
            );
        }
        // Names come from a bucket: none leads out of the copy.
        let odd = vec![("c.test/instancegroup/../../x".to_owned(), String::new())];
        assert!(copied_store((&cluster, "s3://state"), &odd, &documents).is_err());
    }
}
