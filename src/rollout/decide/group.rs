//! One group's next move: what stands in its way, then create, update or retire. Looks at live state, never acts.

use super::again::open_steps;
use super::conflict::blocked_by_conflict;
use super::create::create;
use super::retire::retire;
use super::update::{Move, update};
use super::{by_kops, capacity, replace};
use crate::rollout::event::{Event, GroupEvent};
use crate::rollout::progress::GroupState;
use crate::rollout::round::{
    Budget, DecisionBuilder, GroupContext, Mode, by_zone, outdated, present,
};
use crate::rollout::schedule::Task;

/// Adds this group's next move to `out`.
pub(crate) fn turn(view: &GroupContext<'_>, budget: &mut Budget, out: &mut DecisionBuilder<'_>) {
    if blocked_by_conflict(view, out) || open_steps(view, out) || capacity::noted(view, out) {
        return;
    }
    match (view.group.state, view.mode) {
        (GroupState::Done, _) => {}
        (GroupState::Waiting | GroupState::Rolling(_), Mode::Cleanup) => {
            replace::clean_up(view, budget, out)
        }
        (GroupState::Waiting, Mode::Forward | Mode::Undo) => start(view, out),
        (GroupState::Rolling(_), Mode::Forward | Mode::Undo)
            if by_kops::is_publishing(view, out) => {}
        (GroupState::Rolling(since), Mode::Forward | Mode::Undo) => match &view.task.task {
            Task::Create { to, user_data } => create(view, to, user_data, since, out),
            Task::Update {
                from,
                to,
                from_version,
                version,
                replace,
            } => {
                update(
                    view,
                    &Move {
                        from,
                        to,
                        from_version: *from_version,
                        version,
                        replace: *replace,
                    },
                    budget,
                    out,
                );
            }
            Task::Retire { from } => retire(view, from, view.mode == Mode::Undo, budget, out),
        },
    }
}

fn start(view: &GroupContext<'_>, out: &mut DecisionBuilder<'_>) {
    let instances = match &view.task.task {
        Task::Create { .. } => 0,
        // What kops makes of it is in no version yet.
        Task::Update { replace: true, .. } if by_kops::is_made(view.task) => {
            view.live.map_or(0, |live| present(live).count())
        }
        Task::Update {
            to, replace: true, ..
        } => view.live.map_or(0, |live| {
            outdated(live, to, view.task.rolling.standby).len()
        }),
        Task::Update { replace: false, .. } => 0,
        Task::Retire { .. } => view.live.map_or(0, |live| present(live).count()),
    };
    let zones = view.live.map(by_zone).unwrap_or_default();
    out.records.push(Event::Group(
        view.cluster.clone(),
        view.task.asg.clone(),
        GroupEvent::Started {
            instances: u32::try_from(instances).unwrap_or(u32::MAX),
            zones,
        },
    ));
}
