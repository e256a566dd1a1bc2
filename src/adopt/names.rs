//! A cluster's own names inside of its values, written so that they are the same in every cluster: `api.<cluster>` for `api.prod.k8s.foo.bar`.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::model::{AccountId, ClusterName, Region};
use crate::yaml;

pub(super) const CLUSTER: &str = "<cluster>";
pub(super) const REGION: &str = "<region>";
pub(super) const ACCOUNT: &str = "<account>";
pub(super) const GROUP: &str = "<group>";

/// Whether a value holds something that looks like a placeholder: then none is used.
pub(super) fn has_placeholder(value: &Json) -> bool {
    let text = value.to_string();
    [CLUSTER, REGION, ACCOUNT, GROUP]
        .iter()
        .any(|p| text.contains(p))
}

/// Which names stand for themselves in which cluster.
pub(super) struct ReplacedNames<'a> {
    pub(super) cluster: &'a ClusterName,
    /// None: all clusters have one.
    pub(super) region: Option<&'a Region>,
    /// None: all clusters have one.
    pub(super) account: Option<&'a AccountId>,
}

impl ReplacedNames<'_> {
    /// The text with placeholders. A text that is nothing but a name which would be read as a number stays.
    pub(super) fn text(&self, text: &str) -> String {
        let mut out = text.to_owned();
        let pairs = [
            (Some(self.cluster.as_str()), CLUSTER),
            (self.region.map(Region::as_str), REGION),
            (self.account.map(AccountId::as_str), ACCOUNT),
        ];
        for (name, placeholder) in pairs {
            if let Some(name) = name.filter(|n| text != *n || is_plain(n)) {
                out = out.replace(name, placeholder);
            }
        }
        out
    }

    /// All texts and keys of a value.
    pub(super) fn value(&self, value: &Json) -> Json {
        match value {
            Json::String(text) => self.text(text).into(),
            Json::Array(items) => items.iter().map(|i| self.value(i)).collect(),
            Json::Object(fields) => fields
                .iter()
                .map(|(k, v)| (self.text(k), self.value(v)))
                .collect::<Map<_, _>>()
                .into(),
            Json::Null | Json::Bool(_) | Json::Number(_) => value.clone(),
        }
    }
}

/// A group's own name where it stands alone, as in the label that kops gives its nodes.
pub(super) fn of_group(value: &Json, group: &str) -> Json {
    match value {
        Json::String(text) if text == group && is_plain(group) => GROUP.into(),
        Json::Array(items) => items.iter().map(|i| of_group(i, group)).collect(),
        Json::Object(fields) => fields
            .iter()
            .map(|(k, v)| (k.clone(), of_group(v, group)))
            .collect::<Map<_, _>>()
            .into(),
        Json::String(_) | Json::Null | Json::Bool(_) | Json::Number(_) => value.clone(),
    }
}

/// Whether a text is one without quotes, too.
fn is_plain(text: &str) -> bool {
    yaml::emit_scalar(&Json::from(text)) == text
}

/// The filters that put the names back.
pub(super) fn filters(used: &BTreeMap<&'static str, &'static str>) -> String {
    used.iter()
        .map(|(placeholder, expression)| format!(" | replace(\"{placeholder}\", {expression})"))
        .collect()
}
