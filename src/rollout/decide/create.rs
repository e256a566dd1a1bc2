//! A group that is made: its template's version, the group, its instances. Never acts.

use std::collections::BTreeSet;

use super::capacity;
use super::late::late;
use crate::model::{CloudEffect, Definition, LiveGroup, Timestamp, UserData};
use crate::rollout::round::{DecisionBuilder, GroupContext, ready_instances};

pub(crate) fn create(
    view: &GroupContext<'_>,
    to: &Definition,
    user_data: &UserData,
    since: Timestamp,
    out: &mut DecisionBuilder<'_>,
) {
    let Some(version) = view.group.version else {
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
    let Some(live) = view.live else {
        return out.wait(
            view,
            "the group was created and is not to be seen yet".into(),
            None,
        );
    };
    if let Some(why) = late(view, live, &BTreeSet::new(), since) {
        return out.failed(view, why);
    }
    let ready = ready_instances(view, live).count();
    let wanted = usize::try_from(live.desired).unwrap_or(usize::MAX);
    if ready < wanted {
        let refused = capacity::refusal(view, live, since)
            .map(|r| format!(": {}", r.text()))
            .unwrap_or_else(|| suspended(live));
        let held = capacity::held_until(view, live, since);
        if held.is_none() && view.waited(since) > view.task.rolling.ready_timeout {
            return out
                .failed(view, format!("{ready} of {wanted} instances are Ready {} after the group was created{refused}", view.now.since(since)));
        }
        return out.wait(
            view,
            format!("{ready} of {wanted} instances Ready{refused}"),
            held,
        );
    }
    out.done(view);
}

/// That nothing launches because the manifest itself says so.
fn suspended(live: &LiveGroup) -> String {
    if live.suspended.contains("Launch") {
        ": its process Launch is suspended, so AWS launches none".into()
    } else {
        String::new()
    }
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
