//! A group that is changed: new version, its own fields, the pin, then its instances. Never acts.

use std::collections::BTreeSet;

use super::create::new_version;
use super::fields::differs;
use super::pinned::{Pin, is_moved};
use super::sizes::{are_settled, excess, next_fields};
use super::{by_kops, late, refresh, replace, way_back};
use crate::fleet::Strategy;
use crate::kops::Role;
use crate::model::{CloudEffect, Definition, InstanceId, LiveGroup, VersionChange};
use crate::rollout::progress::GroupState;
use crate::rollout::reason::{Advice, GroupReason};
use crate::rollout::round::{
    Budget, DecisionBuilder, GroupContext, Mode, outdated, ready_instances,
};
use crate::rollout::schedule::VersionSource;

/// The parts of an update.
pub(crate) struct Move<'a> {
    pub(crate) from: &'a Definition,
    pub(crate) to: &'a Definition,
    pub(crate) from_version: u64,
    pub(crate) version: &'a VersionSource,
    pub(crate) replace: bool,
}

pub(crate) fn update(
    view: &GroupContext<'_>,
    change: &Move<'_>,
    budget: &mut Budget,
    out: &mut DecisionBuilder<'_>,
) {
    let Some(live) = view.live else {
        return out.stuck(view, GroupReason::GroupGone, Advice::FindWhoDeleted);
    };
    if view.group.capacity.lending && view.mode == Mode::Forward {
        return lend(view, live, change, budget, out);
    }
    let uses_refresh = refresh::is_used(view) && change.replace;
    if uses_refresh
        && view.mode == Mode::Undo
        && refresh::taken_back(view, live, change.from_version, out)
    {
        return;
    }
    if by_kops::is_made(view.task) && view.group.version.is_none() {
        let made = (change.version, change.from_version, change.to);
        // The sizes first, with the care that kops does not take.
        match next_fields(view, live, change.from, change.to, None) {
            Some(fields) => return out.step(view, fields),
            None if by_kops::is_making(view, made, out) => return,
            None => {}
        }
    }
    if by_kops::is_taking_back(view, change.to, out) {
        return;
    }
    let version = match (change.version, view.group.version) {
        (VersionSource::Existing(n), _) => *n,
        (VersionSource::New(_), Some(n)) => n,
        (VersionSource::New(user_data), None) => {
            return out.step(
                view,
                new_version(view, change.to, user_data, Some(change.from_version)),
            );
        }
    };
    if way_back::is_lost(view, live, version, out) || version == 0 && refilled(view, live, out) {
        return;
    }
    let together = in_one_call(change) && version != 0 && version != change.from_version;
    let with = together.then_some(VersionChange {
        from: change.from_version,
        to: version,
    });
    if let Some(fields) = next_fields(view, live, change.from, change.to, with) {
        return out.step(view, fields);
    }
    if is_refilling(view, live, change, out) {
        return;
    }
    let outdated = if change.replace {
        to_be_replaced(view, live, change, version)
    } else {
        BTreeSet::new()
    };
    // A refresh brings the version with it; where it has nothing to replace, the group is pinned like any other.
    if uses_refresh
        && version != 0
        && !view.group.outstanding.has_exchange()
        && (view.group.refresh.is_some() || !outdated.is_empty())
    {
        return refreshed(view, live, (change, version), &outdated, budget, out);
    }
    // Version 0 stands for "leave it": the way back of a retired group, which never moved to another one.
    if version != 0
        && (is_pinning(view, live, change, version, out) || is_given_back(view, live, out))
    {
        return;
    }
    if !change.replace {
        return exchanged(view, live, budget, out);
    }
    replace::replace(view, live, outdated, budget, out);
}

/// AWS replaces the instances that are outdated, by those of the version; what is left is done when it has.
///
/// The state store names one nodeup configuration of a group: once kops has changed it, the version before boots no more. So the group is pinned
/// first, as AWS launches what it refers to whenever somebody wants more of it.
fn refreshed(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    (change, to): (&Move<'_>, u64),
    outdated: &BTreeSet<InstanceId>,
    budget: &mut Budget,
    out: &mut DecisionBuilder<'_>,
) {
    if view.group.kops_asked && is_pinning(view, live, change, to, out) {
        return;
    }
    let from = change.from_version;
    if refresh::turn(view, live, from, to, outdated, out) && !is_given_back(view, live, out) {
        exchanged(view, live, budget, out);
    }
}

/// Nothing is to be replaced: what is open is released, and what a lower maximum has no room for is drained. A maximum that waits until fewer
/// instances are wanted is not done.
fn exchanged(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    budget: &mut Budget,
    out: &mut DecisionBuilder<'_>,
) {
    if !view.group.outstanding.is_empty() || excess(view, live, 0) > 0 {
        return replace::replace(view, live, BTreeSet::new(), budget, out);
    }
    if are_settled(view, live, out) {
        out.done(view);
    }
}

/// A group that is done and stands in for another one: what it launches for that is what this rollout has proven, or nothing.
fn lend(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    change: &Move<'_>,
    budget: &mut Budget,
    out: &mut DecisionBuilder<'_>,
) {
    let version = match change.version {
        VersionSource::Existing(n) => Some(*n),
        VersionSource::New(_) => view.group.version,
    };
    let pin = version
        .filter(|n| *n != 0 && view.group.pinned)
        .map(|version| Pin {
            from: change.from_version,
            version,
            to: change.to,
        });
    if pin.is_some_and(|pin| is_moved(view, live, &pin, out)) {
        return;
    }
    replace::replace(view, live, BTreeSet::new(), budget, out);
}

/// Pins the version; or others have moved the pin since.
fn is_pinning(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    change: &Move<'_>,
    version: u64,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    if !view.group.pinned {
        out.step(
            view,
            CloudEffect::PinVersion {
                group: view.task.asg.clone(),
                from: change.from_version,
                to: version,
            },
        );
        return true;
    }
    let pin = Pin {
        from: change.from_version,
        version,
        to: change.to,
    };
    // Just before anything goes for it: what new instances are is what this rollout has made of them.
    is_moved(view, live, &pin, out)
}

/// The way back of a group that was drained for the sake of a lower maximum: what that took comes back, as what the group was.
fn is_given_back(view: &GroupContext<'_>, live: &LiveGroup, out: &mut DecisionBuilder<'_>) -> bool {
    view.mode == Mode::Undo && refilled(view, live, out)
}

/// The way back of a retired group: what was taken from it comes back while its minimum cannot add to that.
fn refilled(view: &GroupContext<'_>, live: &LiveGroup, out: &mut DecisionBuilder<'_>) -> bool {
    let back = live
        .desired
        .saturating_add(view.group.taken)
        .min(live.group.max_size);
    if back > live.desired {
        out.step(
            view,
            CloudEffect::SetDesired {
                group: view.task.asg.clone(),
                from: live.desired,
                to: back,
                launch: None,
            },
        );
    }
    back > live.desired
}

/// The way back of a retired group is over when what came back works: until then nothing that took its place may go.
fn is_refilling(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    change: &Move<'_>,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let GroupState::Rolling(since) = view.group.state else {
        return false;
    };
    if view.mode != Mode::Undo || change.from_version != 0 || !differs(change.from, change.to) {
        return false;
    }
    let wanted = usize::try_from(live.desired).unwrap_or(usize::MAX);
    let ready = ready_instances(view, live).count();
    let why = GroupReason::NotBack { ready, wanted };
    if ready >= wanted {
        return false;
    }
    if view.waited(since) > view.task.rolling.ready_timeout {
        out.failed(view, why);
    } else {
        out.wait(view, why, None);
    }
    true
}

/// Instances that have to be replaced. Where nothing is replaced on the way forward, only those go back that came anew meanwhile.
fn to_be_replaced(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    change: &Move<'_>,
    version: u64,
) -> BTreeSet<InstanceId> {
    let mut outdated = outdated(live, change.to, view.task.rolling.standby);
    // An instance of the version that this rollout has pinned is what was asked for, whatever became of the version.
    if view.group.pinned && version != 0 {
        let ours =
            |id: &InstanceId| live.instances.get(id).and_then(|i| i.version) == Some(version);
        outdated.retain(|id| !ours(id));
        let bad = late::to_be_repaired(view, live);
        outdated.extend(bad.into_iter().filter(ours));
    }
    if view.mode == Mode::Undo
        && view.task.rolling.strategy == Strategy::OnNextLaunch
        && view.task.role != Role::ControlPlane
    {
        outdated.retain(|id| {
            live.instances
                .get(id)
                .is_some_and(|i| i.version == Some(change.from_version))
        });
    }
    outdated
}

/// Whether the version has to come with the group's fields: one of the two asks for Spot in its launch template and the other does
/// not. AWS takes neither a mixed instances policy nor a warm pool on a template that asks for Spot, so with two calls one of them
/// would be refused, whichever came first. Source: Auto Scaling user guide, "Auto Scaling groups with multiple instance types and
/// purchase options", "Warm pools: Limitations".
fn in_one_call(change: &Move<'_>) -> bool {
    let asks_for_spot = |d: &Definition| {
        d.launch_template
            .launch_template_data
            .instance_market_options
            .is_some()
    };
    asks_for_spot(change.from) != asks_for_spot(change.to)
}
