//! The documents beside the groups: against what kops has stored, else against the baseline. Decides nothing about groups.
//!
//! With a state store, the Cluster and the InstanceGroups are what the store says: the baseline is not asked, and a difference is gone when kops has
//! stored what git wants. Other objects are compared with the store as far as it holds them; what it does not hold was applied by other means,
//! and the baseline knows of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::{
    Allow, Baseline, Blocked, ClusterPlan, DocumentChange, Fact, FieldChange, GroupChange, Wanted,
    fields,
};
use crate::desired::{DesiredCluster, beside_definition};
use crate::fleet::Engine;
use crate::kops::stored;
use crate::model::Stored;

type Documents = BTreeMap<String, Json>;

/// Every document that differs, and what stands in the way.
pub(super) fn changes(plan: &mut ClusterPlan, wanted: &Wanted<'_>, live: &Stored, allow: Allow) {
    match live {
        Stored::NotAsked => against_baseline(
            plan,
            &wanted.desired.beside_definitions(),
            wanted.baseline.map(|b| &b.documents),
            allow,
        ),
        Stored::Unknown(why) => plan
            .blocked
            .push(Blocked::StoreNotRead { why: why.clone() }),
        Stored::Known(stored) => {
            let (of_kops, others) = sides(wanted.desired, stored);
            // kops is asked to: it need not be done already.
            let by_kops = Allow {
                documents: allow.documents || wanted.engine == Engine::Kops,
                ..allow
            };
            against_store(plan, wanted.desired, &of_kops, stored, by_kops);
            against_baseline(
                plan,
                &others,
                applied_by_others(wanted, stored).as_ref(),
                allow,
            );
        }
    }
}

/// The stored documents as far as a plan compares them: of a group, what no definition carries.
pub(super) fn compared(stored: &Documents) -> Documents {
    let part = |(key, value): (&String, &Json)| {
        let of_karpenter = value
            .get("spec")
            .and_then(|s| s.get("manager"))
            .is_some_and(|m| m == "Karpenter");
        let is_group = key.starts_with("InstanceGroup/") && !of_karpenter;
        (
            key.clone(),
            if is_group {
                group(key, beside_definition(value))
            } else {
                value.clone()
            },
        )
    };
    stored.iter().map(part).collect()
}

/// A group's document with these fields of its spec alone.
fn group(key: &str, spec: BTreeMap<String, Json>) -> Json {
    let name = key.strip_prefix("InstanceGroup/").unwrap_or(key);
    json!({"apiVersion": "kops.k8s.io/v1alpha2", "kind": "InstanceGroup", "metadata": {"name": name}, "spec": spec})
}

/// What is compared with the store, and what is not: objects that the store does not hold.
fn sides(desired: &DesiredCluster, stored: &Documents) -> (Documents, Documents) {
    let groups = desired.groups.values().map(|g| {
        let key = format!("InstanceGroup/{}", g.definition.instance_group);
        (key.clone(), group(&key, g.bootstrap()))
    });
    let documents = desired.documents().map(|(k, v)| (k.clone(), v));
    documents
        .chain(groups)
        .partition(|(key, _)| is_of_kops(desired, key) || stored.contains_key(key))
}

fn is_of_kops(desired: &DesiredCluster, key: &str) -> bool {
    key.starts_with("InstanceGroup/") || *key == format!("Cluster/{}", desired.cluster)
}

/// What the baseline knows of and the store does not hold.
fn applied_by_others(wanted: &Wanted<'_>, stored: &Documents) -> Option<Documents> {
    let known = wanted.baseline.map(|b: &Baseline| &b.documents)?;
    let others = known
        .iter()
        .filter(|(key, _)| !is_of_kops(wanted.desired, key) && !stored.contains_key(*key));
    Some(others.map(|(k, v)| (k.clone(), v.clone())).collect())
}

/// The fields in which documents that are stored and wanted differ, by document.
pub(super) fn differing(
    desired: &DesiredCluster,
    stored: &Documents,
) -> BTreeMap<String, Vec<FieldChange>> {
    let (wanted, _) = sides(desired, stored);
    let differs = |(key, to): (String, Json)| match changed(desired, &key, stored.get(&key)?, &to)?
    {
        DocumentChange::Changed(changes) => Some((key, changes)),
        DocumentChange::Added | DocumentChange::Removed => None,
    };
    wanted.into_iter().filter_map(differs).collect()
}

fn against_store(
    plan: &mut ClusterPlan,
    desired: &DesiredCluster,
    wanted: &Documents,
    stored: &Documents,
    allow: Allow,
) {
    let cluster = format!("Cluster/{}", desired.cluster);
    let no_cluster = !stored.contains_key(&cluster);
    if no_cluster {
        let what = Fact::NoCluster {
            cluster: desired.cluster.to_string(),
        };
        plan.notes.push(what.into());
    }
    for key in wanted.keys().chain(stored.keys()).collect::<BTreeSet<_>>() {
        let change = match (stored.get(key), wanted.get(key)) {
            (Some(from), Some(to)) => changed(desired, key, from, to),
            // Of a cluster that is not there, nothing is: that is said once.
            (None, _) if no_cluster && *key != cluster => None,
            (None, _) => coming_or_going(plan, key)
                .is_none_or(|note| plan_note(plan, note))
                .then_some(DocumentChange::Added),
            (Some(_), None) => coming_or_going(plan, key)
                .is_none_or(|note| plan_note(plan, note))
                .then_some(DocumentChange::Removed),
        };
        let Some(change) = change else { continue };
        if change == DocumentChange::Removed && key.starts_with("InstanceGroup/") {
            let what = Fact::OnlyStored {
                document: key.clone(),
            };
            plan.notes.push(what.into());
        }
        record(plan, key, change, allow);
    }
}

/// Says what becomes of the document; false: it is no change of its own.
fn plan_note(plan: &mut ClusterPlan, what: Fact) -> bool {
    // kops, where it is the engine, is asked to.
    if plan.kops.is_none() {
        plan.notes.push(what.into());
    }
    false
}

fn changed(
    desired: &DesiredCluster,
    key: &str,
    stored: &Json,
    wanted: &Json,
) -> Option<DocumentChange> {
    let to = stored::normal(wanted);
    // Groups that Karpenter runs have no definition: all of their documents counts.
    let in_part = key.starts_with("InstanceGroup/") && !desired.has_document(key);
    let from = if in_part {
        group(key, beside_definition(stored))
    } else {
        stored.clone()
    };
    let from = stored::aligned(&to, &from);
    let changes = if in_part {
        fields(below(&from), below(&to))
    } else {
        fields(&from, &to)
    };
    (!changes.is_empty()).then_some(DocumentChange::Changed(changes))
}

/// The fields of a group, named as they are where there is no store.
fn below(group: &Json) -> &Json {
    group.get("spec").unwrap_or(&Json::Null)
}

fn against_baseline(
    plan: &mut ClusterPlan,
    wanted: &Documents,
    baseline: Option<&Documents>,
    allow: Allow,
) {
    let Some(baseline) = baseline else {
        if !wanted.is_empty() {
            let what = Fact::NoBaseline {
                documents: wanted.len(),
            };
            plan.notes.push(what.into());
        }
        return;
    };
    for key in wanted
        .keys()
        .chain(baseline.keys())
        .collect::<BTreeSet<_>>()
    {
        let change = change_of(plan, key, baseline.get(key), wanted.get(key));
        if let Some(change) = change {
            record(plan, key, change, allow);
        }
    }
}

fn change_of(
    plan: &ClusterPlan,
    key: &str,
    from: Option<&Json>,
    to: Option<&Json>,
) -> Option<DocumentChange> {
    match (from, to) {
        _ if coming_or_going(plan, key).is_some() => None,
        (Some(from), Some(to)) => Some(fields(from, to))
            .filter(|c| !c.is_empty())
            .map(DocumentChange::Changed),
        (None, _) => Some(DocumentChange::Added),
        (Some(_), None) => Some(DocumentChange::Removed),
    }
}

fn record(plan: &mut ClusterPlan, key: &str, change: DocumentChange, allow: Allow) {
    if !allow.documents {
        plan.blocked.push(Blocked::NeedsKops {
            document: key.to_owned(),
        });
    }
    plan.documents.insert(key.to_owned(), change);
}

/// What a group boots with comes and goes with the group itself; what that leaves to do in a state store.
fn coming_or_going(plan: &ClusterPlan, name: &str) -> Option<Fact> {
    let document = name.to_owned();
    let group = name.strip_prefix("InstanceGroup/")?;
    plan.groups.values().find_map(|change| match change {
        GroupChange::Create { to } => {
            (to.definition.instance_group.as_str() == group).then(|| Fact::NotStoredYet {
                document: document.clone(),
            })
        }
        GroupChange::Retire { from, .. } => (from.definition.instance_group.as_str() == group)
            .then(|| Fact::StaysStored {
                document: document.clone(),
            }),
        GroupChange::Update { .. } => None,
    })
}
