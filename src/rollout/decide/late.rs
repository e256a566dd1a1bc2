//! New instances that are past their time to become Ready. Never acts.

use std::collections::BTreeSet;

use crate::model::{Instance, InstanceId, LiveGroup, Timestamp};
use crate::rollout::reason::GroupReason;
use crate::rollout::round::{GroupContext, Mode, Readiness, present};

/// New instances that are past their time, where the version they run is proven by others and they are no more than a group loses on any day:
/// they are replaced, and prove nothing against it. Where they are more, or nothing is proven, they count. Never of a control plane.
/// Source: the same threshold as node repair elsewhere, which replaces single nodes and leaves it where many are bad (Karpenter, "Node auto repair").
pub(crate) fn to_be_repaired(view: &GroupContext<'_>, live: &LiveGroup) -> BTreeSet<InstanceId> {
    let bad: BTreeSet<InstanceId> = present(live)
        .filter(|(id, i)| is_late(view, id, i).is_some())
        .map(|(id, _)| id.clone())
        .collect();
    let tolerated = view.task.rolling.tolerance.unavailable_of(live.desired);
    let few = u32::try_from(bad.len()).is_ok_and(|n| n <= tolerated);
    let proven = view.group.canary_proven && view.mode == Mode::Forward;
    if few && proven && !view.task.role.rules().proves_control_plane {
        bad
    } else {
        BTreeSet::new()
    }
}

/// What an instance lacks that is past its time: from its launch, or from when its node was Ready last.
fn is_late(view: &GroupContext<'_>, id: &InstanceId, instance: &Instance) -> Option<&'static str> {
    let unready = view.nodes.of(id).and_then(|(_, node)| node.unready_since);
    let since = unready.map_or(instance.launched_at, |at| at.max(instance.launched_at));
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
