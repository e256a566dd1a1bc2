//! What was read, with what is known better: a look soon after a call of ours may still show what was before it. Decides nothing.

use std::borrow::Cow;

use super::instances::SETTLED;
use crate::model::{Lifecycle, Live, LiveGroup, Timestamp};
use crate::rollout::progress::{GroupProgress, Progress};

/// The live state, in which an instance that AWS was asked to end, and said yes, is not at work any more, one that it was asked to take out
/// of its group is not in it, and a maximum that it was given is the one it has.
pub(crate) fn known<'a>(progress: &Progress, live: &'a Live, now: Timestamp) -> Cow<'a, Live> {
    let mut known = Cow::Borrowed(live);
    for (cluster, shown) in &live.clusters {
        let groups = progress.clusters.get(cluster).map(|c| &c.groups);
        for (name, group) in groups.into_iter().flatten() {
            let Some(shown) = shown.groups.get(name) else {
                continue;
            };
            let mut corrected = without_gone(group, shown, now);
            if let Some(max) = lower_maximum(group, shown, now) {
                let corrected = corrected.get_or_insert_with(|| (**shown).clone());
                corrected.group.max_size = max;
            }
            let Some(corrected) = corrected else { continue };
            if let Some(cluster) = known.to_mut().clusters.get_mut(cluster) {
                cluster.groups.insert(name.clone(), corrected.into());
            }
        }
    }
    known
}

/// The maximum that was set lately, where more is shown: a launch above it would be refused. Where less is shown others have lowered it.
fn lower_maximum(group: &GroupProgress, shown: &LiveGroup, now: Timestamp) -> Option<u32> {
    let (max, at) = group.max_set?;
    (now < at + SETTLED && max < shown.group.max_size).then_some(max)
}

/// Without what was ended lately, and what was taken out of the group: it runs on, and has no part in the desired capacity.
fn without_gone(group: &GroupProgress, shown: &LiveGroup, now: Timestamp) -> Option<LiveGroup> {
    let lately = group.ended_at.iter().filter(|(_, at)| now < **at + SETTLED);
    let ended = lately.map(|(id, _)| (id, Lifecycle::Terminating));
    let detached = &group.outstanding.detached;
    let detached = detached.iter().map(|id| (id, Lifecycle::Detached));
    let mut corrected: Option<LiveGroup> = None;
    for (id, lifecycle) in detached.chain(ended) {
        let is_shown_otherwise = shown
            .instances
            .get(id)
            .is_some_and(|i| !i.lifecycle.rules().is_leaving && i.lifecycle != lifecycle);
        if !is_shown_otherwise {
            continue;
        }
        let group = corrected.get_or_insert_with(|| shown.clone());
        if let Some(instance) = group.instances.get_mut(id) {
            instance.lifecycle = lifecycle;
        }
    }
    corrected
}
