//! A lower maximum: it is never put below what the group wants at that moment, whichever way it goes. AWS would end instances that are
//! not drained. Source: Auto Scaling API, UpdateAutoScalingGroup. Never acts.

use std::borrow::Cow;

use super::fields::differs;
use crate::model::{CloudEffect, Definition, LiveGroup, VersionChange};
use crate::rollout::reason::{Advice, GroupReason};
use crate::rollout::round::{DecisionBuilder, GroupContext, Mode};
use crate::rollout::schedule::Task;

/// The next change of the group's own fields: all of them, but for a maximum that is too low now.
pub(crate) fn next_fields(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    from: &Definition,
    to: &Definition,
    version: Option<VersionChange>,
) -> Option<CloudEffect> {
    let held = with_maximum_of(to, from);
    let mut is = match view.group.given_max {
        Some(max) if max == to.auto_scaling_group.max_size => return None,
        Some(_) => held.clone(),
        None => Cow::Borrowed(from),
    };
    // The other way may not have come as far as its maximum.
    let max = live.group.max_size;
    if max == to.auto_scaling_group.max_size && max != is.auto_scaling_group.max_size {
        is.to_mut().auto_scaling_group.max_size = max;
    }
    let wanted = if is_too_low(live, from, to) {
        held
    } else {
        Cow::Borrowed(to)
    };
    differs(&is, &wanted).then(|| CloudEffect::UpdateGroup {
        from: Box::new(is.into_owned()),
        to: Box::new(wanted.into_owned()),
        // It comes with the first of these calls.
        version: version.filter(|_| !view.group.pinned),
    })
}

/// The maximum that the group still has to be given.
pub(crate) fn pending(view: &GroupContext<'_>) -> Option<u32> {
    let Task::Update { from, to, .. } = &view.task.task else {
        return None;
    };
    let (was, will) = (
        from.auto_scaling_group.max_size,
        to.auto_scaling_group.max_size,
    );
    let there = view.live.is_some_and(|live| live.group.max_size == will);
    (will < was && !there && view.group.given_max != Some(will)).then_some(will)
}

/// Instances that are drained and ended for the sake of a lower maximum, where that is allowed; `surge` is ours in any case.
pub(crate) fn excess(view: &GroupContext<'_>, live: &LiveGroup, surge: u32) -> u32 {
    let allowed = view.task.shrink && view.mode == Mode::Forward && !view.group.capacity.lending;
    pending(view).filter(|_| allowed).map_or(0, |max| {
        live.desired.saturating_sub(surge).saturating_sub(max)
    })
}

/// Whether nothing is left of it before the group is done; says what it waits for.
pub(crate) fn are_settled(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let Some(max) = pending(view).filter(|_| view.mode != Mode::Cleanup) else {
        return true;
    };
    let why = GroupReason::MaximumHeld {
        max,
        desired: live.desired,
    };
    let advice = Advice::FewerWanted {
        forward: view.mode == Mode::Forward && !view.task.shrink,
    };
    out.wait_for_others(view, why, advice);
    false
}

fn is_too_low(live: &LiveGroup, from: &Definition, to: &Definition) -> bool {
    let (was, will) = (
        from.auto_scaling_group.max_size,
        to.auto_scaling_group.max_size,
    );
    will < was && will < live.desired
}

/// `to` with the maximum of `from`.
fn with_maximum_of<'d>(to: &'d Definition, from: &Definition) -> Cow<'d, Definition> {
    let mut held = Cow::Borrowed(to);
    let max = from.auto_scaling_group.max_size;
    if max > to.auto_scaling_group.max_size {
        held.to_mut().auto_scaling_group.max_size = max;
    }
    held
}
