//! New instances that are past their time to become Ready. Never acts.

use std::collections::BTreeSet;

use crate::model::{InstanceId, LiveGroup, Timestamp};
use crate::rollout::round::{GroupContext, Readiness, present};

/// An instance launched since `since` (and not among `old`) that is past its time to become Ready: why that is a failure.
pub(crate) fn late(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    old: &BTreeSet<InstanceId>,
    since: Timestamp,
) -> Option<String> {
    let patience = view.task.rolling.ready_timeout;
    present(live)
        .filter(|(id, i)| i.launched_at >= since && !old.contains(*id))
        .find_map(|(id, i)| match view.readiness(id, i) {
            Readiness::NotYet(what) if view.waited(i.launched_at) > patience => Some(format!(
                "{id} ({}, {}) {what} {} after launch",
                i.instance_type,
                i.zone,
                view.now.since(i.launched_at)
            )),
            Readiness::NotYet(_) | Readiness::Ready | Readiness::Aside | Readiness::Unknown(_) => {
                None
            }
        })
}
