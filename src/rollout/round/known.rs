//! What was read, with what is known better: a look soon after a call of ours may still show what was before it. Decides nothing.

use std::borrow::Cow;

use super::instances::SETTLED;
use crate::model::{Lifecycle, Live, LiveGroup, Timestamp};
use crate::rollout::progress::{GroupProgress, Progress};

/// The live state, in which an instance that AWS was asked to end, and said yes, is not at work any more.
pub(crate) fn known<'a>(progress: &Progress, live: &'a Live, now: Timestamp) -> Cow<'a, Live> {
    let mut known = Cow::Borrowed(live);
    for (cluster, found) in &progress.clusters {
        for (name, group) in &found.groups {
            let shown = live.clusters.get(cluster).and_then(|c| c.groups.get(name));
            let Some(corrected) = shown.and_then(|shown| without_ended(group, shown, now)) else {
                continue;
            };
            if let Some(cluster) = known.to_mut().clusters.get_mut(cluster) {
                cluster.groups.insert(name.clone(), corrected.into());
            }
        }
    }
    known
}

fn without_ended(group: &GroupProgress, shown: &LiveGroup, now: Timestamp) -> Option<LiveGroup> {
    let lately = group.ended_at.iter().filter(|(_, at)| now < **at + SETTLED);
    let at_work = lately.map(|(id, _)| id).filter(|id| {
        shown
            .instances
            .get(*id)
            .is_some_and(|i| !i.lifecycle.rules().is_leaving)
    });
    let mut corrected = None;
    for id in at_work {
        let group = corrected.get_or_insert_with(|| shown.clone());
        if let Some(instance) = group.instances.get_mut(id) {
            instance.lifecycle = Lifecycle::Terminating;
        }
    }
    corrected
}
