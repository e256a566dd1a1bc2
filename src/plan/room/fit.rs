//! How clusters that are rolled at the same time go on with less: with a smaller surge, and where one each is too much, one after the other. Reads nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::need::ClusterNeed;
use super::peak::{Caps, Resource, asked_for, lines, surging};
use crate::model::{AccountId, AsgName, ClusterName, Region, RegionRoom};

/// No more than this at the same time in an account and region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomLimit {
    pub account: AccountId,
    pub region: Region,
    /// Clusters of the wave that are rolled together there.
    pub at_once: usize,
    /// What bounds the surge of each of its clusters; none: nothing beside its policy.
    pub clusters: BTreeMap<ClusterName, Vec<SurgeLimit>>,
}

/// No more surge than this at the same time over some groups of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SurgeLimit {
    /// The groups: those that ask for what there is too little of.
    pub groups: BTreeSet<AsgName>,
    /// Most instances beyond those they have.
    pub most: u32,
}

/// Whether there is room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// For all of it, as far as that is known.
    Whole,
    /// Within these limits.
    Within(RoomLimit),
    /// Not even for one cluster with a surge of one.
    None,
}

/// The largest that there is room for: as many clusters together as possible, for each of them begins with a canary that bakes for itself, and
/// of those the largest surge.
pub(super) fn fit(needs: &[&ClusterNeed], at_once: usize, facts: &RegionRoom) -> Fit {
    let Some(first) = needs.first() else {
        return Fit::Whole;
    };
    let most = at_once.min(needs.len());
    for together in (1..=most).rev() {
        let Some(caps) = caps_for(needs, together, facts) else {
            continue;
        };
        if together == most && caps.is_empty() {
            return Fit::Whole;
        }
        let limits = |need: &&ClusterNeed| {
            let own = caps.iter().filter(|((name, _), _)| *name == need.cluster);
            let own = own.map(|((_, resource), most)| SurgeLimit {
                groups: surging(need, facts, resource).0,
                most: *most,
            });
            (need.cluster.clone(), own.collect())
        };
        return Fit::Within(RoomLimit {
            account: first.account.clone(),
            region: first.region.clone(),
            at_once: together,
            clusters: needs.iter().map(limits).collect(),
        });
    }
    Fit::None
}

/// The caps with which so many clusters fit together; none: they do not, whatever their surge.
fn caps_for(needs: &[&ClusterNeed], together: usize, facts: &RegionRoom) -> Option<Caps> {
    let mut caps = Caps::new();
    loop {
        let lines = lines(needs, facts, &caps, together);
        let Some(lacking) = lines.into_iter().find(|line| line.lacks() > 0) else {
            return Some(caps);
        };
        let amounts = asked_for(needs, facts, &caps).remove(&lacking.resource)?;
        // The cluster that asks for most of it gives up something first.
        let mut clusters: Vec<(u64, ClusterName)> =
            amounts.into_iter().map(|(name, n)| (n, name)).collect();
        clusters.sort_by(|a, b| b.cmp(a));
        let lower = clusters.into_iter().find_map(|(amount, name)| {
            let need = needs.iter().find(|n| n.cluster == name)?;
            lowered(need, facts, &lacking.resource, (&caps, amount))
        });
        let (key, cap) = lower?;
        caps.insert(key, cap);
    }
}

/// The next smaller cap with which the cluster asks for less of it; none where no cap above zero does.
fn lowered(
    need: &ClusterNeed,
    facts: &RegionRoom,
    resource: &Resource,
    (caps, amount): (&Caps, u64),
) -> Option<((ClusterName, Resource), u32)> {
    let key = (need.cluster.clone(), resource.clone());
    let now = caps.get(&key).copied();
    let now = now.unwrap_or_else(|| surging(need, facts, resource).1);
    let cap = (1..now).rev().find(|cap| {
        let one = Caps::from([(key.clone(), *cap)]);
        let asked = asked_for(&[need], facts, &one);
        let left = asked.get(resource).and_then(|of| of.get(&need.cluster));
        left.copied().unwrap_or(0) < amount
    })?;
    Some((key, cap))
}
