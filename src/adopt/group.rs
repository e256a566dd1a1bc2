//! What the groups of a role have in common, and long pieces that several groups share. Knows nothing of layers.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::factor;
use super::manifest::GroupManifest;
use crate::yaml;

/// Fields that are a group's own even where many groups have the same.
const OWN: [&str; 4] = ["role", "minSize", "maxSize", "subnets"];

/// Pieces shorter than this, as JSON, are clearer where they stand.
const LONG: usize = 100;

/// The groups of one cluster as vars, and what they have in common by role.
#[derive(Debug, Default)]
pub(super) struct GroupVars {
    pub(super) groups: BTreeMap<String, Map<String, Json>>,
    pub(super) defaults: Map<String, Json>,
}

pub(super) fn role(spec: &Json) -> &str {
    spec.get("role").and_then(Json::as_str).unwrap_or_default()
}

/// Takes what all groups of a role have, in all clusters, out of the groups: the value that most groups of the cluster have becomes its default.
/// A group's own value wins over it, so only what every group says can have one.
pub(super) fn vars(clusters: &[BTreeMap<String, GroupManifest>]) -> Vec<GroupVars> {
    let mut by_role: BTreeMap<&str, Vec<&Json>> = BTreeMap::new();
    for group in clusters.iter().flat_map(BTreeMap::values) {
        by_role
            .entry(role(&group.spec))
            .or_default()
            .push(&group.spec);
    }
    let common: BTreeMap<&str, Vec<Vec<String>>> = by_role
        .into_iter()
        .filter(|(role, specs)| !role.is_empty() && specs.len() > 1)
        .map(|(role, specs)| (role, common(&specs)))
        .collect();
    clusters
        .iter()
        .map(|groups| of_cluster(groups, &common))
        .collect()
}

/// The leaves that all of these have, and of which some value is there twice.
fn common(specs: &[&Json]) -> Vec<Vec<String>> {
    let mut values: BTreeMap<Vec<String>, Vec<&Json>> = BTreeMap::new();
    for spec in specs {
        for (path, value) in factor::leaves(spec) {
            values.entry(path).or_default().push(value);
        }
    }
    values
        .into_iter()
        .filter(|(path, values)| {
            let is_own = path.first().is_some_and(|p| OWN.contains(&p.as_str()));
            let twice = values
                .iter()
                .enumerate()
                .any(|(i, v)| values.iter().skip(i + 1).any(|o| o == v));
            !is_own && twice && values.len() == specs.len() && values.iter().all(|v| !v.is_object())
        })
        .map(|(path, _)| path)
        .collect()
}

/// The value that occurs most often.
fn commonest<'j>(values: &[&'j Json]) -> Option<&'j Json> {
    let times = |v: &&'j Json| values.iter().filter(|o| *o == v).count();
    values.iter().copied().max_by_key(times)
}

fn of_cluster(
    groups: &BTreeMap<String, GroupManifest>,
    common: &BTreeMap<&str, Vec<Vec<String>>>,
) -> GroupVars {
    let mut vars = GroupVars::default();
    for (role_name, paths) in common {
        let mut defaults = Json::Object(Map::new());
        for path in paths {
            let of_role = groups.values().filter(|g| role(&g.spec) == *role_name);
            let values: Vec<&Json> = of_role.filter_map(|g| at(&g.spec, path)).collect();
            if let Some(value) = commonest(&values) {
                set(&mut defaults, path, value.clone());
            }
        }
        if defaults.as_object().is_some_and(|d| !d.is_empty()) {
            vars.defaults.insert((*role_name).to_owned(), defaults);
        }
    }
    for (name, group) in groups {
        let spec = match vars.defaults.get(role(&group.spec)) {
            Some(defaults) => factor::rest(&group.spec, defaults),
            None => Some(group.spec.clone()),
        };
        vars.groups.insert(name.clone(), entry(group, spec));
    }
    vars
}

/// What the vars say of one group.
fn entry(group: &GroupManifest, spec: Option<Json>) -> Map<String, Json> {
    let mut out = Map::new();
    if group.metadata.as_object().is_some_and(|m| !m.is_empty()) {
        out.insert("metadata".into(), group.metadata.clone());
    }
    out.insert("spec".into(), spec.unwrap_or_else(|| Map::new().into()));
    out
}

fn at<'a>(value: &'a Json, path: &[String]) -> Option<&'a Json> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

fn set(into: &mut Json, path: &[String], value: Json) {
    let Some((last, before)) = path.split_last() else {
        return;
    };
    let mut here = into;
    for key in before {
        let Some(fields) = here.as_object_mut() else {
            return;
        };
        here = fields
            .entry(key.clone())
            .or_insert_with(|| Map::new().into());
    }
    if let Some(fields) = here.as_object_mut() {
        fields.insert(last.clone(), value);
    }
}

/// Takes long fields that several groups have alike out of them, into snippets: name → text.
pub(super) fn snippets(clusters: &mut [GroupVars]) -> BTreeMap<String, String> {
    let mut seen: Vec<(String, Json, String, usize)> = Vec::new();
    for (name, group) in clusters.iter().flat_map(|c| &c.groups) {
        for (field, value) in group
            .get("spec")
            .and_then(Json::as_object)
            .into_iter()
            .flatten()
        {
            match seen
                .iter_mut()
                .find(|(f, v, _, _)| f == field && v == value)
            {
                Some((_, _, _, count)) => *count += 1,
                None => seen.push((field.clone(), value.clone(), name.clone(), 1)),
            }
        }
    }
    let mut texts = BTreeMap::new();
    for (field, value, first, count) in seen {
        if count < 2 || value.to_string().len() < LONG {
            continue;
        }
        let mut piece = Map::new();
        piece.insert(field.clone(), value.clone());
        let text = yaml::emit(&Json::Object(piece));
        // A snippet is a template: what looks like a tag would be one.
        if ["{{", "{%", "{#"].iter().any(|tag| text.contains(tag)) {
            continue;
        }
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        };
        let first: String = first.chars().map(plain).collect();
        let name = (1..).map(|i| match i {
            1 => format!("{field}-{first}.yaml"),
            i => format!("{field}-{first}-{i}.yaml"),
        });
        let Some(name) = name.take(1000).find(|n| !texts.contains_key(n)) else {
            continue;
        };
        for group in clusters.iter_mut().flat_map(|c| c.groups.values_mut()) {
            take(group, &field, &value, &name);
        }
        texts.insert(name, text);
    }
    texts
}

fn take(group: &mut Map<String, Json>, field: &str, value: &Json, snippet: &str) {
    let Some(spec) = group.get_mut("spec").and_then(Json::as_object_mut) else {
        return;
    };
    if spec.get(field) != Some(value) {
        return;
    }
    spec.shift_remove(field);
    if let Json::Array(names) = group
        .entry("snippets")
        .or_insert_with(|| Json::Array(Vec::new()))
    {
        names.push(snippet.into());
    }
}
