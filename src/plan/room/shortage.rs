//! What is missing, and what is not known, as facts with codes. The sentences are in `report`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::need::ClusterNeed;
use super::obstacle::{Obstacle, ObstacleKind};
use super::peak::{Resource, RoomLine};
use crate::model::{AccountId, AsgName, ClusterName, Quota, Reading, Region, RegionRoom};

/// What is missing in an account and region for clusters that are rolled at the same time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionLack {
    pub account: AccountId,
    pub region: Region,
    /// What is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortages: Vec<Shortage>,
    /// What is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<RoomUnknown>,
}

/// Something of which there is too little.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Shortage {
    /// Less than is asked for at the same time.
    TooFew {
        /// Of what.
        resource: Resource,
        /// What is asked for at the same time, at most.
        peak: u64,
        /// What there is.
        room: u64,
        /// What one cluster after the other would ask for, with a surge of 1.
        #[serde(default)]
        least: u64,
    },
    /// Something that no smaller surge helps against.
    CannotLaunch {
        /// What AWS would refuse.
        what: ObstacleKind,
        /// The groups that it is about.
        groups: BTreeSet<AsgName>,
    },
}

/// Something of which it is not known how much there is. It is never zero, and never enough.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RoomUnknown {
    /// Free addresses could not be read.
    Addresses {
        /// In the words of who refused.
        why: String,
    },
    /// A subnet was not found.
    NoSubnet {
        cluster: ClusterName,
        /// As its definition names it.
        subnet: String,
    },
    /// A limit of vCPUs, or what runs, could not be read.
    Vcpus {
        /// The limit.
        quota: Quota,
        /// In the words of who refused.
        why: String,
    },
    /// The tables of this program do not have these types, or the limit that they count towards.
    NewTypes {
        group: AsgName,
        types: BTreeSet<String>,
    },
    /// The group names attributes in place of instance types.
    Attributes { group: AsgName },
    /// Which zone offers which type could not be read.
    Offers {
        /// In the words of who refused.
        why: String,
    },
    /// Images could not be read.
    Images {
        /// In the words of who refused.
        why: String,
    },
    /// How many versions launch templates have could not be read.
    Versions {
        /// In the words of who refused.
        why: String,
        /// Their groups.
        groups: BTreeSet<AsgName>,
    },
    /// Whether AWS takes the launch could not be tried.
    Launches {
        /// In the words of who refused.
        why: String,
        /// The groups that were to be tried.
        groups: BTreeSet<AsgName>,
    },
}

/// What is missing: of things that are counted, and what is in the way.
pub(super) fn shortages(lines: &[RoomLine], obstacles: &[Obstacle]) -> Vec<Shortage> {
    let lines = lines.iter().filter(|line| line.lacks() > 0);
    let counted = lines.map(|line| Shortage::TooFew {
        resource: line.resource.clone(),
        peak: line.peak,
        room: line.room.unwrap_or(0),
        least: line.least,
    });
    counted.chain(together(obstacles, true)).collect()
}

/// Each obstacle once, with the groups that it is about: those in the way, or the others.
pub(super) fn together(obstacles: &[Obstacle], in_the_way: bool) -> Vec<Shortage> {
    let mut groups: BTreeMap<&ObstacleKind, BTreeSet<AsgName>> = BTreeMap::new();
    for found in obstacles.iter().filter(|o| o.is_in_the_way == in_the_way) {
        let of = groups.entry(&found.what).or_default();
        of.insert(found.group.clone());
    }
    let all = groups
        .into_iter()
        .map(|(what, groups)| Shortage::CannotLaunch {
            what: what.clone(),
            groups,
        });
    all.collect()
}

/// What is not known: what could not be read, and what this program's tables do not have.
pub(super) fn unknown(needs: &[&ClusterNeed], facts: &RegionRoom) -> Vec<RoomUnknown> {
    let RegionRoom {
        account: _,
        region: _,
        subnets,
        quotas,
        offered,
        images,
        templates,
        // Advice: unknown, it is said apart.
        spot: _,
        launches,
    } = facts;
    let mut found: BTreeSet<RoomUnknown> = unread(launches)
        .map(|(why, groups)| RoomUnknown::Launches { why, groups })
        .chain(unread(templates).map(|(why, groups)| RoomUnknown::Versions { why, groups }))
        .collect();
    if let Reading::Unknown(why) = subnets {
        found.insert(RoomUnknown::Addresses { why: why.clone() });
    }
    for (quota, reading) in quotas {
        if let Reading::Unknown(why) = reading {
            let (quota, why) = (*quota, why.clone());
            found.insert(RoomUnknown::Vcpus { quota, why });
        }
    }
    if let Reading::Unknown(why) = offered {
        found.insert(RoomUnknown::Offers { why: why.clone() });
    }
    if let Reading::Unknown(why) = images {
        found.insert(RoomUnknown::Images { why: why.clone() });
    }
    for need in needs {
        let known = subnets.known().map(|of| of.get(&need.cluster));
        for group in &need.groups {
            let there = |name: &String| {
                known.is_none_or(|of| of.is_some_and(|rooms| rooms.contains_key(name)))
            };
            let missing = group.subnets.iter().filter(|name| !there(name));
            found.extend(missing.map(|subnet| RoomUnknown::NoSubnet {
                cluster: need.cluster.clone(),
                subnet: subnet.clone(),
            }));
            let (group, types) = (group.group.clone(), group.vcpus().1);
            if !types.is_empty() {
                found.insert(RoomUnknown::NewTypes { group, types });
            }
        }
        let by_attributes = need.groups.iter().filter(|g| g.types.is_empty());
        found.extend(by_attributes.map(|g| RoomUnknown::Attributes {
            group: g.group.clone(),
        }));
    }
    found.into_iter().collect()
}

/// Groups of which AWS did not say what was asked, those of one reason together.
fn unread<T>(
    readings: &BTreeMap<AsgName, Reading<T>>,
) -> impl Iterator<Item = (String, BTreeSet<AsgName>)> {
    let mut groups: BTreeMap<&str, BTreeSet<AsgName>> = BTreeMap::new();
    for (group, reading) in readings {
        if let Reading::Unknown(why) = reading {
            groups.entry(why).or_default().insert(group.clone());
        }
    }
    let all = groups.into_iter();
    all.map(|(why, groups)| (why.to_owned(), groups))
}
