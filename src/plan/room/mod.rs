//! Room before a roll: what clusters that are rolled at the same time ask of their account and region at most, and what there is of it. Pure; makes no calls.
//!
//! A replacement stands beside the old instance until that one goes. Where it cannot be launched, AWS says so in the middle of a roll; what it
//! would say is known before. What could not be read is unknown: it is said, and never counts as enough.

mod fit;
mod need;
mod obstacle;
mod of_all;
mod of_plan;
mod peak;
mod shortage;
mod spot;
#[cfg(test)]
mod tests;
mod trial;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use fit::{Fit, RoomLimit, SurgeLimit};
pub use need::{ClusterNeed, GroupAim, GroupNeed, PodAddresses};
pub use obstacle::{Obstacle, ObstacleKind};
pub use of_all::of_all;
pub use of_plan::{WaveNeed, WaveOutlook, of_plan, outlooks};
pub use peak::{Resource, RoomLine};
pub use shortage::{RegionLack, RoomUnknown, Shortage};
pub use spot::ask_scores;

use crate::model::{AccountId, Region, RegionRoom, RoomQuestion, SpotScore};

/// How things stand in one account and region for clusters that are rolled at the same time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outlook {
    pub account: AccountId,
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
    pub unknown: Vec<RoomUnknown>,
    /// What AWS thinks of the Spot Instances that are launched: advice, which nothing waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spot: Vec<SpotScore>,
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

    /// What is missing, and what is not known.
    pub fn lack(&self) -> RegionLack {
        RegionLack {
            account: self.account.clone(),
            region: self.region.clone(),
            shortages: shortage::shortages(&self.lines, &self.obstacles),
            unknown: self.unknown.clone(),
        }
    }

    /// What can be rolled in spite of it, and should be known.
    pub fn notes(&self) -> Vec<Shortage> {
        shortage::together(&self.obstacles, false)
    }
}

/// What has to be asked for these clusters, by account and region.
pub fn questions<'n>(needs: impl IntoIterator<Item = &'n ClusterNeed>) -> Vec<RoomQuestion> {
    let mut all: BTreeMap<(&AccountId, &Region), RoomQuestion> = BTreeMap::new();
    for need in needs.into_iter().filter(|n| !n.is_empty()) {
        let question = all
            .entry((&need.account, &need.region))
            .or_insert_with(|| RoomQuestion {
                account: need.account.clone(),
                region: need.region.clone(),
                subnets: BTreeMap::new(),
                quotas: BTreeSet::new(),
                types: BTreeSet::new(),
                images: BTreeMap::new(),
                templates: BTreeMap::new(),
                spot: BTreeMap::new(),
                launches: BTreeMap::new(),
            });

        let templates = need.templates.iter().map(|(name, n)| (name.clone(), *n));
        question.templates.extend(templates);
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

/// The same, and the launches that are tried without being done. A plan asks without them: a look needs no right to launch.
pub fn questions_with_trials(needs: &[ClusterNeed]) -> Vec<RoomQuestion> {
    let mut all = questions(needs);
    for question in &mut all {
        let here = needs
            .iter()
            .filter(|n| n.account == question.account && n.region == question.region);
        question.launches = here.flat_map(trial::launches).collect();
    }
    all
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
        unknown: shortage::unknown(needs, facts),
        spot: spot::scores(needs, facts),
        fit: fit::fit(needs, at_once, facts),
    }
}
