//! Two versions of one cluster → its documents and groups that differ. Documents are matched by name, wherever they stand.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::difference::{
    Carrier, ClusterChange, DocumentImpact, GroupDifference, GroupImpact, Outline, Presence,
    RenderedVersion,
};
use super::lines;
use crate::desired::DesiredGroup;
use crate::fleet::Cluster;
use crate::model::{AsgName, Definition, GroupName};
use crate::plan::fields;
use crate::render::{Rendered, RenderedDocument};

/// Two groups whose manifests are this much alike, apart from their names, are taken for one under two names.
const SAME_UNDER_ANOTHER_NAME: f64 = 0.9;

pub(super) fn outline(version: &RenderedVersion<'_>) -> Outline {
    let Cluster {
        environment,
        account,
        region,
        ..
    } = version.cluster;
    Outline {
        environment: environment.clone(),
        account: account.clone(),
        region: region.clone(),
        groups: version
            .desired
            .groups
            .values()
            .map(|g| g.definition.instance_group.clone())
            .collect(),
        documents: version
            .rendered
            .documents
            .iter()
            .map(RenderedDocument::key)
            .collect(),
    }
}

pub(super) fn change(before: &RenderedVersion<'_>, after: &RenderedVersion<'_>) -> ClusterChange {
    let documents = documents(before, after);
    let layout = documents.is_empty() && before.rendered.text != after.rendered.text;
    ClusterChange {
        facts: fields(&facts(before.cluster), &facts(after.cluster)),
        documents,
        groups: groups(before, after),
        layout,
    }
}

/// What a cluster's file says beside its vars and templates, whose effect is in the documents.
fn facts(cluster: &Cluster) -> Json {
    json!({
        "environment": cluster.environment,
        "account": cluster.account,
        "region": cluster.region,
        "role_arn": cluster.role_arn,
        "kubernetes": cluster.kubernetes.as_ref().map(|k| &k.context),
        "protect": cluster.protect,
    })
}

fn documents(
    before: &RenderedVersion<'_>,
    after: &RenderedVersion<'_>,
) -> BTreeMap<String, DocumentImpact> {
    let (old, new) = (by_key(before), by_key(after));
    let carriers = Carriers::of(before, after);
    let mut found = BTreeMap::new();
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let (from, to) = (old.get(name).copied(), new.get(name).copied());
        let from_text = from.map_or(("", 1), |d| placed(before.rendered, d));
        let to_text = to.map_or(("", 1), |d| placed(after.rendered, d));
        let (presence, fields) = match (from, to) {
            (Some(_), Some(_)) if from_text.0 == to_text.0 => continue,
            (Some(from), Some(to)) => (
                Presence::Changed,
                fields(&from.document.root.to_json(), &to.document.root.to_json()),
            ),
            (None, _) => (Presence::Added, Vec::new()),
            (Some(_), None) => (Presence::Removed, Vec::new()),
        };
        let impact = DocumentImpact {
            template: to.or(from).map(|d| d.template.clone()).unwrap_or_default(),
            carrier: if presence == Presence::Changed && fields.is_empty() {
                Carrier::Nobody
            } else {
                carriers.carrier(name)
            },
            presence,
            fields,
            text: lines::hunks(from_text, to_text),
        };
        found.insert(name.clone(), impact);
    }
    found
}

fn by_key<'a>(version: &RenderedVersion<'a>) -> BTreeMap<String, &'a RenderedDocument> {
    version
        .rendered
        .documents
        .iter()
        .map(|d| (d.key(), d))
        .collect()
}

/// The text of a document, and the number of its first line.
fn placed<'a>(rendered: &'a Rendered, document: &RenderedDocument) -> (&'a str, usize) {
    let before = rendered
        .text
        .get(..document.text_range.start)
        .unwrap_or_default();
    (rendered.text_of(document), before.matches('\n').count() + 1)
}

/// What is not carried out by changing a group, on both sides.
struct Carriers {
    old: BTreeMap<String, Json>,
    new: BTreeMap<String, Json>,
    /// Documents of groups that one side has: what they boot with comes and goes with them.
    come_and_go: BTreeSet<String>,
}

impl Carriers {
    fn of(before: &RenderedVersion<'_>, after: &RenderedVersion<'_>) -> Self {
        let names = |v: &RenderedVersion<'_>| {
            v.desired
                .groups
                .values()
                .map(|g| document_of(&g.definition.instance_group))
                .collect::<BTreeSet<_>>()
        };
        let come_and_go = names(before)
            .symmetric_difference(&names(after))
            .cloned()
            .collect();
        Carriers {
            old: before.desired.beside_definitions(),
            new: after.desired.beside_definitions(),
            come_and_go,
        }
    }

    fn carrier(&self, document: &str) -> Carrier {
        let (old, new) = (self.old.get(document), self.new.get(document));
        if old == new || self.come_and_go.contains(document) {
            return Carrier::Kfleet;
        }
        let is_group = |v: &&Json| v.get("kind").is_none();
        let sides: Vec<&Json> = old.into_iter().chain(new).collect();
        if !sides.iter().all(is_group) {
            return Carrier::Kops;
        }
        let keys: BTreeSet<&String> = sides
            .iter()
            .filter_map(|v| v.as_object())
            .flat_map(|m| m.keys())
            .collect();
        let value = |side: Option<&Json>, key: &str| side.and_then(|v| v.get(key)).cloned();
        Carrier::KopsInPart(
            keys.into_iter()
                .filter(|k| value(old, k) != value(new, k))
                .cloned()
                .collect(),
        )
    }
}

fn document_of(group: &GroupName) -> String {
    format!("InstanceGroup/{group}")
}

fn groups(
    before: &RenderedVersion<'_>,
    after: &RenderedVersion<'_>,
) -> BTreeMap<AsgName, GroupImpact> {
    let (old, new) = (&before.desired.groups, &after.desired.groups);
    let mut found = BTreeMap::new();
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let (group, change) = match (old.get(name), new.get(name)) {
            (Some(from), Some(to)) => (to, changed(from, to)),
            (None, Some(to)) => (to, Some(created(before, after, to))),
            (Some(from), None) => {
                let protected = after
                    .cluster
                    .protect
                    .contains(&from.definition.instance_group);
                (from, Some(GroupDifference::Retired { protected }))
            }
            (None, None) => continue,
        };
        let impact = change.map(|change| GroupImpact {
            group: group.definition.instance_group.clone(),
            role: group.role,
            change,
        });
        found.extend(impact.map(|impact| (name.clone(), impact)));
    }
    found
}

fn changed(from: &DesiredGroup, to: &DesiredGroup) -> Option<GroupDifference> {
    let fields = fields(
        &to_json(&Definition::clone(&from.definition).canonical()),
        &to_json(&Definition::clone(&to.definition).canonical()),
    );
    let user_data = from.user_data != to.user_data;
    let differs = !fields.is_empty() || user_data;
    differs.then(|| GroupDifference::Changed {
        fields,
        replaces: to.rolling_update.drain_and_terminate != Some(false),
        user_data,
    })
}

fn created(
    before: &RenderedVersion<'_>,
    after: &RenderedVersion<'_>,
    to: &DesiredGroup,
) -> GroupDifference {
    let own = &to.definition.instance_group;
    let gone = before
        .desired
        .groups
        .iter()
        .filter(|(name, _)| !after.desired.groups.contains_key(*name));
    let text = |v: &RenderedVersion<'_>, group: &GroupName| {
        let document = v.rendered.document("InstanceGroup", group.as_str());
        document.map(|d| v.rendered.text_of(d).replace(group.as_str(), own.as_str()))
    };
    let alike = |from: &GroupName| match (text(before, from), text(after, own)) {
        (Some(a), Some(b)) => lines::likeness(&a, &b),
        (Some(_) | None, _) => 0.0,
    };
    let mut like: Option<(f64, &GroupName)> = None;
    for (_, group) in gone.filter(|(_, g)| g.role == to.role) {
        let from = &group.definition.instance_group;
        let ratio = alike(from);
        if ratio >= SAME_UNDER_ANOTHER_NAME && like.is_none_or(|(best, _)| ratio > best) {
            like = Some((ratio, from));
        }
    }
    GroupDifference::Created {
        definition: Box::new(Definition::clone(&to.definition).canonical()),
        user_data: to.user_data.is_some(),
        like: like.map(|(_, name)| name.clone()),
    }
}

pub(super) fn to_json(value: &impl serde::Serialize) -> serde_json::Value {
    // Our own structs of strings, numbers and ordered maps always serialise.
    serde_json::to_value(value).unwrap_or_default()
}
