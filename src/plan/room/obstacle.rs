//! What no smaller surge helps against: types that a zone does not offer, images that are not there or for another processor. Reads nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::need::{ClusterNeed, GroupNeed};
use super::trial;
use crate::model::{AsgName, ClusterName, MANY_VERSIONS, MOST_VERSIONS, RegionRoom};

/// Something that keeps a group from launching what it has to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Obstacle {
    pub cluster: ClusterName,
    pub group: AsgName,
    /// What AWS refused.
    pub what: ObstacleKind,
    /// Instances that are replaced have to come there, so that the group cannot be rolled; else AWS launches what it can.
    pub is_in_the_way: bool,
}

/// What keeps a group from launching.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ObstacleKind {
    /// A zone offers none of its types.
    NotOffered {
        zone: String,
        types: BTreeSet<String>,
    },
    /// A zone offers some of its types only.
    OfferedInPart {
        zone: String,
        /// Those that it does not offer.
        missing: BTreeSet<String>,
    },
    /// There is no such image, or it cannot be launched.
    NoImage { image: String },
    /// The image is for another processor.
    OtherArchitecture {
        image: String,
        /// What it is for.
        image_is: String,
        /// What the group's types run.
        types_are: String,
    },
    /// The launch template has as many versions as AWS keeps, or nearly so: it takes no other one at the limit.
    ManyVersions {
        /// Versions that it has, at most.
        versions: u64,
        /// How many AWS keeps.
        limit: u64,
    },
    /// AWS would refuse the launch itself: its profile, key pair, security groups, subnet or image.
    LaunchRefused {
        /// In its words.
        why: String,
    },
}

/// Everything that stands in the way of one cluster.
pub(super) fn obstacles(need: &ClusterNeed, facts: &RegionRoom) -> Vec<Obstacle> {
    let groups = need.groups.iter();
    let refused = trial::refusals(need, facts);
    let of_groups = groups.flat_map(|group| {
        let launch = refused.get(&group.group).map(|why| {
            let why = (*why).to_owned();
            (ObstacleKind::LaunchRefused { why }, true)
        });
        let found = offers(need, group, facts).into_iter();
        // An image that is not there is said once, in words of our own.
        let image = image(group, facts).or(launch);
        let found = found.chain(image);
        found.map(|(what, is_in_the_way)| Obstacle {
            cluster: need.cluster.clone(),
            group: group.group.clone(),
            what,
            is_in_the_way,
        })
    });
    of_groups.chain(versions(need, facts)).collect()
}

/// Launch templates that have no version left, or few.
fn versions(need: &ClusterNeed, facts: &RegionRoom) -> Vec<Obstacle> {
    let known = need.templates.keys().filter_map(|name| {
        let found = facts.templates.get(name)?.known()?;
        (*found >= MANY_VERSIONS).then_some((name, *found))
    });
    let all = known.map(|(name, versions)| Obstacle {
        cluster: need.cluster.clone(),
        group: name.clone(),
        what: ObstacleKind::ManyVersions {
            versions,
            limit: MOST_VERSIONS,
        },
        is_in_the_way: versions >= MOST_VERSIONS,
    });
    all.collect()
}

fn offers(need: &ClusterNeed, group: &GroupNeed, facts: &RegionRoom) -> Vec<(ObstacleKind, bool)> {
    let known = (facts.subnets.known(), facts.offered.known());
    let (Some(subnets), Some(offered)) = known else {
        return Vec::new();
    };
    let here = subnets.get(&need.cluster);
    let zones: BTreeSet<&str> = group
        .subnets
        .iter()
        .filter_map(|name| Some(here?.get(name)?.zone.as_str()))
        .collect();
    let nothing = BTreeSet::new();
    let missing_in = |zone: &str| -> BTreeSet<String> {
        let there = offered.get(zone).unwrap_or(&nothing);
        group.types.difference(there).cloned().collect()
    };
    let is_offered = |zone: &&str| missing_in(zone).len() < group.types.len();
    let nowhere = !group.types.is_empty() && !zones.iter().any(is_offered);
    let mut found = Vec::new();
    for zone in zones {
        let missing = missing_in(zone);
        if missing.is_empty() {
            continue;
        }
        let zone = zone.to_owned();
        if missing.len() < group.types.len() {
            found.push((ObstacleKind::OfferedInPart { zone, missing }, false));
            continue;
        }
        // A control plane's members are at home in a zone with their volumes.
        let is_tied = group.keeps_zones || group.surge == 0;
        let has_old = group
            .old_zones
            .as_ref()
            .is_none_or(|old| old.contains(&zone));
        let types = missing;
        found.push((
            ObstacleKind::NotOffered { zone, types },
            nowhere || (is_tied && has_old),
        ));
    }
    found
}

fn image(group: &GroupNeed, facts: &RegionRoom) -> Option<(ObstacleKind, bool)> {
    let image = group.image.clone();
    let found = facts.images.known()?.get(&image);
    match (found, group.architecture()) {
        (None, _) => Some((ObstacleKind::NoImage { image }, true)),
        (Some(Some(is)), Some(types)) if is != types => {
            let what = ObstacleKind::OtherArchitecture {
                image,
                image_is: is.clone(),
                types_are: types.to_owned(),
            };
            Some((what, true))
        }
        (Some(_), Some(_) | None) => None,
    }
}
