//! How clusters that are rolled at the same time go on with less: with a smaller surge, and where one each is too much, one after the other. Reads nothing.

use serde::{Deserialize, Serialize};

use super::need::ClusterNeed;
use super::peak::{Caps, asked_for, lines};
use crate::model::{AccountId, ClusterName, Region, RegionRoom};

/// No more than this at the same time in an account and region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomLimit {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// Clusters of the wave that are rolled together there.
    pub at_once: usize,
    /// Most surge of each of them.
    pub surge: Caps,
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

/// Every cluster's surge as its policy has it.
pub(super) fn whole(needs: &[&ClusterNeed]) -> Caps {
    let caps = needs.iter();
    caps.map(|n| (n.cluster.clone(), n.most_surge())).collect()
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
        return if together == most && caps == whole(needs) {
            Fit::Whole
        } else {
            Fit::Within(RoomLimit {
                account: first.account.clone(),
                region: first.region.clone(),
                at_once: together,
                surge: caps,
            })
        };
    }
    Fit::None
}

/// The surge of each cluster with which so many of them fit together; none: they do not, whatever their surge.
fn caps_for(needs: &[&ClusterNeed], together: usize, facts: &RegionRoom) -> Option<Caps> {
    let mut caps = whole(needs);
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
        let less = clusters.into_iter().find_map(|(amount, name)| {
            let need = needs.iter().find(|n| n.cluster == name)?;
            let cap = caps.get(&name)?;
            let lower = (1..*cap).rev().find(|cap| {
                let one = Caps::from([(name.clone(), *cap)]);
                let asked = asked_for(&[need], facts, &one);
                let left = asked.get(&lacking.resource).and_then(|of| of.get(&name));
                left.copied().unwrap_or(0) < amount
            })?;
            Some((name, lower))
        });
        let (name, lower) = less?;
        caps.insert(name, lower);
    }
}
