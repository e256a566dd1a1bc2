//! A canary: it comes up, it bakes, gates are asked about it, and it has to stay alive meanwhile. How large it is is not asked here.

use std::collections::BTreeSet;

use super::gate;
use super::gate::{Asked, GateOutcome};
use crate::model::{InstanceId, LiveGroup, Timestamp};
use crate::rollout::event::{Event, GroupEvent, Scope};
use crate::rollout::reason::GroupReason;
use crate::rollout::round::{DecisionBuilder, GroupContext, present};

/// A canary whose instances go this often while it bakes is a failure.
const MAX_LOST: u32 = 3;

/// Enough of what is new in the group works: all but `outdated` is new.
pub(crate) fn up(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    outdated: &BTreeSet<InstanceId>,
    out: &mut DecisionBuilder<'_>,
) {
    let instances = present(live)
        .filter(|(_, i)| i.lifecycle.rules().is_awaited)
        .map(|(id, _)| id)
        .filter(|id| !outdated.contains(*id))
        .cloned()
        .collect();
    out.records.push(Event::Group(
        view.cluster.clone(),
        view.task.asg.clone(),
        GroupEvent::CanaryUp { instances },
    ));
}

/// How many of the canary are among those that work.
pub(crate) fn at_work<'i>(
    view: &GroupContext<'_>,
    works: impl Iterator<Item = &'i InstanceId>,
) -> usize {
    works.filter(|id| view.group.canary.has(id)).count()
}

/// Up since `since`: gates that want several samples are asked all through the bake, every gate at its end. `rolling`:
/// since when its group is being changed.
pub(crate) fn bakes(
    view: &GroupContext<'_>,
    rolling: Timestamp,
    since: Timestamp,
    out: &mut DecisionBuilder<'_>,
) {
    let baked = since + view.task.rolling.bake;
    let asked = question(view, rolling, baked);
    if view.now < baked {
        if let Some(why) = gate::sampling(&asked, out) {
            return out.failed(view, why);
        }
        return out.wait(view, GroupReason::CanaryBakes, Some(baked));
    }
    match gate::judge_all(&asked, out) {
        GateOutcome::Pass(evidence) => {
            out.records.push(Event::Group(
                view.cluster.clone(),
                view.task.asg.clone(),
                GroupEvent::CanaryProven { evidence },
            ));
        }
        GateOutcome::Wait(why, until) => out.wait(view, why, Some(until)),
        GateOutcome::Fail(why) => out.failed(view, why),
    }
}

/// What the gates are asked about a canary.
fn question<'a>(view: &'a GroupContext<'_>, rolling: Timestamp, baked: Timestamp) -> Asked<'a> {
    view.asked(
        Scope::Canary(view.task.asg.clone()),
        vec![&view.task.asg],
        rolling,
        baked,
    )
}

/// Fewer of them work than began to bake.
pub(crate) fn lost(
    view: &GroupContext<'_>,
    baking: usize,
    wanted: usize,
    out: &mut DecisionBuilder<'_>,
) {
    if view.group.canary.lost() >= MAX_LOST {
        let why = GroupReason::CanaryLostAgain {
            working: baking,
            wanted,
            times: MAX_LOST + 1,
        };
        return out.failed(view, why);
    }
    out.records.push(Event::Group(
        view.cluster.clone(),
        view.task.asg.clone(),
        GroupEvent::CanaryLost {
            why: GroupReason::CanaryLost {
                working: baking,
                wanted,
            }
            .into(),
        },
    ));
}
