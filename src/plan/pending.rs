//! What only kops can do and was recorded as done by other means: remembered until it is seen. Compares; decides nothing.
//!
//! What kops puts into its Cluster and its groups reaches a node through the user data of its launch template. So it is seen when a
//! group refers to other user data than it did when the change was recorded, and no instance of it boots with the old one any more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Allow, Baseline, ClusterPlan, DocumentChange, Wanted};
use crate::model::{AsgName, Digest, LiveCluster, LiveGroup, Timestamp, digest_of};

/// A change of a document that was recorded as applied by other means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// What changed.
    pub change: DocumentChange,
    /// Digest of the user data that each group it can reach referred to at that time.
    pub user_data: BTreeMap<AsgName, Digest>,
    /// Who knows that no node has to show it; none: it is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
}

/// A person's word that a change is where it belongs although no node can show it, as with what kops puts into an addon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acknowledged {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// A document's change, as it is remembered from now on; `reaches` are the groups whose nodes it can reach.
fn remember(
    change: &DocumentChange,
    live: &LiveCluster,
    last: &BTreeMap<AsgName, Digest>,
    reaches: impl Fn(&AsgName) -> bool,
) -> Pending {
    let user_data = live
        .groups
        .iter()
        .filter(|(name, _)| reaches(name))
        .filter_map(|(name, group)| {
            // Who did it before saying so is not asked for it once more.
            let before = last.get(name).cloned().or_else(|| referred(group))?;
            Some((name.clone(), before))
        })
        .collect();
    Pending {
        change: change.clone(),
        user_data,
        acknowledged: None,
    }
}

/// What was recorded as done elsewhere and is not to be seen yet, and what is recorded now.
pub(super) fn remembered(
    plan: &mut ClusterPlan,
    wanted: &Wanted<'_>,
    live: &LiveCluster,
    allow: Allow,
) {
    let before = wanted
        .baseline
        .map(|b| b.pending.clone())
        .unwrap_or_default();
    plan.pending
        .extend(before.into_iter().filter(|(_, p)| !p.is_seen(live)));
    let last = wanted
        .baseline
        .map(|b| b.user_data.clone())
        .unwrap_or_default();
    if !allow.documents {
        return;
    }
    let cluster = format!("Cluster/{}", wanted.desired.cluster);
    for (key, change) in &plan.documents {
        let group = key.strip_prefix("InstanceGroup/");
        if *key != cluster && group.is_none() {
            continue;
        }
        let is_it = |name: &AsgName| {
            let of = wanted.desired.groups.get(name);
            group.is_none_or(|g| of.is_some_and(|d| d.definition.instance_group.as_str() == g))
        };
        let noted = remember(change, live, &last, is_it);
        // The same change, compared once more with what kops has stored, is no new one.
        let known = plan.pending.get(key).is_some_and(|p| p.change == *change);
        if !known && !noted.is_seen(live) {
            plan.pending.insert(key.clone(), noted);
        }
    }
}

/// Digests of the user data that the groups refer to.
pub(super) fn user_data(live: &LiveCluster) -> BTreeMap<AsgName, Digest> {
    let groups = live.groups.iter();
    groups
        .filter_map(|(name, group)| Some((name.clone(), referred(group)?)))
        .collect()
}

/// The pending changes of a plan, with what was acknowledged since it was made.
pub(crate) fn with_acknowledged(
    planned: &BTreeMap<String, Pending>,
    baseline: Option<&Baseline>,
) -> BTreeMap<String, Pending> {
    let since = |key: &String, pending: &Pending| {
        let now = baseline?.pending.get(key)?;
        (now.change == pending.change).then(|| now.acknowledged.clone())?
    };
    planned
        .iter()
        .map(|(key, pending)| {
            let acknowledged = pending.acknowledged.clone().or_else(|| since(key, pending));
            let pending = Pending {
                acknowledged,
                ..pending.clone()
            };
            (key.clone(), pending)
        })
        .collect()
}

impl Pending {
    /// Whether every group that is still there boots with other user data now, all of its instances among it.
    pub(super) fn is_seen(&self, live: &LiveCluster) -> bool {
        let mut there = self
            .user_data
            .iter()
            .filter_map(|(name, before)| Some((live.groups.get(name)?, before)))
            .peekable();
        there.peek().is_some() && there.all(|(group, before)| moved_on(group, before))
    }
}

fn moved_on(group: &LiveGroup, before: &Digest) -> bool {
    let is_other = |n: u64| digest(group, n).is_some_and(|d| d != *before);
    let instances = group
        .instances
        .values()
        .filter(|i| !i.lifecycle.rules().is_leaving);
    is_other(group.version.number())
        && instances
            .map(|i| i.version)
            .all(|v| v.is_some_and(is_other))
}

fn referred(group: &LiveGroup) -> Option<Digest> {
    digest(group, group.version.number())
}

fn digest(group: &LiveGroup, version: u64) -> Option<Digest> {
    Some(digest_of(&group.versions.get(&version)?.user_data))
}

#[cfg(test)]
mod tests;
