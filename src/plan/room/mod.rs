//! Room before a roll: what clusters that are rolled at the same time ask of their account and region at most, and what there is of it. Pure; asks nobody.
//!
//! A replacement stands beside the old instance until that one goes. Where it cannot be launched, AWS says so in the middle of a roll; what it
//! would say is known before. What could not be read is unknown: it is said, and never counts as enough.

mod fit;
mod need;
mod obstacle;
mod of_plan;
mod peak;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use fit::{Fit, RoomLimit, SurgeLimit};
pub use need::{ClusterNeed, GroupAim, GroupNeed, PodAddresses};
use obstacle::said_together;
pub use obstacle::{Obstacle, ObstacleKind};
pub use of_plan::{WaveNeed, WaveOutlook, of_plan, outlooks};
pub use peak::{Resource, RoomLine};

use crate::model::{
    AccountId, ClusterName, Gap, Reading, Region, RegionRoom, RoomQuestion, SubnetRoom,
};

/// How things stand in one account and region for clusters that are rolled at the same time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outlook {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// Clusters of the wave there.
    pub clusters: usize,
    /// How many of them are rolled at the same time.
    pub at_once: usize,
    /// What is asked for, thing by thing.
    pub lines: Vec<RoomLine>,
    /// What no smaller surge helps against.
    pub obstacles: Vec<Obstacle>,
    /// What is not known.
    pub unknown: Vec<Gap>,
    /// Whether there is room.
    pub fit: Fit,
}

impl Outlook {
    /// Whether it can be rolled at all, in whatever time.
    pub fn is_possible(&self) -> bool {
        self.fit != Fit::None && !self.obstacles.iter().any(|o| o.is_in_the_way)
    }

    /// Whether there is room for all of it as it is meant, as far as that is known.
    pub fn is_whole(&self) -> bool {
        self.fit == Fit::Whole && !self.obstacles.iter().any(|o| o.is_in_the_way)
    }

    /// What is missing, with numbers.
    pub fn lacks(&self) -> Vec<String> {
        let lines = self.lines.iter().filter(|line| line.lacks() > 0);
        let lines = lines.map(|line| {
            format!(
                "{} {} are needed at the same time, {} are there: {} are missing",
                line.peak,
                line.resource,
                line.room.unwrap_or(0),
                line.lacks()
            )
        });
        lines.chain(said_together(&self.obstacles, true)).collect()
    }

    /// What can be rolled in spite of it, and should be known.
    pub fn notes(&self) -> Vec<String> {
        said_together(&self.obstacles, false)
    }
}

/// What has to be asked for these clusters, by account and region.
pub fn questions(needs: &[ClusterNeed]) -> Vec<RoomQuestion> {
    let mut all: BTreeMap<(&AccountId, &Region), RoomQuestion> = BTreeMap::new();
    for need in needs.iter().filter(|n| !n.is_empty()) {
        let question = all
            .entry((&need.account, &need.region))
            .or_insert_with(|| RoomQuestion {
                account: need.account.clone(),
                region: need.region.clone(),
                subnets: BTreeMap::new(),
                quotas: BTreeSet::new(),
                types: BTreeSet::new(),
                images: BTreeMap::new(),
            });
        let subnets = question.subnets.entry(need.cluster.clone()).or_default();
        for group in &need.groups {
            subnets.extend(group.subnets.iter().cloned());
            question.quotas.extend(group.vcpus().0.into_keys());
            question.types.extend(group.types.iter().cloned());
            let launched = question.images.entry(group.image.clone()).or_default();
            launched.extend(group.types.iter().cloned());
        }
    }
    all.into_values().collect()
}

/// How things stand for clusters of which `at_once` are rolled together, by account and region. `facts`: what was read.
pub fn outlook(needs: &[ClusterNeed], at_once: usize, facts: &[RegionRoom]) -> Vec<Outlook> {
    facts
        .iter()
        .filter_map(|facts| {
            let here: Vec<&ClusterNeed> = needs
                .iter()
                .filter(|n| n.account == facts.account && n.region == facts.region && !n.is_empty())
                .collect();
            (!here.is_empty()).then(|| of_region(&here, at_once, facts))
        })
        .collect()
}

fn of_region(needs: &[&ClusterNeed], at_once: usize, facts: &RegionRoom) -> Outlook {
    let at_once = at_once.clamp(1, needs.len().max(1));
    let obstacles: Vec<Obstacle> = needs
        .iter()
        .flat_map(|need| obstacle::obstacles(need, facts))
        .collect();
    Outlook {
        account: facts.account.clone(),
        region: facts.region.clone(),
        clusters: needs.len(),
        at_once,
        lines: peak::lines(needs, facts, &peak::Caps::new(), at_once),
        obstacles,
        unknown: unknown(needs, facts),
        fit: fit::fit(needs, at_once, facts),
    }
}

/// What is not known, and why: what could not be read, and what this program's tables do not have.
fn unknown(needs: &[&ClusterNeed], facts: &RegionRoom) -> Vec<Gap> {
    let RegionRoom {
        account: _,
        region: _,
        subnets,
        quotas,
        offered,
        images,
    } = facts;
    let gap = |what: &str, why: &str| Gap {
        what: what.to_owned(),
        why: why.to_owned(),
    };
    let mut gaps = Vec::new();
    match subnets {
        Reading::Unknown(why) => gaps.push(gap("free addresses", why)),
        Reading::Known(known) => gaps.extend(missing_subnets(needs, known)),
    }
    for (quota, reading) in quotas {
        if let Reading::Unknown(why) = reading {
            gaps.push(gap(&format!("vCPUs of the limit {quota}"), why));
        }
    }
    if let Reading::Unknown(why) = offered {
        gaps.push(gap("instance types by zone", why));
    }
    if let Reading::Unknown(why) = images {
        gaps.push(gap("images", why));
    }
    for group in needs.iter().flat_map(|need| &need.groups) {
        let unclear = group.vcpus().1;
        if !unclear.is_empty() {
            let names: Vec<&str> = unclear.iter().map(String::as_str).collect();
            let why = format!(
                "the vCPUs of {}, or the limit they count towards, are not in this program's tables",
                names.join(", ")
            );
            gaps.push(gap(&format!("vCPUs of {}", group.group), &why));
        }
        if group.types.is_empty() {
            let why = "it names attributes in place of instance types";
            gaps.push(gap(&format!("vCPUs of {}", group.group), why));
        }
    }
    gaps.sort();
    gaps.dedup();
    gaps
}

fn missing_subnets<'a>(
    needs: &'a [&ClusterNeed],
    known: &'a BTreeMap<ClusterName, BTreeMap<String, SubnetRoom>>,
) -> impl Iterator<Item = Gap> + 'a {
    let asked = needs.iter().flat_map(|need| {
        let subnets = need.groups.iter().flat_map(|g| &g.subnets);
        subnets.map(|subnet| (&need.cluster, subnet))
    });
    let missing = asked.filter(|(cluster, subnet)| {
        known
            .get(*cluster)
            .is_none_or(|found| !found.contains_key(*subnet))
    });
    missing.map(|(cluster, subnet)| Gap {
        what: format!("free addresses of {subnet}"),
        why: format!("{cluster} has no such subnet"),
    })
}
