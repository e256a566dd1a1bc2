//! New instances that are past their time to become Ready. Never acts.

use std::collections::BTreeSet;

use crate::model::{Instance, InstanceId, LiveGroup, Timestamp};
use crate::rollout::progress::GroupState;
use crate::rollout::reason::GroupReason;
use crate::rollout::round::{GroupContext, Mode, Readiness, present};

/// Instances that are past their time, where the version they run is proven by others and they are no more than a group loses on any day:
/// they are replaced, and prove nothing against it. Where they are more, or nothing is proven, they count. Never of a control plane.
/// Source: the same threshold as node repair elsewhere, which replaces single nodes and leaves it where many are bad (Karpenter, "Node auto repair").
pub(crate) fn to_be_repaired(view: &GroupContext<'_>, live: &LiveGroup) -> BTreeSet<InstanceId> {
    let bad: BTreeSet<InstanceId> = present(live)
        .filter(|(id, i)| is_late(view, id, i).is_some())
        .map(|(id, _)| id.clone())
        .collect();
    let tolerated = view.task.rolling.tolerance.unavailable_of(live.desired);
    let few = u32::try_from(bad.len()).is_ok_and(|n| n <= tolerated);
    // A canary that was up and died has another try, once: a node dies on any day. One that never was Ready has none.
    let died_once = view.group.canary.lost() == 1 && bad.iter().all(|id| view.group.canary.has(id));
    // On the way back those that were there before it began: what it launches has to work.
    let was_there = |id: &InstanceId| {
        let launched = live.instances.get(id).map(|i| i.launched_at);
        matches!(view.group.state, GroupState::Rolling(since) if launched.is_some_and(|at| at < since))
    };
    let proven = match view.mode {
        Mode::Forward => view.group.canary.is_proven() || died_once,
        Mode::Undo => bad.iter().all(was_there),
        Mode::Cleanup => false,
    };
    if few && proven && !view.task.role.rules().proves_control_plane {
        bad
    } else {
        BTreeSet::new()
    }
}

/// When an instance was drawn from the warm pool, where it may have been for days: its time begins with that.
/// Source: Auto Scaling user guide, "Warm pools", the descriptions of scaling activities.
fn drawn_at(live: &LiveGroup, id: &InstanceId) -> Option<Timestamp> {
    let of_it = |message: &str| message.contains("from warm pool") && message.contains(id.as_str());
    let drawn = live.activities.iter().filter(|a| of_it(&a.message));
    drawn.map(|activity| activity.at).max()
}

/// What an instance lacks that is past its time: from its launch, or from when its node was Ready last.
fn is_late(view: &GroupContext<'_>, id: &InstanceId, instance: &Instance) -> Option<&'static str> {
    let unready = view.nodes.of(id).and_then(|(_, node)| node.unready_since);
    let drawn = view.live.and_then(|live| drawn_at(live, id));
    let since = [unready, drawn]
        .into_iter()
        .flatten()
        .fold(instance.launched_at, Timestamp::max);
    match view.readiness(id, instance) {
        Readiness::NotYet(what) if view.waited(since) > view.task.rolling.ready_timeout => {
            Some(what)
        }
        Readiness::NotYet(_) | Readiness::Ready | Readiness::Aside | Readiness::Unknown(_) => None,
    }
}

/// An instance launched since `since` (and not among `old`) that is past its time to become Ready: why that is a failure.
pub(crate) fn late(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    old: &BTreeSet<InstanceId>,
    since: Timestamp,
) -> Option<GroupReason> {
    present(live)
        .filter(|(id, i)| i.launched_at >= since && !old.contains(*id))
        .find_map(|(id, i)| {
            Some(GroupReason::Late {
                state: is_late(view, id, i)?.to_owned(),
                instance: id.clone(),
                instance_type: i.instance_type.clone(),
                zone: i.zone.clone(),
                after: view.now.since(i.launched_at),
            })
        })
}
