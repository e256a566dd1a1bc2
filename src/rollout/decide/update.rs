//! A group that is changed: new version, its own fields, the pin, then its instances. Never acts.

use std::collections::BTreeSet;

use super::create::new_version;
use super::{refresh, replace};
use crate::fleet::Strategy;
use crate::kops::Role;
use crate::model::{CloudEffect, Definition, InstanceId, LiveGroup, VersionChange};
use crate::rollout::round::{Budget, DecisionBuilder, GroupContext, Mode, outdated};
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
        return out.stuck(
            view,
            "the group is gone".into(),
            "find out who deleted it; revert the change in git and roll out again to bring it back",
        );
    };
    if view.group.lending && view.mode == Mode::Forward {
        return replace::replace(view, live, BTreeSet::new(), budget, out);
    }
    let uses_refresh = refresh::is_used(view) && change.replace;
    if uses_refresh
        && view.mode == Mode::Undo
        && refresh::taken_back(view, live, change.from_version, out)
    {
        return;
    }
    let version = match (change.version, view.group.version) {
        (VersionSource::Existing(n), _) => *n,
        (VersionSource::New(_), Some(n)) => n,
        (VersionSource::New(user_data), None) => {
            return out.step(view, new_version(view, change.to, user_data));
        }
    };
    if version == 0 && refilled(view, live, out) {
        return;
    }
    if !view.group.updated && differs(change.from, change.to) {
        let together = in_one_call(change) && version != 0 && version != change.from_version;
        return out.step(
            view,
            CloudEffect::UpdateGroup {
                from: Box::new(change.from.clone()),
                to: Box::new(change.to.clone()),
                version: together.then_some(VersionChange {
                    from: change.from_version,
                    to: version,
                }),
            },
        );
    }
    let outdated = if change.replace {
        to_be_replaced(view, live, change)
    } else {
        BTreeSet::new()
    };
    // A refresh brings the version with it; where it has nothing to replace, the group is pinned like any other.
    if uses_refresh
        && version != 0
        && !view.group.has_outstanding()
        && (view.group.refresh.is_some() || !outdated.is_empty())
    {
        return refresh::turn(view, live, change.from_version, version, &outdated, out);
    }
    // Version 0 stands for "leave it": the way back of a retired group, which never moved to another one.
    if !view.group.pinned && version != 0 {
        return out.step(
            view,
            CloudEffect::PinVersion {
                group: view.task.asg.clone(),
                from: change.from_version,
                to: version,
            },
        );
    }
    if !change.replace && !view.group.has_outstanding() {
        return out.done(view);
    }
    replace::replace(view, live, outdated, budget, out);
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
            },
        );
    }
    back > live.desired
}

/// Instances that have to be replaced. Where nothing is replaced on the way forward, only those go back that came anew meanwhile.
fn to_be_replaced(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    change: &Move<'_>,
) -> BTreeSet<InstanceId> {
    let mut outdated = outdated(live, change.to, view.task.rolling.standby);
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

/// Whether the group's own fields differ, its template's data aside.
pub(crate) fn differs(from: &Definition, to: &Definition) -> bool {
    from.auto_scaling_group != to.auto_scaling_group || from.lifecycle_hooks != to.lifecycle_hooks
}
