//! A step without an answer of a direction that the rollout has left: it is looked at, closed where it did not happen, booked where it did (so
//! that it can be undone), and repeated only where it gives something back. Never acts.

use super::node_steps::standing_of_node;
use std::collections::BTreeSet;

use super::standing::{SETTLED, Standing};
use crate::model::{
    Applied, AutoScalingGroup, CloudEffect, Effect, InstanceId, Lifecycle, LiveGroup, ZonalLaunch,
};
use crate::rollout::event::StepResult;
use crate::rollout::progress::Intent;
use crate::rollout::reason::Reason;
use crate::rollout::round::{GroupContext, Mode, present};
use crate::rollout::schedule::{Task, VersionSource};

/// What becomes of it.
pub(crate) fn settle(view: &GroupContext<'_>, intent: &Intent) -> Standing {
    match &intent.effect {
        Effect::Cloud(effect) => cloud(view, intent, effect),
        Effect::Node(effect) => standing_of_node(view, intent, effect),
        // Whether it got through or not, the way back has kops at work once more.
        Effect::Kops(_) => Standing::GivenUp(Reason::NotNeeded),
    }
}

fn cloud(view: &GroupContext<'_>, intent: &Intent, effect: &CloudEffect) -> Standing {
    let seen = |happened: &dyn Fn(&LiveGroup) -> bool| match view.live {
        Some(live) if happened(live) => Standing::Happened,
        Some(_) | None => closed(view, intent),
    };
    match effect {
        CloudEffect::SetDesired { from, to, .. } if to < from => fewer(view, intent, *to),
        CloudEffect::Protect { protect: false, .. }
        | CloudEffect::Resume { .. }
        | CloudEffect::CancelRefresh { .. }
        | CloudEffect::RollbackRefresh { .. } => Standing::Repeat,
        // Nothing refers to a version that nothing was pinned to, and old ones that are still there do no harm.
        CloudEffect::CreateTemplateVersion { .. } | CloudEffect::PruneVersions { .. } => {
            Standing::GivenUp(Reason::NotNeeded)
        }
        CloudEffect::CreateGroup { .. } => seen(&|_| true),
        CloudEffect::DeleteGroup { .. } if view.live.is_none() => Standing::Happened,
        CloudEffect::DeleteGroup { .. } => closed(view, intent),
        CloudEffect::UpdateGroup { to, .. } => {
            seen(&|live| is_same(&live.group, &to.auto_scaling_group))
        }
        CloudEffect::PinVersion { to, .. } => seen(&|live| live.version.number() == *to),
        // Desired capacity says nothing about it: others move it, and launches of the same round may have been refused. Nor may it be
        // asked for again.
        CloudEffect::SetDesired {
            from,
            to,
            launch: Some(launch),
            ..
        } => zonal(view, intent, launch, to.saturating_sub(*from)),
        // More than asked for: an autoscaler has added to it, or it was there without us. Booked, it is released by draining.
        CloudEffect::SetDesired { to, .. } => seen(&|live| live.desired >= *to),
        CloudEffect::Suspend { processes, .. } => {
            seen(&|live| processes.is_subset(&live.suspended))
        }
        CloudEffect::Detach { instance, .. } => {
            seen(&|live| lifecycle(live, instance) == Some(Lifecycle::Detached))
        }
        CloudEffect::Protect { instances, .. } => seen(&|live| {
            let protected = |id: &InstanceId| live.instances.get(id).is_some_and(|i| i.protected);
            instances.iter().any(protected)
        }),
        CloudEffect::StartRefresh { version, .. } => seen(&|live| {
            let ours = |r: &crate::model::Refresh| r.version == Some(*version);
            live.refresh.as_ref().is_some_and(ours)
        }),
        // What runs may be just what is to stay now.
        CloudEffect::Terminate { instance, .. } => {
            match view.live.and_then(|live| lifecycle(live, instance)) {
                None | Some(Lifecycle::Terminating) => Standing::Repeat,
                Some(
                    Lifecycle::Pending
                    | Lifecycle::InService
                    | Lifecycle::Standby
                    | Lifecycle::Warmed
                    | Lifecycle::Detached,
                ) => closed(view, intent),
            }
        }
    }
}

/// Less desired capacity is asked for again only while it ends nothing: an instance may have come since that is not drained.
pub(super) fn fewer(view: &GroupContext<'_>, intent: &Intent, to: u32) -> Standing {
    let there = |live: &LiveGroup| {
        present(live)
            .filter(|(_, i)| i.lifecycle.rules().is_capacity)
            .count()
    };
    match view.live {
        Some(live)
            if live.desired > to && there(live) > usize::try_from(to).unwrap_or(usize::MAX) =>
        {
            closed(view, intent)
        }
        Some(_) | None => Standing::Repeat,
    }
}

/// What the group launched from when this step was asked for. The task of a way back is the other way round, and so is what it comes from.
fn launched_from(view: &GroupContext<'_>, intent: &Intent) -> Option<u64> {
    let Task::Update {
        version,
        from_version,
        ..
    } = &view.task.task
    else {
        return None;
    };
    match version {
        VersionSource::Existing(_) if intent.stale && view.mode == Mode::Undo => {
            Some(*from_version)
        }
        VersionSource::Existing(n) => Some(*n),
        VersionSource::New(_) => view.group.version,
    }
}

/// A launch by zone without an answer has happened as far as the zone has instances of the pinned version that no answer has brought.
fn zonal(view: &GroupContext<'_>, intent: &Intent, launch: &ZonalLaunch, asked: u32) -> Standing {
    let (Some(live), Some(since)) = (view.live, view.group.placement.since) else {
        return closed(view, intent);
    };
    let version = launched_from(view, intent);
    let new = present(live).filter(|(id, i)| {
        i.zone == launch.zone
            && i.launched_at >= since
            && i.version == version
            && !view.group.placement.launched.contains(*id)
    });
    let asked = usize::try_from(asked).unwrap_or(usize::MAX);
    let instances: BTreeSet<InstanceId> = new.take(asked).map(|(id, _)| id.clone()).collect();
    if instances.is_empty() {
        return closed(view, intent);
    }
    Standing::Closed(StepResult::Applied(Applied::Launched {
        instances,
        refused: None,
    }))
}

/// It did not happen as far as can be seen; its last try may still be under way.
fn closed(view: &GroupContext<'_>, intent: &Intent) -> Standing {
    let until = intent.asked_at + SETTLED;
    if view.now < until {
        return Standing::Wait(Reason::OtherDirection, Some(until));
    }
    let after = view.now.since(intent.asked_at);
    Standing::GivenUp(Reason::NotHappened { after })
}

fn lifecycle(live: &LiveGroup, instance: &InstanceId) -> Option<Lifecycle> {
    live.instances.get(instance).map(|i| i.lifecycle)
}

/// The same fields; which processes are suspended is a matter of its own.
fn is_same(found: &AutoScalingGroup, wanted: &AutoScalingGroup) -> bool {
    let mut wanted = wanted.clone().canonical();
    wanted
        .suspended_processes
        .clone_from(&found.suspended_processes);
    *found == wanted
}
