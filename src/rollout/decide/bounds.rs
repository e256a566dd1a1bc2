//! How much may be launched and ended for the sake of one group before a person is asked. Never acts.

use crate::rollout::progress::GroupProgress;
use crate::rollout::reason::{Advice, GroupReason};
use crate::rollout::round::{DecisionBuilder, GroupContext};
use crate::rollout::schedule::{GroupTask, Rollout};

/// What comes on top of the instances there were to replace: what an autoscaler adds, what AWS takes back, surge that goes again.
fn slack(size: u32) -> u32 {
    const LEAST: u32 = 10;
    LEAST.max(size / 2)
}

/// The most launches, and the most terminations, that a rollout asks for in this group, one way.
pub(crate) fn bound(rollout: &Rollout, task: &GroupTask, of: impl Fn(&GroupTask) -> u32) -> u32 {
    let lends_to = task.lends.as_ref().and_then(|name| {
        let groups = rollout.clusters().flat_map(|c| &c.groups);
        groups.into_iter().find(|g| g.asg == *name)
    });
    // What stands in for another group comes and goes with it.
    let size = of(task).saturating_add(lends_to.map_or(0, of));
    size.saturating_add(slack(size))
}

/// Whether the group has had all that it may have; a person then looks why it takes so many.
pub(crate) fn used_up(view: &GroupContext<'_>, out: &mut DecisionBuilder<'_>) -> bool {
    let size = |task: &GroupTask| {
        let found = view.progress.groups.get(&task.asg);
        found.map_or(0, |g: &GroupProgress| g.instances)
    };
    let (most, spent) = (bound(view.rollout, view.task, size), view.group.spent);
    if spent.launches < most && spent.terminations < most {
        return false;
    }
    let why = GroupReason::BoundReached {
        launched: spent.launches,
        ended: spent.terminations,
        replaces: view.group.instances,
        most,
    };
    out.stuck(view, why, Advice::FindWhyNotStay);
    true
}
