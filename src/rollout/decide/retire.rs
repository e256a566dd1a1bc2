//! A group on its way out: emptied, and deleted only after the gates of its cluster passed. Never acts.

use super::again::open_steps;
use super::conflict::blocked_by_conflict;
use super::fields::differs;
use super::replace;
use crate::model::{CloudEffect, Definition};
use crate::rollout::reason::GroupReason;
use crate::rollout::round::{Budget, DecisionBuilder, GroupContext};
use crate::rollout::schedule::Task;

/// A group on its way out keeps its maximum and loses its minimum, so that its instances can end without being replaced; and
/// its warm pool, which would fill up again whatever ends. The tags by which an autoscaler finds it go first: it would fill it again too.
/// Source: cluster-autoscaler, AWS README, "Auto-Discovery Setup".
pub(crate) fn retiring(from: &Definition) -> Definition {
    const AUTOSCALER: &str = "k8s.io/cluster-autoscaler/";
    const OF_NODES: &str = "k8s.io/cluster-autoscaler/node-template/";
    let mut to = from.clone();
    let discovers = |key: &str| key.starts_with(AUTOSCALER) && !key.starts_with(OF_NODES);
    to.auto_scaling_group
        .tags
        .retain(|tag| !discovers(&tag.key));
    to.auto_scaling_group.min_size = 0;
    to.auto_scaling_group.warm_pool = None;
    to
}

/// What cannot be taken back comes last: forward, a group is deleted only after the gates of its cluster passed. Whether it is gone.
pub(crate) fn delete(
    view: &GroupContext<'_>,
    budget: &mut Budget,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let Task::Retire { from } = &view.task.task else {
        return true;
    };
    // It is gone when its deletion has an answer as well: nothing may be open when its cluster counts as verified.
    if view.live.is_none()
        && view.group.conflicts.drift.is_none()
        && view.group.conflicts.refused.is_none()
    {
        return !open_steps(view, out);
    }
    if !blocked_by_conflict(view, out) && !open_steps(view, out) {
        retire(view, from, true, budget, out);
    }
    false
}

pub(crate) fn retire(
    view: &GroupContext<'_>,
    from: &Definition,
    to_the_end: bool,
    budget: &mut Budget,
    out: &mut DecisionBuilder<'_>,
) {
    let Some(live) = view.live else {
        return out.done(view);
    };
    let to = retiring(from);
    if !view.group.updated && differs(from, &to) {
        return out.step(
            view,
            CloudEffect::UpdateGroup {
                from: Box::new(from.clone()),
                to: Box::new(to),
                version: None,
            },
        );
    }
    if live
        .instances
        .values()
        .any(|i| !i.lifecycle.rules().is_leaving)
    {
        return replace::empty(view, live, budget, out);
    }
    if live.desired > 0 {
        return out.step(
            view,
            CloudEffect::SetDesired {
                group: view.task.asg.clone(),
                from: live.desired,
                to: 0,
                launch: None,
            },
        );
    }
    if !live.instances.is_empty() {
        return out.wait(view, GroupReason::LastEnd, None);
    }
    if !to_the_end {
        return out.done(view);
    }
    out.step(
        view,
        CloudEffect::DeleteGroup {
            group: Box::new(to.auto_scaling_group),
        },
    );
}
