//! A group that is made: its template's version, the group, its instances. Never acts.

use std::collections::BTreeSet;

use super::late::late;
use super::{by_kops, capacity};
use crate::model::{CloudEffect, Definition, Span, Timestamp, UserData};
use crate::rollout::reason::GroupReason;
use crate::rollout::round::{DecisionBuilder, GroupContext, ready_instances};

pub(crate) fn create(
    view: &GroupContext<'_>,
    to: &Definition,
    user_data: &UserData,
    since: Timestamp,
    out: &mut DecisionBuilder<'_>,
) {
    let by_kops = matches!(user_data, UserData::ByKops { .. });
    let Some(version) = view.group.version else {
        if by_kops {
            return by_kops::make(view, to, out);
        }
        return out.step(view, new_version(view, to, user_data, None));
    };
    if !view.group.updated {
        let desired = to.auto_scaling_group.min_size;
        return out.step(
            view,
            CloudEffect::CreateGroup {
                definition: Box::new(to.clone()),
                version,
                desired,
            },
        );
    }
    // kops has a new group refer to whatever version is the newest.
    if by_kops && !view.group.pinned {
        let pin = CloudEffect::PinVersion {
            group: view.task.asg.clone(),
            from: version,
            to: version,
        };
        return out.step(view, pin);
    }
    let Some(live) = view.live else {
        return out.wait(view, GroupReason::GroupNotSeen, None);
    };
    if let Some(why) = late(view, live, &BTreeSet::new(), since) {
        return out.failed(view, why);
    }
    let ready = ready_instances(view, live).count();
    let wanted = usize::try_from(live.desired).unwrap_or(usize::MAX);
    if ready < wanted {
        let not_ready = |late: Option<Span>| GroupReason::NotReady {
            ready,
            wanted,
            refused: capacity::refusal(view, live, since).map(|r| r.found()),
            launch_suspended: live.suspended.contains("Launch"),
            late,
        };
        let held = capacity::held_until(view, live, since);
        if held.is_none() && view.waited(since) > view.task.rolling.ready_timeout {
            return out.failed(view, not_ready(Some(view.now.since(since))));
        }
        return out.wait(view, not_ready(None), held);
    }
    out.done(view);
}

pub(crate) fn new_version(
    view: &GroupContext<'_>,
    to: &Definition,
    user_data: &UserData,
    carry: Option<u64>,
) -> CloudEffect {
    CloudEffect::CreateTemplateVersion {
        template: view.task.asg.clone(),
        data: Box::new(to.launch_template.launch_template_data.clone()),
        user_data: user_data.clone(),
        carry,
        token: format!("{}/{}", view.rollout.id, view.task.asg),
    }
}
