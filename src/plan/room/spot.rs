//! Spot placement scores: what AWS is asked about Spot Instances before a roll. They are advice: nothing waits for them. Makes no calls.
//!
//! Source: EC2 User Guide, "Spot placement score": of fewer than three types the score is always low; how many new questions may be asked within a
//! day is limited, the same ones may be asked again.

use std::collections::{BTreeMap, BTreeSet};

use super::need::{ClusterNeed, GroupNeed};
use crate::model::{Market, RegionRoom, RoomQuestion, SpotScore};

/// Types of which a score says something.
const TYPES: usize = 3;

/// Adds to what is asked the Spot Instances that these clusters launch. A rollout does not ask: it would do nothing else for it.
pub fn ask_scores<'n>(
    questions: &mut [RoomQuestion],
    needs: impl IntoIterator<Item = &'n ClusterNeed>,
) {
    for need in needs {
        let mut all = questions.iter_mut();
        let Some(question) = all.find(|q| q.account == need.account && q.region == need.region)
        else {
            continue;
        };
        for (types, instances) in asked(&need.groups) {
            let most = question.spot.entry(types.clone()).or_default();
            *most = instances.max(*most);
        }
    }
}

/// By types, what each group that has a score launches at most, rounded up: the same question is asked again though a group grows a little.
fn asked(groups: &[GroupNeed]) -> impl Iterator<Item = (&BTreeSet<String>, u32)> {
    let spot = groups
        .iter()
        .filter(|g| g.markets.contains(&Market::Spot) && g.types.len() >= TYPES);
    spot.map(|group| {
        let instances = group.surge.saturating_add(group.stays).max(1);
        let rounded = instances.checked_next_power_of_two();
        (&group.types, rounded.unwrap_or(instances))
    })
}

/// What was read of the types that these clusters launch.
pub(super) fn scores(needs: &[&ClusterNeed], facts: &RegionRoom) -> Vec<SpotScore> {
    let launched: BTreeMap<&BTreeSet<String>, u32> =
        needs.iter().flat_map(|need| asked(&need.groups)).collect();
    let found = facts.spot.iter();
    found
        .filter(|score| launched.contains_key(&score.types))
        .cloned()
        .collect()
}
