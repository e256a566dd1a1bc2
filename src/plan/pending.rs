//! What only kops can do and was recorded as done by other means: remembered until it is seen. Compares; decides nothing.
//!
//! What kops puts into its Cluster and its groups reaches a node through the user data of its launch template. So it is seen when a
//! group refers to other user data than it did when the change was recorded, and no instance of it boots with the old one any more.

use std::collections::{BTreeMap, BTreeSet};

use super::boot::stored_hash;
use super::{
    Allow, Baseline, Blocked, ClusterPlan, DocumentChange, GroupChange, Pending, Wanted, fields,
};
use crate::desired::DesiredCluster;
use crate::model::{
    AsgName, Digest, LiveCluster, LiveGroup, NodeupHash, Stored, UserData, digest_of,
};

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
    for (key, change) in &plan.documents {
        let Some(reached) = reaches(wanted.desired, key) else {
            continue;
        };
        let noted = remember(change, live, &last, |name| reached.contains(name));
        // The same change, compared once more with what kops has stored, is no new one.
        let known = plan.pending.get(key).is_some_and(|p| p.change == *change);
        if !known && !noted.is_seen(live) {
            plan.pending.insert(key.clone(), noted);
        }
    }
}

/// Changes since the last rollout that kops' state store has and kops has not carried out: replacing the text lifts no block, what it stands for does.
pub(super) fn stored_only(
    plan: &mut ClusterPlan,
    wanted: &Wanted<'_>,
    live: &LiveCluster,
    allow: Allow,
) {
    let (Stored::Known(_), Some(baseline)) = (&live.documents, wanted.baseline) else {
        return;
    };
    for (key, document) in wanted.desired.beside_definitions() {
        let Some(reached) = reaches(wanted.desired, &key) else {
            continue;
        };
        let reaches = |name: &AsgName| reached.contains(name);
        let Some(before) = baseline.documents.get(&key) else {
            continue;
        };
        let changes = fields(before, &document);
        if changes.is_empty()
            || plan.documents.contains_key(&key)
            || plan.pending.contains_key(&key)
        {
            continue;
        }
        if is_carried_out(wanted.desired, live, &baseline.user_data, &reached) {
            continue;
        }
        if allow.documents {
            let change = DocumentChange::Changed(changes);
            let noted = remember(&change, live, &baseline.user_data, reaches);
            plan.pending.insert(key, noted);
        } else {
            plan.blocked.push(Blocked::NotCarriedOut { document: key });
        }
    }
}

type Reached<'d> = BTreeSet<&'d AsgName>;

/// The groups whose nodes a document can reach; none: it is not one of kops.
fn reaches<'d>(desired: &'d DesiredCluster, key: &str) -> Option<Reached<'d>> {
    let group = key.strip_prefix("InstanceGroup/").map(str::to_owned);
    let cluster = format!("Cluster/{}", desired.cluster);
    (group.is_some() || key == cluster).then_some(())?;
    let reached = desired
        .groups
        .iter()
        .filter(|(_, of)| {
            group
                .as_deref()
                .is_none_or(|g| of.definition.instance_group.as_str() == g)
        })
        .map(|(name, _)| name)
        .collect();
    Some(reached)
}

/// Whether there is a sign of kops' work in one of the groups: other user data than the last rollout left, in the version that is referred to or in a
/// newer one, or another hash in the state store. A group of which it is not known what it booted with gives no sign.
fn is_carried_out(
    desired: &DesiredCluster,
    live: &LiveCluster,
    last: &BTreeMap<AsgName, Digest>,
    reached: &Reached<'_>,
) -> bool {
    let groups = live.groups.iter();
    groups
        .filter(|(name, _)| reached.contains(name))
        .any(|(name, group)| {
            let of = desired.groups.get(name);
            let stored = of.and_then(|of| stored_hash(live, &of.definition.instance_group));
            last.get(name)
                .is_some_and(|before| has_moved(group, before, stored))
        })
}

fn has_moved(group: &LiveGroup, before: &Digest, stored: Option<&NodeupHash>) -> bool {
    let pinned = group.version.number();
    let mut newer = group.versions.range(pinned..).map(|(number, _)| *number);
    let own = group.versions.get(&pinned);
    let has = own
        .and_then(|own| own.data.user_data.as_ref())
        .and_then(|data| data.nodeup_config_hash.as_ref());
    let is_other_hash = stored.is_some_and(|stored| has.is_some_and(|has| has != stored));
    is_other_hash
        || newer.any(|number| digest(group, number).is_some_and(|digest| digest != *before))
}

/// Digests of the user data that the groups refer to when a plan is carried out.
pub(super) fn user_data(
    live: &LiveCluster,
    changes: &BTreeMap<AsgName, GroupChange>,
) -> BTreeMap<AsgName, Digest> {
    let mut digests: BTreeMap<AsgName, Digest> = live
        .groups
        .iter()
        .filter_map(|(name, group)| Some((name.clone(), referred(group)?)))
        .collect();
    for (name, change) in changes {
        let to = match change {
            GroupChange::Create { to } | GroupChange::Update { to, .. } => to,
            GroupChange::Retire { .. } => {
                digests.remove(name);
                continue;
            }
        };
        let comes = match &to.user_data {
            // What kops makes of it is known when it has.
            UserData::ByKops { .. } => {
                digests.remove(name);
                continue;
            }
            UserData::Given(text) => Some(digest_of(&Some(text))),
            UserData::CarriedFrom(version) => live
                .groups
                .get(name)
                .and_then(|group| digest(group, *version)),
        };
        if let Some(comes) = comes {
            digests.insert(name.clone(), comes);
        }
    }
    digests
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
