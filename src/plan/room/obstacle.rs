//! What no smaller surge helps against: types that a zone does not offer, images that are not there or for another processor. Reads nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::need::{ClusterNeed, GroupNeed};
use crate::model::{AsgName, ClusterName, Reading, RegionRoom};

/// Groups that are named for one obstacle.
const NAMED: usize = 3;

/// Something that keeps a group from launching what it has to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Obstacle {
    /// The cluster.
    pub cluster: ClusterName,
    /// The group.
    pub group: AsgName,
    /// What.
    pub what: ObstacleKind,
    /// Instances that are replaced have to come there, so that the group cannot be rolled; else AWS launches what it can.
    pub is_in_the_way: bool,
}

/// What keeps a group from launching.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObstacleKind {
    /// A zone offers none of its types.
    NotOffered {
        /// The zone.
        zone: String,
        /// Its types.
        types: BTreeSet<String>,
    },
    /// A zone offers some of its types only.
    OfferedInPart {
        /// The zone.
        zone: String,
        /// Those that it does not offer.
        missing: BTreeSet<String>,
    },
    /// There is no such image, or it cannot be launched.
    NoImage {
        /// The image.
        image: String,
    },
    /// The image is for another processor.
    OtherArchitecture {
        /// The image.
        image: String,
        /// What it is for.
        image_is: String,
        /// What the group's types run.
        types_are: String,
    },
}

impl fmt::Display for ObstacleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &BTreeSet<String>| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            names.join(", ")
        };
        match self {
            ObstacleKind::NotOffered { zone, types } => {
                write!(f, "zone {zone} does not offer {}", list(types))
            }
            ObstacleKind::OfferedInPart { zone, missing } => {
                write!(
                    f,
                    "zone {zone} offers other types of these groups, not {}",
                    list(missing)
                )
            }
            ObstacleKind::NoImage { image } => {
                write!(f, "image {image} is not there, or cannot be launched")
            }
            ObstacleKind::OtherArchitecture {
                image,
                image_is,
                types_are,
            } => write!(
                f,
                "image {image} is for {image_is}, and the instance types are {types_are}"
            ),
        }
    }
}

/// Each of them once, with the groups that it is about.
pub(super) fn said_together(obstacles: &[Obstacle], in_the_way: bool) -> Vec<String> {
    let mut groups: BTreeMap<&ObstacleKind, Vec<&AsgName>> = BTreeMap::new();
    for found in obstacles.iter().filter(|o| o.is_in_the_way == in_the_way) {
        groups.entry(&found.what).or_default().push(&found.group);
    }
    let said = groups.into_iter().map(|(what, groups)| {
        let names: Vec<&str> = groups.iter().take(NAMED).map(|g| g.as_str()).collect();
        let more = match groups.len().saturating_sub(NAMED) {
            0 => String::new(),
            left => format!(" and {left} more groups"),
        };
        format!("{what} (of {}{more})", names.join(", "))
    });
    said.collect()
}

/// Everything that stands in the way of one cluster.
pub(super) fn obstacles(need: &ClusterNeed, facts: &RegionRoom) -> Vec<Obstacle> {
    let groups = need.groups.iter();
    groups
        .flat_map(|group| {
            let found = offers(need, group, facts)
                .into_iter()
                .chain(image(group, facts));
            found.map(|(what, is_in_the_way)| Obstacle {
                cluster: need.cluster.clone(),
                group: group.group.clone(),
                what,
                is_in_the_way,
            })
        })
        .collect()
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
        (Some(Some(is)), Reading::Known(types)) if is != types => {
            let what = ObstacleKind::OtherArchitecture {
                image,
                image_is: is.clone(),
                types_are: types.to_owned(),
            };
            Some((what, true))
        }
        (Some(_), Reading::Known(_) | Reading::Unknown(_)) => None,
    }
}
