//! What is live against what was last applied, and against what git wants: who a difference belongs to. Reads nothing, decides nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Blocked, ClusterPlan, DocumentChange, FieldChange, GroupChange};
use crate::model::{AsgName, ClusterName, LiveCluster, Timestamp};

/// Whose a difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftClass {
    /// Live is not what was applied: it was changed by other means.
    ByOthers,
    /// Live is not what git wants, and it is not known what was applied.
    NotKnown,
    /// Live is what was applied, and git wants something else by now.
    NotApplied,
    /// It is not a field of ours: it is shown, and not put back.
    OwnedByOthers,
}

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DriftItem {
    /// Whose it is.
    pub class: DriftClass,
    /// The AutoScalingGroup, or `Kind/name` of a document.
    pub subject: String,
    /// What differs.
    pub what: DriftKind,
    /// Whether git wants it by now as others have made it: a rollout changes nothing there, and records it as applied.
    pub as_git_wants: bool,
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftKind {
    /// Fields; `from` is live, `to` is what was applied or is wanted.
    Fields(Vec<FieldChange>),
    /// It should be there, and is not.
    Missing,
    /// It is there, with as many instances, and should not be.
    Unexpected(usize),
    /// So many instances run something else than their group says.
    Instances(usize),
    /// Set by hand, by AWS's name, and no field of a definition.
    Unmanaged(BTreeSet<String>),
}

/// The differences of a cluster. `applied`: the plan from what was last applied, where that is known; `desired`: from what git wants.
pub fn drift_items(
    desired: &ClusterPlan,
    applied: Option<&ClusterPlan>,
    live: Option<&LiveCluster>,
) -> Vec<DriftItem> {
    let mut items = Vec::new();
    let theirs: BTreeSet<(String, String)> = applied.map(keys).unwrap_or_default();
    if let Some(applied) = applied {
        let open = keys(desired);
        let is_open = |item: &DriftItem| open.iter().any(|(subject, _)| *subject == item.subject);
        let found = differences(applied, DriftClass::ByOthers, &BTreeSet::new());
        items.extend(found.into_iter().map(|item| DriftItem {
            as_git_wants: !is_open(&item),
            ..item
        }));
    }
    let ours = if applied.is_some() {
        DriftClass::NotApplied
    } else {
        DriftClass::NotKnown
    };
    items.extend(differences(desired, ours, &theirs));
    let groups = live.into_iter().flat_map(|l| &l.groups);
    items.extend(
        groups
            .filter(|(_, g)| !g.by_hand.is_empty())
            .map(|(name, g)| DriftItem {
                class: DriftClass::OwnedByOthers,
                subject: name.to_string(),
                what: DriftKind::Unmanaged(g.by_hand.keys().cloned().collect()),
                as_git_wants: false,
            }),
    );
    items.sort_by(|a, b| (a.class, &a.subject).cmp(&(b.class, &b.subject)));
    items
}

/// What of a cluster could not be read: where anything could not, nothing that is not seen counts as the same.
pub fn unread(plan: &ClusterPlan) -> Vec<Blocked> {
    plan.blocked
        .iter()
        .filter(|b| b.is_unknown())
        .cloned()
        .collect()
}

/// Subject and field of everything in which a plan finds a difference.
fn keys(plan: &ClusterPlan) -> BTreeSet<(String, String)> {
    let items = differences(plan, DriftClass::ByOthers, &BTreeSet::new());
    let mut keys = BTreeSet::new();
    for item in items {
        match item.what {
            DriftKind::Fields(fields) => {
                keys.extend(fields.into_iter().map(|f| (item.subject.clone(), f.field)));
            }
            DriftKind::Missing
            | DriftKind::Unexpected(_)
            | DriftKind::Instances(_)
            | DriftKind::Unmanaged(_) => {
                keys.insert((item.subject, String::new()));
            }
        }
    }
    keys
}

/// What a plan finds, without what is `known` already.
fn differences(
    plan: &ClusterPlan,
    class: DriftClass,
    known: &BTreeSet<(String, String)>,
) -> Vec<DriftItem> {
    let fresh =
        |subject: &str, field: &str| !known.contains(&(subject.to_owned(), field.to_owned()));
    let mut items = Vec::new();
    let mut add = |subject: &str, what: DriftKind| {
        items.push(DriftItem {
            class,
            subject: subject.to_owned(),
            what,
            as_git_wants: false,
        });
    };
    for (asg, change) in &plan.groups {
        group(asg, change, &fresh, &mut add);
    }
    for (name, change) in &plan.documents {
        match change {
            DocumentChange::Added if fresh(name, "") => add(name, DriftKind::Missing),
            DocumentChange::Removed if fresh(name, "") => add(name, DriftKind::Unexpected(0)),
            DocumentChange::Added | DocumentChange::Removed => {}
            DocumentChange::Changed(fields) => {
                let left: Vec<_> = fields
                    .iter()
                    .filter(|f| fresh(name, &f.field))
                    .cloned()
                    .collect();
                if !left.is_empty() {
                    add(name, DriftKind::Fields(left));
                }
            }
        }
    }
    items
}

fn group(
    asg: &AsgName,
    change: &GroupChange,
    fresh: &impl Fn(&str, &str) -> bool,
    add: &mut impl FnMut(&str, DriftKind),
) {
    let name = asg.as_str();
    match change {
        GroupChange::Create { .. } if fresh(name, "") => add(name, DriftKind::Missing),
        GroupChange::Retire { instances, .. } if fresh(name, "") => {
            add(name, DriftKind::Unexpected(instances.len()));
        }
        GroupChange::Create { .. } | GroupChange::Retire { .. } => {}
        GroupChange::Update {
            fields, replace, ..
        } => {
            let left: Vec<_> = fields
                .iter()
                .filter(|f| fresh(name, &f.field))
                .cloned()
                .collect();
            if !left.is_empty() {
                add(name, DriftKind::Fields(left));
            } else if fields.is_empty() && !replace.is_empty() && fresh(name, "") {
                add(name, DriftKind::Instances(replace.len()));
            }
        }
    }
}

/// What the last look for drift found in a cluster, for commands that ask the store alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftSeen {
    /// Form of this file, 1.
    pub version: u32,
    pub cluster: ClusterName,
    /// When, in the cloud's time.
    pub at: Timestamp,
    /// How many differences others made.
    pub by_others: usize,
    /// Of how many that is not known.
    pub not_known: usize,
    /// How many git wants and were not applied.
    pub not_applied: usize,
}

impl DriftSeen {
    /// Counts the differences of a cluster.
    pub fn of(cluster: &ClusterName, items: &[DriftItem], at: Timestamp) -> DriftSeen {
        let count = |class: DriftClass| items.iter().filter(|i| i.class == class).count();
        DriftSeen {
            version: 1,
            cluster: cluster.clone(),
            at,
            by_others: count(DriftClass::ByOthers),
            not_known: count(DriftClass::NotKnown),
            not_applied: count(DriftClass::NotApplied),
        }
    }
}
