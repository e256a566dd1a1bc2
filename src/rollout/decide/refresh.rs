//! Strategy `instance-refresh`: AWS replaces the instances, we start it with a pinned version, watch it, ask the gates while it
//! pauses behind the canary, and take it back. Never acts.
//!
//! The bounds come from the policy of the group: `max_unavailable` and `max_surge` as percentages of its size, `canary` as
//! the first checkpoint, `ready_timeout` and `bake` as its pause. AWS goes on by itself when that pause is over, never sooner:
//! a gate that has not passed by then fails the group. AWS drains no node: a fleet that wants that runs aws-node-termination-handler or a lifecycle hook.

use std::collections::BTreeSet;

use super::late::late;
use super::replace::keep;
use super::{canary, capacity};
use crate::fleet::{Rolling, Strategy};
use crate::kops::Role;
use crate::model::{
    CloudEffect, InstanceId, LiveGroup, Refresh, RefreshPreferences, RefreshStatus, Span,
};
use crate::rollout::event::{Event, GroupEvent};
use crate::rollout::progress::GroupState;
use crate::rollout::reason::{GroupReason, RefreshAt, RefreshDoes, VersionReason};
use crate::rollout::round::{DecisionBuilder, GroupContext, Mode, Readiness, present};

/// AWS is given this much longer than the bake before it goes on behind the checkpoint.
const MARGIN: Span = Span::from_secs(120);

/// The longest pause AWS knows. Source: Auto Scaling API, RefreshPreferences.
const LONGEST_PAUSE: Span = Span::from_secs(172_800);

/// Whether AWS replaces the instances of this group. One of the control plane is always replaced by us: AWS knows nothing of etcd.
pub(crate) fn is_used(view: &GroupContext<'_>) -> bool {
    view.task.rolling.strategy == Strategy::InstanceRefresh && view.task.role != Role::ControlPlane
}

/// An active refresh of ours on its way to `version`, of the way that is given up now: it is taken back by AWS itself, and
/// nothing else can be done to the group before. Whether there was one.
///
/// Where kops has brought the group to other documents, the version that AWS would take it back to does not boot before kops has brought it back:
/// the refresh ends where it is, and what it has launched goes by another one.
pub(crate) fn taken_back(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    version: u64,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let active = live.refresh.as_ref().filter(|r| r.status.is_active());
    let Some(refresh) = active.filter(|r| r.version == Some(version)) else {
        return false;
    };
    match refresh.status {
        RefreshStatus::Pending | RefreshStatus::InProgress | RefreshStatus::Baking => {
            let group = view.task.asg.clone();
            let effect = if view.group.kops_asked {
                CloudEffect::CancelRefresh { group }
            } else {
                CloudEffect::RollbackRefresh { group }
            };
            out.step(view, effect);
        }
        RefreshStatus::RollbackInProgress | RefreshStatus::Cancelling => {
            watched(view, refresh, RefreshDoes::TakesBack, out)
        }
        RefreshStatus::Successful
        | RefreshStatus::Failed
        | RefreshStatus::Cancelled
        | RefreshStatus::RollbackFailed
        | RefreshStatus::RollbackSuccessful => return false,
    }
    true
}

/// On the way to a stop an active refresh of ours is cancelled. Whether there is one.
pub(crate) fn cancelled(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let Some(refresh) = live
        .refresh
        .as_ref()
        .filter(|r| is_used(view) && r.status.is_active())
    else {
        return false;
    };
    match refresh.status {
        RefreshStatus::Cancelling | RefreshStatus::RollbackInProgress => {
            out.wait(view, at(refresh, RefreshDoes::IsCancelled), None)
        }
        RefreshStatus::Pending
        | RefreshStatus::InProgress
        | RefreshStatus::Baking
        | RefreshStatus::Successful
        | RefreshStatus::Failed
        | RefreshStatus::Cancelled
        | RefreshStatus::RollbackFailed
        | RefreshStatus::RollbackSuccessful => {
            let group = view.task.asg.clone();
            out.step(view, CloudEffect::CancelRefresh { group });
        }
    }
    true
}

/// The next move towards `version`: from `from`, with these instances left that run something else. Whether AWS has replaced them all, and the
/// canary is proven: what is left then is ours.
pub(crate) fn turn(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    from: u64,
    version: u64,
    outdated: &BTreeSet<InstanceId>,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let started = view.group.refresh.is_some();
    let refresh = live
        .refresh
        .as_ref()
        .filter(|r| r.version == Some(version) && started);
    let Some(refresh) = refresh else {
        if started {
            out.wait(view, VersionReason::RefreshNotSeen, None);
            return false;
        }
        let preferences = preferences(view, live);
        out.step(
            view,
            CloudEffect::StartRefresh {
                group: view.task.asg.clone(),
                from,
                version,
                preferences,
            },
        );
        return false;
    };
    let GroupState::Rolling(since) = view.group.state else {
        return false;
    };
    // To the autoscaler what is new looks idle, whether the rollout or others launched it.
    let baking = is_proof_needed(view, live);
    if !outdated.is_empty() || baking {
        keep(view, live, outdated, out);
    }
    if let Some(why) = late(view, live, outdated, since) {
        out.failed(view, why);
        return false;
    }
    let unready = present(live)
        .filter(|(id, i)| view.readiness(id, i).is_coming())
        .count();
    match refresh.status {
        RefreshStatus::Pending | RefreshStatus::InProgress | RefreshStatus::Baking => {
            bakes(view, live, outdated, out);
            watched(view, refresh, RefreshDoes::Replaces, out);
        }
        RefreshStatus::Successful if live.version.number() != version => {
            let version = live.version.number();
            out.wait(view, VersionReason::RefreshUnpinned { version }, None);
        }
        RefreshStatus::Successful if unready > 0 => {
            out.wait(view, GroupReason::Coming { instances: unready }, None)
        }
        RefreshStatus::Successful if outdated.is_empty() && bakes(view, live, outdated, out) => {
            return true;
        }
        RefreshStatus::Successful => watched(view, refresh, RefreshDoes::HasReplaced, out),
        RefreshStatus::Failed
        | RefreshStatus::Cancelling
        | RefreshStatus::Cancelled
        | RefreshStatus::RollbackInProgress
        | RefreshStatus::RollbackFailed
        | RefreshStatus::RollbackSuccessful => {
            out.failed(view, at(refresh, RefreshDoes::CameToNothing));
        }
    }
    false
}

/// The canary behind the first checkpoint. Whether it is proven.
fn bakes(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    outdated: &BTreeSet<InstanceId>,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let wanted = usize::try_from(canary_of(view, live)).unwrap_or(usize::MAX);
    let (group, GroupState::Rolling(rolling)) = (view.group, view.group.state) else {
        return true;
    };
    if !is_proof_needed(view, live) {
        return true;
    }
    let ready = |(id, i): &(&InstanceId, &crate::model::Instance)| {
        !outdated.contains(*id) && view.readiness(id, i) == Readiness::Ready
    };
    let new: Vec<&InstanceId> = present(live).filter(ready).map(|(id, _)| id).collect();
    match group.canary.baking_since() {
        None if new.len() >= wanted => canary::up(view, live, outdated, out),
        None => {}
        // Beyond the pause AWS is at work on the rest, proven or not.
        Some(since) if view.now > since + view.task.rolling.bake + MARGIN => {
            let after = view.now.since(since);
            out.failed(view, GroupReason::CanaryNotProven { after });
        }
        Some(since) => match canary::at_work(view, new.into_iter()) {
            baking if baking < wanted => canary::lost(view, baking, wanted, out),
            _ => canary::bakes(view, rolling, since, out),
        },
    }
    false
}

fn watched(
    view: &GroupContext<'_>,
    refresh: &Refresh,
    does: RefreshDoes,
    out: &mut DecisionBuilder<'_>,
) {
    let seen = view.group.refresh.as_ref().map(|seen| seen.percentage);
    if let (Some(before), Some(percentage)) = (seen, refresh.percentage)
        && before != Some(percentage)
    {
        let (cluster, group) = (view.cluster.clone(), view.task.asg.clone());
        out.records.push(Event::Group(
            cluster,
            group,
            GroupEvent::Refreshed { percentage },
        ));
    }
    // AWS gives up by itself when it gets no further: until then the patience is its own.
    out.wait(view, at(refresh, does), Some(view.now + capacity::AGAIN));
}

fn at(refresh: &Refresh, does: RefreshDoes) -> VersionReason {
    let refresh = RefreshAt {
        id: refresh.id.to_string(),
        percentage: refresh.percentage,
        does,
        words: refresh.reason.clone(),
    };
    VersionReason::Refresh { refresh }
}

/// On the way back AWS does not pause behind a canary: what the group ran before is proven.
fn is_proof_needed(view: &GroupContext<'_>, live: &LiveGroup) -> bool {
    view.mode == Mode::Forward && canary_of(view, live) > 0 && !view.group.canary.is_proven()
}

fn canary_of(view: &GroupContext<'_>, live: &LiveGroup) -> u32 {
    view.task.rolling.canary.min(live.desired)
}

/// How AWS is to go about it: our own bounds, in its words.
fn preferences(view: &GroupContext<'_>, live: &LiveGroup) -> RefreshPreferences {
    let rolling = &view.task.rolling;
    let size = live.desired.max(1);
    let share = |n: u32| n.saturating_mul(100) / size;
    let missing = share(rolling.max_unavailable.unavailable_of(size).min(size));
    let min_healthy_percent = 100_u32.saturating_sub(missing);
    let max_healthy_percent = most_healthy(rolling, size, missing);
    let canary = canary_of(view, live);
    let first = canary.saturating_mul(100).div_ceil(size);
    let pauses = canary > 0 && first < 100 && view.mode == Mode::Forward;
    // A new instance is in service before its node is Ready: the bake begins only then.
    let delay = pause_of(rolling);
    RefreshPreferences {
        min_healthy_percent,
        max_healthy_percent,
        warmup: Span::from_secs(60),
        checkpoints: if pauses {
            BTreeSet::from([first, 100])
        } else {
            BTreeSet::new()
        },
        checkpoint_delay: delay.min(LONGEST_PAUSE),
        skip_matching: true,
    }
}

/// A new instance is in service before its node is Ready: the bake begins only then.
fn pause_of(rolling: &Rolling) -> Span {
    let delay = [rolling.ready_timeout, rolling.bake, MARGIN, MARGIN]
        .iter()
        .fold(0_i64, |sum, span| sum.saturating_add(span.millis()));
    Span::from_millis(delay)
}

/// How large the group may be meanwhile, in percent of its size.
fn most_healthy(rolling: &Rolling, size: u32, missing: u32) -> u32 {
    let surge = rolling
        .max_surge
        .surge_of(size)
        .min(size)
        .min(rolling.cluster_surge);

    100 + surge
        .saturating_mul(100)
        .div_ceil(size)
        .min(100 - missing.min(100))
}
